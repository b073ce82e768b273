//! One server's actor: its states outside of an open conversation, and the way from one to the next.
//!
//! All that changes a server goes through here, one thing after another; whoever wants to know something reads
//! what is known instead of asking.

use std::sync::Arc;
use std::time::Duration;

use llmctl_proto::config::McpServerConfig;
use llmctl_proto::event::McpServerStarting;
use llmctl_proto::mcp::{Desired, ServerState, ServerSummary};
use llmctl_proto::time::UnixMs;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::backoff::Backoff;
use super::deps::Shared;
use super::error::McpError;
use super::known::Known;
use super::launch::{Drain, Failure, Life};
use super::offer::Fingerprints;
use super::process::{Manner, Process};

/// Told when a verb's result is known.
pub(super) type Reply = oneshot::Sender<Result<ServerSummary, McpError>>;
/// Orders that wait for an actor; beyond it whoever gives them waits.
pub(super) type Orders = mpsc::Receiver<Order>;

/// What an actor is told to do.
#[derive(Debug)]
pub(super) enum Order {
    Start {
        by: String,
        reply: Reply,
    },
    Stop {
        reply: Reply,
    },
    Restart {
        by: String,
        reply: Reply,
    },
    Discover {
        reply: oneshot::Sender<Result<(), McpError>>,
    },
    Configure {
        config: Arc<McpServerConfig>,
        done: oneshot::Sender<Touched>,
    },
    /// The end: `shutdown`, or `config` when it is no longer configured.
    End {
        reason: &'static str,
        done: oneshot::Sender<()>,
    },
}

/// What another configuration did to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Touched {
    Updated,
    Restarted,
}

/// Why a server is started.
#[derive(Debug, Clone)]
pub(super) enum Trigger {
    User(String),
    AutoStart,
    Restart,
    Config,
}

/// Where an actor is.
pub(super) enum Phase {
    Idle,
    Start(Trigger),
    Open(Box<Life>),
    Wait(Instant),
    End,
}

/// The actor of one server.
pub(super) struct Actor {
    pub(super) name: String,
    pub(super) shared: Shared,
    pub(super) known: Known,
    pub(super) process: Option<Process>,
    pub(super) stderr: Option<Drain>,
    /// The tools it had last, over its lives.
    pub(super) prints: Option<Fingerprints>,
    pub(super) backoff: Backoff,
    begun: Instant,
    /// Who waits for it to be ready.
    starters: Vec<Reply>,
    /// Starts since somebody wanted it.
    attempt: u32,
    /// Place in the log where the present life begins.
    mark: u64,
    spawned: u64,
}

/// What came in between while it was being started.
enum Between {
    Launched(Result<Life, Failure>),
    Order(Order),
}

impl Actor {
    pub(super) fn new(name: String, shared: Shared, known: Known) -> Self {
        Self {
            name,
            shared,
            known,
            process: None,
            stderr: None,
            prints: None,
            backoff: Backoff::default(),
            begun: Instant::now(),
            starters: Vec::new(),
            attempt: 0,
            mark: 0,
            spawned: 0,
        }
    }

    /// Works until it is told to end.
    pub(super) async fn run(mut self, orders: &mut Orders, first: Option<Trigger>) {
        self.shared.swept.cancelled().await;
        let mut phase = first.map_or(Phase::Idle, Phase::Start);
        loop {
            phase = match phase {
                Phase::Idle => self.idle(orders).await,
                Phase::Start(trigger) => self.start(trigger, orders).await,
                Phase::Open(life) => self.open(*life, orders).await,
                Phase::Wait(until) => self.wait(until, orders).await,
                Phase::End => return,
            };
        }
    }

    /// A value that no other start has.
    pub(super) fn next_tag(&mut self) -> String {
        self.spawned += 1;
        format!("mcp-{}-{}-{}", std::process::id(), UnixMs::now().0, self.spawned)
    }

