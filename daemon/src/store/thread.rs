//! The store's thread: collects facts into groups, commits, acknowledges, answers queries in between.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use llmctl_proto::ids::OperationId;
use llmctl_proto::time::UnixMs;
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable as _};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use super::order::{self, ORDER};
use super::tables::{self, BY_OPERATION, EVENTS, LIVE, META, OPERATIONS, OperationRow};
use super::{Addition, Fact, GROUP_FACTS, GROUP_WAIT, Request, Retention, StoreError, StoreStats, schema};
use super::{ledger, restarts};

/// First wait before a failed commit is tried again; doubles up to `RETRY_MAX`.
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(2);
/// A file below this size is not worth compacting.
const COMPACT_FLOOR: u64 = 16 * 1024 * 1024;

pub(super) fn spawn(
    database: Database,
    path: PathBuf,
    rx: mpsc::Receiver<Request>,
    stats: Arc<StoreStats>,
) -> Result<std::thread::JoinHandle<()>, StoreError> {
    let handle = Handle::current();
    std::thread::Builder::new()
        .name("store".into())
        .spawn(move || {
            Thread { database: Some(database), path, rx, stats, handle, open: Vec::new(), since: None }.run();
        })
        .map_err(|_| StoreError::Gone)
}

struct Thread {
    /// None only while a failed database is being opened again.
    database: Option<Database>,
    path: PathBuf,
    rx: mpsc::Receiver<Request>,
    stats: Arc<StoreStats>,
    handle: Handle,
    open: Vec<Fact>,
    since: Option<Instant>,
}

enum Next {
    Request(Request),
    /// The open group has waited long enough.
    GroupDue,
    /// All senders have gone.
    Ended,
}

impl Thread {
    fn run(mut self) {
        loop {
            let request = match self.next() {
                Next::Request(Request::Fact(fact)) => self.collect(*fact),
                Next::Request(other) => Some(other),
                Next::GroupDue => {
                    self.commit();
                    None
                }
                Next::Ended => {
                    self.commit();
                    return;
                }
            };
            match request {
                None => {}
                Some(Request::Acknowledge(durable, client_seq)) if self.commit() => {
                    note_durable(&durable, client_seq);
                }
                Some(Request::Close(done)) => {
                    // First: a commit that fails now is not tried again.
                    self.rx.close();
                    self.commit();
                    self.close();
                    let _ = done.send(());
                    return;
                }
                Some(query) => {
                    self.commit();
                    self.answer(query);
                }
            }
        }
    }

    fn next(&mut self) -> Next {
        let received = match self.since {
            None => self.rx.blocking_recv(),
            Some(since) => {
                let left = GROUP_WAIT.saturating_sub(since.elapsed());
                let rx = &mut self.rx;
                match self.handle.block_on(async { tokio::time::timeout(left, rx.recv()).await }) {
                    Ok(received) => received,
                    Err(_) => return Next::GroupDue,
                }
            }
        };
        received.map_or(Next::Ended, Next::Request)
    }

    /// Adds a fact to the open group. An urgent one takes along what already waits behind it; what is no fact among
    /// that is given back.
    fn collect(&mut self, fact: Fact) -> Option<Request> {
        let urgent = fact.urgent;
        self.open.push(fact);
        self.since.get_or_insert_with(Instant::now);
        while self.open.len() < GROUP_FACTS && urgent {
            match self.rx.try_recv() {
                Ok(Request::Fact(fact)) => self.open.push(*fact),
                Ok(other) => return Some(other),
                Err(_) => break,
            }
        }
        if urgent || self.open.len() >= GROUP_FACTS {
            self.commit();
        }
        None
    }

