//! A server while its conversation is open: health checks, news of its lists, limits, and its end.

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use llmctl_proto::config::McpServerConfig;
use llmctl_proto::event::McpServerStarted;
use llmctl_proto::mcp::{Desired, ServerIdentityInfo, ServerState};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::actor::{Actor, Order, Orders, Phase, Touched, Trigger};
use super::error::McpError;
use super::health::{jitter, reasons};
use super::known::{millis, transport};
use super::launch::Life;
use super::limits::LimitWatch;
use super::offer::Offer;
use super::process::{Manner, Process};
use super::session::{Ended, SessionError};

/// Something that was asked of the server beside the loop.
pub(super) enum Done {
    Probe { took: Result<Duration, SessionError>, busy: bool },
    Offer(Result<Offer, SessionError>),
}

/// What is going on while a server runs.
pub(super) struct Watch {
    pub(super) life: Life,
    pub(super) jobs: JoinSet<Done>,
    pub(super) probing: bool,
    pub(super) listing: bool,
    /// The lists changed while they were read.
    pub(super) list_again: bool,
    pub(super) last_list: Instant,
    pub(super) next_check: Instant,
    pub(super) failures: u32,
    pub(super) limits: LimitWatch,
    pub(super) exceeds: Option<String>,
    pub(super) busy: bool,
    pub(super) discoverers: Vec<oneshot::Sender<Result<(), McpError>>>,
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
                    Self::list(&mut watch);
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
                Self::list(&mut watch);
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
                self.want(Desired::Stopped).await;
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
    async fn reconfigured(&mut self, watch: &mut Watch, config: Arc<McpServerConfig>) {
        let old = self.known.config();
        let other_tools = old.allowed_tools != config.allowed_tools;
        watch.next_check = watch.next_check.min(Instant::now() + jitter(config.health.interval));
        self.take_config(config);
        watch.exceeds = None;
        if other_tools {
            Self::list(watch);
        }
        self.judge(watch, None).await;
    }
}
