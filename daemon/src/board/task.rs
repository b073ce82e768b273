//! The task behind the board: all roots in plain fields, one message, ring or finished job a turn.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use llmctl_proto::event::{Event, TaskEvent, WatcherDegraded, WatcherStarted, WatcherStopped};
use llmctl_proto::task::files::Lock;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::edit::{Carried, Order};
use super::error::BoardError;
use super::job::{Kit, Look, lock};
use super::places::{Place, Places, by_root};
use super::root::{Job, Report, Root};
use super::rules::Rules;
use super::view::{RootView, View};
use super::{BoardDeps, Message, work};
use crate::hub::Publish;
use crate::keep::said;
use crate::settings::Settings;

/// How long a change waits for another writer of ours.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// How long jobs get at the end.
const LEAVE: Duration = Duration::from_secs(3);
/// Directories that wait to be looked at.
const MAX_NAMED: usize = 256;

type Reply = oneshot::Sender<Option<String>>;
type Edited = Vec<(Order, Result<Carried, BoardError>)>;

/// What came of a job.
enum Outcome {
    /// Known projects, and the directory that each name led to.
    Placed {
        places: Box<Places>,
        list: Option<Vec<Place>>,
        named: Vec<(Option<PathBuf>, Option<Reply>)>,
    },
    Locked(Option<Lock>),
    Looked {
        kit: Box<Kit>,
        look: Box<Look>,
        edited: Edited,
    },
}

pub(super) struct BoardTask {
    deps: BoardDeps,
    rules: Arc<Rules>,
    /// Not here before the first list is made, and while another is.
    places: Option<Box<Places>>,
    named: VecDeque<(PathBuf, Option<Reply>)>,
    relist: bool,
    /// A list is being made.
    listing: bool,
    roots: Vec<Root>,
    before: Vec<Arc<RootView>>,
    jobs: JoinSet<Outcome>,
    root_of: HashMap<Id, Option<u64>>,
    view: watch::Sender<Arc<View>>,
    wake: Arc<Notify>,
    next_id: u64,
    /// Who waits for the first scan of a project.
    first: Vec<(String, Reply)>,
}

impl BoardTask {
    /// Goes on from what an earlier task has shown.
    pub(super) fn new(deps: BoardDeps, view: watch::Sender<Arc<View>>) -> Self {
        let before = view.borrow().roots.clone();
        let rules = Arc::new(deps.rules());
        Self {
            places: None,
            rules,
            named: VecDeque::new(),
            relist: true,
            listing: false,
            roots: Vec::new(),
            before,
            jobs: JoinSet::new(),
            root_of: HashMap::new(),
            view,
            wake: Arc::new(Notify::new()),
            next_id: 0,
            first: Vec::new(),
            deps,
        }
    }

    pub(super) async fn run(
        mut self,
        rx: &mut mpsc::Receiver<Message>,
        settings: &mut watch::Receiver<Settings>,
        shutdown: &CancellationToken,
    ) {
        let wake = Arc::clone(&self.wake);
        loop {
            self.start_jobs();
            let due = self.roots.iter().filter_map(Root::due).min();
            tokio::select! {
                () = shutdown.cancelled() => return self.leave().await,
                message = rx.recv() => match message {
                    Some(message) => self.on_message(message),
                    None => return self.leave().await,
                },
                () = wake.notified() => self.on_ring().await,
                Some(joined) = self.jobs.join_next_with_id(), if !self.jobs.is_empty() => {
                    self.on_job(joined).await;
                }
                Ok(()) = settings.changed() => self.on_settings(),
                () = until(due) => {}
            }
        }
    }

    fn on_message(&mut self, message: Message) {
        match message {
            Message::Named { dir, reply } => {
                if self.named.len() < MAX_NAMED {
                    self.named.push_back((dir, reply));
                }
            }
            Message::Order { project, order } => {
                // It may have been taken off the list since the question: the sender learns it by the drop.
                if let Some(root) = self.roots.iter_mut().find(|root| root.place.project == project) {
                    root.take(order);
                }
            }
        }
    }

    async fn on_ring(&mut self) {
        let now = Instant::now();
        let reports: Vec<(Arc<Place>, Report)> = self
            .roots
            .iter_mut()
            .filter_map(|root| Some((Arc::clone(&root.place), root.on_ring(now)?)))
            .collect();
        for (place, report) in reports {
            self.report(&place, report).await;
        }
    }

    fn on_settings(&mut self) {
        let rules = Arc::new(self.deps.rules());
        // Trust may have changed as well, so the list is made again in any case.
        self.rules = rules;
        self.relist = true;
    }

    fn start_jobs(&mut self) {
        if self.relist || !self.named.is_empty() {
            self.start_listing();
        }
        let now = Instant::now();
        for n in 0..self.roots.len() {
            while let Some(job) = self.roots[n].next(now) {
                self.start(n, job);
            }
        }
    }

