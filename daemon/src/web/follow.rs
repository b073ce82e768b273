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
const PIECE: usize = 16 * 1024;
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

/// What to do with a live piece.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// It was sent already.
    Skip,
    /// It is what comes next.
    Pass,
    /// The file has to be read up to here, this piece included.
    ReadTo(u64),
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
        let (_, size) = read_at(dir.stream(stream), 0, 0).await?;
        let next = match from {
            From::Offset(offset) => offset.clamp(size.saturating_sub(BACK), size),
            From::Tail => size.saturating_sub(TAIL),
        };
        Ok(Self { operation_id, stream, dir, next })
    }

    /// The byte the next piece begins with.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    fn step(&self, span: OutputSpan) -> Step {
        let end = span.offset + span.bytes;
        if end <= self.next {
            Step::Skip
        } else if span.offset == self.next {
            Step::Pass
        } else {
            Step::ReadTo(end)
        }
    }

    /// The frames that a live frame leads to, in order.
    pub(super) async fn on_frame(&mut self, frame: &Frame, cursor: &Cursor) -> Vec<Utf8Bytes> {
        if frame.operation_id.as_deref() != Some(&self.operation_id) {
            return Vec::new();
        }
        match frame.output {
            Some(span) if span.stream == self.stream => match self.step(span) {
                Step::Skip => Vec::new(),
                Step::Pass => {
                    self.next = span.offset + span.bytes;
                    vec![frame.json.clone()]
                }
                Step::ReadTo(end) => self.read(Until::Offset(end), cursor).await,
            },
            // At an operation's end the file has everything, whatever got lost on the way.
            None if is_end(&frame.type_name) => self.read(Until::Ended, cursor).await,
            Some(_) | None => Vec::new(),
        }
    }

    /// Reads what is recorded so far.
    pub(super) async fn read_recorded(&mut self, cursor: &Cursor) -> Vec<Utf8Bytes> {
        self.read(Until::Recorded, cursor).await
    }

    async fn read(&mut self, until: Until, cursor: &Cursor) -> Vec<Utf8Bytes> {
        let mut frames = Vec::new();
        loop {
            let want = match until {
                Until::Offset(end) => {
                    usize::try_from(end.saturating_sub(self.next)).unwrap_or(PIECE).min(PIECE)
                }
                Until::Recorded | Until::Ended => PIECE,
            };
            let Ok((bytes, size)) = read_at(self.dir.stream(self.stream), self.next, want).await else {
                break;
            };
            let reached = self.next + bytes.len() as u64;
            // Pieces end with a character; the file of an operation that runs may end within one.
            let take = match until {
                Until::Offset(end) if reached >= end => bytes.len(),
                Until::Ended if reached >= size => bytes.len(),
                _ => whole_characters(&bytes),
            };
            if take == 0 {
                break;
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
            frames.push(Envelope { cursor: *cursor, at: UnixMs::now(), event }.to_json().into());
        }
        frames
    }
}

/// How far the file is read.
#[derive(Debug, Clone, Copy)]
enum Until {
    /// To this byte, where a live piece ends.
    Offset(u64),
    /// To the end, which may move.
    Recorded,
    /// To the end for good.
    Ended,
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
        let follow =
            Follow { dir: OperationDir::of(&paths, &id), operation_id: id, stream: Stream::Stdout, next: 10 };
        let step = |offset, bytes| follow.step(OutputSpan { stream: Stream::Stdout, offset, bytes });
        assert_eq!(step(0, 10), Step::Skip);
        assert_eq!(step(10, 5), Step::Pass);
        assert_eq!(step(8, 5), Step::ReadTo(13));
        assert_eq!(step(20, 5), Step::ReadTo(25));
    }
}
