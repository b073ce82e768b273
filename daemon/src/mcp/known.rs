//! What is known of one server at this moment: written by its actor, read by everybody without asking it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use llmctl_proto::config::{McpServerConfig, McpTransport};
use llmctl_proto::mcp::{
    Desired, LastCheck, REASON_BYTES, RESTARTS_KEPT, Restart, ServerDetail, ServerHealth, ServerIdentityInfo,
    ServerState, ServerSummary, ServerUsage, ToolInfo, Traffic,
};
use llmctl_proto::redact::Redactor;
use llmctl_proto::time::UnixMs;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::log::Log;
use super::offer::{Calls, Offer};
use super::session::Session;

/// Restarts that are shown with a server; all that are kept have an answer of their own.
const RESTARTS_SHOWN: usize = 20;

/// A conversation that is open, for calls beside the actor.
#[derive(Debug, Clone)]
pub(super) struct Open {
    pub(super) session: Arc<Session>,
    /// Calls under way: while there are any, a server that does not answer may be busy.
    pub(super) calls: Arc<AtomicUsize>,
    /// The conversation is being ended.
    pub(super) over: CancellationToken,
    /// Takes secrets of the server out of what it says.
    pub(super) redactor: Redactor,
}

impl Open {
    pub(super) fn is_busy(&self) -> bool {
        self.calls.load(Ordering::Relaxed) > 0
    }
}

/// What is known.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) config: Arc<McpServerConfig>,
    pub(super) state: ServerState,
    pub(super) reasons: Vec<String>,
    pub(super) desired: Desired,
    pub(super) pid: Option<u32>,
    pub(super) started_at: Option<UnixMs>,
    pub(super) ready_since: Option<Instant>,
    pub(super) startup: Option<Duration>,
    pub(super) restarts: u32,
    pub(super) next_start_at: Option<UnixMs>,
    pub(super) last_error: Option<String>,
    pub(super) last_check: Option<LastCheck>,
    pub(super) usage: Option<ServerUsage>,
    pub(super) offer: Arc<Offer>,
    pub(super) open: Option<Open>,
    pub(super) history: VecDeque<Restart>,
    pub(super) calls: Calls,
}

/// Facts that are shared.
#[derive(Debug, Clone)]
pub(super) struct Known {
    facts: Arc<Mutex<Facts>>,
    pub(super) log: Arc<Log>,
}

impl Known {
    pub(super) fn new(config: Arc<McpServerConfig>, log: Arc<Log>, history: VecDeque<Restart>) -> Self {
        let facts = Facts {
            state: if config.auto_start { ServerState::Stopped } else { ServerState::Manual },
            config,
            reasons: Vec::new(),
            desired: Desired::Configured,
            pid: None,
            started_at: None,
            ready_since: None,
            startup: None,
            restarts: 0,
            next_start_at: None,
            last_error: None,
            last_check: None,
            usage: None,
            offer: Arc::default(),
            open: None,
            history,
            calls: Calls::default(),
        };
        Self { facts: Arc::new(Mutex::new(facts)), log }
    }

    /// The facts, for a moment: nobody waits while holding them.
    pub(super) fn lock(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> ServerState {
        self.lock().state
    }

    pub(super) fn config(&self) -> Arc<McpServerConfig> {
        Arc::clone(&self.lock().config)
    }

    pub(super) fn summary(&self) -> ServerSummary {
        self.lock().summary()
    }

    pub(super) fn detail(&self) -> ServerDetail {
        let facts = self.lock();
        let (bytes, dropped) = self.log.bytes();
        let mut detail = facts.detail();
        detail.traffic.stderr_bytes = bytes;
        detail.traffic.stderr_dropped = dropped;
        detail.log_path = Some(self.log.path().display().to_string());
        detail
    }

    pub(super) fn history(&self) -> Vec<Restart> {
        self.lock().history.iter().cloned().collect()
    }
}

impl Facts {
    /// Adds the end of a life; the oldest make room.
    pub(super) fn remember(&mut self, restart: Restart) {
        self.history.push_front(restart);
        self.history.truncate(RESTARTS_KEPT);
    }

