//! The task behind the hub: all of its state in plain fields, one message a turn.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use llmctl_proto::event::{Envelope, Event};
use llmctl_proto::ids::{Cursor, Epoch, OperationId, resolve};
use llmctl_proto::state::{ENDED_IN_SNAPSHOT, Operation, State};
use llmctl_proto::time::UnixMs;
use serde::Serialize;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::Rules;
use super::money::{Act, Money};
use super::ring::Ring;
use super::{
    Before, Condition, Directive, Frame, HubStats, Message, Publish, StopOrder, Subscription, TaskWork,
};
use crate::store::{Addition, Fact, Recovered, Store};

pub(super) struct HubTask {
    epoch: Epoch,
    next_seq: u64,
    state: State,
    ring: Ring,
    frames: broadcast::Sender<Frame>,
    store: Store,
    stats: Arc<HubStats>,
    links: HashMap<OperationId, Link>,
    generation: u64,
    /// The last journal number taken in, of operations that the projection still has.
    watermarks: BTreeMap<OperationId, u64>,
    waiting: HashMap<OperationId, Vec<(Condition, oneshot::Sender<Operation>)>>,
    snapshot: Option<(u64, Utf8Bytes)>,
    money: Money,
    /// Events of the hub's own that are to be published in this turn.
    own: VecDeque<Event>,
}

struct Link {
    directives: mpsc::Sender<Directive>,
    generation: u64,
}

#[derive(Serialize)]
struct SnapshotState<'a> {
    operations: Vec<&'a Operation>,
    totals: llmctl_proto::state::Totals,
}

/// Sleeps until a moment; for ever when there is none.
async fn until(wake: Option<UnixMs>) {
    match wake {
        Some(at) => {
            let left = u64::try_from(at.0 - UnixMs::now().0).unwrap_or(0);
            tokio::time::sleep(std::time::Duration::from_millis(left)).await;
        }
        None => std::future::pending().await,
    }
}

fn task_work(operation: &Operation) -> Option<TaskWork> {
    Some(TaskWork {
        task_id: operation.task_id.clone()?,
        project: operation.project.clone(),
        operation_id: operation.operation_id.clone(),
        state: operation.state,
        cost_nano_usd: operation.spend.cost_nano_usd,
    })
}

impl HubTask {
    pub(super) fn new(
        epoch: Epoch,
        recovered: Recovered,
        store: Store,
        rules: Rules,
        frames: broadcast::Sender<Frame>,
        stats: Arc<HubStats>,
    ) -> Self {
        let mut recovered = recovered;
        let state = State::restore(std::mem::take(&mut recovered.operations), recovered.totals);
        let money = Money::new(rules, &recovered, &state);
        Self {
            epoch,
            next_seq: recovered.last_seq + 1,
            ring: Ring::new(recovered.last_seq),
            state,
            money,
            own: VecDeque::new(),
            frames,
            store,
            stats,
            links: HashMap::new(),
            generation: 0,
            watermarks: BTreeMap::new(),
            waiting: HashMap::new(),
            snapshot: None,
        }
    }

    pub(super) async fn run(mut self, mut rx: mpsc::Receiver<Message>) {
        loop {
            let watched = self.frames.receiver_count() > 0;
            let wake = self.money.next_wake(watched);
            let message = tokio::select! {
                message = rx.recv() => message,
                () = until(wake) => {
                    let acts = self.money.tick(watched);
                    self.carry_out(acts);
                    self.publish_own().await;
                    continue;
                }
            };
            let Some(message) = message else { return };
            self.turn(message).await;
            self.publish_own().await;
        }
    }

