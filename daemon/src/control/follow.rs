//! Following events: stored facts first, then the stream, without a gap between them.

use llmctl_proto::event::Envelope;
use llmctl_proto::ids::{Cursor, OperationId};
use llmctl_proto::pb::{FollowEventsRequest, FollowEventsResponse};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::service::ControlDeps;
use crate::hub::{Frame, Subscription};
use crate::store::EventQuery;

/// Answers that wait for a follower; a slow one makes its own task wait, nobody else.
const QUEUE: usize = 256;
/// Stored events read at once.
const PAGE: usize = 500;

pub(super) type EventStream = ReceiverStream<Result<FollowEventsResponse, Status>>;

struct Follower {
    deps: ControlDeps,
    types: Vec<String>,
    operation_id: Option<OperationId>,
    output: bool,
    tx: mpsc::Sender<Result<FollowEventsResponse, Status>>,
}

/// Why following ends; nobody needs to know more.
struct Ended;

pub(super) async fn open(deps: ControlDeps, request: FollowEventsRequest) -> Result<EventStream, Status> {
    let after = match request.after.as_str() {
        "" => None,
        "0" => Some(0),
        text => Some(position(&deps, text.parse().map_err(Status::invalid_argument)?).await?),
    };
    let operation_id = match request.operation_id.as_str() {
        "" => None,
        prefix => Some(deps.operations.get(prefix).await?.operation_id.clone()),
    };
    let (tx, rx) = mpsc::channel(QUEUE);
    // What ended while no daemon ran belongs to the past that is asked for.
    deps.adopter.first_look().await;
    let subscription = deps.hub.subscribe(None).await?;
    let tracker = deps.tracker.clone();
    let follower = Follower { deps, types: request.types, operation_id, output: request.output, tx };
    let last = request.last as usize;
    let live = !request.stored_only;
    tracker.spawn(async move {
        let _ = follower.run(subscription, after, last, live).await;
    });
    Ok(ReceiverStream::new(rx))
}

/// Where a cursor lies among the stored facts. What an earlier daemon numbered but never stored (pieces of output, the
/// facts of its last moment) has left its numbers to the next one; so a cursor of that life stands behind the last
/// fact stored of it, and where none is left, nothing has been seen.
async fn position(deps: &ControlDeps, cursor: Cursor) -> Result<u64, Status> {
    if cursor.epoch == deps.hub.epoch() {
        return Ok(cursor.seq);
    }
    let mut until = cursor.seq;
    loop {
        let query = EventQuery { until: Some(until), limit: PAGE, newest: true, ..EventQuery::default() };
        let page = deps.store.events(query).await?;
        let known: Vec<Cursor> =
            page.iter().filter_map(|json| Some(Envelope::from_json(json).ok()?.cursor)).collect();
        if let Some(seen) = known.iter().rev().find(|known| known.epoch == cursor.epoch) {
            return Ok(seen.seq);
        }
        match known.first() {
            Some(oldest) if page.len() == PAGE && oldest.seq > 0 => until = oldest.seq - 1,
            _ => return Ok(0),
        }
    }
}

impl Follower {
    async fn run(
        self,
        subscription: Subscription,
        after: Option<u64>,
        last: usize,
        live: bool,
    ) -> Result<(), Ended> {
        let until = subscription.cursor.seq;
        if last > 0 {
            self.send_newest(after.unwrap_or(0), until, last).await?;
        } else if let Some(after) = after {
            self.send_stored(after, until).await?;
        }
        if live { self.send_live(subscription).await } else { Ok(()) }
    }

    async fn query(&self, query: EventQuery) -> Result<Vec<String>, Ended> {
        let query = EventQuery { operation_id: self.operation_id.clone(), ..query };
        self.deps.store.events(query).await.map_err(|_| Ended)
    }

    async fn send_newest(&self, after: u64, until: u64, last: usize) -> Result<(), Ended> {
        // Filtering by type happens here, so a page of the newest may hold too few: take wider ones.
        let mut limit = last;
        let found = loop {
            let page = self
                .query(EventQuery { after, until: Some(until), limit, newest: true, ..EventQuery::default() })
                .await?;
            let exhausted = page.len() < limit;
            let found: Vec<String> = page.into_iter().filter(|json| self.wants_stored(json)).collect();
            if found.len() >= last || exhausted || limit >= 100 * PAGE {
                break found;
            }
            limit = limit.saturating_mul(4);
        };
        for json in found.iter().skip(found.len().saturating_sub(last)) {
            self.send(json.clone(), 0).await?;
        }
        Ok(())
    }

    /// Sends the stored facts in `(after, until]`.
    async fn send_stored(&self, mut after: u64, until: u64) -> Result<(), Ended> {
        while after < until {
            let page = self
                .query(EventQuery { after, until: Some(until), limit: PAGE, ..EventQuery::default() })
                .await?;
            let Some(seq) = page.last().and_then(|json| Envelope::from_json(json).ok()).map(|e| e.cursor.seq)
            else {
                return Ok(());
            };
            for json in page {
                if self.wants_stored(&json) {
                    self.send(json, 0).await?;
                }
            }
            after = seq;
        }
        Ok(())
    }

    fn wants_stored(&self, json: &str) -> bool {
        if self.types.is_empty() {
            return true;
        }
        Envelope::from_json(json)
            .is_ok_and(|e| Frame::new(e.cursor.seq, &e.event, json.to_owned().into()).matches(&self.types))
    }

    async fn send_live(&self, subscription: Subscription) -> Result<(), Ended> {
        let Subscription { cursor, mut frames, .. } = subscription;
        let mut seen = cursor.seq;
        let shutdown = self.deps.shutdown.clone();
        loop {
            let frame = tokio::select! {
                () = shutdown.cancelled() => {
                    let _ = self.tx.send(Err(Status::unavailable("the daemon is shutting down"))).await;
                    return Ok(());
                }
                () = self.tx.closed() => return Ok(()),
                frame = frames.recv() => frame,
            };
            match frame {
                Ok(frame) if frame.seq > seen => {
                    seen = frame.seq;
                    if self.wants(&frame) {
                        self.send(frame.json.to_string(), 0).await?;
                    }
                }
                Ok(_) => {}
                Err(RecvError::Lagged(missed)) => {
                    // Facts are read from the store; what was only for watching is counted.
                    let again = self.deps.hub.subscribe(None).await.map_err(|_| Ended)?;
                    self.send(String::new(), missed).await?;
                    self.send_stored(seen, again.cursor.seq).await?;
                    seen = again.cursor.seq;
                    frames = again.frames;
                }
                Err(RecvError::Closed) => return Ok(()),
            }
        }
    }

    fn wants(&self, frame: &Frame) -> bool {
        if frame.output.is_some() && !self.output {
            return false;
        }
        let ours = self.operation_id.as_ref().is_none_or(|id| frame.operation_id.as_deref() == Some(id));
        ours && frame.matches(&self.types)
    }

    async fn send(&self, event: String, missed: u64) -> Result<(), Ended> {
        self.tx.send(Ok(FollowEventsResponse { event, missed })).await.map_err(|_| Ended)
    }
}
