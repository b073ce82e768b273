//! Following the output of an operation: the file first, then the pieces, without a gap or a repeat.

use std::io;

use llmctl_proto::event::{Envelope, Event, ExecutionOutput, Stream};
use llmctl_proto::ids::{Cursor, OperationId};
use llmctl_proto::opdir::OperationDir;
use llmctl_proto::paths::Paths;
use llmctl_proto::time::UnixMs;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::files::{read_at, whole_characters};
use crate::hub::{Frame, OutputSpan};

/// One piece read from the file.
const PIECE: u64 = 16 * 1024;
/// How far back a follower may begin; further back is read over REST by range.
const BACK: u64 = 8 * 1024 * 1024;
/// What `tail` means.
const TAIL: u64 = 64 * 1024;

/// Where a follower wants to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    Offset(u64),
    Tail,
}

/// One followed stream of one operation.
#[derive(Debug)]
pub(super) struct Follow {
    pub(super) operation_id: OperationId,
    pub(super) stream: Stream,
    dir: OperationDir,
    /// The next byte to be sent.
    next: u64,
}

/// What a frame leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing: it is of something else, or was sent already.
    Skip,
    /// It is what comes next, and is passed on.
    Pass,
    /// The file has to be read up to here, this piece included.
    Read(Until),
    /// The operation has ended: the file has everything, whatever got lost on the way.
    Finish,
}

/// How far the file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// To this byte, where a live piece ends.
    Offset(u64),
    /// To this byte, which may be within a character: the rest of it is still to be written.
    Recorded(u64),
    /// To the end for good.
    Ended,
}

impl Follow {
    /// Begins; tells from which byte.
    pub(super) async fn begin(
        paths: &Paths,
        operation_id: OperationId,
        stream: Stream,
        from: From,
    ) -> io::Result<Self> {
        let dir = OperationDir::of(paths, &operation_id);
        let mut follow = Self { operation_id, stream, dir, next: 0 };
        let size = follow.size().await?;
        follow.next = match from {
            From::Offset(offset) => offset.clamp(size.saturating_sub(BACK), size),
            From::Tail => follow.character_at(size.saturating_sub(TAIL)).await?,
        };
        Ok(follow)
    }

    /// The byte the next piece begins with.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Bytes recorded so far.
    pub(super) async fn size(&self) -> io::Result<u64> {
        Ok(read_at(self.dir.stream(self.stream), 0, 0).await?.1)
    }

    /// The first character's beginning from `offset` on.
    async fn character_at(&self, offset: u64) -> io::Result<u64> {
        if offset == 0 {
            return Ok(0);
        }
        let (bytes, _) = read_at(self.dir.stream(self.stream), offset, 3).await?;
        Ok(offset + bytes.iter().take_while(|byte| (0x80..0xc0).contains(*byte)).count() as u64)
    }

    /// What a frame of the stream leads to.
    pub(super) fn on_frame(&mut self, frame: &Frame) -> Step {
        if frame.operation_id.as_deref() != Some(&self.operation_id) {
            return Step::Skip;
        }
        match frame.output {
            Some(span) if span.stream == self.stream => self.on_piece(span),
            None if is_end(&frame.type_name) => Step::Finish,
            Some(_) | None => Step::Skip,
        }
    }

    fn on_piece(&mut self, span: OutputSpan) -> Step {
        let end = span.offset.saturating_add(span.bytes);
        if end <= self.next {
            Step::Skip
        } else if span.offset == self.next {
            self.next = end;
            Step::Pass
        } else {
            Step::Read(Until::Offset(end))
        }
    }

    /// The next piece of the file as an event, of at most 16 KiB; none when there is no more of it.
    pub(super) async fn piece(&mut self, until: Until, cursor: &Cursor) -> Option<Utf8Bytes> {
        let left = match until {
            Until::Offset(end) | Until::Recorded(end) => end.saturating_sub(self.next),
            Until::Ended => u64::MAX,
        };
        let want = left.min(PIECE);
        let (bytes, size) = read_at(self.dir.stream(self.stream), self.next, want as usize).await.ok()?;
        let reached = self.next + bytes.len() as u64;
        // Pieces end with a character, unless nothing of it will ever follow in another piece.
        let take = match until {
            Until::Offset(end) if reached >= end => bytes.len(),
            Until::Ended if reached >= size => bytes.len(),
            _ => whole_characters(&bytes),
        };
        if take == 0 {
            return None;
        }
        let event: Event = ExecutionOutput {
            operation_id: self.operation_id.clone(),
            stream: self.stream,
            offset: self.next,
            text: String::from_utf8_lossy(&bytes[..take]).into_owned(),
            bytes: take as u64,
        }
        .into();
        self.next += take as u64;
        Some(Envelope { cursor: *cursor, at: UnixMs::now(), event }.to_json().into())
    }
}

fn is_end(type_name: &str) -> bool {
    matches!(type_name, "execution.complete" | "execution.error" | "execution.stopped" | "execution.lost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_meet_the_file() {
        let root = tempfile::tempdir().expect("tempdir");
        let at = |name: &str| root.path().join(name);
        let paths = Paths { state: at("s"), runtime: at("r"), config: at("c"), socket: at("x") };
        let id = OperationId::new();
        let mut follow =
            Follow { dir: OperationDir::of(&paths, &id), operation_id: id, stream: Stream::Stdout, next: 10 };
        let mut step = |offset, bytes| follow.on_piece(OutputSpan { stream: Stream::Stdout, offset, bytes });
        assert_eq!(step(0, 10), Step::Skip);
        assert_eq!(step(8, 5), Step::Read(Until::Offset(13)));
        assert_eq!(step(20, 5), Step::Read(Until::Offset(25)));
        assert_eq!(step(10, 5), Step::Pass);
        assert_eq!(step(10, 5), Step::Skip, "twice");
        assert_eq!(step(15, 5), Step::Pass);
    }

    #[tokio::test]
    async fn the_tail_begins_with_a_character_and_the_end_is_whole() {
        let root = tempfile::tempdir().expect("tempdir");
        let at = |name: &str| root.path().join(name);
        let paths = Paths { state: at("s"), runtime: at("r"), config: at("c"), socket: at("x") };
        let id = OperationId::new();
        let dir = OperationDir::of(&paths, &id);
        std::fs::create_dir_all(dir.root()).expect("made");
        // Two bytes a character from an odd byte on, and half a one at the end.
        let mut content = format!("x{}", "é".repeat(TAIL as usize)).into_bytes();
        content.push(0xc3);
        let size = content.len() as u64;
        std::fs::write(dir.stream(Stream::Stdout), &content).expect("written");
        let mut follow = Follow::begin(&paths, id, Stream::Stdout, From::Tail).await.expect("begun");
        assert!(follow.next() % 2 == 1 && size - follow.next() <= TAIL, "{}", follow.next());
        let cursor = "00000001-1".parse().expect("cursor");
        let (mut text, first) = (String::new(), follow.next());
        for until in [Until::Recorded(size), Until::Ended] {
            while let Some(json) = follow.piece(until, &cursor).await {
                let Ok(Event::ExecutionOutput(piece)) = Envelope::from_json(&json).map(|e| e.event) else {
                    panic!("output")
                };
                text.push_str(&piece.text);
            }
            let whole = size - u64::from(until != Until::Ended);
            assert_eq!(follow.next(), whole, "half a character is only sent when nothing follows");
        }
        assert_eq!(text, format!("{}\u{fffd}", "é".repeat(((size - 1 - first) / 2) as usize)));
    }
}
