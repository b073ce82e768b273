//! Random interleavings of publish, subscribe, lag, resume and restart: a follower always ends in the hub's state.

use llmctl_proto::event::{
    Envelope, Event, ExecutionCompleted, ExecutionDetached, ExecutionProgress, ExecutionStarted, Mode, Phase,
    PromptInfo, RunState, Spend,
};
use llmctl_proto::ids::{Cursor, OperationId};
use llmctl_proto::state::{Operation, State, Totals};
use llmctl_proto::time::UnixMs;
use llmctl_proto::usage::Usage;
use llmctld::hub::{Before, Hub, Publish, Subscription};
use llmctld::store::Store;
use proptest::prelude::*;
use tokio::sync::broadcast::error::TryRecvError;
use tokio_util::task::TaskTracker;

/// One thing that happens.
#[derive(Debug, Clone)]
enum Step {
    /// An operation takes its next step.
    Publish(u8),
    /// Many progress events at once: whoever does not read falls behind.
    Burst(u8),
    /// A follower reads what is there.
    Read(u8),
    /// A follower leaves and comes back with its cursor.
    Resume(u8),
    /// A new follower in the place of an old one.
    Subscribe(u8),
    /// The daemon ends well and starts again on the same store.
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0u8..6).prop_map(Step::Publish),
        1 => (0u8..6).prop_map(Step::Burst),
        4 => (0u8..3).prop_map(Step::Read),
        3 => (0u8..3).prop_map(Step::Resume),
        1 => (0u8..3).prop_map(Step::Subscribe),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..60)
}

/// What a page keeps.
struct Follower {
    state: State,
    cursor: Cursor,
    subscription: Subscription,
}

impl Follower {
    async fn new(hub: &Hub) -> Self {
        let mut subscription = hub.subscribe(None).await.expect("a place");
        let state = snapshot(&mut subscription);
        Self { state, cursor: subscription.cursor, subscription }
    }

    fn take(&mut self, json: &str) {
        let envelope = Envelope::from_json(json).expect("an envelope");
        assert!(envelope.cursor.epoch != self.cursor.epoch || envelope.cursor.seq > self.cursor.seq, "twice");
        self.cursor = envelope.cursor;
        self.state.apply(&envelope);
    }

    async fn resume(&mut self, hub: &Hub) {
        self.subscription = hub.subscribe(Some(self.cursor)).await.expect("a place");
        match std::mem::replace(&mut self.subscription.before, Before::Backlog(Vec::new())) {
            Before::Backlog(frames) => frames.iter().for_each(|frame| self.take(&frame.json)),
            before @ Before::Snapshot { .. } => {
                self.subscription.before = before;
                self.state = snapshot(&mut self.subscription);
            }
        }
        self.cursor = self.subscription.cursor;
    }

    async fn read(&mut self, hub: &Hub) {
        loop {
            match self.subscription.frames.try_recv() {
                Ok(frame) => self.take(&frame.json),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Lagged(_) | TryRecvError::Closed) => return self.resume(hub).await,
            }
        }
    }
}

fn snapshot(subscription: &mut Subscription) -> State {
    let Before::Snapshot { state, .. } = &subscription.before else { panic!("a snapshot was asked for") };
    let value: serde_json::Value = serde_json::from_str(state).expect("JSON");
    let operations: Vec<Operation> = serde_json::from_value(value["operations"].clone()).expect("operations");
    let totals: Totals = serde_json::from_value(value["totals"].clone()).expect("totals");
    State::restore(operations, totals)
}

/// Operations that each begin, go on and end, over and over.
struct World {
    slots: Vec<(OperationId, u64)>,
}

impl World {
    fn next(&mut self, slot: u8) -> (Event, u64) {
        let (id, step) = &mut self.slots[usize::from(slot)];
        *step += 1;
        let operation_id = id.clone();
        let event = match *step {
            1 => ExecutionStarted {
                operation_id,
                attempt: 1,
                tool: "codex".into(),
                model: None,
                provider: None,
                mode: Mode::Cli,
                agent: None,
                task_type: None,
                cwd: "/".into(),
                pid: None,
                prompt: PromptInfo { bytes: 1, sha256: String::new(), file: None },
                command: Vec::new(),
                max_cost_nano_usd: None,
                retry_of: None,
                started_at: UnixMs(1),
            }
            .into(),
            2 => ExecutionDetached { operation_id, reason: "link_lost".into() }.into(),
            3..6 => progress(operation_id, *step),
            _ => {
                let spend = Spend { tokens: Usage { output: *step, ..Usage::default() }, ..Spend::default() };
                let end = ExecutionCompleted {
                    operation_id,
                    exit_code: Some(0),
                    model: None,
                    duration_ms: *step,
                    first_output_ms: None,
                    spend,
                    stdout_bytes: 0,
                    stderr_bytes: 0,
                    calls: 0,
                    session_id: None,
                    resume_command: None,
                };
                *id = OperationId::new();
                *step = 0;
                return (end.into(), 3);
            }
        };
        let client_seq = if event.is_fact() { *step } else { 0 };
        (event, client_seq)
    }
}

fn progress(operation_id: OperationId, n: u64) -> Event {
    ExecutionProgress {
        operation_id,
        state: RunState::Running,
        phase: Phase::Streaming,
        model: None,
        spend: Spend::default(),
        elapsed_ms: n,
        idle_ms: 0,
        stdout_bytes: n,
        stderr_bytes: 0,
    }
    .into()
}

async fn publish(hub: &Hub, event: Event, client_seq: u64) {
    let publish = Publish { client_seq, ..Publish::own(event) };
    hub.publish(publish).await.expect("published");
}

fn run(steps: Vec<Step>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("telemetry.redb");
        let open = |tracker: &TaskTracker| {
            let (store, recovered, _) = Store::open(path.clone()).expect("opened");
            (Hub::spawn(recovered, store.clone(), tracker), store)
        };
        let tracker = TaskTracker::new();
        let (mut hub, mut store) = open(&tracker);
        let mut world = World { slots: (0..6).map(|_| (OperationId::new(), 0)).collect() };
        let mut followers = Vec::new();
        for _ in 0..3 {
            followers.push(Follower::new(&hub).await);
        }
        for step in steps {
            match step {
                Step::Publish(slot) => {
                    let (event, client_seq) = world.next(slot);
                    publish(&hub, event, client_seq).await;
                }
                Step::Burst(slot) => {
                    let id = world.slots[usize::from(slot)].0.clone();
                    for n in 0..5_000 {
                        publish(&hub, progress(id.clone(), n), 0).await;
                    }
                }
                Step::Read(at) => followers[usize::from(at)].read(&hub).await,
                Step::Resume(at) => followers[usize::from(at)].resume(&hub).await,
                Step::Subscribe(at) => followers[usize::from(at)] = Follower::new(&hub).await,
                Step::Restart => {
                    hub.list().await.expect("everything is numbered");
                    store.close().await;
                    (hub, store) = open(&tracker);
                }
            }
        }
        let (operations, totals) = hub.list().await.expect("listed");
        for follower in &mut followers {
            follower.read(&hub).await;
            let mine: Vec<Operation> = follower.state.newest_first().cloned().collect();
            assert_eq!(mine, operations);
            assert_eq!(follower.state.totals, totals);
        }
        store.close().await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_interleaving_ends_in_the_same_projection(steps in steps()) {
        run(steps);
    }
}
