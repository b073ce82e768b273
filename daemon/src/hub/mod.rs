//! The hub: one task that numbers every event, keeps the projection and knows who runs what.
//!
//! Everything else holds this handle. A subscriber gets its snapshot (or the frames it missed) and its place in
//! the stream in one turn of the hub, so the two meet without a gap or a duplicate.

mod frame;
mod money;
mod ring;
mod task;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use llmctl_proto::admission::{Admission, FactsQuery, QueueRow, Refusal, SharedFacts, Submission};
use llmctl_proto::config::{Budget, Concurrency};
use llmctl_proto::event::{CostUpdate, Event};
use llmctl_proto::ids::{Cursor, Epoch, OperationId, ResolveError};
use llmctl_proto::state::{Operation, OperationState, Totals};
use llmctl_proto::time::UnixMs;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_util::task::TaskTracker;

pub use frame::{Frame, OutputSpan};

use crate::store::{Recovered, Store};

/// Messages that wait for the hub; beyond it senders wait.
pub const INBOX: usize = 1_024;
/// Frames a follower may be behind before it has to start over.
pub const BROADCAST: usize = 4_096;

/// An event on its way to the hub.
#[derive(Debug)]
pub struct Publish {
    /// When it happened.
    pub at: UnixMs,
    /// What happened.
    pub event: Event,
    /// The payload as it came; the bytes that are stored and shown.
    pub data: String,
    /// Number in the runner's journal; 0 when it has none.
    pub client_seq: u64,
    /// Told the journal number once it is durable.
    pub durable: Option<watch::Sender<u64>>,
    /// Told the cursor once it is durable.
    pub done: Option<oneshot::Sender<Cursor>>,
}

impl Publish {
    /// An event of the daemon's own.
    pub fn own(event: Event) -> Self {
        let data = event.data_json();
        Self { at: UnixMs::now(), event, data, client_seq: 0, durable: None, done: None }
    }
}

/// What the hub tells the runner of an operation.
#[derive(Debug, Clone)]
pub enum Directive {
    /// Stop and keep the partial result.
    Stop(StopOrder),
    /// Suspend (true) or resume (false) the process group.
    Suspend(bool),
    /// The answer to its submission, or news of its place.
    Admission(Box<Admission>),
    /// Another cost limit in nano-dollars; none lifts it.
    Budget(Option<i64>),
}

/// A stop as it is passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopOrder {
    /// `user`, or `budget` when its budgets no longer carry it.
    pub by: String,
    /// `page`, `cli` or `api`.
    pub via: String,
    /// Why.
    pub reason: Option<String>,
    /// Straight to the kill.
    pub force: bool,
    /// Replaces the tool's grace.
    pub grace_ms: Option<u64>,
}

/// A condition on an operation that somebody waits for.
pub type Condition = Box<dyn Fn(&Operation) -> bool + Send>;

/// A place in the stream, with what lies before it.
#[derive(Debug)]
pub struct Subscription {
    /// Where the stream goes on.
    pub cursor: Cursor,
    /// What lies before it.
    pub before: Before,
    /// The stream.
    pub frames: broadcast::Receiver<Frame>,
}

/// What a new subscriber needs to know first.
#[derive(Debug)]
pub enum Before {
    /// The frames since its cursor.
    Backlog(Vec<Frame>),
    /// The whole state; its cursor is too old, of another life, or it had none.
    Snapshot {
        /// JSON object `{"operations":[…],"totals":{…}}`.
        state: Utf8Bytes,
        /// Why, when it had asked for a backlog.
        reason: Option<&'static str>,
    },
}

/// Figures of the hub that anybody may read.
#[derive(Debug, Default)]
pub struct HubStats {
    pub(crate) published: AtomicU64,
    pub(crate) duplicates: AtomicU64,
    pub(crate) last_seq: AtomicU64,
}

impl HubStats {
    /// Events numbered and duplicates dropped since the start, and the last sequence number.
    pub fn read(&self) -> (u64, u64, u64) {
        use std::sync::atomic::Ordering::Relaxed;
        (self.published.load(Relaxed), self.duplicates.load(Relaxed), self.last_seq.load(Relaxed))
    }
}

