//! What is said of MCP servers, which no operation's state depends on.

use llmctl_proto::event::*;
use llmctl_proto::mcp::{ServerIdentityInfo, ServerState};
use llmctl_proto::time::UnixMs;

use crate::events::Events;

impl Events {
    /// Any event of a server.
    pub(crate) fn of_a_server(&mut self) -> Event {
        let server_name = self.word();
        match self.random.below(8) {
            0 => {
                McpServerStarting { server_name, trigger: "user".into(), attempt: 1, by: self.word_or_none() }
                    .into()
            }
            1 => McpServerStarted {
                server_name,
                pid: self.random.maybe(|r| r.below(1 << 22) as u32),
                transport: "stdio".into(),
                protocol_version: "2025-11-25".into(),
                server_info: ServerIdentityInfo { name: self.word(), version: "1".into() },
                capabilities: vec!["tools".into()],
                startup_ms: 12,
                tools_count: 3,
                state: ServerState::Degraded,
                reasons: vec![self.word()],
            }
            .into(),
            2 => McpServerStopped {
                server_name,
                reason: "exited".into(),
                exit_code: self.random.maybe(|r| r.below(256) as i32),
                signal: None,
                uptime_ms: 5,
            }
            .into(),
            3 => McpServerHealthCheck {
                server_name,
                status: "unhealthy".into(),
                method: "ping".into(),
                latency_ms: self.random.maybe(|_| 1.5),
                failures_in_row: 3,
                state: ServerState::Unhealthy,
                reasons: Vec::new(),
                error: self.word_or_none(),
            }
            .into(),
            4 => McpServerRestarting {
                server_name,
                cause: "unhealthy".into(),
                attempt: 2,
                max_attempts: 3,
                backoff_ms: 500,
                next_at: UnixMs(1_790_000_000_123),
            }
            .into(),
            5 => McpServerFailed {
                server_name,
                cause: "crash_loop".into(),
                message: self.word(),
                stderr_tail: self.word(),
                attempts: 4,
                state: ServerState::CrashLoop,
            }
            .into(),
            6 => McpToolsDiscovered {
                server_name,
                tools: vec![McpToolName {
                    name: self.word(),
                    title: self.word_or_none(),
                    description: self.word(),
                    context_tokens_estimate: 40,
                }],
                tools_count: 1,
                added: vec![self.word()],
                removed: Vec::new(),
                changed: Vec::new(),
            }
            .into(),
            _ => McpServerUsage {
                server_name,
                pid: 7,
                cpu_percent: 0.5,
                rss_bytes: 1 << 24,
                processes: 2,
                uptime_ms: 60_000,
                requests: 4,
                errors: 1,
            }
            .into(),
        }
    }
}