    async fn idle(&mut self, orders: &mut Orders) -> Phase {
        match orders.recv().await {
            None => Phase::End,
            Some(Order::Start { by, reply } | Order::Restart { by, reply }) => self.wanted(by, reply).await,
            Some(Order::Stop { reply }) => self.stopped_by_hand(reply).await,
            Some(Order::Discover { reply }) => {
                let _ = reply.send(Err(self.not_open()));
                Phase::Idle
            }
            Some(Order::Configure { config, done }) => {
                let begins = config.auto_start && !self.known.config().auto_start;
                let mended = !matches!(self.known.state(), ServerState::Stopped | ServerState::Manual)
                    && self.known.config().needs_restart(&config);
                let stays = self.known.lock().desired == Desired::Stopped;
                self.take_config(config);
                let starts = (begins || mended) && !stays;
                let _ = done.send(if starts { Touched::Restarted } else { Touched::Updated });
                if starts { Phase::Start(Trigger::Config) } else { Phase::Idle }
            }
            Some(Order::End { done, .. }) => {
                let _ = done.send(());
                Phase::End
            }
        }
    }

    /// Somebody wants it to run.
    async fn wanted(&mut self, by: String, reply: Reply) -> Phase {
        let auto = self.known.config().auto_start;
        self.want(if auto { Desired::Configured } else { Desired::Running }).await;
        self.backoff.forget();
        self.attempt = 0;
        self.starters.push(reply);
        Phase::Start(Trigger::User(by))
    }

    async fn stopped_by_hand(&mut self, reply: Reply) -> Phase {
        self.want(Desired::Stopped).await;
        self.set(ServerState::Stopped, |facts| facts.next_start_at = None);
        let _ = reply.send(Ok(self.known.summary()));
        Phase::Idle
    }

    pub(super) async fn want(&self, desired: Desired) {
        self.known.lock().desired = desired;
        self.shared.wishes.want(&self.name, desired).await;
    }

    pub(super) fn take_config(&self, config: Arc<McpServerConfig>) {
        let mut facts = self.known.lock();
        if facts.state == ServerState::Manual && config.auto_start {
            facts.state = ServerState::Stopped;
        }
        facts.config = config;
    }

    pub(super) fn set(&self, state: ServerState, change: impl FnOnce(&mut super::known::Facts)) {
        let mut facts = self.known.lock();
        facts.state = state;
        change(&mut facts);
    }

    pub(super) fn not_open(&self) -> McpError {
        let state = self.known.state();
        let hint = match state {
            ServerState::Starting | ServerState::BackingOff => "it is being started".to_owned(),
            _ => format!("start it with `llmctl mcp start {}`", self.name),
        };
        McpError::WrongState { name: self.name.clone(), state, hint }
    }

    async fn start(&mut self, trigger: Trigger, orders: &mut Orders) -> Phase {
        self.attempt += 1;
        self.mark = self.known.log.mark();
        self.set(ServerState::Starting, |facts| {
            facts.started_at = Some(UnixMs::now());
            facts.next_start_at = None;
            facts.last_check = None;
            facts.reasons.clear();
        });
        let (word, by) = match &trigger {
            Trigger::User(by) => ("user", Some(by.clone())),
            Trigger::AutoStart => ("auto_start", None),
            Trigger::Restart => ("restart", None),
            Trigger::Config => ("config", None),
        };
        let starting = McpServerStarting {
            server_name: self.name.clone(),
            trigger: word.to_owned(),
            attempt: self.attempt,
            by,
        };
        self.shared.publish(starting).await;
        self.known.log.note(&format!("start ({word}), attempt {}", self.attempt));
        let begun = Instant::now();
        match self.launched(orders).await {
            Between::Launched(Ok(life)) => self.ready(life, begun.elapsed()).await,
            Between::Launched(Err(failure)) => self.failed(failure).await,
            Between::Order(order) => {
                self.set(ServerState::Stopping, |_| {});
                let grace = self.known.config().shutdown_timeout;
                self.end_process(Manner::Brisk(grace)).await;
                self.interrupted(order).await
            }
        }
    }