pub(crate) enum Message {
    Publish(Box<Publish>),
    Subscribe { after: Option<Cursor>, reply: oneshot::Sender<Subscription> },
    Attach { id: OperationId, stored: u64, link: mpsc::Sender<Directive>, reply: oneshot::Sender<u64> },
    Detach { id: OperationId, generation: u64 },
    Direct { id: OperationId, directive: Directive, reply: oneshot::Sender<bool> },
    Await { id: OperationId, until: Condition, reply: oneshot::Sender<Operation> },
    Get { prefix: String, reply: oneshot::Sender<Result<Arc<Operation>, ResolveError>> },
    List { reply: oneshot::Sender<(Vec<Operation>, Totals)> },
    TaskWork { reply: oneshot::Sender<Vec<TaskWork>> },
    AdvanceWatermark { id: OperationId, stored: u64, reply: oneshot::Sender<u64> },
    Attached { reply: oneshot::Sender<Vec<OperationId>> },
    Submit { submission: Box<Submission> },
    Facts { query: Box<FactsQuery>, reply: oneshot::Sender<SharedFacts> },
    Queue { reply: oneshot::Sender<Vec<QueueRow>> },
    ChangeQueue { id: OperationId, priority: Option<i32>, held: Option<bool>, reply: oneshot::Sender<bool> },
    SetBudget { id: OperationId, limit: Option<i64>, reply: oneshot::Sender<Result<bool, Box<Refusal>>> },
    SetRules { rules: Box<Rules> },
    Overview { reply: oneshot::Sender<CostUpdate> },
}

/// An operation that works, or worked, for a task.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TaskWork {
    /// Task, as the user named it.
    pub task_id: String,
    /// Directory whose work it is.
    pub project: Option<String>,
    /// Operation.
    pub operation_id: OperationId,
    /// Where it is in its life.
    pub state: OperationState,
    /// What it cost so far, in nano-dollars.
    pub cost_nano_usd: Option<i64>,
}

/// What the hub takes from the configuration.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// How many operations run at once.
    pub concurrency: Concurrency,
    /// Budgets of the default policy, for whoever watches; those that bind come with each submission.
    pub budgets: Vec<Budget>,
    /// IANA name of the zone in which the days of the shown sums begin; empty: UTC.
    pub timezone: String,
}

/// Why the hub gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// It has stopped: the daemon is leaving.
    #[error("the daemon is stopping")]
    Stopping,
}

type Answer<T> = Result<T, HubError>;

/// Handle to the hub.
#[derive(Debug, Clone)]
pub struct Hub {
    tx: mpsc::Sender<Message>,
    epoch: Epoch,
    /// Figures.
    pub stats: Arc<HubStats>,
    /// Tells how many followers are connected.
    pub frames: broadcast::Sender<Frame>,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("hub::Message")
    }
}

impl Hub {
    /// Starts the hub on what the store recovered.
    pub fn spawn(recovered: Recovered, store: Store, rules: Rules, tracker: &TaskTracker) -> Self {
        let (tx, rx) = mpsc::channel(INBOX);
        let (frames, _) = broadcast::channel(BROADCAST);
        let epoch = Epoch(draw_epoch());
        let stats = Arc::new(HubStats::default());
        let task = task::HubTask::new(epoch, recovered, store, rules, frames.clone(), Arc::clone(&stats));
        tracker.spawn(task.run(rx));
        Self { tx, epoch, stats, frames }
    }

    /// This daemon's life.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Messages that wait.
    pub fn depth(&self) -> usize {
        self.tx.max_capacity() - self.tx.capacity()
    }

