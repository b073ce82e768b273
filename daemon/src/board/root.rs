//! One root: what was published of it, when to look again, and which changes wait for it.
//!
//! Decisions only; jobs are started and their events published by the board's task. One job at a time has the tree,
//! so a scan never sees half of a change of ours.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use llmctl_proto::event::TaskEvent;
use llmctl_proto::task::files::{Lock, Scan};
use llmctl_proto::task::{Board as Index, Settle};
use llmctl_proto::time::UnixMs;
use tokio::sync::Notify;

use super::bell::Bell;
use super::edit::{Act, Order};
use super::error::BoardError;
use super::job::{Kit, Look, Watched};
use super::places::Place;
use super::view::{Counts, RootView, Status, Watching, exactly};
use super::watch::Doorbell;

/// A full look, whatever the doorbell says.
const PERIODIC: Duration = Duration::from_secs(30);
/// Between two looks where nothing rings.
pub(super) const POLL: Duration = Duration::from_secs(2);
/// Between two attempts to watch again.
const WATCH_AGAIN: Duration = Duration::from_secs(30);
/// A root that has just gone is often made again at once.
const MISSING: Duration = Duration::from_millis(500);
const MISSING_SOON: u32 = 10;
/// Changes that wait for one root; more are refused.
const MAX_WAITING: usize = 256;
/// Changes that are carried out before the next look.
const MAX_BATCH: usize = 16;
/// Changes of ours whose event is still to come.
const MAX_ACTORS: usize = 256;
/// Between two reports of lost events.
const OVERFLOW_REPORT: Duration = Duration::from_secs(10);

/// Who has the lock of the tree.
#[derive(Debug)]
pub(super) enum LockState {
    Free,
    Asked,
    Held(Lock),
}

/// What to do next.
#[derive(Debug)]
pub(super) enum Job {
    Lock { sweep: bool },
    Look { kit: Kit, try_watch: bool },
    Edit { kit: Kit, lock: Lock, orders: Vec<Order>, shown: Arc<Index> },
}

/// What changed in how changes are noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) reason: String,
    pub(super) mode: &'static str,
    pub(super) interval: Duration,
    pub(super) recovered: bool,
    pub(super) message: Option<String>,
}

#[derive(Debug)]
pub(super) struct Root {
    pub(super) id: u64,
    pub(super) place: Arc<Place>,
    settle: Option<Settle>,
    bell: Bell,
    door: Arc<Doorbell>,
    kit: Option<Kit>,
    lock: LockState,
    swept: bool,
    /// The watcher failed while a job had it.
    broken: bool,
    waiting: VecDeque<Order>,
    /// Path, version and author of changes of ours.
    actors: VecDeque<(String, String, String)>,
    next_look: Instant,
    next_watch: Instant,
    settle_due: Option<Instant>,
    missing: u32,
    reported_overflow: Option<Instant>,
    born: Instant,
    view: Arc<RootView>,
}

impl Root {
    /// A root about which nothing is known yet, or what an earlier task of the board has shown of it.
    pub(super) fn new(id: u64, place: Place, before: Option<&Arc<RootView>>, wake: Arc<Notify>) -> Self {
        let (place, now) = (Arc::new(place), Instant::now());
        let door = Arc::new(Doorbell::new(wake));
        let settle = before
            .filter(|before| before.scanned)
            .map(|before| Settle::new(place.project.clone(), before.index.as_ref().clone(), 0));
        let view = match before {
            Some(before) => Arc::clone(before),
            None => Arc::new(RootView {
                place: Arc::clone(&place),
                index: Arc::default(),
                counts: Counts::default(),
                generation: 0,
                skipped: Arc::default(),
                aside: Arc::default(),
                status: Status::default(),
                scanned: false,
            }),
        };
        Self {
            id,
            kit: Some(Kit::new(&place, Arc::clone(&door))),
            place,
            settle,
            bell: Bell::default(),
            door,
            lock: LockState::Free,
            swept: false,
            broken: false,
            waiting: VecDeque::new(),
            actors: VecDeque::new(),
            next_look: now,
            next_watch: now,
            settle_due: None,
            missing: 0,
            reported_overflow: None,
            born: now,
            view,
        }
    }

    pub(super) fn view(&self) -> &Arc<RootView> {
        &self.view
    }