    /// Carries out what was decided about places and money.
    fn carry_out(&mut self, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Answer(id, admission) => self.direct(&id, Directive::Admission(admission)),
                Act::Stop(id, refusal) => {
                    let reason = Some(refusal.sentence());
                    let order = StopOrder {
                        by: "budget".into(),
                        via: String::new(),
                        reason,
                        force: false,
                        grace_ms: None,
                    };
                    self.direct(&id, Directive::Stop(order));
                }
                Act::Publish(event) => self.own.push_back(*event),
            }
        }
    }

    /// Passes a directive on. A runner that does not take it is cut off: it comes back and asks again.
    fn direct(&mut self, id: &OperationId, directive: Directive) {
        if self.links.get(id).is_some_and(|link| link.directives.try_send(directive).is_err()) {
            self.links.remove(id);
        }
    }

    async fn publish_own(&mut self) {
        while let Some(event) = self.own.pop_front() {
            self.publish(Publish::own(event)).await;
        }
    }

    async fn turn(&mut self, message: Message) {
        match message {
            Message::Publish(publish) => self.publish(*publish).await,
            Message::Subscribe { after, reply } => drop(reply.send(self.subscribe(after))),
            Message::Attach { id, stored, link, reply } => {
                self.generation += 1;
                self.take_watermark(&id, stored);
                self.links.insert(id, Link { directives: link, generation: self.generation });
                let _ = reply.send(self.generation);
            }
            Message::Detach { id, generation } => {
                if self.links.get(&id).is_some_and(|link| link.generation == generation) {
                    self.links.remove(&id);
                }
            }
            Message::Direct { id, directive, reply } => {
                // A link whose queue of directives is full belongs to a runner that has stopped listening.
                let sent =
                    self.links.get(&id).is_some_and(|link| link.directives.try_send(directive).is_ok());
                let _ = reply.send(sent);
            }
            Message::Await { id, until, reply } => match self.state.operations.get(&id) {
                Some(operation) if until(operation) => drop(reply.send(operation.clone())),
                Some(_) => self.waiting.entry(id).or_default().push((until, reply)),
                None => drop(reply),
            },
            Message::Get { prefix, reply } => {
                let found = resolve(&prefix, self.state.operations.keys())
                    .map(|id| Arc::new(self.state.operations[&id].clone()));
                let _ = reply.send(found);
            }
            Message::List { reply } => {
                let _ = reply.send((self.state.newest_first().cloned().collect(), self.state.totals));
            }
            Message::TaskWork { reply } => {
                let _ = reply.send(self.state.newest_first().filter_map(task_work).collect());
            }
            Message::AdvanceWatermark { id, stored, reply } => {
                let _ = reply.send(self.take_watermark(&id, stored));
            }
            Message::Attached { reply } => drop(reply.send(self.links.keys().cloned().collect())),
            Message::Submit { submission } => {
                let acts = self.money.submit(*submission);
                self.carry_out(acts);
            }
            Message::Facts { query, reply } => {
                let mut facts = self.money.facts(&query);
                facts.history = llmctl_proto::stats::history(self.state.operations.values());
                let _ = reply.send(facts);
            }
            Message::Queue { reply } => drop(reply.send(self.money.queue())),
            Message::ChangeQueue { id, priority, held, reply } => {
                let acts = self.money.change(&id, priority, held);
                let _ = reply.send(acts.is_some());
                self.carry_out(acts.unwrap_or_default());
            }
            Message::SetBudget { id, limit, reply } => match self.money.set_max_cost(&id, limit) {
                Ok(acts) => {
                    let has_link = self.links.contains_key(&id);
                    self.direct(&id, Directive::Budget(limit));
                    self.carry_out(acts);
                    let _ = reply.send(Ok(has_link));
                }
                Err(refusal) => drop(reply.send(Err(refusal))),
            },
            Message::Overview { reply } => drop(reply.send(self.money.overview())),
            Message::SetRules { rules } => {
                let acts = self.money.set_rules(*rules);
                self.carry_out(acts);
            }
        }
    }

    fn take_watermark(&mut self, id: &OperationId, stored: u64) -> u64 {
        let known = self.watermarks.entry(id.clone()).or_insert(0);
        *known = (*known).max(stored);
        *known
    }

    async fn publish(&mut self, publish: Publish) {
        let Publish { at, event, data, client_seq, durable, done } = publish;
        let id = event.operation_id().cloned();
        let has_link = id.as_ref().is_some_and(|id| self.links.contains_key(id));
        if has_link && client_seq == 0 && matches!(event, Event::ExecutionDetached(_)) {
            // Its runner came back before whoever noticed the loss could say so.
            return;
        }
        if let (Some(id), true) = (&id, client_seq > 0) {
            let known = self.watermarks.entry(id.clone()).or_insert(0);
            if client_seq <= *known {
                self.stats.duplicates.fetch_add(1, Ordering::Relaxed);
                if let Some(durable) = durable {
                    // It came another way, perhaps from the journal; whoever sends it again still waits for it.
                    let _ = self.store.acknowledge(durable, client_seq).await;
                }
                if let Some(done) = done {
                    let _ = done.send(Cursor { epoch: self.epoch, seq: self.next_seq - 1 });
                }
                return;
            }
            *known = client_seq;
        }
        let cursor = Cursor { epoch: self.epoch, seq: self.next_seq };
        let Ok(json) = Envelope::encode(&cursor, at, event.type_name(), &data) else {
            // Typed parsing came before; text that is no JSON cannot get here.
            return;
        };
        self.next_seq += 1;
        self.stats.published.fetch_add(1, Ordering::Relaxed);
        self.stats.last_seq.store(cursor.seq, Ordering::Relaxed);
        let json = Utf8Bytes::from(json);
        let frame = Frame::new(cursor.seq, &event, json.clone());
        self.snapshot = None;
        self.apply(at, &event);
        self.ring.push(frame.clone());
        // Nobody listening is the normal state of an idle daemon.
        let _ = self.frames.send(frame);
        if event.is_fact() {
            self.store(cursor, &event, json, client_seq, durable, done).await;
        } else if let Some(done) = done {
            let _ = done.send(cursor);
        }
        self.prune();
    }

    fn apply(&mut self, at: UnixMs, event: &Event) {
        self.state.fold(at, event);
        let operation = event.operation_id().and_then(|id| self.state.operations.get(id));
        let acts = self.money.learn(at, event, operation);
        self.carry_out(acts);
        let Some(id) = event.operation_id() else { return };
        let Some(operation) = self.state.operations.get(id) else { return };
        if let Some(waiting) = self.waiting.get_mut(id) {
            let (ready, still): (Vec<_>, Vec<_>) = waiting
                .drain(..)
                .filter(|(_, reply)| !reply.is_closed())
                .partition(|(until, _)| until(operation));
            for (_, reply) in ready {
                let _ = reply.send(operation.clone());
            }
            *waiting = still;
            if waiting.is_empty() {
                self.waiting.remove(id);
            }
        }
    }

    /// Old operations leave the projection; their journal numbers are in the store.
    fn prune(&mut self) {
        self.state.prune();
        if self.watermarks.len() > self.state.operations.len() + 64 {
            let state = &self.state;
            self.watermarks.retain(|id, _| state.operations.contains_key(id));
        }
    }

    async fn store(
        &mut self,
        cursor: Cursor,
        event: &Event,
        json: Utf8Bytes,
        client_seq: u64,
        durable: Option<tokio::sync::watch::Sender<u64>>,
        done: Option<oneshot::Sender<Cursor>>,
    ) {
        let operation = event
            .operation_id()
            .and_then(|id| self.state.operations.get(id))
            .map(|operation| (Arc::new(operation.clone()), client_seq));
        let urgent = done.is_some() || operation.as_ref().is_some_and(|(o, _)| o.state.is_final());
        let done = done.map(|done| {
            let (tx, rx) = oneshot::channel();
            // The store knows no cursors; this hop gives the number once the commit is through.
            drop(tokio::spawn(async move {
                if rx.await.is_ok() {
                    let _ = done.send(cursor);
                }
            }));
            tx
        });
        let addition = match event {
            Event::CostRecorded(record) => Some(Addition::Record(Box::new(record.clone()))),
            Event::CostWarning(warning) => Some(Addition::Warning(Box::new(warning.clone()))),
            _ => None,
        };
        let fact = Fact {
            seq: cursor.seq,
            json,
            operation,
            addition,
            totals: self.state.totals,
            urgent,
            durable,
            done,
        };
        if self.store.put(fact).await.is_err() {
            tracing::warn!(seq = cursor.seq, "fact after the store had closed; the journal has it");
        }
    }

    fn subscribe(&mut self, after: Option<Cursor>) -> Subscription {
        let frames = self.frames.subscribe();
        let cursor = Cursor { epoch: self.epoch, seq: self.next_seq - 1 };
        let before = match after {
            Some(after) if after.epoch != self.epoch => self.snapshot_because(Some("epoch")),
            Some(after) if after.seq >= self.next_seq => self.snapshot_because(Some("too_old")),
            Some(after) => match self.ring.after(after.seq) {
                Some(backlog) => Before::Backlog(backlog),
                None => self.snapshot_because(Some("too_old")),
            },
            None => self.snapshot_because(None),
        };
        Subscription { cursor, before, frames }
    }

    fn snapshot_because(&mut self, reason: Option<&'static str>) -> Before {
        let seq = self.next_seq - 1;
        if let Some((at, state)) = &self.snapshot
            && *at == seq
        {
            return Before::Snapshot { state: state.clone(), reason };
        }
        let state =
            SnapshotState { operations: self.state.snapshot(ENDED_IN_SNAPSHOT), totals: self.state.totals };
        let text = serde_json::to_string(&state).unwrap_or_else(|_| "{}".to_owned());
        let state = Utf8Bytes::from(text);
        self.snapshot = Some((seq, state.clone()));
        Before::Snapshot { state, reason }
    }
}
