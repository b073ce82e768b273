//! Waiting for a place and for money before an attempt starts, and for the next try after one failed. Whoever waits
//! can be stopped at any moment, and never waits for a daemon that has gone.

use std::time::Duration;

use llmctl_proto::admission::{Admission, Place, Refusal, Submission};
use llmctl_proto::event::{BudgetChanged, BudgetStatus, ExecutionQueued, StopBy, StopVia};
use llmctl_proto::money::PicoUsd;
use llmctl_proto::opdir::Wish;
use llmctl_proto::paths::Paths;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::front::Front;
use super::record::Recorder;
use super::signals::{Heard, Signals};
use super::stop::Cause;
use crate::link;
use crate::link::attach::Order;
use crate::term::duration;

/// A daemon that does not answer a submission within this time is not waited for.
const FIRST_ANSWER: Duration = Duration::from_secs(2);
/// A queued operation looks so long for a daemon that has gone before it starts one itself.
const GONE: Duration = Duration::from_secs(5);

/// What came of the wait for a place.
#[derive(Debug)]
pub(super) enum Given {
    /// It may start.
    Place {
        /// What was set aside.
        reservation: Option<PicoUsd>,
        /// Budgets at or above their threshold.
        warnings: Vec<BudgetStatus>,
        /// A hard budget was passed for the reason given.
        overridden: Option<Box<Refusal>>,
    },
    /// A budget refuses.
    Refused(Box<Refusal>),
    /// Nobody gives places: it starts, and shared budgets are not enforced.
    Alone,
    /// It was stopped while it waited.
    Stopped(Cause),
}

/// What stands around an operation while it waits.
pub(super) struct Waiting<'a> {
    pub(super) paths: &'a Paths,
    pub(super) record: &'a mut Recorder,
    pub(super) front: &'a mut Front,
    pub(super) signals: &'a mut Signals,
    pub(super) orders: &'a mut mpsc::Receiver<Order>,
    /// The operation's own limit, which may be changed meanwhile.
    pub(super) max_cost_nano_usd: &'a mut Option<i64>,
    /// Called with true once it is known to be queued.
    pub(super) on_queued: &'a mut (dyn FnMut(bool) + Send),
}

/// What ends a turn of waiting.
enum Turn {
    Admission(Box<Admission>),
    Stop(Cause),
    Other,
}

impl Waiting<'_> {
    /// Asks for a place and waits until it is given or refused.
    pub(super) async fn place(&mut self, submission: Submission) -> Given {
        let Some(mut connected) = self.record.submit(submission.clone()) else { return Given::Alone };
        if !*connected.borrow_and_update() {
            return Given::Alone;
        }
        let mut queued: Option<Place> = None;
        let mut give_up = Instant::now() + FIRST_ANSWER;
        loop {
            let turn = tokio::select! {
                turn = self.turn() => turn,
                () = change(&mut connected) => {
                    if queued.is_some() {
                        give_up = Instant::now() + GONE;
                    }
                    continue;
                }
                () = tokio::time::sleep_until(give_up), if queued.is_none() || !*connected.borrow() => {
                    if queued.is_some() && link::ensure_running(self.paths).await.is_ok() {
                        // The link finds the new daemon by itself and asks it again.
                        give_up = Instant::now() + GONE;
                        continue;
                    }
                    self.record.withdraw();
                    self.front.say("warning: the daemon does not answer; starting without it");
                    return Given::Alone;
                }
            };
            match turn {
                Turn::Admission(admission) => match *admission {
                    Admission::Admitted { reservation, warnings, overridden } => {
                        return Given::Place { reservation, warnings, overridden };
                    }
                    Admission::Refused(refusal) => return Given::Refused(refusal),
                    Admission::Queued(place) => {
                        self.tell(&place, queued.as_ref());
                        (self.on_queued)(true);
                        // A daemon that comes later has to know what was changed meanwhile.
                        self.record.amend(|submission| {
                            submission.priority = place.priority;
                            submission.held = place.held;
                        });
                        queued = Some(place);
                    }
                },
                Turn::Stop(cause) => return Given::Stopped(cause),
                Turn::Other => {}
            }
        }
    }

    /// Waits for a while before the next try; gives the stop that came meanwhile.
    pub(super) async fn pause(&mut self, wait: Duration) -> Option<Cause> {
        let until = Instant::now() + wait;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return None,
                turn = self.turn() => if let Turn::Stop(cause) = turn {
                    return Some(cause);
                }
            }
        }
    }

    async fn turn(&mut self) -> Turn {
        tokio::select! {
            heard = self.signals.next() => match heard {
                Heard::Stop(number) => Turn::Stop(Cause::signal(number)),
                Heard::Look => match self.record.dir.take_wish() {
                    Some(Wish::Stop { by, via, reason, .. }) => {
                        Turn::Stop(Cause { by, via, reason, signal: None })
                    }
                    Some(Wish::Pause | Wish::Resume) | None => Turn::Other,
                },
            },
            Some(order) = self.orders.recv() => match order {
                Order::Admission(admission) => Turn::Admission(admission),
                Order::Stop { by, via, reason, .. } => Turn::Stop(Cause::ordered(&by, &via, reason)),
                Order::Budget(limit) => {
                    *self.max_cost_nano_usd = limit;
                    let operation_id = self.record.id.clone();
                    // A disk that refuses was said when it began to.
                    let _ = self.record.fact(BudgetChanged { operation_id, max_cost_nano_usd: limit });
                    Turn::Other
                }
                Order::Suspend(_) => Turn::Other,
            },
        }
    }

    fn tell(&mut self, place: &Place, before: Option<&Place>) {
        if before == Some(place) {
            return;
        }
        let trouble = self.record.fact(ExecutionQueued {
            operation_id: self.record.id.clone(),
            position: place.position,
            reason: place.reason.clone(),
            limit: place.limit.clone(),
            wait_until: place.wait_until,
            held: place.held,
            priority: place.priority,
        });
        if let Some(trouble) = trouble {
            self.front.say(&format!("warning: {trouble}"));
        }
        let text = sentence(place, llmctl_proto::time::UnixMs::now().0);
        match before {
            None => self.front.note(&text),
            Some(_) => self.front.status(&text),
        }
    }
}

/// Waits for the next change of a link; for ever once there is no link any more.
async fn change(connected: &mut watch::Receiver<bool>) {
    if connected.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn sentence(place: &Place, now_ms: i64) -> String {
    let limit = place.limit.as_ref().map(|limit| format!(" ({limit})")).unwrap_or_default();
    let why = match place.reason.as_str() {
        "held" => "held back; `llmctl queue release` lets it go".to_owned(),
        "rate_limit" => format!("the rate limit is reached{limit}"),
        _ => format!("all places are taken{limit}"),
    };
    let until = place
        .wait_until
        .map(|until| u64::try_from(until.0 - now_ms).unwrap_or(0))
        .filter(|wait| *wait > 0)
        .map(|wait| format!(", at least {}", duration(wait)))
        .unwrap_or_default();
    format!("queued, place {}: {why}{until}", place.position)
}

impl Cause {
    /// A signal to the runner.
    pub(super) fn signal(number: i32) -> Self {
        let user = number == signal_hook::consts::SIGINT;
        Self {
            by: if user { StopBy::User } else { StopBy::Signal },
            via: if user { StopVia::Terminal } else { StopVia::Runner },
            reason: None,
            signal: Some(number),
        }
    }
}