    /// Takes a change in, or refuses it when too many wait.
    pub(super) fn take(&mut self, order: Order) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push_back(order);
        } else {
            let _ = order.reply.send(Err(BoardError::Busy));
        }
    }

    /// Listens to the doorbell; gives a report when events were lost.
    pub(super) fn on_ring(&mut self, now: Instant) -> Option<Report> {
        let rung = self.door.take();
        if rung.broken {
            (self.broken, self.next_watch) = (true, now);
        }
        if rung.soft || rung.urgent || rung.overflow || rung.broken {
            self.bell.ring(now, rung.urgent || rung.overflow || rung.broken);
        }
        if !rung.overflow {
            return None;
        }
        let mut status = self.view.status.clone();
        status.overflows += 1;
        self.set_status(status);
        if self.reported_overflow.is_some_and(|at| now.duration_since(at) < OVERFLOW_REPORT) {
            return None;
        }
        self.reported_overflow = Some(now);
        Some(Report {
            reason: "overflow".to_owned(),
            mode: "rescan",
            interval: Duration::ZERO,
            recovered: true,
            message: None,
        })
    }

    /// When `next` has something to do, if nothing happens.
    pub(super) fn due(&self) -> Option<Instant> {
        self.kit.as_ref()?;
        let due = self.bell.due().into_iter().chain(self.settle_due.map(|at| self.bell.spaced(at)));
        due.chain([self.next_look]).min()
    }

    /// The job that is due.
    pub(super) fn next(&mut self, now: Instant) -> Option<Job> {
        let scanned = self.view.scanned;
        let wants_lock = !self.waiting.is_empty() || (scanned && !self.swept && self.missing == 0);
        if wants_lock && matches!(self.lock, LockState::Free) {
            self.lock = LockState::Asked;
            return Some(Job::Lock { sweep: !self.swept });
        }
        self.kit.as_ref()?;
        if matches!(self.lock, LockState::Held(_)) {
            if self.waiting.is_empty() {
                self.lock = LockState::Free;
            } else {
                return self.edit_job();
            }
        }
        if self.due().is_some_and(|due| due <= now) {
            let mut kit = self.kit.take()?;
            if std::mem::take(&mut self.broken) {
                kit.drop_watch();
            }
            self.bell.begin();
            self.settle_due = None;
            return Some(Job::Look { kit, try_watch: self.next_watch <= now });
        }
        None
    }

    fn edit_job(&mut self) -> Option<Job> {
        let LockState::Held(lock) = std::mem::replace(&mut self.lock, LockState::Free) else { return None };
        let kit = self.kit.take()?;
        self.bell.begin();
        let shown = match &self.settle {
            Some(settle) => Arc::new(settle.seen().clone()),
            None => Arc::clone(&self.view.index),
        };
        // One change of a file is one event, so two changes of one file are not put together.
        let limit = if self.place.rules.settings.wip_enforce { 1 } else { MAX_BATCH };
        let (mut orders, mut files) = (Vec::new(), BTreeSet::new());
        while orders.len() < limit
            && let Some(order) = self.waiting.front()
        {
            let named = match &order.act {
                Act::Verb { target, prefix, .. } => Some((target.as_str(), *prefix)),
                Act::PutDown(abandoned) => Some((abandoned.task(), false)),
                Act::Create(_) => None,
            };
            if let Some((target, prefix)) = named {
                let path =
                    exactly(&shown, target, prefix).map_or_else(|_| target.to_owned(), |r| r.path.clone());
                if !files.insert(path) {
                    break;
                }
            }
            orders.extend(self.waiting.pop_front());
        }
        Some(Job::Edit { kit, lock, orders, shown })
    }

    /// The lock is there, or not; without it whatever waits is refused.
    pub(super) fn on_locked(&mut self, lock: Option<Lock>) -> Vec<Order> {
        match lock {
            Some(lock) => {
                self.swept = true;
                self.lock = LockState::Held(lock);
                Vec::new()
            }
            None => {
                self.lock = LockState::Free;
                // Sweeping can wait until somebody writes.
                self.swept = true;
                self.waiting.drain(..).collect()
            }
        }
    }

    /// Remembers who made a change until its event comes.
    pub(super) fn made_by(&mut self, path: &str, rev: &str, actor: &str) {
        if self.actors.len() >= MAX_ACTORS {
            self.actors.pop_front();
        }
        self.actors.push_back((path.to_owned(), rev.to_owned(), actor.to_owned()));
    }

    /// Takes a look in: the events that it means, and what changed in how changes are noticed.
    pub(super) fn on_look(&mut self, kit: Kit, look: Look, now: Instant) -> (Vec<TaskEvent>, Option<Report>) {
        self.kit = Some(kit);
        // The first one reads everything, and says nothing of what the next one takes.
        if self.view.scanned {
            self.bell.ended(look.began, look.took);
        }
        let report = self.on_watched(&look.watched, now);
        let mut status = self.view.status.clone();
        status.scans += 1;
        status.last_scan_us = u64::try_from(look.took.as_micros()).unwrap_or(u64::MAX);
        status.last_scan_at = Some(UnixMs::now());
        status.last_event_at = self.door.last_event();
        let files_read = look.scan.as_ref().map_or(0, |scan| scan.files_read);
        let events = match look.scan {
            Ok(scan) => self.observe(scan, status, now),
            Err(error) => {
                tracing::warn!(project = %self.place.project, error = %error, "task files cannot be listed");
                status.failures += 1;
                self.next_look = now + POLL;
                self.set_status(status);
                Vec::new()
            }
        };
        tracing::debug!(
            project = %self.place.project,
            scan_us = look.took.as_micros(),
            compare_us = now.elapsed().as_micros(),
            files_read,
            events = events.len(),
            "looked at task files"
        );
        (events, report)
    }

    /// A job stumbled and took the tree with it: a new one, after a while.
    pub(super) fn on_panic(&mut self, now: Instant) -> Report {
        let mut status = self.view.status.clone();
        status.failures += 1;
        let again = Duration::from_secs(1 << status.failures.min(5));
        self.set_status(status);
        if self.kit.is_none() {
            self.kit = Some(Kit::new(&self.place, Arc::clone(&self.door)));
        }
        if matches!(self.lock, LockState::Asked) {
            self.lock = LockState::Free;
        }
        self.bell.begin();
        (self.next_look, self.next_watch) = (now + again, now);
        Report {
            reason: "error".to_owned(),
            mode: "rescan",
            interval: again,
            recovered: false,
            message: Some("a scan failed and is made again".to_owned()),
        }
    }

    fn observe(&mut self, scan: Scan, status: Status, now: Instant) -> Vec<TaskEvent> {
        let at_ms = u64::try_from(now.duration_since(self.born).as_millis()).unwrap_or(u64::MAX);
        if !scan.unsettled.is_empty() {
            self.bell.ring(now, false);
        }
        let (mut events, first) = match &mut self.settle {
            Some(settle) => (settle.observe(scan.board, at_ms), false),
            None => {
                self.settle = Some(Settle::new(self.place.project.clone(), scan.board, at_ms));
                (Vec::new(), true)
            }
        };
        let Some(settle) = &self.settle else { return events };
        self.settle_due =
            settle.due_ms().map(|ms| self.born + Duration::from_millis(ms.max(at_ms.saturating_add(1))));
        let shown = settle.shown();
        let changed = first
            || !events.is_empty()
            || shown.agents() != self.view.index.agents()
            || *self.view.skipped != scan.skipped
            || *self.view.aside != scan.aside;
        let old = &self.view;
        self.view = Arc::new(RootView {
            place: Arc::clone(&self.place),
            index: if changed { Arc::new(shown.clone()) } else { Arc::clone(&old.index) },
            counts: if changed { Counts::of(shown) } else { old.counts },
            generation: old.generation + u64::from(changed),
            skipped: if changed { Arc::new(scan.skipped) } else { Arc::clone(&old.skipped) },
            aside: if changed { Arc::new(scan.aside) } else { Arc::clone(&old.aside) },
            status,
            scanned: true,
        });
        for change in events.iter_mut().filter_map(TaskEvent::change_mut) {
            let ours =
                |(path, rev, _): &(String, String, String)| *path == change.path && *rev == change.card.rev;
            if let Some(at) = self.actors.iter().position(ours) {
                change.actor = self.actors.remove(at).map(|(_, _, actor)| actor);
            }
        }
        events
    }

    fn on_watched(&mut self, watched: &Watched, now: Instant) -> Option<Report> {
        let before = self.view.status.state;
        let mut status = self.view.status.clone();
        let mut report = None;
        self.missing = if *watched == Watched::Missing { self.missing + 1 } else { 0 };
        match watched {
            Watched::Yes => {
                self.next_look = now + PERIODIC;
                (status.state, status.reason) = (Watching::Ok, None);
                report = (before == Watching::Polling).then(|| Report {
                    reason: self.view.status.reason.clone().unwrap_or_default(),
                    mode: "polling",
                    interval: Duration::ZERO,
                    recovered: true,
                    message: None,
                });
            }
            Watched::Missing => {
                self.next_look = now + if self.missing <= MISSING_SOON { MISSING } else { POLL };
                self.next_watch = now;
                (status.state, status.reason) = (Watching::Ok, None);
            }
            Watched::Later => self.next_look = now + POLL,
            Watched::No(why) => {
                self.next_look = now + POLL;
                self.next_watch = now + WATCH_AGAIN;
                status.state = Watching::Polling;
                status.reason = Some(why.reason.to_owned());
                report = (before != Watching::Polling).then(|| Report {
                    reason: why.reason.to_owned(),
                    mode: "polling",
                    interval: POLL,
                    recovered: false,
                    message: Some(why.message.clone()),
                });
            }
        }
        self.set_status(status);
        report
    }

    fn set_status(&mut self, status: Status) {
        self.view = Arc::new(RootView { status, ..self.view.as_ref().clone() });
    }
}
