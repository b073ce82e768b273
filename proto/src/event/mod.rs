//! Every event of llmctl: its name, its payload, whether it is a fact.
//!
//! An event is JSON from the moment a runner writes it into its journal to the moment a page reads it: the same
//! bytes are journalled, sent, stored and shown, so no version in between can drop a field it does not know.
//! `Event` is the typed reading of those bytes.

mod cost;
mod ends;
mod execution;
mod general;
mod mcp;
mod routing;
mod task;

pub use cost::*;
pub use ends::*;
pub use execution::*;
pub use general::*;
pub use mcp::*;
pub use routing::*;
pub use task::*;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::ids::{Cursor, OperationId};
use crate::time::UnixMs;

/// Version of the envelope; raised only when a meaning changes.
pub const ENVELOPE_VERSION: u32 = 1;

/// Longest event, serialised; a longer one is refused at the door.
pub const MAX_EVENT_BYTES: usize = 32 * 1024;

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident($payload:ty) = $name:literal, $fact:ident, $op:ident;)+) => {
        /// A typed event. `Other` keeps what this version does not know, or what a script published itself.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Event {
            $($(#[$doc])* $variant($payload),)+
            /// A type outside this version's list; kept and passed on, ignored by the projection.
            Other(OtherEvent),
        }

        impl Event {
            /// The names this version knows.
            pub const KNOWN: &'static [&'static str] = &[$($name),+];

            /// The name on the wire.
            pub fn type_name(&self) -> &str {
                match self { $(Self::$variant(_) => $name,)+ Self::Other(o) => &o.type_name }
            }

            /// Stored, replayed and acknowledged; the others are for watching only.
            pub fn is_fact(&self) -> bool {
                match self { $(Self::$variant(_) => events!(@fact $fact),)+ Self::Other(_) => true }
            }

            /// The operation it belongs to.
            pub fn operation_id(&self) -> Option<&OperationId> {
                match self { $(Self::$variant(_p) => events!(@op $op _p),)+ Self::Other(_) => None }
            }

            /// Reads a payload by its type name.
            ///
            /// # Errors
            /// The payload does not have the shape its type demands.
            pub fn parse(type_name: &str, data: &str) -> Result<Self, EventError> {
                let bad = |source| EventError::Payload { type_name: type_name.to_owned(), source };
                Ok(match type_name {
                    $($name => Self::$variant(serde_json::from_str(data).map_err(bad)?),)+
                    _ => Self::Other(OtherEvent {
                        type_name: type_name.to_owned(),
                        data: serde_json::from_str(data).map_err(bad)?,
                    }),
                })
            }

            /// The payload as JSON text.
            pub fn data_json(&self) -> String {
                let text = match self {
                    $(Self::$variant(p) => serde_json::to_string(p),)+
                    Self::Other(o) => serde_json::to_string(&o.data),
                };
                text.expect("payloads have string keys and finite numbers, so they serialise")
            }
        }

        $(impl From<$payload> for Event { fn from(p: $payload) -> Self { Self::$variant(p) } })+
    };
    (@fact fact) => { true };
    (@fact live) => { false };
    (@op op $p:ident) => { Some(&$p.operation_id) };
    (@op global $p:ident) => { None };
}

