//! The daemon's projection and the page's are one: the same events, folded in Rust and in JavaScript, end in the
//! same state.
//!
//! Needs node. The sequences are drawn from fixed seeds, so a failure can be repeated.

#[path = "parity/events.rs"]
mod events;
#[path = "parity/payloads.rs"]
mod payloads;
#[path = "parity/random.rs"]
mod random;
#[path = "parity/servers.rs"]
mod servers;

use std::path::Path;
use std::process::Command;

use llmctl_proto::event::{Envelope, Event};
use llmctl_proto::state::{ENDED_KEPT, OperationState, State, Totals};
use serde_json::Value;

/// Events of one sequence.
const EVENTS: usize = 10_000;
const SEEDS: [u64; 5] = [1, 2, 3, 20_261_123, u64::MAX];

#[test]
fn the_page_folds_events_as_the_daemon_does() {
    for seed in SEEDS {
        let lines = events::sequence(seed, EVENTS);
        let here = serde_json::to_value(fold(&lines)).expect("a state is JSON");
        let page = fold_in_node(&lines);
        if let Some(difference) = first_difference(&here, &page, "state") {
            panic!("seed {seed}: {difference}");
        }
    }
}

#[test]
fn the_sequences_hold_every_case() {
    let lines = events::sequence(SEEDS[0], EVENTS);
    let envelopes: Vec<Envelope> =
        lines.iter().map(|l| Envelope::from_json(l).expect("an envelope")).collect();
    for name in Event::KNOWN {
        assert!(envelopes.iter().any(|e| e.event.type_name() == *name), "no {name} among the events");
    }
    assert!(envelopes.iter().any(|e| matches!(e.event, Event::Other(_))));
    let (mut state, mut corrected, mut late, mut returned) = (State::default(), 0, 0, 0);
    let mut seen = std::collections::BTreeSet::new();
    for envelope in &envelopes {
        let id = envelope.event.operation_id();
        let before = id.and_then(|id| state.operations.get(id)).map(|o| o.state);
        returned += usize::from(id.is_some_and(|id| before.is_none() && seen.contains(id)));
        seen.extend(id.cloned());
        state.apply(envelope);
        let after = id.and_then(|id| state.operations.get(id)).map(|o| o.state);
        corrected += usize::from(before == Some(OperationState::Lost) && after != before);
        late += usize::from(before.is_some_and(OperationState::is_final));
    }
    let ended = state.operations.values().filter(|o| o.state.is_final()).count();
    assert!(state.totals.ended as usize > ENDED_KEPT + 50, "pruning never happened: {:?}", state.totals);
    assert_eq!(ended, ENDED_KEPT);
    assert!(state.operations.values().any(|o| o.retried_by.is_some()));
    assert!(corrected > 20 && late > 100 && returned > 20, "{corrected} {late} {returned}");
}

/// As long as nothing has left the projection, the sums are those of what is in it, however it got there.
#[test]
fn sums_are_those_of_the_operations() {
    for seed in 100..120 {
        let state = fold(&events::sequence(seed, 2_000));
        let mut expected = Totals::default();
        for operation in state.operations.values().filter(|o| o.state.is_final()) {
            expected.ended += 1;
            expected.tokens += operation.spend.tokens.total();
            expected.cost_nano_usd += operation.spend.cost_nano_usd.unwrap_or_default();
            expected.cost_unknown += u64::from(operation.spend.cost_nano_usd.is_none());
            let count = match operation.state {
                OperationState::Complete => &mut expected.complete,
                OperationState::Error => &mut expected.error,
                OperationState::Stopped => &mut expected.stopped,
                OperationState::Refused => &mut expected.refused,
                _ => &mut expected.lost,
            };
            *count += 1;
        }
        assert!((expected.ended as usize) < ENDED_KEPT, "too long a sequence for this test");
        assert_eq!(state.totals, expected, "seed {seed}");
    }
}

fn fold(lines: &[String]) -> State {
    let mut state = State::default();
    for line in lines {
        state.apply(&Envelope::from_json(line).expect("an envelope"));
    }
    state
}

fn fold_in_node(lines: &[String]) -> Value {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("events.jsonl");
    std::fs::write(&path, lines.join("\n")).expect("events are written");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/reduce.mjs");
    let output = Command::new("node").arg(script).arg(&path).output().expect("node is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the reducer prints JSON")
}

/// The first place at which two states differ, with both values.
fn first_difference(rust: &Value, page: &Value, path: &str) -> Option<String> {
    match (rust, page) {
        (Value::Object(a), Value::Object(b)) => a
            .keys()
            .chain(b.keys().filter(|key| !a.contains_key(*key)))
            .find_map(|key| match (a.get(key), b.get(key)) {
                (Some(x), Some(y)) => first_difference(x, y, &format!("{path}.{key}")),
                (x, y) => Some(format!("{path}.{key}: daemon {x:?}, page {y:?}")),
            }),
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(at, (x, y))| first_difference(x, y, &format!("{path}[{at}]"))),
        _ => (rust != page).then(|| format!("{path}: daemon {rust}, page {page}")),
    }
}
