//! The store: redb on one thread, behind a bounded queue.
//!
//! It is an index over what happened; the journals are what happened. Facts are committed in groups (256 facts or
//! 250 ms, at once for an operation's end), always durably, and acknowledged only after the commit. Every query
//! goes through the same thread, so it sees everything that was sent before it.

mod ledger;
mod order;
mod restarts;
mod schema;
mod sums;
mod tables;
mod thread;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use llmctl_proto::event::{CostRecorded, CostWarning};
use llmctl_proto::ids::OperationId;
use llmctl_proto::ledger::Cell;
use llmctl_proto::mcp::Restart;
use llmctl_proto::state::{Operation, Totals};
use llmctl_proto::time::UnixMs;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_tungstenite::tungstenite::Utf8Bytes;

pub use order::{Figure, OrderQuery, Place};
pub use schema::SCHEMA_VERSION;

/// Facts and queries that wait for the store; beyond it the sender waits.
pub const QUEUE: usize = 1_024;
/// Facts in one commit.
pub const GROUP_FACTS: usize = 256;
/// Longest wait of a fact for its commit.
pub const GROUP_WAIT: Duration = Duration::from_millis(250);

/// What is kept and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Days that stored events are kept; 0 for ever.
    pub events_days: u32,
    /// Days that operations' directories are kept; 0 for ever.
    pub output_days: u32,
    /// Size of all operations' directories, in MiB; the oldest go first. 0 for no limit.
    pub output_max_mb: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { events_days: 30, output_days: 30, output_max_mb: 2_048 }
    }
}

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it open.
    #[error("the database {0} is in use by another process")]
    InUse(PathBuf),
    /// It was written by a newer version.
    #[error(
        "the database {path} has schema {found}, this version knows up to {known}; use the newer llmctld"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// Anything redb says.
    #[error("the database {path} cannot be used")]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<redb::Error>,
    },
    /// The store's thread has gone.
    #[error("the store has stopped")]
    Gone,
}

/// A fact on its way to disk.
#[derive(Debug)]
pub struct Fact {
    /// Place in the daemon's order.
    pub seq: u64,
    /// Envelope.
    pub json: Utf8Bytes,
    /// Operation it belongs to, as it is after this fact, and its number in the runner's journal.
    pub operation: Option<(Arc<Operation>, u64)>,
    /// Sums after this fact.
    pub totals: Totals,
    /// What it adds beside itself.
    pub addition: Option<Addition>,
    /// Commit at once.
    pub urgent: bool,
    /// Told the journal number when it is durable.
    pub durable: Option<watch::Sender<u64>>,
    /// Told when it is durable.
    pub done: Option<oneshot::Sender<()>>,
}

/// What a fact adds to another table.
#[derive(Debug)]
pub enum Addition {
    /// A record of the ledger.
    Record(Box<CostRecorded>),
    /// A warning, so that the next daemon does not give it again.
    Warning(Box<CostWarning>),
}

/// Which stored events a reader wants.
#[derive(Debug, Clone, Default)]
pub struct EventQuery {
    /// Only after this sequence number.
    pub after: u64,
    /// Only up to this one.
    pub until: Option<u64>,
    /// Only of this operation.
    pub operation_id: Option<OperationId>,
    /// At most this many.
    pub limit: usize,
    /// The newest ones, still oldest first.
    pub newest: bool,
}

/// Which stored operations a reader wants, newest first.
#[derive(Debug, Clone, Default)]
pub struct OperationQuery {
    /// Only ids older than this.
    pub before: Option<OperationId>,
    /// Only ids that start with this.
    pub prefix: Option<String>,
    /// At most this many rows are looked at.
    pub limit: usize,
}

/// Which records of the ledger a reader wants, oldest first.
#[derive(Debug, Clone, Default)]
pub struct LedgerQuery {
    /// Recorded at or after.
    pub from: Option<UnixMs>,
    /// Recorded before.
    pub to: Option<UnixMs>,
    /// Only of this operation; the times are then not looked at.
    pub operation_id: Option<OperationId>,
    /// Only after this record: time, operation, attempt.
    pub after: Option<(UnixMs, String, u32)>,
    /// At most this many.
    pub limit: usize,
}

/// What the hub needs to go on where the last daemon ended.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Operations that were not final, and the newest that were.
    pub operations: Vec<Operation>,
    /// Sums.
    pub totals: Totals,
    /// The last stored sequence number.
    pub last_seq: u64,
    /// What the ledger holds of the last two days, oldest first.
    pub ledger: Vec<CostRecorded>,
    /// What it holds of the last two months, summed up.
    pub sums: Vec<Cell>,
    /// Everything the ledger holds, in pico-dollars.
    pub ledger_total: i128,
    /// Warnings of budgets that were given in the last two months, with their times.
    pub warnings: Vec<(UnixMs, CostWarning)>,
    /// How the last daemon ended: `clean`, `crash` or `first`.
    pub previous_end: &'static str,
    /// The database was unreadable and was put aside; its content has to come from the journals again.
    pub rebuilt_from: Option<PathBuf>,
}

pub(crate) enum Request {
    Fact(Box<Fact>),
    Events(EventQuery, oneshot::Sender<Vec<String>>),
    Operations(OperationQuery, oneshot::Sender<Vec<Operation>>),
    Ordered(OrderQuery, oneshot::Sender<Vec<(Place, Operation)>>),
    Watermark(OperationId, oneshot::Sender<u64>),
    Acknowledge(watch::Sender<u64>, u64),
    Ledger(Box<LedgerQuery>, oneshot::Sender<Vec<CostRecorded>>),
    Prune(Retention, oneshot::Sender<u64>),
    Restarts(oneshot::Sender<HashMap<String, Vec<Restart>>>),
    AddRestart(String, Box<Restart>),
    Close(oneshot::Sender<()>),
}

