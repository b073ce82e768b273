//! A server while its conversation is open: health checks, news of its lists, limits, and its end.

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use llmctl_proto::config::{HealthMethod, OnExceed, RestartPolicy};
use llmctl_proto::event::{McpServerHealthCheck, McpServerStarted, McpServerUsage};
use llmctl_proto::mcp::{LastCheck, STDERR_TAIL_BYTES, ServerIdentityInfo, ServerState};
use llmctl_proto::time::UnixMs;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::actor::{Actor, Order, Orders, Phase, Touched, Trigger, chance};
use super::backoff::Verdict;
use super::error::McpError;
use super::known::{millis, reason, transport};
use super::launch::{Life, died};
use super::limits::LimitWatch;
use super::offer::{Offer, discovered, fingerprints};
use super::process::{Manner, Process};
use super::session::{Ended, ListCaps, ProbeMethod, Session, SessionError};

/// Between two readings of the lists, however often they are said to have changed.
const LISTS_APART: Duration = Duration::from_millis(250);
/// A process whose output has ended is given so long to end itself.
const OUTPUT_ENDED: Duration = Duration::from_millis(250);
/// How long the last holder of a conversation may take to let it go.
const LET_GO: Duration = Duration::from_millis(200);

/// Something that was asked of the server beside the loop.
enum Done {
    Probe { took: Result<Duration, SessionError>, busy: bool },
    Offer(Result<Offer, SessionError>),
}

/// What is going on while a server runs.
struct Watch {
    life: Life,
    jobs: JoinSet<Done>,
    probing: bool,
    listing: bool,
    /// The lists changed while they were read.
    list_again: bool,
    last_list: Instant,
    next_check: Instant,
    failures: u32,
    limits: LimitWatch,
    exceeds: Option<String>,
    busy: bool,
    discoverers: Vec<oneshot::Sender<Result<(), McpError>>>,
}

/// What happened.
enum Happened {
    Order(Option<Order>),
    Exited(Option<ExitStatus>),
    Closed(Ended),
    Done(Done),
    CheckDue,
    Changed,
    Sampled,
}

impl Actor {
    /// Says that it is ready.
    pub(super) async fn ready(&mut self, life: Life, startup: Duration) -> Phase {
        let identity = life.open.session.identity().clone();
        let config = self.known.config();
        let offer = Arc::clone(&life.offer);
        let reasons = reasons(&offer, &offer.missing(&config), 0, None, false);
        let state = if reasons.is_empty() { ServerState::Running } else { ServerState::Degraded };
        self.set(state, |facts| {
            facts.reasons.clone_from(&reasons);
            facts.ready_since = Some(life.ready);
            facts.startup = Some(startup);
            facts.last_error = None;
            facts.open = Some(life.open.clone());
            facts.offer = Arc::clone(&offer);
        });
        let started = McpServerStarted {
            server_name: self.name.clone(),
            pid: self.process.as_ref().map(Process::pid),
            transport: transport(&config).to_owned(),
            protocol_version: identity.protocol_version,
            server_info: ServerIdentityInfo {
                name: identity.server_info.name,
                version: identity.server_info.version,
            },
            capabilities: identity.capabilities.names,
            startup_ms: millis(startup),
            tools_count: offer.tools.len() as u32,
            state,
            reasons,
        };
        self.shared.publish(started).await;
        self.tell_tools(&offer).await;
        let summary = self.known.summary();
        self.answer(|_| Ok(summary.clone()));
        Phase::Open(Box::new(life))
    }

    async fn tell_tools(&mut self, offer: &Offer) {
        if let Some(event) = discovered(&self.name, offer, self.prints.as_ref()) {
            self.shared.publish(event).await;
        }
        self.prints = Some(fingerprints(offer));
    }