    /// Publishes an event; waits while the hub is busy.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn publish(&self, publish: Publish) -> Answer<()> {
        self.tx.send(Message::Publish(Box::new(publish))).await.map_err(|_| HubError::Stopping)
    }

    /// Publishes an event and waits until it is on disk.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn publish_durably(&self, mut publish: Publish) -> Answer<Cursor> {
        let (done, cursor) = oneshot::channel();
        publish.done = Some(done);
        self.publish(publish).await?;
        cursor.await.map_err(|_| HubError::Stopping)
    }

    /// Joins the stream after a cursor, or with a snapshot.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn subscribe(&self, after: Option<Cursor>) -> Answer<Subscription> {
        self.ask(|reply| Message::Subscribe { after, reply }).await
    }

    /// Registers a runner's link; `stored` is the journal number the store has. Gives the generation that
    /// `detach` needs.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn attach(&self, id: OperationId, stored: u64, link: mpsc::Sender<Directive>) -> Answer<u64> {
        self.ask(|reply| Message::Attach { id, stored, link, reply }).await
    }

    /// Removes a runner's link, unless a newer one has taken its place.
    pub async fn detach(&self, id: OperationId, generation: u64) {
        let _ = self.tx.send(Message::Detach { id, generation }).await;
    }

    /// Passes a directive to the runner of an operation; false when it has no link.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn direct(&self, id: OperationId, directive: Directive) -> Answer<bool> {
        self.ask(|reply| Message::Direct { id, directive, reply }).await
    }

    /// Waits until an operation's state fulfils a condition.
    ///
    /// # Errors
    /// The daemon is stopping, or the operation is not known.
    pub async fn wait_for(&self, id: OperationId, until: Condition) -> Answer<Operation> {
        self.ask(|reply| Message::Await { id, until, reply }).await
    }

    /// Finds one operation of the projection by any unique prefix.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn get(&self, prefix: &str) -> Answer<Result<Arc<Operation>, ResolveError>> {
        let prefix = prefix.to_owned();
        self.ask(|reply| Message::Get { prefix, reply }).await
    }

    /// All operations of the projection, newest first, and the sums.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn list(&self) -> Answer<(Vec<Operation>, Totals)> {
        self.ask(|reply| Message::List { reply }).await
    }

    /// The operations of the projection that were started for a task, newest first.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn task_work(&self) -> Answer<Vec<TaskWork>> {
        self.ask(|reply| Message::TaskWork { reply }).await
    }

    /// The journal number up to which an operation's facts have been taken in, at least `stored`.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn watermark(&self, id: OperationId, stored: u64) -> Answer<u64> {
        self.ask(|reply| Message::AdvanceWatermark { id, stored, reply }).await
    }

    /// Takes the submission of an operation; the answer goes to its runner.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn submit(&self, submission: Submission) -> Answer<()> {
        let message = Message::Submit { submission: Box::new(submission) };
        self.tx.send(message).await.map_err(|_| HubError::Stopping)
    }

    /// What routing decides on: budgets, full windows, cool-downs, history.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn facts(&self, query: FactsQuery) -> Answer<SharedFacts> {
        self.ask(|reply| Message::Facts { query: Box::new(query), reply }).await
    }

    /// Operations that wait, first in line first.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn queue(&self) -> Answer<Vec<QueueRow>> {
        self.ask(|reply| Message::Queue { reply }).await
    }

    /// Changes the place of a queued operation; false when it is not queued.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn change_queue(
        &self,
        id: OperationId,
        priority: Option<i32>,
        held: Option<bool>,
    ) -> Answer<bool> {
        self.ask(|reply| Message::ChangeQueue { id, priority, held, reply }).await
    }

    /// Changes the cost limit of an operation; false when its runner has no link, the refusal when shared budgets
    /// do not carry it.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn set_budget(
        &self,
        id: OperationId,
        limit: Option<i64>,
    ) -> Answer<Result<bool, Box<Refusal>>> {
        self.ask(|reply| Message::SetBudget { id, limit, reply }).await
    }

    /// Sums and budgets as they are now, in the words of `cost.update`.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn overview(&self) -> Answer<CostUpdate> {
        self.ask(|reply| Message::Overview { reply }).await
    }

    /// Puts other rules in force.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn set_rules(&self, rules: Rules) -> Answer<()> {
        let message = Message::SetRules { rules: Box::new(rules) };
        self.tx.send(message).await.map_err(|_| HubError::Stopping)
    }

    /// Operations whose runners are connected.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn attached(&self) -> Answer<Vec<OperationId>> {
        self.ask(|reply| Message::Attached { reply }).await
    }

    async fn ask<T>(&self, message: impl FnOnce(oneshot::Sender<T>) -> Message) -> Answer<T> {
        let (reply, answer) = oneshot::channel();
        self.tx.send(message(reply)).await.map_err(|_| HubError::Stopping)?;
        answer.await.map_err(|_| HubError::Stopping)
    }
}

fn draw_epoch() -> u32 {
    let mut bytes = [0; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u32::from_ne_bytes(bytes),
        // The clock is random enough to tell two lives of one daemon apart.
        Err(_) => UnixMs::now().0 as u32,
    }
}
