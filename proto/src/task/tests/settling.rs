//! However scans fall between the operations of a writer, readers end with what is on the disk, by one event each.

use proptest::prelude::*;

use super::disk::{Disk, task};
use crate::event::TaskEvent;
use crate::task::{GRACE_MS, Mirror, OWN_GRACE_MS, Settle, Shown};

/// A change of the disk.
#[derive(Debug, Clone)]
enum Op {
    Write(usize, usize, usize),
    Truncate(usize),
    Break(usize),
    Unlink(usize),
    Rename(usize, usize),
    Copy(usize, usize),
    Scan,
    Wait(u64),
}

const PATHS: [&str; 9] = [
    "inbox/a.yaml",
    "inbox/b.yaml",
    "assigned/x/a.yaml",
    "assigned/x/b.yaml",
    "assigned/y/a.yaml",
    "done/x/a.yaml",
    "done/b.yml",
    "fridge/a.yaml",
    "archive/old/b.yaml",
];
const IDS: [&str; 4] = ["a", "b", "c", ""];
const STATUSES: [&str; 6] = ["new", "assigned", "in_progress", "done", "error", "odd"];

fn op() -> impl Strategy<Value = Op> {
    let path = 0..PATHS.len();
    prop_oneof![
        3 => (path.clone(), 0..IDS.len(), 0..STATUSES.len()).prop_map(|(p, i, s)| Op::Write(p, i, s)),
        1 => path.clone().prop_map(Op::Truncate),
        1 => path.clone().prop_map(Op::Break),
        2 => path.clone().prop_map(Op::Unlink),
        3 => (path.clone(), path.clone()).prop_map(|(a, b)| Op::Rename(a, b)),
        1 => (path.clone(), path).prop_map(|(a, b)| Op::Copy(a, b)),
        5 => Just(Op::Scan),
        3 => (0..700_u64).prop_map(Op::Wait),
    ]
}

fn act(disk: &mut Disk, op: &Op) {
    match op {
        Op::Write(path, id, status) => {
            let text = match IDS[*id] {
                "" => format!("title: no id\nstatus: {}\n", STATUSES[*status]),
                id => task(id, STATUSES[*status]),
            };
            disk.write(PATHS[*path], &text);
        }
        Op::Truncate(path) => disk.write(PATHS[*path], ""),
        Op::Break(path) => disk.write(PATHS[*path], "id: c\ntitle: \"x\" y\n"),
        Op::Unlink(path) => disk.unlink(PATHS[*path]),
        Op::Rename(from, to) if from != to => disk.rename(PATHS[*from], PATHS[*to]),
        Op::Copy(from, to) if from != to => disk.copy(PATHS[*from], PATHS[*to]),
        _ => {}
    }
}

/// One operation of a writer.
type Step<'a> = Box<dyn Fn(&mut Disk) + 'a>;

/// The mirror without times of files, which a touch changes without an event.
fn plain(mirror: &Mirror) -> Vec<(String, String)> {
    let text = |shown: &Shown| match shown {
        Shown::Card(card) => serde_json::to_string(card).expect("serialises"),
        Shown::Invalid { problem, salvage, lane } => format!("{lane} {problem:?} {salvage:?}"),
    };
    mirror.entries().iter().map(|(key, shown)| (format!("{} {}", key.id, key.path), text(shown))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]
    #[test]
    fn readers_end_with_what_is_on_the_disk(ops in prop::collection::vec(op(), 0..40)) {
        let mut disk = Disk::with(&[("inbox/a.yaml", &task("a", "new")), ("assigned/x/b.yaml", &task("b", "assigned"))]);
        let mut now = 1_000;
        let mut settle = Settle::new("p", disk.scan(), now);
        let mut mirror = Mirror::of(settle.shown());
        for op in &ops {
            act(&mut disk, op);
            now += 1;
            let events = match op {
                Op::Scan => settle.observe(disk.scan(), now),
                Op::Wait(ms) => { now += ms; settle.tick(now) }
                _ => Vec::new(),
            };
            for event in &events { mirror.apply(event); }
            prop_assert_eq!(plain(&mirror), plain(&Mirror::of(settle.shown())), "after {:?}", op);
        }
        for event in settle.observe(disk.scan(), now) {
            mirror.apply(&event);
        }
        if let Some(due) = settle.due_ms() {
            prop_assert!(due <= now + GRACE_MS);
            settle.tick(due).iter().for_each(|event| mirror.apply(event));
        }
        prop_assert_eq!(settle.due_ms(), None);
        prop_assert_eq!(plain(&mirror), plain(&Mirror::of(&disk.scan())));
        prop_assert!(settle.observe(disk.scan(), now + 10_000).is_empty(), "nothing is said twice");
    }

    /// One transition in any of the ways that writers have, with scans at any moment up to 400 ms apart.
    #[test]
    fn one_transition_is_one_event(way in 0..4_usize, target in 0..3_usize, gaps in prop::collection::vec(0..200_u64, 4)) {
        let (to, status) = [("assigned/x/a.yaml", "assigned"), ("done/x/a.yaml", "done"), ("assigned/x/a.yaml", "in_progress")][target];
        let from = if target == 0 { "inbox/a.yaml" } else { "assigned/w/a.yaml" };
        let mut disk = Disk::with(&[(from, &task("a", "assigned"))]);
        let mut now = 0;
        let mut settle = Settle::new("p", disk.scan(), now);
        let mut events = Vec::new();
        let text = task("a", status);
        let steps: Vec<Step<'_>> = match way {
            0 => vec![Box::new(|d: &mut Disk| { d.rename(from, to); d.write(to, &text); })],
            1 => vec![Box::new(|d: &mut Disk| d.write(to, &text)), Box::new(|d: &mut Disk| d.unlink(from))],
            2 => vec![Box::new(|d: &mut Disk| d.unlink(from)), Box::new(|d: &mut Disk| d.write(to, &text))],
            _ => vec![
                Box::new(|d: &mut Disk| d.write(to, "")),
                Box::new(|d: &mut Disk| d.write(to, &text)),
                Box::new(|d: &mut Disk| d.unlink(from)),
            ],
        };
        for (step, gap) in steps.iter().zip(&gaps) {
            step(&mut disk);
            events.extend(settle.observe(disk.scan(), now));
            now += gap;
            events.extend(settle.tick(now));
        }
        now += OWN_GRACE_MS;
        events.extend(settle.observe(disk.scan(), now));
        events.extend(settle.tick(now + GRACE_MS));
        prop_assert_eq!(events.len(), 1, "{:?}", events);
        let right = match (&events[0], target) {
            (TaskEvent::Assigned(e), 0) => e.0.from_lane.is_some() && e.0.from_path.as_deref() == Some(from),
            (TaskEvent::Completed(e), 1) => e.change.from_lane.is_some() && e.change.from_agent.as_deref() == Some("w"),
            (TaskEvent::Started(e), 2) => e.0.from_agent.as_deref() == Some("w"),
            _ => false,
        };
        prop_assert!(right, "{:?}", events);
    }
}