    /// Keeps a running server until something ends it.
    pub(super) async fn open(&mut self, life: Life, orders: &mut Orders) -> Phase {
        let now = Instant::now();
        let mut watch = Watch {
            next_check: now + jitter(self.known.config().health.interval),
            life,
            jobs: JoinSet::new(),
            probing: false,
            listing: false,
            list_again: false,
            last_list: now,
            failures: 0,
            limits: LimitWatch::default(),
            exceeds: None,
            busy: false,
            discoverers: Vec::new(),
        };
        loop {
            let happened = self.next(&mut watch, orders).await;
            let end = match happened {
                Happened::Order(order) => match self.ordered(watch, order).await {
                    Ok(kept) => {
                        watch = kept;
                        continue;
                    }
                    Err(phase) => return phase,
                },
                Happened::Exited(exit) => return self.exited(watch, exit).await,
                Happened::Closed(ended) => return self.closed(watch, ended).await,
                Happened::Done(Done::Offer(read)) => self.listed(&mut watch, read).await,
                Happened::Done(Done::Probe { took, busy }) => self.checked(&mut watch, took, busy).await,
                Happened::CheckDue => {
                    self.check(&mut watch);
                    None
                }
                Happened::Changed => {
                    self.list(&mut watch);
                    None
                }
                Happened::Sampled => self.sampled(&mut watch).await,
            };
            if let Some((cause, message)) = end {
                return self.replace(watch, cause, &message).await;
            }
        }
    }

    async fn next(&mut self, watch: &mut Watch, orders: &mut Orders) -> Happened {
        let process = self.process.as_mut();
        let exited = async {
            match process {
                Some(process) => process.ended().await,
                None => std::future::pending().await,
            }
        };
        let measured = watch.life.measured.as_mut();
        let sampled = async {
            let changed = match measured {
                Some(measured) => measured.samples.changed().await.is_ok(),
                None => false,
            };
            if !changed {
                std::future::pending::<()>().await;
            }
        };
        let changed = async {
            if watch.life.changes.next().await.is_none() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            exit = exited => Happened::Exited(exit),
            order = orders.recv() => Happened::Order(order),
            ended = watch.life.open.session.closed() => Happened::Closed(ended),
            Some(done) = watch.jobs.join_next(), if !watch.jobs.is_empty() => match done {
                Ok(done) => Happened::Done(done),
                // Only a job that panicked: the same as no answer.
                Err(error) => Happened::Done(Done::Probe {
                    took: Err(SessionError::Protocol { message: error.to_string() }),
                    busy: false,
                }),
            },
            () = sleep_until(watch.next_check), if !watch.probing => Happened::CheckDue,
            () = changed => Happened::Changed,
            () = sampled => Happened::Sampled,
        }
    }

    /// Carries an order out; gives the watch back if the server goes on running.
    async fn ordered(&mut self, mut watch: Watch, order: Option<Order>) -> Result<Watch, Phase> {
        let grace = self.known.config().shutdown_timeout;
        match order {
            Some(Order::Start { reply, .. }) => {
                let _ = reply.send(Ok(self.known.summary()));
                Ok(watch)
            }
            Some(Order::Discover { reply }) => {
                watch.discoverers.push(reply);
                // One that asks now wants to know what is there now.
                self.list(&mut watch);
                Ok(watch)
            }
            Some(Order::Configure { config, done }) => {
                if !self.known.config().needs_restart(&config) {
                    self.reconfigured(&mut watch, config).await;
                    let _ = done.send(Touched::Updated);
                    return Ok(watch);
                }
                self.take_config(config);
                let _ = done.send(Touched::Restarted);
                Err(self.again(watch, "config", grace, Trigger::Config).await)
            }
            Some(Order::Restart { by, reply }) => {
                self.backoff.forget();
                // Answered when it is ready again.
                let phase = self.again(watch, "user", grace, Trigger::User(by)).await;
                self.wait_for_ready(reply);
                Err(phase)
            }
            Some(Order::Stop { reply }) => {
                self.want(llmctl_proto::mcp::Desired::Stopped).await;
                self.end(watch, "user", Manner::Polite(grace)).await;
                self.set(ServerState::Stopped, |_| {});
                let _ = reply.send(Ok(self.known.summary()));
                Err(Phase::Idle)
            }
            Some(Order::End { reason, done }) => {
                self.end(watch, reason, Manner::Polite(grace)).await;
                self.set(ServerState::Stopped, |_| {});
                let _ = done.send(());
                Err(Phase::End)
            }
            None => {
                self.end(watch, "shutdown", Manner::Polite(grace)).await;
                Err(Phase::End)
            }
        }
    }

    /// Another configuration that needs no restart.
    async fn reconfigured(&mut self, watch: &mut Watch, config: Arc<llmctl_proto::config::McpServerConfig>) {
        let old = self.known.config();
        let other_tools = old.allowed_tools != config.allowed_tools;
        watch.next_check = watch.next_check.min(Instant::now() + jitter(config.health.interval));
        self.take_config(config);
        watch.exceeds = None;
        if other_tools {
            self.list(watch);
        }
        self.judge(watch, None).await;
    }