    /// Names and lists are read on a thread that may wait; the list is with whoever reads it.
    fn start_listing(&mut self) {
        if self.listing {
            return;
        }
        let places = self.places.take();
        let (paths, rules) = (Arc::clone(&self.deps.paths), Arc::clone(&self.rules));
        let named: Vec<_> = self.named.drain(..).collect();
        // Configurations are read again only when something may have changed.
        let relist = std::mem::take(&mut self.relist);
        self.listing = true;
        let handle = self.jobs.spawn_blocking(move || {
            let mut places = places.unwrap_or_else(|| Box::new(Places::load(paths)));
            let mut fresh = relist;
            let named = named
                .into_iter()
                .map(|(dir, reply)| {
                    let found = places.learn(&dir, &rules);
                    fresh |= found.as_ref().is_some_and(|(_, new)| *new);
                    (found.map(|(found, _)| found), reply)
                })
                .collect();
            let list = fresh.then(|| places.list(&rules));
            Outcome::Placed { places, list, named }
        });
        self.root_of.insert(handle.id(), None);
    }

    fn start(&mut self, n: usize, job: Job) {
        let place = Arc::clone(&self.roots[n].place);
        let handle = match job {
            Job::Lock { sweep } => {
                let state = self.deps.paths.state.clone();
                let project = place.project.clone();
                let wait = tokio::task::spawn_blocking(move || lock(&place, &state, sweep));
                self.jobs.spawn(async move {
                    let held = match tokio::time::timeout(LOCK_WAIT, wait).await {
                        Ok(Ok(Ok(held))) => Some(held),
                        Ok(Ok(Err(error))) => {
                            tracing::warn!(project = %project, error = %error, "task files cannot be locked");
                            None
                        }
                        // The thread gives the lock back as soon as it gets it.
                        Ok(Err(_)) | Err(_) => None,
                    };
                    Outcome::Locked(held)
                })
            }
            Job::Look { mut kit, try_watch } => self.jobs.spawn_blocking(move || {
                let look = Box::new(kit.look(try_watch));
                Outcome::Looked { kit: Box::new(kit), look, edited: Vec::new() }
            }),
            Job::Edit { mut kit, lock, orders, shown } => self.jobs.spawn_blocking(move || {
                let edited = kit.edit(&place, &lock, &shown, orders);
                drop(lock);
                let look = Box::new(kit.look(false));
                Outcome::Looked { kit: Box::new(kit), look, edited }
            }),
        };
        self.root_of.insert(handle.id(), Some(self.roots[n].id));
    }

    async fn on_job(&mut self, joined: Result<(Id, Outcome), JoinError>) {
        let (id, outcome) = match joined {
            Ok((id, outcome)) => (id, Ok(outcome)),
            Err(error) => (error.id(), Err(error)),
        };
        let job = self.root_of.remove(&id);
        let (root, listed) = (job.flatten(), job == Some(None));
        let at = self.roots.iter().position(|known| Some(known.id) == root);
        match (outcome, at) {
            (Ok(Outcome::Placed { places, list, named }), _) => self.on_places(places, list, named).await,
            (Ok(Outcome::Locked(held)), Some(at)) => {
                for order in self.roots[at].on_locked(held) {
                    let _ = order.reply.send(Err(BoardError::Locked));
                }
            }
            (Ok(Outcome::Looked { kit, look, edited }), Some(at)) => {
                self.on_look(at, *kit, *look, edited).await;
            }
            (Err(error), Some(at)) => {
                tracing::error!(cause = %cause(error), project = %self.roots[at].place.project, "a look at task files failed");
                let report = self.roots[at].on_panic(Instant::now());
                let place = Arc::clone(&self.roots[at].place);
                self.show();
                self.report(&place, report).await;
            }
            (Err(error), None) if listed => {
                self.listing = false;
                tracing::error!(cause = %cause(error), "the list of task roots was not made");
            }
            // The root is no longer on the list.
            (Ok(Outcome::Locked(_) | Outcome::Looked { .. }) | Err(_), None) => {}
        }
    }

    async fn on_look(&mut self, at: usize, kit: Kit, look: Look, edited: Edited) {
        let root = &mut self.roots[at];
        for (order, result) in &edited {
            if let Ok(Carried { raw, .. }) = result {
                root.made_by(&raw.path, &raw.rev(), &order.actor);
            }
        }
        let first = !root.view().scanned;
        let (events, report) = root.on_look(kit, look, Instant::now());
        let place = Arc::clone(&root.place);
        let begins = (first && root.view().scanned).then(|| root.view().index.len());
        // Who reads the picture after an event finds the event in it.
        self.show();
        if let Some(files) = begins {
            let files = u32::try_from(files).unwrap_or(u32::MAX);
            let event = WatcherStarted { project: place.project.clone(), files };
            self.publish(event.into()).await;
            let ready = |(project, _): &mut (String, Reply)| *project == place.project;
            for (project, reply) in self.first.extract_if(.., ready) {
                let _ = reply.send(Some(project));
            }
        }
        self.publish_events(&place, events).await;
        if let Some(report) = report {
            self.report(&place, report).await;
        }
        for (order, result) in edited {
            let _ = order.reply.send(result);
        }
    }

