//! A server that did not start or did not stay: whether and when it is tried again, and what is said and kept of it.

use std::process::ExitStatus;
use std::time::Duration;

use llmctl_proto::config::{McpTransport, RestartPolicy};
use llmctl_proto::event::{McpServerFailed, McpServerRestarting, McpServerStopped};
use llmctl_proto::mcp::{Restart, STDERR_TAIL_BYTES, ServerState};
use llmctl_proto::time::UnixMs;
use tokio::time::Instant;

use super::actor::{Actor, Phase, chance};
use super::backoff::Verdict;
use super::error::McpError;
use super::known::{millis, reason};
use super::launch::Failure;
use super::process::Manner;

impl Actor {
    pub(super) async fn failed(&mut self, failure: Failure) -> Phase {
        let ended = self.end_process(Manner::Kill).await;
        let exit = failure.exit;
        if exit.is_some() {
            self.say_stopped("exited", exit, 0).await;
        } else if ended.is_some() {
            self.say_stopped("handshake", None, 0).await;
        }
        let tail = self.known.log.tail_since(self.mark(), STDERR_TAIL_BYTES);
        self.known.log.note(&failure.message);
        let next = match failure.end {
            Some(_) => None,
            None => Some(self.verdict(None)),
        };
        let cause = if exit.is_some() { "exited" } else { failure.cause };
        let wait = match next {
            Some(Verdict::Again { wait, .. }) => Some(wait),
            _ => None,
        };
        self.remember(cause, &failure.message, exit, 0, tail.clone(), wait).await;
        self.known.lock().last_error = Some(failure.message.clone());
        let error = |message: String| {
            let (cause, stderr_tail) = (failure.cause.to_owned(), tail.clone());
            move |name: String| {
                let (cause, message, stderr_tail) = (cause.clone(), message.clone(), stderr_tail.clone());
                Err(McpError::Failed { name, cause, message, stderr_tail })
            }
        };
        match next {
            Some(Verdict::Again { wait, attempt }) => {
                let until = self.back_off(cause, wait, attempt).await;
                let seconds = wait.as_secs_f64();
                self.answer(error(format!("{}; it is started again in {seconds:.1} s", failure.message)));
                Phase::Wait(until)
            }
            Some(Verdict::GiveUp { attempts }) => {
                self.give_up("crash_loop", ServerState::CrashLoop, &failure.message, tail.clone(), attempts)
                    .await;
                self.answer(error(format!("{}; it was restarted {attempts} times in vain", failure.message)));
                Phase::Idle
            }
            None => {
                let state = failure.end.unwrap_or(ServerState::Failed);
                self.give_up(failure.cause, state, &failure.message, tail.clone(), 0).await;
                self.answer(error(failure.message.clone()));
                Phase::Idle
            }
        }
    }

    /// What is to be done about an end that nobody wanted, after so long a life.
    pub(super) fn verdict(&mut self, ready: Option<Duration>) -> Verdict {
        let config = self.known.config();
        if config.restart == RestartPolicy::Never {
            return Verdict::GiveUp { attempts: 0 };
        }
        // A server elsewhere is not ours to give up: it comes back when somebody mends it.
        let limit = match config.transport {
            McpTransport::Stdio { .. } => Some(config.max_restart_attempts),
            McpTransport::Http { .. } => None,
        };
        self.backoff.ended(self.age(), ready, limit, config.restart_window, chance())
    }

    /// Says that it is started again and when, and gives that moment.
    pub(super) async fn back_off(&self, cause: &str, wait: Duration, attempt: u32) -> Instant {
        let (until, next_at) = (Instant::now() + wait, UnixMs(UnixMs::now().0 + millis(wait) as i64));
        self.set(ServerState::BackingOff, |facts| {
            facts.next_start_at = Some(next_at);
            facts.restarts += 1;
        });
        let config = self.known.config();
        let restarting = McpServerRestarting {
            server_name: self.name.clone(),
            cause: cause.to_owned(),
            attempt,
            max_attempts: config.max_restart_attempts,
            backoff_ms: millis(wait),
            next_at,
        };
        self.shared.publish(restarting).await;
        until
    }

    pub(super) async fn give_up(
        &self,
        cause: &str,
        state: ServerState,
        message: &str,
        stderr_tail: String,
        attempts: u32,
    ) {
        self.set(state, |facts| facts.last_error = Some(reason(message)));
        let failed = McpServerFailed {
            server_name: self.name.clone(),
            cause: cause.to_owned(),
            message: reason(message),
            stderr_tail,
            attempts: attempts + 1,
            state,
        };
        self.shared.publish(failed).await;
    }

    pub(super) async fn say_stopped(&self, why: &str, exit: Option<ExitStatus>, uptime_ms: u64) {
        use std::os::unix::process::ExitStatusExt as _;
        let stopped = McpServerStopped {
            server_name: self.name.clone(),
            reason: why.to_owned(),
            exit_code: exit.and_then(|status| status.code()),
            signal: exit.and_then(|status| status.signal()),
            uptime_ms,
        };
        self.shared.publish(stopped).await;
    }

    /// Keeps the end of a life.
    pub(super) async fn remember(
        &self,
        cause: &str,
        message: &str,
        exit: Option<ExitStatus>,
        uptime_ms: u64,
        stderr_tail: String,
        wait: Option<Duration>,
    ) {
        use std::os::unix::process::ExitStatusExt as _;
        let restart = Restart {
            at: UnixMs::now(),
            cause: cause.to_owned(),
            message: reason(message),
            exit_code: exit.and_then(|status| status.code()),
            signal: exit.and_then(|status| status.signal()),
            uptime_ms,
            era: self.shared.wishes.era(&self.name).map(|era| era.name().to_owned()),
            stderr_tail,
            backoff_ms: wait.map(millis),
        };
        self.known.lock().remember(restart.clone());
        self.shared.store.add_restart(&self.name, restart).await;
    }
}
