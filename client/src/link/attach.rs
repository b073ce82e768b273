//! A running operation's link to the daemon. The journal is the truth: what the queue or a dead daemon lost is
//! read from it again, so the operation never waits for the daemon and nothing is sent twice in vain.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use llmctl_proto::event::Event;
use llmctl_proto::ids::OperationId;
use llmctl_proto::journal::{Entry, Reader};
use llmctl_proto::paths::Paths;
use llmctl_proto::pb::attach_request::Kind as Up;
use llmctl_proto::pb::attach_response::Kind as Down;
use llmctl_proto::pb::{AttachHello, AttachRequest, AttachResponse, Event as WireEvent};
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

/// What the daemon wants of a runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Stop and keep the partial result.
    Stop {
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
}

/// Handle of the runner. Sending never waits.
#[derive(Debug)]
pub struct Link {
    tx: mpsc::Sender<Entry>,
    behind: Arc<AtomicBool>,
    durable: watch::Receiver<u64>,
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
    let task = Task {
        paths: paths.clone(),
        id,
        journal,
        items,
        orders: orders_tx,
        durable: durable_tx,
        behind: Arc::clone(&behind),
    };
    drop(tokio::spawn(task.run(client)));
    (Link { tx, behind, durable }, orders)
}

impl Link {
    /// Passes an event on. When the queue is full, a fact will be read from the journal and the rest is skipped.
    pub fn send(&self, entry: Entry) {
        let fact = entry.client_seq > 0;
        if self.tx.try_send(entry).is_err() && fact {
            self.behind.store(true, Ordering::Release);
        }
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
                match self.serve(connected).await {
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
                via: stop.via,
                reason: Some(stop.reason).filter(|r| !r.is_empty()),
                force: stop.force,
                grace_ms: Some(stop.grace_ms).filter(|g| *g > 0),
            },
            Some(Down::Suspend(suspend)) => Order::Suspend(suspend.suspend),
            // A daemon that leaves closes the stream next; the operation goes on.
            Some(Down::Attached(_) | Down::Leaving(_) | Down::Admission(_) | Down::Budget(_)) | None => {
                return;
            }
        };
        let _ = self.orders.send(order).await;
    }
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
