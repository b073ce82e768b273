//! A running operation's link to the daemon. The journal is the truth: what the queue or a dead daemon lost is
//! read from it again, so the operation never waits for the daemon and nothing is sent twice in vain.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use llmctl_proto::admission::{Admission, Submission};
use llmctl_proto::event::Event;
use llmctl_proto::ids::OperationId;
use llmctl_proto::journal::{Entry, Reader};
use llmctl_proto::paths::Paths;
use llmctl_proto::pb::attach_request::Kind as Up;
use llmctl_proto::pb::attach_response::Kind as Down;
use llmctl_proto::pb::{AttachHello, AttachRequest, AttachResponse, Event as WireEvent, Submit};
use llmctl_proto::{PROTOCOL, VERSION};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::{Client, connect};

/// Items that wait for the daemon: at 16 KiB a piece of output about 2 MiB.
const QUEUE: usize = 128;
/// Items on their way in the transport.
const IN_FLIGHT: usize = 32;
/// Wait before the daemon is looked for again; doubles up to the last.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_LAST: Duration = Duration::from_secs(2);

/// What the daemon wants of a runner, or tells it.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// Stop and keep the partial result.
    Stop {
        /// `user`, or `budget` when its budgets no longer carry it.
        by: String,
        /// `page`, `cli` or `api`.
        via: String,
        /// Why.
        reason: Option<String>,
        /// Straight to the kill.
        force: bool,
        /// Replaces the tool's grace.
        grace_ms: Option<u64>,
    },
    /// Suspend or resume the process group.
    Suspend(bool),
    /// The answer to the submission, or news of its place.
    Admission(Box<Admission>),
    /// Another cost limit, in nano-dollars; none lifts it.
    Budget(Option<i64>),
}

/// Handle of the runner. Sending never waits.
#[derive(Debug)]
pub struct Link {
    tx: mpsc::Sender<Entry>,
    behind: Arc<AtomicBool>,
    durable: watch::Receiver<u64>,
    submission: watch::Sender<Option<Submission>>,
    connected: watch::Receiver<bool>,
}

/// Starts the link on a connection that stands, or on one that will come.
pub fn spawn(
    paths: &Paths,
    id: OperationId,
    journal: PathBuf,
    client: Option<Client>,
) -> (Link, mpsc::Receiver<Order>) {
    let (tx, items) = mpsc::channel(QUEUE);
    let (orders_tx, orders) = mpsc::channel(16);
    let (durable_tx, durable) = watch::channel(0);
    let behind = Arc::new(AtomicBool::new(false));
    let (submission, submitted) = watch::channel(None);
    let (connected_tx, connected) = watch::channel(client.is_some());
    let task = Task {
        paths: paths.clone(),
        id,
        journal,
        items,
        orders: orders_tx,
        durable: durable_tx,
        behind: Arc::clone(&behind),
        submitted,
        connected: connected_tx,
    };
    drop(tokio::spawn(task.run(client)));
    (Link { tx, behind, durable, submission, connected }, orders)
}

impl Link {
    /// Passes an event on. When the queue is full, a fact will be read from the journal and the rest is skipped.
    pub fn send(&self, entry: Entry) {
        let fact = entry.client_seq > 0;
        if self.tx.try_send(entry).is_err() && fact {
            self.behind.store(true, Ordering::Release);
        }
    }

    /// Asks for a place and for money; asked again after every new connection until another submission or none
    /// takes its place. Facts that were sent before it arrive before it.
    pub fn submit(&self, submission: Submission) {
        self.submission.send_replace(Some(submission));
    }

    /// Changes the submission that a new connection begins with; a daemon that is connected is not asked again.
    pub fn amend(&self, change: impl FnOnce(&mut Submission)) {
        self.submission.send_if_modified(|submission| {
            if let Some(submission) = submission {
                change(submission);
            }
            false
        });
    }

    /// Asks for nothing any more, neither now nor after a new connection.
    pub fn withdraw(&self) {
        self.submission.send_replace(None);
    }

    /// Whether a daemon is connected, and how that changes.
    pub fn connected(&self) -> watch::Receiver<bool> {
        self.connected.clone()
    }

    /// Waits until everything up to a journal number is on the daemon's disk; false when that takes too long.
    pub async fn durable(&mut self, client_seq: u64, wait: Duration) -> bool {
        let reached = self.durable.wait_for(|known| *known >= client_seq);
        matches!(tokio::time::timeout(wait, reached).await, Ok(Ok(_)))
    }
}

struct Task {
    paths: Paths,
    id: OperationId,
    journal: PathBuf,
    items: mpsc::Receiver<Entry>,
    orders: mpsc::Sender<Order>,
    durable: watch::Sender<u64>,
    behind: Arc<AtomicBool>,
    submitted: watch::Receiver<Option<Submission>>,
    connected: watch::Sender<bool>,
}

/// Why one connection ended.
enum Ended {
    /// The daemon went away; there will be another.
    Lost,
    /// The runner has nothing more to say.
    Done,
}

impl Task {
    async fn run(mut self, mut client: Option<Client>) {
        let mut wait = RETRY_FIRST;
        loop {
            if let Some(connected) = client.take() {
                let ended = self.serve(connected).await;
                self.connected.send_if_modified(|connected| std::mem::replace(connected, false));
                match ended {
                    Ended::Done => return,
                    Ended::Lost => wait = RETRY_FIRST,
                }
            }
            // Meanwhile the queue is emptied: facts are in the journal, the rest was for watching.
            let pause = tokio::time::sleep(wait);
            tokio::pin!(pause);
            loop {
                tokio::select! {
                    () = &mut pause => break,
                    item = self.items.recv() => if item.is_none() { return },
                }
            }
            wait = (wait * 2).min(RETRY_LAST);
            client = connect(&self.paths).await.ok();
        }
    }

