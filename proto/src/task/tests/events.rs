//! Which difference is which event, and what it carries.

use super::disk::{Disk, task};
use crate::event::{Event, MAX_EVENT_BYTES, RemovedReason, TaskEvent};
use crate::task::{FindError, Lane, ProblemKind, State, diff};

fn between(before: &[(&str, &str)], change: impl Fn(&mut Disk)) -> Vec<TaskEvent> {
    let mut disk = Disk::with(before);
    let old = disk.scan();
    change(&mut disk);
    diff("p", &old, &disk.scan())
}

fn name(event: &TaskEvent) -> String {
    Event::from(event.clone()).type_name().to_owned()
}

#[test]
fn each_difference_has_its_event() {
    let new = task("a", "new");
    let old = &[("inbox/a.yaml", new.as_str())][..];
    let mine = task("a", "assigned");
    let assigned = &[("assigned/x/a.yaml", mine.as_str())][..];
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], fn(&mut Disk));
    let cases: [Case<'_>; 14] = [
        ("task.created", &[], |d| d.write("inbox/a.yaml", &task("a", "new"))),
        ("task.created", &[], |d| d.write("done/x/a.yaml", &task("a", "done"))),
        ("task.assigned", old, |d| d.rename("inbox/a.yaml", "assigned/x/a.yaml")),
        ("task.assigned", assigned, |d| d.rename("assigned/x/a.yaml", "assigned/y/a.yaml")),
        ("task.started", assigned, |d| d.write("assigned/x/a.yaml", &task("a", "in_progress"))),
        ("task.started", old, |d| {
            d.unlink("inbox/a.yaml");
            d.write("assigned/x/a.yaml", &task("a", "in_progress"));
        }),
        ("task.completed", assigned, |d| d.rename("assigned/x/a.yaml", "done/x/a.yaml")),
        ("task.completed", old, |d| d.rename("inbox/a.yaml", "done/a.yaml")),
        ("task.failed", assigned, |d| d.write("assigned/x/a.yaml", &task("a", "error"))),
        ("task.updated", assigned, |d| d.write("assigned/x/a.yaml", &task("a", "blocked"))),
        ("task.updated", assigned, |d| d.rename("assigned/x/a.yaml", "inbox/a.yaml")),
        ("task.updated", assigned, |d| d.rename("assigned/x/a.yaml", "assigned/x/b.yaml")),
        ("task.invalid", assigned, |d| d.write("assigned/x/a.yaml", "a: \"b\" c")),
        ("task.removed", assigned, |d| d.unlink("assigned/x/a.yaml")),
    ];
    for (want, before, change) in cases {
        let events = between(before, change);
        assert_eq!(events.iter().map(name).collect::<Vec<_>>(), [want], "{before:?} {events:?}");
        let json = Event::from(events[0].clone());
        let again = Event::parse(json.type_name(), &json.data_json()).expect("parses");
        assert_eq!(again, json);
        assert_eq!(TaskEvent::from_event(&again).as_ref(), Some(&events[0]));
        assert!(json.is_fact() && json.operation_id().is_none() && json.data_json().len() < MAX_EVENT_BYTES);
    }
}