/// Figures of the store.
#[derive(Debug, Default)]
pub struct StoreStats {
    pub(crate) committed: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) failures: AtomicU64,
}

impl StoreStats {
    /// Facts on disk since the start, commits they took, and commits that failed.
    pub fn read(&self) -> (u64, u64, u64) {
        (
            self.committed.load(Ordering::Relaxed),
            self.commits.load(Ordering::Relaxed),
            self.failures.load(Ordering::Relaxed),
        )
    }
}

/// Handle to the store's thread.
#[derive(Debug, Clone)]
pub struct Store {
    tx: mpsc::Sender<Request>,
    /// Figures.
    pub stats: Arc<StoreStats>,
    /// The database file.
    pub path: Arc<PathBuf>,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Fact(_) => "Fact",
            Self::Events(..) => "Events",
            Self::Operations(..) => "Operations",
            Self::Ordered(..) => "Ordered",
            Self::Watermark(..) => "Watermark",
            Self::Acknowledge(..) => "Acknowledge",
            Self::Ledger(..) => "Ledger",
            Self::Prune(..) => "Prune",
            Self::Restarts(_) => "Restarts",
            Self::AddRestart(..) => "AddRestart",
            Self::Close(_) => "Close",
        })
    }
}

impl Store {
    /// Opens the database and starts its thread. A damaged file is put aside, never deleted.
    ///
    /// # Errors
    /// The file is in use, newer than this version, or cannot be made.
    pub fn open(path: PathBuf) -> Result<(Self, Recovered, std::thread::JoinHandle<()>), StoreError> {
        let (tx, rx) = mpsc::channel(QUEUE);
        let stats = Arc::new(StoreStats::default());
        let (database, recovered) = schema::open(&path)?;
        let thread = thread::spawn(database, path.clone(), rx, Arc::clone(&stats))?;
        Ok((Self { tx, stats, path: Arc::new(path) }, recovered, thread))
    }

    /// Hands a fact over; waits while the queue is full.
    ///
    /// # Errors
    /// The store has stopped.
    pub async fn put(&self, fact: Fact) -> Result<(), StoreError> {
        self.tx.send(Request::Fact(Box::new(fact))).await.map_err(|_| StoreError::Gone)
    }

    /// Stored events, oldest first, as envelopes.
    ///
    /// # Errors
    /// The store has stopped.
    pub async fn events(&self, query: EventQuery) -> Result<Vec<String>, StoreError> {
        self.ask(|reply| Request::Events(query, reply)).await
    }

    /// Stored operations, newest first.
    ///
    /// # Errors
    /// The store has stopped.
    pub async fn operations(&self, query: OperationQuery) -> Result<Vec<Operation>, StoreError> {
        self.ask(|reply| Request::Operations(query, reply)).await
    }

    /// Ended operations in the order of a figure.
    ///
    /// # Errors
    /// The store has stopped.
    pub async fn ordered(&self, query: OrderQuery) -> Result<Vec<(Place, Operation)>, StoreError> {
        self.ask(|reply| Request::Ordered(query, reply)).await
    }

    /// Records of the ledger, oldest first.
    ///
    /// # Errors
    /// The store has stopped.
    pub async fn ledger(&self, query: LedgerQuery) -> Result<Vec<CostRecorded>, StoreError> {
        self.ask(|reply| Request::Ledger(Box::new(query), reply)).await
    }

    /// The last journal number of an operation that is on disk.
    ///
    /// # Errors
    /// The store has stopped.
    pub async fn watermark(&self, id: OperationId) -> Result<u64, StoreError> {
        self.ask(|reply| Request::Watermark(id, reply)).await
    }

    /// Tells a journal number once everything handed over before is on disk.
    ///
    /// # Errors
    /// The store has stopped.
    pub async fn acknowledge(&self, durable: watch::Sender<u64>, client_seq: u64) -> Result<(), StoreError> {
        self.tx.send(Request::Acknowledge(durable, client_seq)).await.map_err(|_| StoreError::Gone)
    }

    /// Removes events older than the retention and gives the space back; tells how many went.
    ///
    /// # Errors
    /// The store has stopped.
    pub async fn prune(&self, retention: Retention) -> Result<u64, StoreError> {
        self.ask(|reply| Request::Prune(retention, reply)).await
    }

    /// Ends and restarts of MCP servers by name, newest first.
    ///
    /// # Errors
    /// The store has stopped.
    pub async fn restarts(&self) -> Result<HashMap<String, Vec<Restart>>, StoreError> {
        self.ask(Request::Restarts).await
    }

    /// Adds the end of an MCP server's life; not waited for.
    pub async fn add_restart(&self, server: &str, restart: Restart) {
        // A store that is gone keeps nothing; the events say the same.
        let _ = self.tx.send(Request::AddRestart(server.to_owned(), Box::new(restart))).await;
    }

    /// Commits what is open, notes a clean end and ends the thread.
    pub async fn close(&self) {
        let _ = self.ask(Request::Close).await;
    }

    /// Facts and queries that wait.
    pub fn depth(&self) -> usize {
        self.tx.max_capacity() - self.tx.capacity()
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.tx.send(request(reply)).await.map_err(|_| StoreError::Gone)?;
        answer.await.map_err(|_| StoreError::Gone)
    }
}