    /// Commits the open group and tells everybody who waits. A failed commit is tried again until it succeeds:
    /// the facts stay here, the queue fills, and runners keep theirs in their journals.
    ///
    /// False when the facts had to be given up, which only happens while the store is being closed.
    fn commit(&mut self) -> bool {
        self.since = None;
        if self.open.is_empty() {
            return true;
        }
        let mut wait = RETRY_FIRST;
        while let Err(error) = self.try_commit() {
            self.stats.failures.fetch_add(1, Ordering::Relaxed);
            tracing::error!(error = %error, path = %self.path.display(), facts = self.open.len(), "commit failed");
            if self.rx.is_closed() {
                // Shutting down: what is not committed is still in the journals.
                self.open.clear();
                return false;
            }
            std::thread::sleep(wait);
            wait = (wait * 2).min(RETRY_MAX);
            // After a storage error redb refuses every write until it is opened anew.
            self.database = None;
        }
        self.stats.commits.fetch_add(1, Ordering::Relaxed);
        self.stats.committed.fetch_add(self.open.len() as u64, Ordering::Relaxed);
        for fact in self.open.drain(..) {
            if let (Some(durable), Some((_, client_seq))) = (fact.durable, &fact.operation) {
                note_durable(&durable, *client_seq);
            }
            if let Some(done) = fact.done {
                let _ = done.send(());
            }
        }
        true
    }

    fn database(&mut self) -> Result<&mut Database, redb::Error> {
        if self.database.is_none() {
            self.database = Some(schema::open_file(&self.path)?);
        }
        self.database.as_mut().ok_or(redb::Error::DatabaseClosed)
    }

    fn try_commit(&mut self) -> Result<(), redb::Error> {
        self.database()?;
        let Some(database) = &self.database else { return Err(redb::Error::DatabaseClosed) };
        let mut write = database.begin_write()?;
        schema::durable(&mut write)?;
        {
            let mut events = write.open_table(EVENTS)?;
            let mut index = write.open_table(BY_OPERATION)?;
            let mut last: HashMap<&OperationId, (&Fact, u64)> = HashMap::new();
            for fact in &self.open {
                match &fact.addition {
                    Some(Addition::Record(record)) => ledger::add(&write, record)?,
                    Some(Addition::Warning(warning)) => ledger::note_warning(&write, warning)?,
                    None => {}
                }
                events.insert(fact.seq, fact.json.as_bytes())?;
                if let Some((operation, client_seq)) = &fact.operation {
                    index.insert((operation.operation_id.as_str(), fact.seq), ())?;
                    // The daemon's own facts have no number in the journal and must not hide that of one before.
                    let newest = last.entry(&operation.operation_id).or_insert((fact, 0));
                    *newest = (fact, newest.1.max(*client_seq));
                }
            }
            let mut operations = write.open_table(OPERATIONS)?;
            let mut live = write.open_table(LIVE)?;
            let mut order = write.open_table(ORDER)?;
            for (id, (fact, client_seq)) in last {
                let Some((operation, _)) = &fact.operation else { continue };
                let known = operations
                    .get(id.as_str())?
                    .and_then(|row| serde_json::from_slice::<OperationRow>(row.value()).ok());
                order::note(&mut order, known.as_ref().map(|row| &row.operation), operation)?;
                let watermark = known.map_or(0, |row| row.watermark).max(client_seq);
                let row = OperationRow { watermark, operation: operation.as_ref().clone() };
                let bytes = serde_json::to_vec(&row).map_err(|e| redb::Error::Corrupted(e.to_string()))?;
                operations.insert(id.as_str(), bytes.as_slice())?;
                if operation.state.is_final() {
                    live.remove(id.as_str())?;
                } else {
                    live.insert(id.as_str(), ())?;
                }
            }
            if let Some(fact) = self.open.last() {
                let mut meta = write.open_table(META)?;
                let totals =
                    serde_json::to_vec(&fact.totals).map_err(|e| redb::Error::Corrupted(e.to_string()))?;
                meta.insert("totals", totals.as_slice())?;
                meta.insert("last_seq", fact.seq.to_string().as_bytes())?;
            }
        }
        write.commit()?;
        Ok(())
    }

    /// Notes the clean end and lets the file go, so that a successor finds it free.
    fn close(&mut self) {
        self.note_clean_end();
        self.database = None;
    }