    pub(super) fn health(&self) -> ServerHealth {
        match self.state {
            ServerState::Running => ServerHealth::Healthy,
            ServerState::Degraded => ServerHealth::Degraded,
            ServerState::Unhealthy => ServerHealth::Unhealthy,
            _ => ServerHealth::Unknown,
        }
    }

    pub(super) fn summary(&self) -> ServerSummary {
        let config = &self.config;
        ServerSummary {
            name: config.name.clone(),
            state: self.state,
            health: self.health(),
            reasons: self.reasons.clone(),
            transport: transport(config).to_owned(),
            target: config.target(),
            package: config.package.clone(),
            note: config.note.clone(),
            tags: config.tags.clone(),
            auto_start: config.auto_start,
            desired: self.desired,
            pid: self.pid,
            started_at: self.started_at,
            uptime_ms: self.ready_since.map(|since| millis(since.elapsed())),
            restarts: self.restarts,
            next_start_at: self.next_start_at,
            tools_count: self.offer.tools.len() as u32,
            context_tokens_estimate: self.offer.tokens(),
            last_error: self.last_error.clone().or_else(|| config.broken.clone()),
            last_check: self.last_check.clone(),
            usage: self.usage,
        }
    }

    fn detail(&self) -> ServerDetail {
        let identity = self.open.as_ref().map(|open| open.session.identity().clone());
        let tools = self.offer.tools.iter().map(|tool| {
            let used = self.calls.of(&tool.name);
            ToolInfo {
                name: tool.name.clone(),
                title: tool.title.clone(),
                description: tool.description.clone(),
                input_schema: tool.input_schema.clone(),
                context_tokens_estimate: tool.context_tokens_estimate,
                calls: used.calls,
                errors: used.errors,
                total_ms: used.total_ms,
                max_ms: used.max_ms,
                last_error: used.last_error,
            }
        });
        ServerDetail {
            summary: self.summary(),
            era: identity.as_ref().map(|known| known.era.name().to_owned()),
            protocol_version: identity.as_ref().map(|known| known.protocol_version.clone()),
            server_info: identity.as_ref().map(|known| ServerIdentityInfo {
                name: known.server_info.name.clone(),
                version: known.server_info.version.clone(),
            }),
            capabilities: identity.as_ref().map(|known| known.capabilities.names.clone()).unwrap_or_default(),
            instructions: identity.and_then(|known| known.instructions),
            tools: tools.collect(),
            resources: self.offer.resources.clone(),
            prompts: self.offer.prompts.clone(),
            discovered_at: Some(self.offer.at).filter(|at| at.0 > 0),
            startup_ms: self.startup.map(millis),
            required_tools_missing: if self.open.is_some() {
                self.offer.missing(&self.config)
            } else {
                Vec::new()
            },
            traffic: self.traffic(),
            history: self.history.iter().take(RESTARTS_SHOWN).cloned().collect(),
            config: self.config.shown(),
            origin: self.config.origin.clone(),
            log_path: None,
        }
    }

    fn traffic(&self) -> Traffic {
        let Some(open) = &self.open else { return Traffic::default() };
        let counters = open.session.counters();
        Traffic {
            requests: self.calls.requests,
            errors: self.calls.errors,
            rx_messages: counters.rx_messages,
            rx_bytes: counters.rx_bytes,
            tx_messages: counters.tx_messages,
            tx_bytes: counters.tx_bytes,
            noise_lines: counters.noise_lines,
            noise_samples: counters.noise_samples,
            too_long: counters.too_long,
            declined: counters.declined,
            stderr_bytes: 0,
            stderr_dropped: 0,
        }
    }
}

/// `stdio` or `http`.
pub(super) fn transport(config: &McpServerConfig) -> &'static str {
    match config.transport {
        McpTransport::Stdio { .. } => "stdio",
        McpTransport::Http { .. } => "http",
    }
}

/// Whole milliseconds.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A reason for people, at most 512 bytes.
pub(super) fn reason(text: impl Into<String>) -> String {
    let mut text = text.into();
    text.truncate(text.floor_char_boundary(REASON_BYTES));
    text
}