    /// Ends it and starts it anew, because somebody wants that.
    async fn again(&mut self, watch: Watch, cause: &'static str, grace: Duration, trigger: Trigger) -> Phase {
        let _ = self.back_off(cause, Duration::ZERO, 0).await;
        self.end(watch, cause, Manner::Polite(grace)).await;
        Phase::Start(trigger)
    }

    /// Ends a conversation and its process because somebody wants that.
    async fn end(&mut self, watch: Watch, why: &'static str, manner: Manner) {
        self.set(ServerState::Stopping, |_| {});
        let uptime = millis(watch.life.ready.elapsed());
        self.let_go(watch).await;
        let exit = self.end_process(manner).await;
        self.say_stopped(why, exit, uptime).await;
        self.known.log.note(&format!("stopped ({why})"));
        let message = match why {
            "user" => "it was stopped by hand",
            "shutdown" => "the daemon was stopped",
            _ => "its configuration has changed",
        };
        self.remember(why, message, exit, uptime, String::new(), None).await;
    }

    /// Closes the conversation: whoever is in a call is told so, and the server's input ends.
    async fn let_go(&mut self, mut watch: Watch) {
        watch.life.open.over.cancel();
        {
            let mut facts = self.known.lock();
            facts.open = None;
            facts.ready_since = None;
            facts.offer = Arc::default();
            facts.reasons.clear();
        }
        watch.jobs.shutdown().await;
        for reply in watch.discoverers {
            let _ = reply.send(Err(self.not_open()));
        }
        drop(watch.life.measured);
        let mut session = watch.life.open.session;
        let until = Instant::now() + LET_GO;
        loop {
            match Arc::try_unwrap(session) {
                Ok(session) => {
                    let _ = timeout(Duration::from_secs(2), session.close()).await;
                    return;
                }
                // Dropping it closes it as well, only less politely.
                Err(_) if Instant::now() >= until => return,
                Err(held) => session = held,
            }
            sleep(Duration::from_millis(2)).await;
        }
    }

    /// Its process has ended, and nobody wanted that.
    async fn exited(&mut self, watch: Watch, exit: Option<ExitStatus>) -> Phase {
        let ready = watch.life.ready.elapsed();
        let left = exit.is_some_and(|status| status.success());
        let message = died(exit, &format!("after {:.0} s", ready.as_secs_f64()));
        if left && self.known.config().restart == RestartPolicy::OnFailure {
            self.set(ServerState::Stopping, |_| {});
            self.say_stopped("exited", exit, millis(ready)).await;
            self.let_go(watch).await;
            self.end_process(Manner::Kill).await;
            let message = format!("{message}; `restart: always` would start it again");
            self.remember("exited", &message, exit, millis(ready), String::new(), None).await;
            self.set(ServerState::Stopped, |facts| facts.last_error = Some(reason(message)));
            return Phase::Idle;
        }
        self.say_stopped("exited", exit, millis(ready)).await;
        self.lost(watch, "exited", message, exit, Manner::Kill).await
    }

    /// The conversation has ended, and the process has not.
    async fn closed(&mut self, watch: Watch, ended: Ended) -> Phase {
        if self.process.is_some() {
            let process = self.process.as_mut();
            let exit = async {
                match process {
                    Some(process) => process.ended().await,
                    None => None,
                }
            };
            if let Ok(exit) = timeout(OUTPUT_ENDED, exit).await {
                return self.exited(watch, exit).await;
            }
        }
        let uptime = millis(watch.life.ready.elapsed());
        let (cause, message) = match ended {
            Ended::Output => ("exited", "it closed its standard output"),
            Ended::Input => ("exited", "it no longer takes any input"),
            Ended::SessionLost => ("session_lost", "it no longer knows the session"),
        };
        if ended == Ended::SessionLost {
            // Nothing is wrong but its memory: it is opened again at once.
            let _ = self.back_off(cause, Duration::ZERO, 0).await;
            self.let_go(watch).await;
            self.remember(cause, message, None, uptime, String::new(), Some(Duration::ZERO)).await;
            return Phase::Start(Trigger::Restart);
        }
        let grace = self.known.config().shutdown_timeout;
        let phase = self.lost(watch, cause, message.to_owned(), None, Manner::Brisk(grace)).await;
        self.say_stopped("exited", None, uptime).await;
        phase
    }

