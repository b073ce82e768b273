//! Any interleaving of publishing, subscribing, lagging, resuming and restarting ends in the same projection, and
//! stores every fact once.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use llmctl_proto::event::{
    Envelope, Event, ExecutionCompleted, ExecutionDetached, ExecutionFailed, ExecutionLost,
    ExecutionProgress, ExecutionStarted, Mode, OtherEvent, Phase, PromptInfo, RunState, Spend, ToolInvoked,
    ToolResponded,
};
use llmctl_proto::ids::{Cursor, OperationId};
use llmctl_proto::state::{Operation, State, Totals};
use llmctl_proto::time::UnixMs;
use llmctld::hub::{BROADCAST, Before, Frame, Hub, Publish, Rules, Subscription};
use llmctld::store::{EventQuery, Store};
use proptest::prelude::*;
use serde::Deserialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;
use tokio_util::task::TaskTracker;

const OPERATIONS: usize = 6;
const FOLLOWERS: usize = 3;

/// One thing that happens.
#[derive(Debug, Clone)]
enum Step {
    /// A runner journals a fact and sends it.
    Fact(usize, Kind),
    /// A runner sends its last so many facts again.
    Again(usize, usize),
    /// A runner says how far it is.
    Progress(usize, u64),
    /// The daemon notes a lost link.
    Detached(usize),
    /// A script publishes something.
    Emit,
    /// Far more at once than a follower may be behind.
    Burst(usize),
    /// A follower reads everything that has come.
    Read(usize),
    /// A follower's connection breaks and it resumes by its cursor.
    Resume(usize),
    /// A follower begins anew.
    Join(usize),
    /// The daemon ends, in order or not, and another begins on the same store.
    Restart,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Start(Option<usize>),
    Call,
    Answer,
    Complete,
    Fail,
    Lost,
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        3 => proptest::option::of(0..OPERATIONS).prop_map(Kind::Start),
        4 => Just(Kind::Call),
        4 => Just(Kind::Answer),
        1 => Just(Kind::Complete),
        1 => Just(Kind::Fail),
        1 => Just(Kind::Lost),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0..OPERATIONS, kinds()).prop_map(|(o, kind)| Step::Fact(o, kind)),
        3 => (0..OPERATIONS, 1..6usize).prop_map(|(o, count)| Step::Again(o, count)),
        8 => (0..OPERATIONS, 0..1_000u64).prop_map(|(o, output)| Step::Progress(o, output)),
        2 => (0..OPERATIONS).prop_map(Step::Detached),
        2 => Just(Step::Emit),
        1 => (0..OPERATIONS).prop_map(Step::Burst),
        6 => (0..FOLLOWERS).prop_map(Step::Read),
        3 => (0..FOLLOWERS).prop_map(Step::Resume),
        1 => (0..FOLLOWERS).prop_map(Step::Join),
        2 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..80)
}

fn spend(output: u64) -> Spend {
    let tokens = llmctl_proto::usage::Usage { output, ..Default::default() };
    Spend { tokens, cost_nano_usd: (!output.is_multiple_of(7)).then_some(output as i64), ..Spend::default() }
}

fn event(id: &OperationId, kind: Kind, number: u64, all: &[OperationId]) -> Event {
    let operation_id = id.clone();
    match kind {
        Kind::Start(retry) => ExecutionStarted {
            operation_id,
            attempt: 1,
            tool: "tool".into(),
            model: Some("model".into()),
            provider: None,
            mode: Mode::Cli,
            agent: None,
            task_type: None,
            cwd: "/".into(),
            pid: Some(7),
            prompt: PromptInfo { bytes: 1, sha256: "0".into(), file: None },
            command: vec!["tool".into()],
            reservation_nano_usd: None,
            project: None,
            policy: None,
            task_id: None,
            max_cost_nano_usd: None,
            retry_of: retry.map(|of| all[of].clone()),
            started_at: UnixMs(5),
        }
        .into(),
        Kind::Call => ToolInvoked {
            operation_id,
            call_id: number.to_string(),
            name: "shell".into(),
            kind: "shell".into(),
            server_name: None,
            summary: "a \"quoted\" line\n".into(),
            input_bytes: number,
        }
        .into(),
        Kind::Answer => ToolResponded {
            operation_id,
            call_id: number.to_string(),
            ok: true,
            duration_ms: 1,
            output_bytes: 2,
            exit_code: None,
        }
        .into(),
        Kind::Complete => ExecutionCompleted {
            operation_id,
            exit_code: Some(0),
            model: None,
            duration_ms: 9,
            first_output_ms: Some(1),
            spend: spend(number),
            stdout_bytes: 3,
            stderr_bytes: 4,
            calls: 2,
            session_id: None,
            resume_command: None,
        }
        .into(),
        Kind::Fail => ExecutionFailed {
            operation_id,
            attempt: 1,
            class: "exit_code".into(),
            message: "it failed".into(),
            hint: None,
            exit_code: Some(1),
            signal: None,
            http_status: None,
            retry_after_ms: None,
            is_final: true,
            next: None,
            retryable: false,
            model: None,
            duration_ms: 9,
            spend: spend(number),
            stdout_bytes: 3,
            stderr_bytes: 4,
            partial: None,
            session_id: None,
            resume_command: None,
        }
        .into(),
        Kind::Lost => ExecutionLost {
            operation_id,
            reason: "runner_gone".into(),
            last_event_at: None,
            spend: spend(number),
            stdout_bytes: 3,
            stderr_bytes: 4,
            killed_processes: 0,
            partial: None,
        }
        .into(),
    }
}

