//! An event as followers get it: serialised once, shared by all.

use std::sync::Arc;

use llmctl_proto::event::{Event, Stream};
use llmctl_proto::ids::OperationId;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// A numbered event, ready to be sent. Cloning shares the bytes.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Sequence number.
    pub seq: u64,
    /// Dotted name.
    pub type_name: Arc<str>,
    /// Operation it belongs to.
    pub operation_id: Option<Arc<OperationId>>,
    /// For pieces of output: where they belong.
    pub output: Option<OutputSpan>,
    /// Stored and replayed.
    pub is_fact: bool,
    /// The envelope as JSON.
    pub json: Utf8Bytes,
}

/// The bytes of a recorded stream that a piece of output stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputSpan {
    /// Which stream.
    pub stream: Stream,
    /// First byte.
    pub offset: u64,
    /// Number of bytes.
    pub bytes: u64,
}

impl Frame {
    /// Wraps an envelope.
    pub fn new(seq: u64, event: &Event, json: Utf8Bytes) -> Self {
        Self {
            seq,
            type_name: Arc::from(event.type_name()),
            operation_id: event.operation_id().cloned().map(Arc::new),
            output: match event {
                Event::ExecutionOutput(e) => {
                    Some(OutputSpan { stream: e.stream, offset: e.offset, bytes: e.bytes })
                }
                _ => None,
            },
            is_fact: event.is_fact(),
            json,
        }
    }

    /// Whether a list of exact names and groups (`execution.`) asks for it; an empty list asks for all.
    pub fn matches(&self, types: &[String]) -> bool {
        types.is_empty()
            || types.iter().any(|wanted| {
                *wanted == *self.type_name
                    || (wanted.ends_with('.') && self.type_name.starts_with(wanted.as_str()))
            })
    }
}