    /// It does not answer or uses too much: it is replaced.
    async fn replace(&mut self, watch: Watch, cause: &'static str, message: &str) -> Phase {
        let uptime = millis(watch.life.ready.elapsed());
        let (grace, keeps) = {
            let config = self.known.config();
            let stops = config.limits.as_ref().is_some_and(|limits| limits.on_exceed == OnExceed::Stop);
            (config.shutdown_timeout, !(cause == "limit" && stops))
        };
        if !keeps || cause == "authentication" {
            let state = if keeps { ServerState::NeedsAuthentication } else { ServerState::Failed };
            let tail = self.known.log.tail_since(self.mark(), STDERR_TAIL_BYTES);
            self.set(ServerState::Stopping, |_| {});
            self.let_go(watch).await;
            let exit = self.end_process(Manner::Polite(grace)).await;
            self.say_stopped(if keeps { "exited" } else { "limit" }, exit, uptime).await;
            self.remember(cause, message, exit, uptime, tail.clone(), None).await;
            self.give_up(cause, state, message, tail, 0).await;
            return Phase::Idle;
        }
        let phase = self.lost(watch, cause, message.to_owned(), None, Manner::Brisk(grace)).await;
        self.say_stopped(cause, None, uptime).await;
        phase
    }

    /// The end of a life that nobody wanted: says at once what follows, then ends what is left of it.
    async fn lost(
        &mut self,
        watch: Watch,
        cause: &'static str,
        message: String,
        exit: Option<ExitStatus>,
        manner: Manner,
    ) -> Phase {
        let ready = watch.life.ready.elapsed();
        let verdict = self.verdict(Some(ready));
        let mut until = None;
        if let Verdict::Again { wait, attempt } = verdict {
            until = Some(self.back_off(cause, wait, attempt).await);
        }
        self.known.lock().last_error = Some(reason(message.clone()));
        self.let_go(watch).await;
        self.end_process(manner).await;
        self.known.log.note(&message);
        let tail = self.known.log.tail_since(self.mark(), STDERR_TAIL_BYTES);
        let wait = match verdict {
            Verdict::Again { wait, .. } => Some(wait),
            Verdict::GiveUp { .. } => None,
        };
        self.remember(cause, &message, exit, millis(ready), tail.clone(), wait).await;
        match (verdict, until) {
            (Verdict::GiveUp { attempts }, _) => {
                let never = self.known.config().restart == RestartPolicy::Never;
                let (word, state) = match cause {
                    _ if never => (cause, ServerState::Failed),
                    "unhealthy" | "limit" => (cause, ServerState::CrashLoop),
                    _ => ("crash_loop", ServerState::CrashLoop),
                };
                self.give_up(word, state, &message, tail, attempts).await;
                Phase::Idle
            }
            (Verdict::Again { .. }, until) => Phase::Wait(until.unwrap_or_else(Instant::now)),
        }
    }

    /// Begins a health check.
    fn check(&mut self, watch: &mut Watch) {
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
    async fn checked(
        &mut self,
        watch: &mut Watch,
        took: Result<Duration, SessionError>,
        busy: bool,
    ) -> Option<(&'static str, String)> {
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
                super::session::Era::Legacy => "ping".to_owned(),
                super::session::Era::Modern => "server/discover".to_owned(),
            },
        }
    }

    /// Finds the state from all that is known, and says so when it or its reasons have changed.
    async fn judge(&mut self, watch: &Watch, check: Option<LastCheck>) {
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
    fn list(&mut self, watch: &mut Watch) {
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

    async fn listed(
        &mut self,
        watch: &mut Watch,
        read: Result<Offer, SessionError>,
    ) -> Option<(&'static str, String)> {
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
            self.list(watch);
        } else {
            for reply in watch.discoverers.drain(..) {
                let _ = reply.send(result.clone());
            }
        }
        self.judge(watch, None).await;
        None
    }

    /// What its tree uses is known anew.
    async fn sampled(&mut self, watch: &mut Watch) -> Option<(&'static str, String)> {
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
fn reasons(
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
fn jitter(interval: Duration) -> Duration {
    interval.mul_f64(0.9 + 0.2 * chance())
}
