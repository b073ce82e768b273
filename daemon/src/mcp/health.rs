//! Whether a server that runs is well: its answers, its lists, its noise, and what it uses.

use std::sync::Arc;
use std::time::Duration;

use llmctl_proto::config::{HealthMethod, OnExceed};
use llmctl_proto::event::{McpServerHealthCheck, McpServerUsage};
use llmctl_proto::mcp::{LastCheck, ServerState};
use llmctl_proto::time::UnixMs;
use tokio::time::{Instant, sleep_until};

use super::actor::{Actor, chance};
use super::error::McpError;
use super::known::{millis, reason};
use super::offer::{Offer, discovered, fingerprints};
use super::open::{Done, Watch};
use super::process::Process;
use super::session::{Era, ListCaps, ProbeMethod, Session, SessionError};

/// Between two readings of the lists, however often they are said to have changed.
const LISTS_APART: Duration = Duration::from_millis(250);

/// Why a server has to be replaced: the cause as in events, and a sentence.
pub(super) type Why = (&'static str, String);

impl Actor {
    pub(super) async fn tell_tools(&mut self, offer: &Offer) {
        if let Some(event) = discovered(&self.name, offer, self.prints.as_ref()) {
            self.shared.publish(event).await;
        }
        self.prints = Some(fingerprints(offer));
    }

    /// Begins a health check.
    pub(super) fn check(&self, watch: &mut Watch) {
        let config = self.known.config();
        let method = match &config.health.method {
            HealthMethod::Auto => ProbeMethod::Auto,
            HealthMethod::ToolsList => ProbeMethod::ToolsList,
            HealthMethod::ToolCall { tool, args } => {
                ProbeMethod::ToolCall { tool: tool.clone(), args: args.clone() }
            }
        };
        watch.probing = true;
        let open = watch.life.open.clone();
        let within = config.health.timeout;
        watch.jobs.spawn(async move {
            let before = open.is_busy();
            let took = open.session.probe(&method, within).await;
            Done::Probe { took, busy: before || open.is_busy() }
        });
    }

    /// A health check has ended. Gives why it has to be replaced, if it has to.
    pub(super) async fn checked(
        &mut self,
        watch: &mut Watch,
        took: Result<Duration, SessionError>,
        busy: bool,
    ) -> Option<Why> {
        let config = self.known.config();
        watch.probing = false;
        watch.next_check = Instant::now() + jitter(config.health.interval);
        if let Err(SessionError::NeedsAuthentication { .. }) = took {
            return Some(("authentication", "its credentials are no longer accepted".to_owned()));
        }
        let error =
            took.as_ref().err().map(|error| reason(watch.life.open.redactor.redact_str(&error.to_string())));
        watch.busy = error.is_some() && busy;
        watch.failures = match &took {
            Ok(_) => 0,
            Err(_) if busy => watch.failures,
            Err(_) => watch.failures + 1,
        };
        let check = LastCheck {
            at: UnixMs::now(),
            method: self.method(watch),
            ok: took.is_ok(),
            latency_ms: took.ok().map(|took| took.as_secs_f64() * 1_000.0),
            failures_in_row: watch.failures,
            error: error.clone(),
        };
        self.judge(watch, Some(check)).await;
        let hung = watch.failures >= config.health.failures;
        hung.then(|| {
            let what = error.unwrap_or_default();
            ("unhealthy", format!("{} health checks in a row failed: {what}", watch.failures))
        })
    }

    fn method(&self, watch: &Watch) -> String {
        match &self.known.config().health.method {
            HealthMethod::ToolsList => "tools_list".to_owned(),
            HealthMethod::ToolCall { .. } => "tool_call".to_owned(),
            HealthMethod::Auto => match watch.life.open.session.identity().era {
                Era::Legacy => "ping".to_owned(),
                Era::Modern => "server/discover".to_owned(),
            },
        }
    }

    /// Finds the state from all that is known, and says so when it or its reasons have changed.
    pub(super) async fn judge(&mut self, watch: &Watch, check: Option<LastCheck>) {
        let config = self.known.config();
        let noise = watch.life.open.session.counters().noise_lines;
        let (event, changed) = {
            let mut facts = self.known.lock();
            let mut now = reasons(
                &facts.offer,
                &facts.offer.missing(&config),
                noise,
                watch.exceeds.as_ref(),
                watch.busy,
            );
            if watch.failures > 0 {
                now.push(format!("{} health checks in a row failed", watch.failures));
            }
            let state = match watch.failures {
                failures if failures >= config.health.failures => ServerState::Unhealthy,
                0 if now.is_empty() => ServerState::Running,
                _ => ServerState::Degraded,
            };
            let first = facts.last_check.is_none() && check.is_some();
            let changed = first || facts.state != state || facts.reasons != now;
            facts.state = state;
            facts.reasons = now;
            if check.is_some() {
                facts.last_check.clone_from(&check);
            }
            let last = facts.last_check.clone();
            let event = McpServerHealthCheck {
                server_name: self.name.clone(),
                status: facts.health().name().to_owned(),
                method: last.as_ref().map_or_else(|| "none".to_owned(), |check| check.method.clone()),
                latency_ms: last.as_ref().and_then(|check| check.latency_ms),
                failures_in_row: watch.failures,
                state,
                reasons: facts.reasons.clone(),
                error: last.and_then(|check| check.error),
            };
            (event, changed)
        };
        if changed {
            self.shared.publish(event).await;
        }
    }

    /// Begins to read the lists, soon.
    pub(super) fn list(watch: &mut Watch) {
        if watch.listing {
            watch.list_again = true;
            return;
        }
        watch.listing = true;
        watch.list_again = false;
        let session: Arc<Session> = Arc::clone(&watch.life.open.session);
        let at = watch.last_list + LISTS_APART;
        watch.jobs.spawn(async move {
            sleep_until(at).await;
            Done::Offer(Offer::read(&session, ListCaps::default()).await)
        });
    }

    pub(super) async fn listed(
        &mut self,
        watch: &mut Watch,
        read: Result<Offer, SessionError>,
    ) -> Option<Why> {
        watch.listing = false;
        watch.last_list = Instant::now();
        let config = self.known.config();
        let result = match read {
            Ok(mut offer) => {
                offer.restrict(&config);
                let offer = Arc::new(offer);
                self.known.lock().offer = Arc::clone(&offer);
                self.tell_tools(&offer).await;
                Ok(())
            }
            Err(SessionError::NeedsAuthentication { .. }) => {
                return Some(("authentication", "its credentials are no longer accepted".to_owned()));
            }
            // What was known is kept: a server that does not answer is a matter of health checks.
            Err(error) => Err(McpError::Failed {
                name: self.name.clone(),
                cause: "discover".to_owned(),
                message: reason(watch.life.open.redactor.redact_str(&error.to_string())),
                stderr_tail: String::new(),
            }),
        };
        if watch.list_again {
            Self::list(watch);
        } else {
            for reply in watch.discoverers.drain(..) {
                let _ = reply.send(result.clone());
            }
        }
        self.judge(watch, None).await;
        None
    }

    /// What its tree uses is known anew.
    pub(super) async fn sampled(&mut self, watch: &mut Watch) -> Option<Why> {
        let sample = watch.life.measured.as_mut()?.samples.borrow_and_update().clone()?;
        if let Some(process) = &mut self.process {
            process.remember(sample.tree);
        }
        let uptime_ms = millis(watch.life.ready.elapsed());
        let (requests, errors) = {
            let mut facts = self.known.lock();
            facts.usage = Some(sample.usage);
            (facts.calls.requests, facts.calls.errors)
        };
        self.shared
            .publish(McpServerUsage {
                server_name: self.name.clone(),
                pid: self.process.as_ref().map_or(0, Process::pid),
                cpu_percent: sample.usage.cpu_percent,
                rss_bytes: sample.usage.rss_bytes,
                processes: sample.usage.processes,
                uptime_ms,
                requests,
                errors,
            })
            .await;
        let config = self.known.config();
        let limits = config.limits.as_ref()?;
        let exceeds = watch.limits.sample(
            watch.life.ready.elapsed(),
            sample.usage.rss_bytes,
            sample.usage.cpu_percent,
            limits,
        );
        if let Some(message) = exceeds.clone().filter(|_| limits.on_exceed != OnExceed::Warn) {
            return Some(("limit", message));
        }
        if exceeds.is_some() != watch.exceeds.is_some() {
            watch.exceeds = exceeds;
            self.judge(watch, None).await;
        }
        None
    }
}

/// All that is wrong with a server that runs.
pub(super) fn reasons(
    offer: &Offer,
    missing: &[String],
    noise: u64,
    exceeds: Option<&String>,
    busy: bool,
) -> Vec<String> {
    let mut all = offer.problems.clone();
    if !missing.is_empty() {
        all.push(format!("required tools are missing: {}", missing.join(", ")));
    }
    if noise > 0 {
        all.push("it writes to stdout what is no message; its log belongs on stderr".to_owned());
    }
    all.extend(exceeds.cloned());
    if busy {
        all.push("it does not answer while a call is under way".to_owned());
    }
    all.into_iter().map(reason).collect()
}

/// An interval, a tenth shorter or longer.
pub(super) fn jitter(interval: Duration) -> Duration {
    interval.mul_f64(0.9 + 0.2 * chance())
}