fn progress(id: &OperationId, output: u64) -> Event {
    let state = [RunState::Running, RunState::Paused, RunState::Stopping][(output % 3) as usize];
    ExecutionProgress {
        operation_id: id.clone(),
        state,
        phase: Phase::Streaming,
        model: None,
        spend: spend(output),
        elapsed_ms: output,
        idle_ms: 0,
        stdout_bytes: output,
        stderr_bytes: 0,
    }
    .into()
}

/// A daemon's middle, without its doors.
struct Daemon {
    hub: Hub,
    store: Store,
    tracker: TaskTracker,
    thread: std::thread::JoinHandle<()>,
}

impl Daemon {
    fn open(dir: &Path) -> Self {
        let (store, recovered, thread) = Store::open(dir.join("telemetry.redb")).expect("the store opens");
        let tracker = TaskTracker::new();
        Self { hub: Hub::spawn(recovered, store.clone(), Rules::default(), &tracker), store, tracker, thread }
    }

    async fn end(self) {
        let Self { hub, store, tracker, thread } = self;
        // Everything that was published before is with the store by the time the hub answers.
        hub.list().await.expect("the hub runs");
        drop(hub);
        tracker.close();
        tracker.wait().await;
        store.close().await;
        drop(store);
        tokio::task::spawn_blocking(|| thread.join()).await.expect("joined").expect("no panic");
    }

    async fn publish(&self, at: UnixMs, event: Event, client_seq: u64) {
        let data = event.data_json();
        let publish = Publish { at, data, event, client_seq, durable: None, done: None };
        self.hub.publish(publish).await.expect("the hub runs");
    }
}

/// Keeps a projection from a snapshot and frames, as a page does.
#[derive(Default)]
struct Follower {
    state: State,
    cursor: Option<Cursor>,
    frames: Option<Receiver<Frame>>,
}

#[derive(Deserialize)]
struct Snapshot {
    operations: Vec<Operation>,
    totals: Totals,
}

impl Follower {
    async fn subscribe(&mut self, hub: &Hub) {
        let Subscription { cursor, before, frames } = hub.subscribe(self.cursor).await.expect("the hub runs");
        match before {
            Before::Backlog(backlog) => backlog.iter().for_each(|frame| self.take(frame)),
            Before::Snapshot { state, .. } => {
                let snapshot: Snapshot = serde_json::from_str(&state).expect("a snapshot");
                self.state = State::restore(snapshot.operations, snapshot.totals);
            }
        }
        self.cursor = Some(cursor);
        self.frames = Some(frames);
    }

    fn take(&mut self, frame: &Frame) {
        let envelope = Envelope::from_json(&frame.json).expect("an envelope");
        assert!(self.cursor.is_none_or(|seen| seen.seq < frame.seq), "nothing comes twice");
        self.state.apply(&envelope);
        self.cursor = Some(envelope.cursor);
    }

    async fn read(&mut self, hub: &Hub) {
        loop {
            let Some(frames) = &mut self.frames else { return self.subscribe(hub).await };
            match frames.try_recv() {
                Ok(frame) => self.take(&frame),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Lagged(_) | TryRecvError::Closed) => self.frames = None,
            }
        }
    }

    async fn assert_same(&mut self, hub: &Hub) {
        // The hub's answer comes after everything that was published before it.
        let (operations, totals) = hub.list().await.expect("the hub runs");
        self.read(hub).await;
        let own: Vec<Operation> = self.state.newest_first().cloned().collect();
        assert_eq!(own, operations);
        assert_eq!(self.state.totals, totals);
    }
}

/// What the runners have in their journals.
struct World {
    ids: Vec<OperationId>,
    journals: BTreeMap<OperationId, VecDeque<(UnixMs, Event)>>,
    now: i64,
}

impl World {
    fn tick(&mut self) -> UnixMs {
        self.now += 1;
        UnixMs(self.now)
    }

