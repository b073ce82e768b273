//! A conversation with one MCP server, over a pair of pipes or over Streamable HTTP.
//!
//! Owns what is said: finding the era a server speaks, requests with deadlines, bounded lists, probes, calls, and
//! news of changed lists. The protocol client is our own: a supervisor needs a dozen methods, must take whatever a
//! broken server sends, and must know about every byte. Never starts, signals or restarts a process, never stores
//! anything, and grants a server nothing: whatever it asks for is declined.

mod answer;
mod bounded;
mod changes;
pub mod conformance;
mod counters;
mod decline;
mod error;
mod http;
mod identity;
mod lines;
mod list;
mod message;
mod open;
mod page;
mod param_headers;
mod setup;
mod stdio;
mod talk;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant as StdInstant};

use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

pub use answer::ToolAnswer;
pub use changes::{Changed, Changes};
pub use counters::CountersNow;
pub use error::{Ended, OpenError, SessionError};
pub use identity::{Capabilities, ServerIdentity, ServerInfo};
pub use list::{Cut, Listed, Prompt, Rejected, Resource, Tool};
pub use message::RpcError;
pub use open::{open_http, open_stdio};
pub use setup::{ClientInfo, Era, EraPlan, Handshake, HttpTarget, ListCaps, ProbeMethod, WireLimits};

use self::talk::{Ask, Talk};

/// An open conversation. Dropping it ends the conversation at once; `close` ends it politely.
#[derive(Debug)]
pub struct Session {
    talk: Arc<Talk>,
    watcher: AbortOnDropHandle<()>,
}

impl Session {
    fn new(talk: Talk) -> Self {
        let talk = Arc::new(talk);
        let watcher = AbortOnDropHandle::new(tokio::spawn(changes::watch(Arc::clone(&talk))));
        Self { talk, watcher }
    }

    /// Who the server says it is, and how it was opened.
    pub fn identity(&self) -> &ServerIdentity {
        self.talk.identity()
    }

    /// All tools, page by page within `caps`. A list that had to be cut says so in `cut`; tools that cannot be
    /// used are in `rejected`. A server without tools has none.
    pub async fn list_tools(&self, caps: ListCaps) -> Result<Listed<Tool>, SessionError> {
        let listed = list::tools(&self.talk, caps).await?;
        self.talk.remember(&listed);
        Ok(listed)
    }

    /// All resources, as `list_tools`; none are asked for when the server has not announced any.
    pub async fn list_resources(&self, caps: ListCaps) -> Result<Listed<Resource>, SessionError> {
        list::resources(&self.talk, caps).await
    }

    /// All prompts, as `list_tools`; none are asked for when the server has not announced any.
    pub async fn list_prompts(&self, caps: ListCaps) -> Result<Listed<Prompt>, SessionError> {
        list::prompts(&self.talk, caps).await
    }

    /// Asks for a sign of life and gives the time it took. Any reply is one, an error too.
    pub async fn probe(&self, how: &ProbeMethod, timeout: Duration) -> Result<Duration, SessionError> {
        let begun = StdInstant::now();
        let asked = match how {
            ProbeMethod::Auto => self.talk.ask(self.auto_probe(), Some(timeout)).await.map(drop),
            ProbeMethod::Ping => self.talk.ask(Ask::new("ping", json!({})), Some(timeout)).await.map(drop),
            ProbeMethod::ToolsList => {
                self.talk.ask(Ask::new("tools/list", json!({})), Some(timeout)).await.map(drop)
            }
            ProbeMethod::ToolCall { tool, args } => {
                answer::call(&self.talk, tool, args, timeout).await.map(drop)
            }
        };
        match asked {
            // A server that cannot go on without an answer of ours has shown that it lives.
            Ok(()) | Err(SessionError::Rpc(_) | SessionError::NeedsInput { .. }) => Ok(begun.elapsed()),
            Err(error) => Err(error),
        }
    }

    /// Each era has its own cheap question: the modern one has no `ping`, the legacy one nothing else.
    fn auto_probe(&self) -> Ask<'static> {
        match self.identity().era {
            Era::Legacy => Ask::new("ping", json!({})),
            Era::Modern => Ask::new("server/discover", json!({})),
        }
    }

    /// Calls a tool. `args` should be an object; null stands for none.
    pub async fn call_tool(
        &self,
        name: &str,
        args: Value,
        timeout: Duration,
    ) -> Result<ToolAnswer, SessionError> {
        answer::call(&self.talk, name, &args, timeout).await
    }

    /// Asks anything else. `params` is an object; what the era wants in each request is added.
    pub async fn request(
        &self,
        method: &str,
        params: Value,
        timeout: Duration,
    ) -> Result<Box<RawValue>, SessionError> {
        self.talk.ask(Ask::new(method, params), Some(timeout)).await
    }

    /// News of changed lists from now on, coalesced.
    pub fn changes(&self) -> Changes {
        self.talk.inbox().changes()
    }

    /// What has passed so far.
    pub fn counters(&self) -> CountersNow {
        self.talk.inbox().counters.now()
    }

    /// Waits until the server has ended the conversation, and says how.
    pub async fn closed(&self) -> Ended {
        self.talk.inbox().ended().await
    }

    /// Ends the conversation: closes the server's standard input, or ends the HTTP session (within 2 s).
    ///
    /// What the server still says on standard output is read and dropped for up to 30 s, so that it can leave
    /// in order.
    pub async fn close(self) {
        self.watcher.abort();
        // The watcher holds the talk until it is gone.
        let _ = self.watcher.await;
        if let Some(talk) = Arc::into_inner(self.talk) {
            talk.close().await;
        }
    }
}
