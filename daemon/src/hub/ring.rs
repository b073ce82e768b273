//! The newest frames, for followers that come back.

use std::collections::VecDeque;

use super::Frame;

/// Frames kept.
const MAX_FRAMES: usize = 8_192;
/// Bytes kept.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// A bounded run of frames. Pieces of output are not kept: they are read from the operation's file.
#[derive(Debug, Default)]
pub(super) struct Ring {
    frames: VecDeque<Frame>,
    bytes: usize,
    /// Everything after this sequence number is here.
    floor: u64,
}

impl Ring {
    pub(super) fn new(floor: u64) -> Self {
        Self { floor, ..Self::default() }
    }

    pub(super) fn push(&mut self, frame: Frame) {
        if frame.output.is_some() {
            return;
        }
        self.bytes += frame.json.len();
        self.frames.push_back(frame);
        while self.frames.len() > MAX_FRAMES || self.bytes > MAX_BYTES {
            let Some(oldest) = self.frames.pop_front() else { break };
            self.bytes -= oldest.json.len();
            self.floor = oldest.seq;
        }
    }

    /// The frames after a sequence number, or none when some of them are gone.
    pub(super) fn after(&self, seq: u64) -> Option<Vec<Frame>> {
        if seq < self.floor {
            return None;
        }
        let start = self.frames.partition_point(|frame| frame.seq <= seq);
        Some(self.frames.iter().skip(start).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use llmctl_proto::event::{Event, OtherEvent};

    fn frame(seq: u64, size: usize) -> Frame {
        let event = Event::Other(OtherEvent { type_name: "a.b".into(), data: serde_json::Value::Null });
        Frame::new(seq, &event, "x".repeat(size).into())
    }

    #[test]
    fn it_gives_what_it_has_and_says_what_it_lost() {
        let mut ring = Ring::new(10);
        for seq in [11, 12, 15] {
            ring.push(frame(seq, 10));
        }
        let seqs = |after| ring.after(after).map(|f| f.iter().map(|f| f.seq).collect::<Vec<_>>());
        assert_eq!(seqs(10), Some(vec![11, 12, 15]));
        assert_eq!(seqs(12), Some(vec![15]));
        assert_eq!(seqs(13), Some(vec![15]));
        assert_eq!(seqs(15), Some(vec![]));
        assert_eq!(seqs(9), None);
    }

    #[test]
    fn it_is_bounded_by_frames_and_by_bytes() {
        let mut ring = Ring::new(0);
        for seq in 1..=10_000 {
            ring.push(frame(seq, 10));
        }
        assert_eq!(ring.after(1_808).map(|f| f.len()), Some(MAX_FRAMES));
        assert!(ring.after(1_807).is_none());
        let mut ring = Ring::new(0);
        for seq in 1..=10 {
            ring.push(frame(seq, 1024 * 1024));
        }
        assert_eq!(ring.after(6).map(|f| f.len()), Some(4));
        assert!(ring.after(5).is_none());
    }
}