    /// Starts it, and answers meanwhile what can be answered.
    async fn launched(&mut self, orders: &mut Orders) -> Between {
        let (known, name) = (self.known.clone(), self.name.clone());
        let mut starters = std::mem::take(&mut self.starters);
        let between = {
            let launch = self.launch();
            tokio::pin!(launch);
            loop {
                tokio::select! {
                    launched = &mut launch => break Between::Launched(launched),
                    order = orders.recv() => match order {
                        Some(Order::Start { reply, .. }) => starters.push(reply),
                        Some(Order::Discover { reply }) => {
                            let state = ServerState::Starting;
                            let hint = "it is being started".to_owned();
                            let _ = reply.send(Err(McpError::WrongState { name: name.clone(), state, hint }));
                        }
                        Some(Order::Configure { config, done }) if !known.config().needs_restart(&config) => {
                            known.lock().config = config;
                            let _ = done.send(Touched::Updated);
                        }
                        Some(order) => break Between::Order(order),
                        None => {
                            let (done, _) = oneshot::channel();
                            break Between::Order(Order::End { reason: "shutdown", done });
                        }
                    },
                }
            }
        };
        starters.append(&mut self.starters);
        self.starters = starters;
        between
    }

    /// An order that ended a start or a wait; nothing runs any more.
    async fn interrupted(&mut self, order: Order) -> Phase {
        match order {
            Order::Stop { reply } => {
                self.answer(|name| {
                    let message = "it was stopped before it was ready".to_owned();
                    Err(McpError::Failed {
                        name,
                        cause: "stopped".into(),
                        message,
                        stderr_tail: String::new(),
                    })
                });
                self.say_stopped("user", None, 0).await;
                self.stopped_by_hand(reply).await
            }
            Order::Start { by, reply } | Order::Restart { by, reply } => self.wanted(by, reply).await,
            Order::Configure { config, done } => {
                self.take_config(config);
                let _ = done.send(Touched::Restarted);
                self.backoff.forget();
                Phase::Start(Trigger::Config)
            }
            Order::End { reason, done } => {
                self.answer(|_| Err(McpError::Stopping));
                self.set(ServerState::Stopped, |_| {});
                self.say_stopped(reason, None, 0).await;
                let _ = done.send(());
                Phase::End
            }
            Order::Discover { reply } => {
                let _ = reply.send(Err(self.not_open()));
                Phase::Idle
            }
        }
    }

    /// Answers everybody who waits for it to be ready.
    pub(super) fn answer(&mut self, result: impl Fn(String) -> Result<ServerSummary, McpError>) {
        for reply in self.starters.drain(..) {
            let _ = reply.send(result(self.name.clone()));
        }
    }

    async fn wait(&mut self, until: Instant, orders: &mut Orders) -> Phase {
        loop {
            let order = tokio::select! {
                order = orders.recv() => order,
                () = sleep_until(until) => return Phase::Start(Trigger::Restart),
            };
            match order {
                None => return Phase::End,
                Some(Order::Discover { reply }) => drop(reply.send(Err(self.not_open()))),
                Some(Order::Configure { config, done }) if !self.known.config().needs_restart(&config) => {
                    self.take_config(config);
                    let _ = done.send(Touched::Updated);
                }
                Some(order) => return self.interrupted(order).await,
            }
        }
    }

    /// Answers when it is ready or has failed.
    pub(super) fn wait_for_ready(&mut self, reply: Reply) {
        self.starters.push(reply);
    }

    /// How long the actor has been at work.
    pub(super) fn age(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Place in the log where the present life begins.
    pub(super) fn mark(&self) -> u64 {
        self.mark
    }
}

/// Between 0 and 1.
pub(super) fn chance() -> f64 {
    let mut bytes = [0; 4];
    // Without randomness all servers only wait equally long.
    let _ = getrandom::fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}
