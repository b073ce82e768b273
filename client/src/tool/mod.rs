//! One adapter per tool: how it is started, how its stream is read, how it is stopped.
//!
//! Parsing is pure: the same bytes cut at any places give the same events. Nothing here spawns, reads or writes.

mod event;

pub use event::{AdapterEvent, ErrorClass, Final, ModelTotal, Outcome, ToolCall, ToolKind, ToolResult};