#[test]
fn events_say_where_a_task_comes_from() {
    let events = between(&[("assigned/x/a.yaml", &task("a", "in_progress"))], |disk| {
        disk.unlink("assigned/x/a.yaml");
        disk.write(
            "done/x/a.yaml",
            &(task("a", "done") + "result:\n  summary: It is done.\n  next_agent: zoe\n"),
        );
    });
    let [TaskEvent::Completed(event)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((event.summary.as_deref(), event.next_agent.as_deref()), (Some("It is done."), Some("zoe")));
    let change = &event.change;
    assert_eq!((change.from_lane, change.from_state), (Some(Lane::Assigned), Some(State::InProgress)));
    assert_eq!(change.changed, ["status", "result"]);
    assert_eq!((change.card.state, change.card.lane), (State::Done, Lane::Done));
    assert_eq!(change.from_agent, None, "the agent is the same");
}

#[test]
fn what_leaves_says_why_and_what_comes_back_from_where() {
    for (to, reason, lane) in [
        ("fridge/a.yaml", RemovedReason::Frozen, Lane::Fridge),
        ("archive/2026-02/a.yaml", RemovedReason::Archived, Lane::Archive),
    ] {
        let gone = between(&[("inbox/a.yaml", &task("a", "new"))], |disk| disk.rename("inbox/a.yaml", to));
        assert!(matches!(&gone[..], [TaskEvent::Removed(e)] if e.reason == reason), "{gone:?}");
        let back = between(&[(to, &task("a", "new"))], |disk| disk.rename(to, "inbox/a.yaml"));
        assert!(matches!(&back[..], [TaskEvent::Created(e)] if e.0.from_lane == Some(lane)), "{back:?}");
    }
}

#[test]
fn a_touch_is_no_event_and_a_comment_is_one() {
    let before = [("inbox/a.yaml", task("a", "new"))];
    let before = [(before[0].0, before[0].1.as_str())];
    assert!(between(&before, |disk| disk.write("inbox/a.yaml", &task("a", "new"))).is_empty());
    let events = between(&before, |disk| disk.write("inbox/a.yaml", &(task("a", "new") + "# note\n")));
    assert!(matches!(&events[..], [TaskEvent::Updated(e)] if e.0.changed.is_empty()), "{events:?}");
}

#[test]
fn swapped_names_are_two_moves() {
    let events =
        between(&[("inbox/a.yaml", &task("a", "new")), ("inbox/b.yaml", &task("b", "new"))], |disk| {
            disk.rename("inbox/a.yaml", "inbox/t.yaml");
            disk.rename("inbox/b.yaml", "inbox/a.yaml");
            disk.rename("inbox/t.yaml", "inbox/b.yaml");
        });
    assert_eq!(events.iter().map(name).collect::<Vec<_>>(), ["task.updated", "task.updated"]);
}

#[test]
fn a_new_id_in_the_same_file_is_the_same_task() {
    let events = between(&[("inbox/a.yaml", &task("a", "new"))], |disk| {
        disk.write("inbox/a.yaml", &task("b", "new"));
    });
    let [TaskEvent::Updated(event)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((event.0.from_task_id.as_deref(), event.0.task_id.as_str()), (Some("a"), "b"));
}

#[test]
fn names_find_tasks() {
    let disk = Disk::with(&[
        (
            "inbox/2026-01-31T0638-w-followup-2025-11-23T0722-c.yaml",
            &task("2026-01-31T0638-w-followup-2025-11-23T0722-c", "new"),
        ),
        ("inbox/2025-11-23T0722-c.yaml", &task("2025-11-23T0722-c", "new")),
        ("done/x/2026-02-10T1306-cleanup.yaml", &task("dist002-task-3.2-cleanup", "done")),
        ("done/x/2026-02-10T1307-other.yaml", &task("dist002-task-3.3", "done")),
    ]);
    let board = disk.scan();
    let find = |text: &str| board.find(text).map(|raw| raw.name().to_owned());
    assert_eq!(find("2025-11-23T0722").as_deref(), Ok("2025-11-23T0722-c.yaml"), "only beginnings count");
    assert_eq!(find("dist002-task-3.2-cleanup").as_deref(), Ok("2026-02-10T1306-cleanup.yaml"));
    assert_eq!(find("2026-02-10T1306-cleanup").as_deref(), Ok("2026-02-10T1306-cleanup.yaml"));
    assert_eq!(find("done/x/2026-02-10T1307-other.yaml").as_deref(), Ok("2026-02-10T1307-other.yaml"));
    assert!(matches!(find("dist002"), Err(FindError::Ambiguous { count: 2, .. })));
    assert!(matches!(find("zzz"), Err(FindError::NotFound(_))));
    assert!(matches!(find(""), Err(FindError::NotFound(_))));
}

#[test]
fn the_whole_board_tells_more_than_a_file() {
    let copy = "title: Same\nagent: dev\nstatus: new\norigin_comment_id: 7\n";
    let disk = Disk::with(&[
        ("inbox/2026-01-01T0001-x.yaml", &format!("id: 2026-01-01T0001-x\n{copy}")),
        ("inbox/2026-01-01T0002-x.yaml", &format!("id: 2026-01-01T0002-x\n{copy}")),
        ("inbox/d.yaml", &(task("d", "new") + "dependencies:\n- 2026-01-01T0001-x\n- gone-1\n- frozen\n")),
        ("fridge/frozen.yaml", &task("frozen", "new")),
    ]);
    let board = disk.scan();
    let found = board.lint();
    let kinds: Vec<_> =
        found.iter().map(|(path, problem)| (path.as_str(), problem.kind, problem.line)).collect();
    assert_eq!(
        kinds,
        [
            ("inbox/2026-01-01T0001-x.yaml", ProblemKind::LikelyCopy, None),
            ("inbox/2026-01-01T0002-x.yaml", ProblemKind::LikelyCopy, None),
            ("inbox/d.yaml", ProblemKind::DanglingDependency, Some(8)),
        ]
    );
    assert_eq!(board.count_aside(Lane::Fridge), 1);
    assert!(board.knows("frozen") && !board.knows("gone-1"));
}

#[test]
fn the_most_urgent_that_waits_for_nobody_is_next() {
    let file = |id: &str, agent: &str, priority: &str, created: &str, more: &str| {
        format!("id: {id}\nagent: {agent}\nstatus: new\npriority: {priority}\ncreated_at: {created}\n{more}")
    };
    let disk = Disk::with(&[
        ("inbox/old.yaml", &file("old", "dev", "high", "2026-01-01", "")),
        ("inbox/young.yaml", &file("young", "dev", "HIGH", "2026-02-01", "")),
        (
            "inbox/held.yaml",
            &file("held", "dev", "critical", "2026-01-01", "dependencies: [young, 'a remark', gone]\n"),
        ),
        (
            "inbox/free.yaml",
            &file("free", "dev", "low", "2026-01-01", "dependencies: [finished, gone, free]\n"),
        ),
        ("inbox/others.yaml", &file("others", "zoe", "critical", "2026-01-01", "")),
        ("assigned/dev/mine.yaml", &file("mine", "dev", "medium", "2026-01-01", "")),
        ("done/dev/finished.yaml", &task("finished", "done")),
        ("inbox/broken.yaml", "a: \"b\" c"),
    ]);
    let board = disk.scan();
    let ids = |agent| {
        board
            .ready(agent)
            .iter()
            .map(|raw| crate::task::Task::new(raw).id().value.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(Some("dev")), ["old", "young", "mine", "free"]);
    assert_eq!(ids(None), ["others", "old", "young", "mine", "free"]);
    let held = board.named("held").expect("there");
    assert_eq!(board.waits_for(crate::task::Task::new(held)), ["young"]);
}