events! {
    /// Which tool and model were chosen, and why every other was not.
    RoutingDecision(RoutingDecision) = "routing.decision", fact, op;
    /// The choice alone.
    ModelSelected(ModelSelected) = "model.selected", fact, op;
    /// The operation waits for a place.
    ExecutionQueued(ExecutionQueued) = "execution.queued", fact, op;
    /// The tool was started.
    ExecutionStarted(ExecutionStarted) = "execution.start", fact, op;
    /// Counters while it runs.
    ExecutionProgress(ExecutionProgress) = "execution.progress", live, op;
    /// A piece of output.
    ExecutionOutput(ExecutionOutput) = "execution.output", live, op;
    /// The whole answer is there.
    ExecutionCompleted(ExecutionCompleted) = "execution.complete", fact, op;
    /// It failed.
    ExecutionFailed(ExecutionFailed) = "execution.error", fact, op;
    /// It was stopped; the partial result is kept.
    ExecutionStopped(ExecutionStopped) = "execution.stopped", fact, op;
    /// The daemon lost its runner, or the runner its daemon; the operation goes on.
    ExecutionDetached(ExecutionDetached) = "execution.detached", fact, op;
    /// The runner died without a word.
    ExecutionLost(ExecutionLost) = "execution.lost", fact, op;
    /// The tool called one of its own tools.
    ToolInvoked(ToolInvoked) = "tool.invoked", fact, op;
    /// A tool call ended.
    ToolResponded(ToolResponded) = "tool.response", fact, op;
    /// What one attempt used and cost.
    CostRecorded(CostRecorded) = "cost.recorded", fact, op;
    /// The sums have moved.
    CostUpdate(CostUpdate) = "cost.update", live, global;
    /// A budget's threshold or limit is passed.
    CostWarning(CostWarning) = "cost.warning", fact, global;
    /// A budget refused, stopped or was overridden.
    BudgetRefused(BudgetRefused) = "budget.refused", fact, op;
    /// The cost limit of one operation was changed.
    BudgetChanged(BudgetChanged) = "budget.changed", fact, op;
    /// A task is new on the board.
    TaskCreated(TaskCreated) = "task.created", fact, global;
    /// An agent got a task.
    TaskAssigned(TaskAssigned) = "task.assigned", fact, global;
    /// Work on a task began.
    TaskStarted(TaskStarted) = "task.started", fact, global;
    /// A task is in the done lane.
    TaskCompleted(TaskCompleted) = "task.completed", fact, global;
    /// A task failed.
    TaskFailed(TaskFailed) = "task.failed", fact, global;
    /// Something else of a task changed.
    TaskUpdated(TaskUpdated) = "task.updated", fact, global;
    /// A task file cannot be read.
    TaskInvalid(TaskInvalid) = "task.invalid", fact, global;
    /// A task left the lanes.
    TaskRemoved(TaskRemoved) = "task.removed", fact, global;
    /// A directory of task files is watched.
    WatcherStarted(WatcherStarted) = "watcher.started", fact, global;
    /// A directory of task files is no longer watched.
    WatcherStopped(WatcherStopped) = "watcher.stopped", fact, global;
    /// Changes of task files are noticed late, or at once again.
    WatcherDegraded(WatcherDegraded) = "watcher.degraded", fact, global;
    /// An MCP server is being started.
    McpServerStarting(McpServerStarting) = "mcp.server.starting", fact, global;
    /// An MCP server is ready.
    McpServerStarted(McpServerStarted) = "mcp.server.started", fact, global;
    /// An MCP server ended.
    McpServerStopped(McpServerStopped) = "mcp.server.stopped", fact, global;
    /// An MCP server was asked whether it lives.
    McpServerHealthCheck(McpServerHealthCheck) = "mcp.server.health_check", fact, global;
    /// An MCP server is started again after a wait.
    McpServerRestarting(McpServerRestarting) = "mcp.server.restarting", fact, global;
    /// An MCP server was given up.
    McpServerFailed(McpServerFailed) = "mcp.server.failed", fact, global;
    /// What an MCP server offers is known, or has changed.
    McpToolsDiscovered(McpToolsDiscovered) = "mcp.tools.discovered", fact, global;
    /// What an MCP server uses of the machine.
    McpServerUsage(McpServerUsage) = "mcp.server.usage", live, global;
    /// The daemon read its configuration again.
    ConfigReloaded(ConfigReloaded) = "config.reloaded", fact, global;
    /// The daemon is up.
    DaemonStarted(DaemonStarted) = "daemon.started", fact, global;
    /// The daemon is leaving.
    DaemonStopping(DaemonStopping) = "daemon.stopping", fact, global;
}

/// An event of a type this version has no payload for.
#[derive(Debug, Clone, PartialEq)]
pub struct OtherEvent {
    /// Dotted name.
    pub type_name: String,
    /// Payload as it came.
    pub data: serde_json::Value,
}

/// Why bytes are not an event.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// The payload has the wrong shape.
    #[error("payload of {type_name} is not valid")]
    Payload {
        /// Type it claimed.
        type_name: String,
        /// What serde said.
        #[source]
        source: serde_json::Error,
    },
    /// The envelope has the wrong shape.
    #[error("not an event envelope")]
    Envelope(#[source] serde_json::Error),
}