    async fn publish_events(&self, place: &Place, mut events: Vec<TaskEvent>) {
        if events.is_empty() {
            return;
        }
        let work = self.deps.hub.task_work().await.unwrap_or_default();
        for change in events.iter_mut().filter_map(TaskEvent::change_mut) {
            let sum = work::of(&work, &change.task_id, &place.project_dir);
            (change.card.operations, change.card.cost_nano_usd) = (sum.operations, sum.cost_nano_usd);
        }
        for event in events {
            self.publish(event.into()).await;
        }
    }

    /// Takes a new list in, if there is one, and answers who named a directory.
    async fn on_places(
        &mut self,
        places: Box<Places>,
        list: Option<Vec<Place>>,
        named: Vec<(Option<PathBuf>, Option<Reply>)>,
    ) {
        (self.places, self.listing) = (Some(places), false);
        if let Some(list) = list {
            self.take_list(&list).await;
        }
        for (dir, reply) in named {
            let Some(reply) = reply else { continue };
            let root = dir.and_then(|dir| self.roots.iter().find(|root| root.place.project_dir == dir));
            match root.map(|root| (root.place.project.clone(), root.view().scanned)) {
                Some((project, false)) => self.first.push((project, reply)),
                known => drop(reply.send(known.map(|(project, _)| project))),
            }
        }
        self.first.retain(|(_, reply)| !reply.is_closed());
    }

    /// Puts a list of roots in force: new ones are looked at, others leave.
    async fn take_list(&mut self, list: &[Place]) {
        let wanted = by_root(list);
        let stays = |root: &Root| wanted.get(root.place.root.as_path()) == Some(&root.place.as_ref());
        let (stay, leave): (Vec<Root>, Vec<Root>) =
            std::mem::take(&mut self.roots).into_iter().partition(stays);
        self.roots = stay;
        for place in list {
            if self.roots.iter().any(|root| root.place.root == place.root) {
                continue;
            }
            self.next_id += 1;
            let before = self.before.iter().find(|view| *view.place == *place);
            self.roots.push(Root::new(self.next_id, place.clone(), before, Arc::clone(&self.wake)));
        }
        self.roots.sort_by(|a, b| a.place.project.cmp(&b.place.project));
        self.before.clear();
        self.show();
        for root in leave {
            let event = WatcherStopped { project: root.place.project.clone() };
            self.publish(event.into()).await;
        }
    }

    /// Replaces the picture that everybody else sees.
    fn show(&self) {
        let roots: Vec<Arc<RootView>> = self.roots.iter().map(|root| Arc::clone(root.view())).collect();
        self.view.send_modify(|view| {
            let same = view.begun
                && view.roots.len() == roots.len()
                && view.roots.iter().zip(&roots).all(|(a, b)| {
                    a.generation == b.generation && Arc::ptr_eq(&a.place, &b.place) && a.scanned == b.scanned
                });
            let generation = view.generation + u64::from(!same);
            *view = Arc::new(View { roots, generation, failed: false, begun: true });
        });
    }

    async fn report(&self, place: &Place, report: Report) {
        tracing::warn!(
            project = %place.project,
            reason = report.reason,
            mode = report.mode,
            recovered = report.recovered,
            "watching task files"
        );
        let event = WatcherDegraded {
            project: place.project.clone(),
            path: place.shown.clone(),
            reason: report.reason,
            mode: report.mode.to_owned(),
            interval_ms: u64::try_from(report.interval.as_millis()).unwrap_or(u64::MAX),
            recovered: report.recovered,
            message: report.message,
        };
        self.publish(event.into()).await;
    }

    async fn publish(&self, event: Event) {
        // A hub that is gone has nobody left to tell.
        let _ = self.deps.hub.publish(Publish::own(event)).await;
    }

    /// What is being written is finished and answered; what waits learns that the daemon leaves.
    async fn leave(mut self) {
        let finish = async {
            while let Some(joined) = self.jobs.join_next_with_id().await {
                if let Ok((_, Outcome::Looked { edited, .. })) = joined {
                    for (order, result) in edited {
                        let _ = order.reply.send(result);
                    }
                }
            }
        };
        let _ = tokio::time::timeout(LEAVE, finish).await;
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

fn cause(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => said(panic.as_ref()),
        Err(error) => error.to_string(),
    }
}