#[test]
fn a_truncated_file_is_not_invalid_until_it_stays_so() {
    let mut disk = Disk::with(&[("inbox/a.yaml", &task("a", "new"))]);
    let mut settle = Settle::new("p", disk.scan(), 0);
    let mut contents = 0;
    for n in 0..20_u64 {
        disk.write("inbox/a.yaml", "");
        assert!(settle.observe(disk.scan(), n * 40).is_empty());
        disk.write("inbox/a.yaml", &format!("{}n: {n}\n", task("a", "new")));
        contents += settle.observe(disk.scan(), n * 40 + 20).len();
    }
    assert_eq!(contents, 20);
    disk.write("inbox/a.yaml", "a: \"b\" c\n");
    assert!(settle.observe(disk.scan(), 10_000).is_empty());
    assert_eq!(settle.due_ms(), Some(10_000 + GRACE_MS));
    assert!(settle.tick(10_000 + GRACE_MS - 1).is_empty());
    let events = settle.tick(10_000 + GRACE_MS);
    assert!(
        matches!(&events[..], [TaskEvent::Invalid(e)] if e.line == Some(1) && e.column.is_some()),
        "{events:?}"
    );
    disk.write("inbox/a.yaml", &task("a", "new"));
    let events = settle.observe(disk.scan(), 20_000);
    assert!(matches!(&events[..], [TaskEvent::Updated(e)] if e.0.recovered), "{events:?}");
}

#[test]
fn two_files_with_one_id_are_both_shown_after_the_grace() {
    let mut disk = Disk::with(&[("inbox/a.yaml", &task("a", "new"))]);
    let mut settle = Settle::new("p", disk.scan(), 0);
    disk.copy("inbox/a.yaml", "inbox/b.yaml");
    assert!(settle.observe(disk.scan(), 100).is_empty());
    let events = settle.tick(100 + GRACE_MS);
    assert_eq!(events.len(), 2, "{events:?}");
    let both = settle
        .shown()
        .iter()
        .all(|(_, raw)| settle.shown().card(raw).problems.contains(&crate::task::ProblemKind::DuplicateId));
    assert!(both && settle.shown().find("a").is_err() && settle.shown().find("inbox/b.yaml").is_ok());
    disk.unlink("inbox/b.yaml");
    settle.observe(disk.scan(), 5_000);
    let events = settle.tick(5_000 + GRACE_MS);
    assert!(events.iter().any(|e| matches!(e, TaskEvent::Removed(_))) && events.len() == 2, "{events:?}");
}

#[test]
fn steady_work_elsewhere_hides_no_loss() {
    let mut disk = Disk::with(&[("inbox/a.yaml", &task("a", "new")), ("inbox/b.yaml", &task("b", "new"))]);
    let mut settle = Settle::new("p", disk.scan(), 0);
    disk.unlink("inbox/a.yaml");
    let mut removed_at = None;
    for n in 0..40_u64 {
        disk.write("inbox/b.yaml", &format!("{}n: {n}\n", task("b", "new")));
        let now = n * 100;
        let events = settle.observe(disk.scan(), now);
        if events.iter().any(|event| matches!(event, TaskEvent::Removed(_))) {
            assert_eq!(removed_at.replace(now), None);
        }
    }
    assert_eq!(removed_at, Some(OWN_GRACE_MS));
}