/// An event with its place in the daemon's order.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// Epoch and sequence number.
    pub cursor: Cursor,
    /// When it happened, by the clock of whoever saw it.
    pub at: UnixMs,
    /// What happened.
    pub event: Event,
}

#[derive(Serialize)]
struct EnvelopeOut<'a> {
    v: u32,
    epoch: &'a str,
    seq: u64,
    at: UnixMs,
    #[serde(rename = "type")]
    type_name: &'a str,
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct EnvelopeIn<'a> {
    epoch: String,
    seq: u64,
    at: UnixMs,
    #[serde(rename = "type")]
    type_name: String,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl Envelope {
    /// Serialises an envelope around a payload that is already JSON text.
    ///
    /// # Errors
    /// `data` is not one JSON value.
    pub fn encode(cursor: &Cursor, at: UnixMs, type_name: &str, data: &str) -> Result<String, EventError> {
        let raw: &RawValue = serde_json::from_str(data).map_err(EventError::Envelope)?;
        let epoch = cursor.epoch.to_string();
        serde_json::to_string(&EnvelopeOut {
            v: ENVELOPE_VERSION,
            epoch: &epoch,
            seq: cursor.seq,
            at,
            type_name,
            data: raw,
        })
        .map_err(EventError::Envelope)
    }

    /// The envelope as JSON text.
    pub fn to_json(&self) -> String {
        Self::encode(&self.cursor, self.at, self.event.type_name(), &self.event.data_json())
            .expect("a payload serialises to one JSON value")
    }

    /// Reads an envelope.
    ///
    /// # Errors
    /// The text is no envelope, or the payload does not fit its type.
    pub fn from_json(text: &str) -> Result<Self, EventError> {
        let raw: EnvelopeIn<'_> = serde_json::from_str(text).map_err(EventError::Envelope)?;
        let epoch = raw
            .epoch
            .parse()
            .map_err(|e| EventError::Envelope(serde::de::Error::custom(format!("epoch: {e}"))))?;
        Ok(Self {
            cursor: Cursor { epoch, seq: raw.seq },
            at: raw.at,
            event: Event::parse(&raw.type_name, raw.data.get())?,
        })
    }
}

/// Whether a script may publish this name with `llmctl emit`: dotted, lower case, outside the groups that
/// llmctl itself speaks in.
///
/// # Errors
/// A sentence that says what is wrong with the name.
pub fn check_emittable(type_name: &str) -> Result<(), String> {
    const OURS: [&str; 11] = [
        "routing",
        "model",
        "execution",
        "cost",
        "budget",
        "tool",
        "task",
        "mcp",
        "daemon",
        "config",
        "watcher",
    ];
    let well_formed = type_name.len() <= 128
        && type_name.split('.').count() >= 2
        && type_name.split('.').all(|part| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
        });
    if !well_formed {
        return Err(format!(
            "event type {type_name:?} must be dotted lower-case words of at most 128 bytes, such as `deploy.finished`"
        ));
    }
    let group = type_name.split('.').next().unwrap_or_default();
    if OURS.contains(&group) {
        return Err(format!("event group `{group}.` is llmctl's own; choose another first word"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_dotted() {
        let mut names = Event::KNOWN.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Event::KNOWN.len());
        assert!(names.iter().all(|n| n.contains('.')));
    }

    #[test]
    fn unknown_types_keep_their_payload() {
        let event = Event::parse("deploy.finished", r#"{"ok":true,"n":[1,2]}"#).expect("any object will do");
        assert_eq!(event.type_name(), "deploy.finished");
        assert_eq!(event.data_json(), r#"{"n":[1,2],"ok":true}"#);
        assert!(event.is_fact());
    }

    #[test]
    fn a_payload_of_the_wrong_shape_names_its_type() {
        let error = Event::parse("execution.complete", "[]").expect_err("an array is no payload");
        assert!(error.to_string().contains("execution.complete"));
    }

    #[test]
    fn emittable_names() {
        assert!(check_emittable("deploy.finished").is_ok());
        for bad in ["deploy", "Deploy.x", "a..b", "execution.complete", "mcp.x", "", "a.b c"] {
            assert!(check_emittable(bad).is_err(), "{bad}");
        }
    }
}