    async fn serve(&mut self, mut client: Client) -> Ended {
        let (up, requests) = mpsc::channel(IN_FLIGHT);
        let hello = AttachHello {
            protocol: PROTOCOL,
            version: VERSION.to_owned(),
            operation_id: self.id.to_string(),
            runner_pid: std::process::id(),
        };
        if up.send(AttachRequest { kind: Some(Up::Hello(hello)) }).await.is_err() {
            return Ended::Lost;
        }
        let Ok(answer) = client.attach(ReceiverStream::new(requests)).await else { return Ended::Lost };
        let mut down = answer.into_inner();
        let Ok(Some(AttachResponse { kind: Some(Down::Attached(attached)) })) = down.message().await else {
            return Ended::Lost;
        };
        self.note_durable(attached.durable_client_seq);
        let mut sent = attached.durable_client_seq;
        if self.catch_up(&up, &mut sent).await.is_err() {
            return Ended::Lost;
        }
        self.connected.send_if_modified(|connected| !std::mem::replace(connected, true));
        // A daemon that is new to it has to know that it waits or runs.
        self.submitted.mark_changed();
        self.forward(&up, &mut down, sent).await
    }

    async fn forward(
        &mut self,
        up: &mpsc::Sender<AttachRequest>,
        down: &mut Streaming<AttachResponse>,
        mut sent: u64,
    ) -> Ended {
        loop {
            tokio::select! {
                // Facts first: a submission comes after what was said before it.
                biased;
                item = self.items.recv() => {
                    let Some(entry) = item else { return Ended::Done };
                    if self.pass_on(up, entry, &mut sent).await.is_err() {
                        return Ended::Lost;
                    }
                }
                answer = down.message() => match answer {
                    Ok(Some(answer)) => self.on_answer(answer).await,
                    Ok(None) | Err(_) => return Ended::Lost,
                },
                Ok(()) = self.submitted.changed() => {
                    if self.behind.swap(false, Ordering::AcqRel) && self.catch_up(up, &mut sent).await.is_err() {
                        return Ended::Lost;
                    }
                    let submission = self.submitted.borrow_and_update().as_ref().map(submit);
                    if let Some(request) = submission
                        && up.send(request).await.is_err()
                    {
                        return Ended::Lost;
                    }
                }
            }
        }
    }

    async fn pass_on(
        &mut self,
        up: &mpsc::Sender<AttachRequest>,
        entry: Entry,
        sent: &mut u64,
    ) -> Result<(), ()> {
        if self.behind.swap(false, Ordering::AcqRel) || entry.client_seq > *sent + 1 {
            self.catch_up(up, sent).await?;
        }
        if entry.client_seq > 0 && entry.client_seq <= *sent {
            return Ok(());
        }
        *sent = (*sent).max(entry.client_seq);
        up.send(wire(entry)).await.map_err(drop)
    }

    /// Sends the facts of the journal that the daemon does not have.
    async fn catch_up(&self, up: &mpsc::Sender<AttachRequest>, sent: &mut u64) -> Result<(), ()> {
        let (path, after) = (self.journal.clone(), *sent);
        let read = move || -> Vec<Entry> {
            Reader::entries(&path).into_iter().filter(|entry| entry.client_seq > after).collect()
        };
        for entry in tokio::task::spawn_blocking(read).await.unwrap_or_default() {
            *sent = (*sent).max(entry.client_seq);
            up.send(wire(entry)).await.map_err(drop)?;
        }
        Ok(())
    }

    fn note_durable(&self, client_seq: u64) {
        self.durable.send_if_modified(|known| {
            let newer = client_seq > *known;
            *known = (*known).max(client_seq);
            newer
        });
    }

    async fn on_answer(&self, answer: AttachResponse) {
        let order = match answer.kind {
            Some(Down::Acknowledged(ack)) => return self.note_durable(ack.durable_client_seq),
            Some(Down::Stop(stop)) => Order::Stop {
                by: stop.by,
                via: stop.via,
                reason: Some(stop.reason).filter(|r| !r.is_empty()),
                force: stop.force,
                grace_ms: Some(stop.grace_ms).filter(|g| *g > 0),
            },
            Some(Down::Suspend(suspend)) => Order::Suspend(suspend.suspend),
            Some(Down::Admission(answer)) => match serde_json::from_str(&answer.admission) {
                Ok(admission) => Order::Admission(Box::new(admission)),
                // Words of another version; whoever waits goes on after a while.
                Err(_) => return,
            },
            Some(Down::Budget(budget)) => Order::Budget(budget.max_cost_nano_usd),
            // A daemon that leaves closes the stream next; the operation goes on.
            Some(Down::Attached(_) | Down::Leaving(_)) | None => return,
        };
        let _ = self.orders.send(order).await;
    }
}

fn submit(submission: &Submission) -> AttachRequest {
    // Names, numbers and times always serialise.
    let submission = serde_json::to_string(submission).unwrap_or_default();
    AttachRequest { kind: Some(Up::Submit(Submit { submission })) }
}

fn wire(entry: Entry) -> AttachRequest {
    let event = WireEvent {
        client_seq: entry.client_seq,
        at_ms: entry.at.0,
        r#type: entry.type_name,
        data: entry.data,
    };
    AttachRequest { kind: Some(Up::Event(event)) }
}

/// An entry for an event that is not journalled.
pub fn live(event: &Event) -> Entry {
    let mut data = event.data_json();
    // A serialised piece of output may fill half of its buffer, and a whole queue of them waits.
    data.shrink_to_fit();
    Entry {
        client_seq: 0,
        at: llmctl_proto::time::UnixMs::now(),
        type_name: event.type_name().to_owned(),
        data,
    }
}
