//! A response body fed by a channel, so that an answer can be paced, stalled and cut.
//!
//! Owns nothing but the receiving end; one frame is in flight at a time, so what was sent is what the
//! connection has taken.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::mpsc;

/// The sending end: an error cuts the connection without the body's end.
pub(super) type Sender = mpsc::Sender<io::Result<Bytes>>;

/// The body: ends when the sender is dropped.
#[derive(Debug)]
pub(super) struct ChannelBody {
    frames: mpsc::Receiver<io::Result<Bytes>>,
}

/// A body and its sender, with room for one frame.
pub(super) fn channel() -> (Sender, ChannelBody) {
    let (sender, frames) = mpsc::channel(1);
    (sender, ChannelBody { frames })
}

impl ChannelBody {
    /// A body of one frame that is there at once.
    pub(super) fn full(bytes: impl Into<Bytes>) -> Self {
        let (sender, body) = channel();
        // A new channel has room for one frame, so this cannot be refused.
        let _ = sender.try_send(Ok(bytes.into()));
        body
    }
}

impl Body for ChannelBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.frames.poll_recv(cx).map(|frame| frame.map(|bytes| bytes.map(Frame::data)))
    }
}