    fn note_clean_end(&mut self) {
        let noted = (|| -> Result<(), redb::Error> {
            let mut write = self.database()?.begin_write()?;
            schema::durable(&mut write)?;
            write.open_table(META)?.insert("clean_end", b"true".as_slice())?;
            write.commit()?;
            Ok(())
        })();
        if let Err(error) = noted {
            tracing::warn!(error = %error, "clean end not noted");
        }
    }

    fn read<T: Default>(&mut self, query: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error>) -> T {
        let answer = self.database().and_then(|database| query(&database.begin_read()?));
        answer.unwrap_or_else(|error| {
            tracing::error!(error = %error, "query failed");
            T::default()
        })
    }

    fn write(
        &mut self,
        change: impl FnOnce(&redb::WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<(), redb::Error> {
        let mut write = self.database()?.begin_write()?;
        schema::durable(&mut write)?;
        change(&write)?;
        Ok(write.commit()?)
    }

    fn answer(&mut self, request: Request) {
        // Whoever asked may have gone; then nobody minds the answer.
        match request {
            Request::Events(query, reply) => drop(reply.send(self.read(|r| tables::events(r, &query)))),
            Request::Operations(query, reply) => {
                drop(reply.send(self.read(|r| tables::operations(r, &query))));
            }
            Request::Ordered(query, reply) => drop(reply.send(self.read(|r| order::operations(r, &query)))),
            Request::Ledger(query, reply) => drop(reply.send(self.read(|r| ledger::records(r, &query)))),
            Request::Watermark(id, reply) => drop(reply.send(self.read(|r| tables::watermark(r, &id)))),
            Request::Prune(retention, reply) => {
                let removed = self.prune(retention).unwrap_or_else(|error| {
                    tracing::error!(error = %error, "pruning failed");
                    0
                });
                let _ = reply.send(removed);
            }
            Request::Restarts(reply) => drop(reply.send(self.read(restarts::all))),
            Request::AddRestart(server, restart) => {
                if let Err(error) = self.write(|write| restarts::add(write, &server, &restart)) {
                    tracing::error!(error = %error, "the end of an MCP server is not stored");
                }
            }
            Request::Fact(_) | Request::Acknowledge(..) | Request::Close(_) => {}
        }
    }

    fn prune(&mut self, retention: Retention) -> Result<u64, redb::Error> {
        if retention.events_days == 0 {
            return Ok(0);
        }
        let cutoff = UnixMs(UnixMs::now().0 - i64::from(retention.events_days) * 86_400_000);
        let mut removed = 0;
        let mut write = self.database()?.begin_write()?;
        schema::durable(&mut write)?;
        {
            let mut events = write.open_table(EVENTS)?;
            let mut index = write.open_table(BY_OPERATION)?;
            // Sequence numbers grow with time: everything after the first newer event stays.
            while let Some((key, operation_id)) = tables::oldest_before(&events, cutoff)? {
                events.remove(key)?;
                if let Some(id) = operation_id {
                    index.remove((id.as_str(), key))?;
                }
                removed += 1;
            }
            let mut operations = write.open_table(OPERATIONS)?;
            let mut order = write.open_table(ORDER)?;
            for (id, values) in tables::ended_before(&operations, cutoff)? {
                operations.remove(id.as_str())?;
                order::forget(&mut order, id.as_str(), values)?;
            }
        }
        write.commit()?;
        if removed > 0 {
            self.compact()?;
        }
        Ok(removed)
    }

    fn compact(&mut self) -> Result<(), redb::Error> {
        let size = std::fs::metadata(&self.path).map_or(0, |m| m.len());
        let stored = {
            let write = self.database()?.begin_write()?;
            let stats = write.stats()?;
            write.abort()?;
            stats.stored_bytes() + stats.metadata_bytes()
        };
        if size > COMPACT_FLOOR && stored < size / 2 {
            self.database()?.compact().map_err(|e| redb::Error::Corrupted(e.to_string()))?;
        }
        Ok(())
    }
}

/// Tells the journal number up to which everything is on disk; it never goes back.
fn note_durable(durable: &watch::Sender<u64>, client_seq: u64) {
    durable.send_if_modified(|known| {
        let newer = client_seq > *known;
        *known = (*known).max(client_seq);
        newer
    });
}