    /// What a runner or the adopter does first with a new daemon: it asks what is stored.
    async fn catch_up(&mut self, daemon: &Daemon) {
        for (id, journal) in &self.journals {
            let stored = daemon.store.watermark(id.clone()).await.expect("the store runs");
            let known = daemon.hub.watermark(id.clone(), stored).await.expect("the hub runs");
            assert!(known <= journal.len() as u64);
            for (index, (at, event)) in journal.iter().enumerate().skip(known as usize) {
                daemon.publish(*at, event.clone(), index as u64 + 1).await;
            }
        }
    }

    async fn step(&mut self, daemon: &Daemon, followers: &mut [Follower], step: &Step) {
        match step {
            Step::Fact(operation, kind) => {
                let (id, at) = (self.ids[*operation].clone(), self.tick());
                // Only what has been there can be repeated.
                let known = |of: &usize| self.journals.contains_key(&self.ids[*of]);
                let kind = match kind {
                    Kind::Start(of) => Kind::Start(of.filter(known)),
                    other => *other,
                };
                let event = event(&id, kind, at.0 as u64, &self.ids);
                let journal = self.journals.entry(id).or_default();
                journal.push_back((at, event.clone()));
                daemon.publish(at, event, journal.len() as u64).await;
            }
            Step::Again(operation, count) => {
                let Some(journal) = self.journals.get(&self.ids[*operation]) else { return };
                for (index, (at, event)) in journal.iter().enumerate().rev().take(*count) {
                    daemon.publish(*at, event.clone(), index as u64 + 1).await;
                }
            }
            Step::Progress(operation, output) => {
                let event = progress(&self.ids[*operation], *output);
                daemon.publish(self.tick(), event, 0).await;
            }
            Step::Detached(operation) => {
                let operation_id = self.ids[*operation].clone();
                let event = ExecutionDetached { operation_id, reason: "link_lost".into() };
                daemon.publish(self.tick(), event.into(), 0).await;
            }
            Step::Emit => {
                let data = serde_json::json!({"at": self.now});
                let event = Event::Other(OtherEvent { type_name: "test.emitted".into(), data });
                daemon.publish(self.tick(), event, 0).await;
            }
            Step::Burst(operation) => {
                for output in 0..BROADCAST as u64 + 100 {
                    daemon.publish(UnixMs(self.now), progress(&self.ids[*operation], output), 0).await;
                }
            }
            Step::Read(follower) => followers[*follower].read(&daemon.hub).await,
            Step::Resume(follower) => {
                followers[*follower].frames = None;
                followers[*follower].read(&daemon.hub).await;
            }
            Step::Join(follower) => {
                followers[*follower] = Follower::default();
                followers[*follower].read(&daemon.hub).await;
            }
            Step::Restart => {}
        }
    }
}

async fn play(steps: &[Step]) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut daemon = Daemon::open(dir.path());
    let mut followers: Vec<Follower> = (0..FOLLOWERS).map(|_| Follower::default()).collect();
    let ids = (0..OPERATIONS).map(|n| format!("exec-op{n}").parse().expect("an id")).collect();
    let mut world = World { ids, journals: BTreeMap::new(), now: 1_000 };
    for step in steps {
        if matches!(step, Step::Restart) {
            daemon.end().await;
            daemon = Daemon::open(dir.path());
            world.catch_up(&daemon).await;
        }
        world.step(&daemon, &mut followers, step).await;
    }
    for follower in &mut followers {
        follower.assert_same(&daemon.hub).await;
    }
    let query = EventQuery { limit: usize::MAX, ..EventQuery::default() };
    let stored = daemon.store.events(query).await.expect("the store runs");
    let envelopes: Vec<Envelope> =
        stored.iter().map(|json| Envelope::from_json(json).expect("an envelope")).collect();
    assert!(envelopes.windows(2).all(|pair| pair[0].cursor.seq < pair[1].cursor.seq));
    for (id, journal) in &world.journals {
        let of_runner = envelopes.iter().filter(|envelope| {
            envelope.event.operation_id() == Some(id)
                && !matches!(envelope.event, Event::ExecutionDetached(_))
        });
        let of_runner: Vec<(UnixMs, Event)> = of_runner.map(|e| (e.at, e.event.clone())).collect();
        assert_eq!(of_runner, Vec::from(journal.clone()), "every fact of {id} once and in order");
    }
    daemon.end().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_follower_ends_with_the_hubs_projection(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(play(&steps));
    }
}

#[test]
fn a_note_of_the_daemon_does_not_hide_a_runners_fact() {
    // Both in one commit: the journal's number has to survive it.
    let steps =
        [Step::Fact(0, Kind::Call), Step::Detached(0), Step::Restart, Step::Again(0, 1), Step::Restart];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(play(&steps));
}
