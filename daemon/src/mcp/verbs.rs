//! The verbs on one server: each goes to its actor, or to its conversation, and is answered when its result is known.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use llmctl_proto::config::nearest;
use llmctl_proto::mcp::{CallAnswer, ServerDetail, ServerSummary};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::actor::{Order, Reply};
use super::error::McpError;
use super::known::{millis, reason};
use super::servers::{Member, Servers};
use super::session::SessionError;

/// Text of a call's answer beside the whole result, in bytes.
const ANSWER_TEXT: usize = 1024 * 1024;
/// What a verb may take beyond the times that are configured.
const BEYOND: Duration = Duration::from_secs(2);

impl Servers {
    /// Starts a server, and answers when it is ready or has failed. One that runs is left alone. `by` is who wants
    /// it: `cli`, `http`.
    ///
    /// # Errors
    /// It is not ready; whether it is started again by itself is said.
    pub async fn start(
        &self,
        name: &str,
        by: &str,
        within: Option<Duration>,
    ) -> Result<ServerSummary, McpError> {
        let member = self.member(name)?;
        let config = member.known.config();
        let within = within.unwrap_or(config.startup_timeout + BEYOND);
        self.verb(&member, within, "start", |reply| Order::Start { by: by.to_owned(), reply }).await
    }

    /// Stops a server, and answers when no process of it is left. It stays stopped.
    ///
    /// # Errors
    /// It is not stopped in time; it is still being stopped then.
    pub async fn stop(&self, name: &str, within: Option<Duration>) -> Result<ServerSummary, McpError> {
        let member = self.member(name)?;
        let within = within.unwrap_or(member.known.config().shutdown_timeout + BEYOND);
        self.verb(&member, within, "stop", |reply| Order::Stop { reply }).await
    }

    /// Stops and starts a server, whatever state it is in.
    ///
    /// # Errors
    /// It is not ready.
    pub async fn restart(
        &self,
        name: &str,
        by: &str,
        within: Option<Duration>,
    ) -> Result<ServerSummary, McpError> {
        let member = self.member(name)?;
        let config = member.known.config();
        let within = within.unwrap_or(config.shutdown_timeout + config.startup_timeout + BEYOND);
        self.verb(&member, within, "restart", |reply| Order::Restart { by: by.to_owned(), reply }).await
    }

    async fn verb(
        &self,
        member: &Member,
        within: Duration,
        word: &str,
        order: impl FnOnce(Reply) -> Order,
    ) -> Result<ServerSummary, McpError> {
        if self.is_closing() {
            return Err(McpError::Stopping);
        }
        let (reply, answer) = oneshot::channel();
        let carried = async {
            member.orders.send(order(reply)).await.map_err(|_| McpError::Stopping)?;
            answer.await.map_err(|_| McpError::Stopping)?
        };
        timeout(within, carried).await.unwrap_or_else(|_| {
            let name = member.known.config().name.clone();
            let message = format!(
                "no result of the {word} within {:.1} s; it is {} now and goes on",
                within.as_secs_f64(),
                member.known.state().name()
            );
            Err(McpError::Timeout { name, message })
        })
    }

    /// Asks a server again for what it offers.
    ///
    /// # Errors
    /// It is not open, or does not answer.
    pub async fn discover(&self, name: &str) -> Result<ServerDetail, McpError> {
        let member = self.member(name)?;
        let (reply, answer) = oneshot::channel();
        let asked = async {
            member.orders.send(Order::Discover { reply }).await.map_err(|_| McpError::Stopping)?;
            answer.await.map_err(|_| McpError::Stopping)?
        };
        let within = member.known.config().request_timeout + BEYOND;
        let late = |_| McpError::Timeout { name: name.to_owned(), message: "no list in time".to_owned() };
        timeout(within, asked).await.map_err(late)??;
        Ok(member.known.detail())
    }

    /// Calls a tool. `within` is by default the server's request timeout.
    ///
    /// # Errors
    /// It is not open, the tool is not there or may not be called, or there is no answer. A tool that fails gives
    /// an answer that says so.
    pub async fn call(
        &self,
        name: &str,
        tool: &str,
        args: Value,
        within: Option<Duration>,
    ) -> Result<CallAnswer, McpError> {
        let member = self.member(name)?;
        if !(args.is_object() || args.is_null()) {
            return Err(McpError::Invalid("the arguments of a tool must be an object".to_owned()));
        }
        let (open, config, offer, state) = {
            let facts = member.known.lock();
            (facts.open.clone(), Arc::clone(&facts.config), Arc::clone(&facts.offer), facts.state)
        };
        let Some(open) = open else {
            let hint = format!("start it with `llmctl mcp start {name}`");
            return Err(McpError::WrongState { name: name.to_owned(), state, hint });
        };
        let bad = |message: String| McpError::BadTool { name: name.to_owned(), message };
        if config.allowed_tools.as_ref().is_some_and(|allowed| !allowed.iter().any(|one| one == tool)) {
            return Err(bad(format!("may not be asked for {tool:?}: its `tools` do not name it")));
        }
        let known = offer.tools.iter().any(|one| one.name == tool);
        if !known && offer.problems.is_empty() {
            let near = nearest(tool, offer.tools.iter().map(|one| one.name.as_str()));
            let near = near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
            return Err(bad(format!("has no tool {tool:?}{near}")));
        }
        let begun = Instant::now();
        let within = within.unwrap_or(config.request_timeout);
        let counted = Counted::begin(&open.calls);
        let answer = tokio::select! {
            answer = open.session.call_tool(tool, args, within) => answer,
            () = open.over.cancelled() => Err(SessionError::Closed),
        };
        drop(counted);
        let duration_ms = millis(begun.elapsed());
        let clean = |text: &str| reason(open.redactor.redact_str(text));
        let error = match &answer {
            Ok(answer) if answer.is_error => Some(clean(&answer.text(512))),
            Ok(_) => None,
            Err(error) => Some(clean(&error.to_string())),
        };
        member.known.lock().calls.note(tool, duration_ms, error.clone());
        match answer {
            Ok(answer) => Ok(CallAnswer {
                is_error: answer.is_error,
                text: answer.text(ANSWER_TEXT),
                result: answer.result,
                duration_ms,
            }),
            Err(SessionError::Timeout { .. }) => Err(McpError::Timeout {
                name: name.to_owned(),
                message: format!("no answer of {tool:?} within {:.1} s", within.as_secs_f64()),
            }),
            Err(SessionError::Closed) => Err(McpError::Failed {
                name: name.to_owned(),
                cause: "call".to_owned(),
                message: format!("it ended during the call of {tool:?}"),
                stderr_tail: String::new(),
            }),
            Err(_) => Err(McpError::Failed {
                name: name.to_owned(),
                cause: "call".to_owned(),
                message: format!("{tool:?}: {}", error.unwrap_or_default()),
                stderr_tail: String::new(),
            }),
        }
    }
}

/// A call that is counted for as long as it lives.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn begin(calls: &'a AtomicUsize) -> Self {
        calls.fetch_add(1, Ordering::Relaxed);
        Self(calls)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
