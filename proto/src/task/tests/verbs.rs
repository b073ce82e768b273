//! The table of allowed moves, and what each verb writes.

use super::{provided, raw};
use crate::task::{
    Asked, Edit, Goes, Layout, NewTask, Plan, Refusal, State, Task, Verb, apply, may_become, plan,
};
use crate::time::UnixMs;

const NOW: UnixMs = UnixMs(1_770_669_300_000);

fn planned(path: &str, text: &str, verb: &Verb, force: bool) -> Result<Plan, Refusal> {
    let task = raw(path, text.as_bytes());
    plan(Task::new(&task), verb, Asked { layout: &Layout::default(), now: NOW, force })
}

/// The text after a verb, and where it goes.
fn done(path: &str, text: &str, verb: &Verb) -> (String, Option<String>) {
    let plan = planned(path, text, verb, false).unwrap_or_else(|refusal| panic!("{verb:?}: {refusal}"));
    let applied = apply(text.as_bytes(), &plan.edits).unwrap_or_else(|error| panic!("{verb:?}: {error}"));
    (applied.text, plan.goes.map(|goes| goes.dir))
}

fn verbs() -> Vec<(Verb, State)> {
    vec![
        (Verb::Assign { agent: "other".into() }, State::Assigned),
        (Verb::Start, State::InProgress),
        (Verb::Block { reason: "r".into() }, State::Blocked),
        (Verb::Complete { summary: Some("s".into()), artefacts: vec![], force: false }, State::Done),
        (Verb::Fail { message: "m".into() }, State::Error),
        (Verb::Cancel { reason: "r".into() }, State::Cancelled),
    ]
}

fn file(state: State) -> (&'static str, String) {
    let path = match state {
        State::New => "inbox/a.yaml",
        State::Done | State::Cancelled => "done/dev/a.yaml",
        _ => "assigned/dev/a.yaml",
    };
    (path, format!("id: a\nagent: dev\nstatus: {state}\n"))
}

#[test]
fn verbs_follow_the_table() {
    for from in State::ALL {
        let (path, text) = file(from);
        for (verb, to) in verbs() {
            let got = planned(path, &text, &verb, false);
            let needs_agent = from == State::New && matches!(to, State::InProgress | State::Blocked);
            let allowed = may_become(from, to) && !needs_agent;
            assert_eq!(got.is_ok(), allowed, "{from} → {to}: {got:?}");
            if let Ok(plan) = got {
                let applied = apply(text.as_bytes(), &plan.edits).expect("edited");
                let name = plan.goes.map_or(path.to_owned(), |goes| format!("{}/a.yaml", goes.dir));
                let after = raw(&name, applied.text.as_bytes());
                assert_eq!(Task::new(&after).state_and_drift(), (to, false), "{from} → {to}");
            }
        }
        let reopened = planned(path, &text, &Verb::Reopen { to_inbox: false }, false);
        assert_eq!(reopened.is_ok(), from.is_final(), "{from}");
        let back = planned(path, &text, &Verb::GiveBack, false);
        assert_eq!(back.is_ok(), from == State::Assigned, "{from}");
        let down = planned(path, &text, &Verb::PutDown, false);
        assert_eq!(down.is_ok(), matches!(from, State::InProgress | State::Blocked), "{from}: {down:?}");
        let priority = planned(path, &text, &Verb::Priority { priority: "LOW".into() }, false);
        let free = matches!(from, State::New | State::Assigned | State::Blocked);
        assert_eq!(priority.is_ok(), free, "{from}");
        if let Err(refusal) = priority {
            assert_eq!(refusal.code(), "task_not_editable");
        }
    }
    let forced = planned("assigned/dev/a.yaml", &file(State::Assigned).1, &verbs()[3].0, true);
    assert!(forced.is_ok(), "assigned → done with force");
}

#[test]
fn verbs_write_what_the_convention_says() {
    let assigned = "id: a\nagent: dev\nstatus: assigned\nassigned_at: '2026-01-01T00:00:00Z'\ntitle: T\n";
    assert_eq!(done("assigned/dev/a.yaml", assigned, &Verb::Start), (
        "id: a\nagent: dev\nstatus: in_progress\nassigned_at: '2026-01-01T00:00:00Z'\nstarted_at: '2026-02-09T20:35:00Z'\ntitle: T\n".to_owned(),
        None
    ));
    let new = "id: a\nagent: dev\nstatus: NEW\npriority: HIGH\n";
    assert_eq!(
        done("inbox/a.yaml", new, &Verb::Claim { agent: "zoe".into() }),
        (
            "id: a\nagent: zoe\nstatus: ASSIGNED\npriority: HIGH\nassigned_at: '2026-02-09T20:35:00Z'\n"
                .to_owned(),
            Some("assigned/zoe".to_owned())
        )
    );
    assert_eq!(
        done("inbox/a.yaml", new, &Verb::Priority { priority: "critical".into() }).0,
        new.replace("HIGH", "CRITICAL")
    );
    let working = "id: a\nagent: dev\nstatus: in_progress\n";
    let complete =
        Verb::Complete { summary: Some("Did it: all.".into()), artefacts: vec!["x.rs".into()], force: false };
    assert_eq!(done("assigned/dev/a.yaml", working, &complete), (
        "id: a\nagent: dev\nstatus: done\nresult:\n  summary: 'Did it: all.'\n  artefacts:\n    - x.rs\ncompleted_at: '2026-02-09T20:35:00Z'\n".to_owned(),
        Some("done/dev".to_owned())
    ));
    assert_eq!(done("assigned/dev/a.yaml", working, &Verb::Fail { message: "no\nway".into() }), (
        "id: a\nagent: dev\nstatus: error\nerror:\n  message: |-\n    no\n    way\n  timestamp: '2026-02-09T20:35:00Z'\n  agent: dev\n".to_owned(),
        None
    ));
    assert_eq!(done("assigned/dev/a.yaml", working, &Verb::Freeze { reason: "later".into() }), (
        "id: a\nagent: dev\nstatus: in_progress\nfrozen_at: '2026-02-09T20:35:00Z'\nfreeze_reason: later\n".to_owned(),
        Some("fridge".to_owned())
    ));
    assert_eq!(
        done("fridge/a.yaml", working, &Verb::Thaw),
        (working.to_owned(), Some("assigned/dev".to_owned()))
    );
    assert_eq!(done("fridge/later/a.yaml", new, &Verb::Thaw).1.as_deref(), Some("inbox"));
    let finished = "id: a\nagent: dev\nstatus: done\ncompleted_at: '2026-01-31T10:00:00Z'\n";
    assert_eq!(
        done("done/dev/a.yaml", finished, &Verb::Archive),
        (finished.to_owned(), Some("archive/2026-01".to_owned()))
    );
    assert_eq!(
        done("done/dev/a.yaml", finished, &Verb::Reopen { to_inbox: false }).1.as_deref(),
        Some("assigned/dev")
    );
    assert_eq!(
        done("done/dev/a.yaml", finished, &Verb::Reopen { to_inbox: true }).1.as_deref(),
        Some("inbox")
    );
    assert_eq!(
        done("inbox/a.yaml", "id: a\n", &Verb::Note { text: "hello\nyou".into() }).0,
        "id: a\nnotes: |-\n  - 2026-02-09T20:35:00Z hello\n    you\n"
    );
    assert_eq!(
        done("inbox/a.yaml", "id: a\nnotes:\n- x\n", &Verb::Note { text: "y".into() }).0,
        "id: a\nnotes:\n- x\n- 2026-02-09T20:35:00Z y\n"
    );
    let stamped = "id: a\nagent: dev\nstatus: new\nlast_modified: \"2026-01-01T00:00:00Z\"\n";
    assert!(
        done("inbox/a.yaml", stamped, &Verb::Priority { priority: "low".into() })
            .0
            .contains("last_modified: \"2026-02-09T20:35:00Z\"")
    );
}

#[test]
fn a_claim_moves_first_and_a_completion_last() {
    let plan =
        planned("inbox/a.yaml", "id: a\n", &Verb::Claim { agent: "dev".into() }, false).expect("planned");
    assert_eq!(plan.goes, Some(Goes { dir: "assigned/dev".into(), first: true }));
    let (path, text) = file(State::InProgress);
    let plan = planned(path, &text, &verbs()[3].0, false).expect("planned");
    assert_eq!(plan.goes, Some(Goes { dir: "done/dev".into(), first: false }));
    assert_eq!(plan.edits.last(), Some(&Edit::text("status", "done")));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (path, text) = file(State::Assigned);
    for (verb, code) in [
        (Verb::Assign { agent: "../x".into() }, "invalid_value"),
        (Verb::Assign { agent: "dev".into() }, "wrong_state"),
        (Verb::Claim { agent: "dev".into() }, "wrong_state"),
        (Verb::Block { reason: "  ".into() }, "invalid_value"),
        (Verb::Unblock, "wrong_state"),
        (Verb::Thaw, "wrong_state"),
        (Verb::Archive, "wrong_state"),
        (Verb::Priority { priority: "URGENT".into() }, "invalid_value"),
        (Verb::Set { key: "status".into(), value: "done".into() }, "invalid_value"),
        (Verb::Set { key: "id".into(), value: "b".into() }, "invalid_value"),
        (Verb::Set { key: String::new(), value: "b".into() }, "invalid_value"),
        (Verb::Set { key: "a".into(), value: "b\nc: d".into() }, "invalid_value"),
    ] {
        let refusal = planned(path, &text, &verb, false).expect_err("refused");
        assert_eq!(refusal.code(), code, "{verb:?}: {refusal}");
    }
    let (path, text) = file(State::InProgress);
    let bare = Verb::Complete { summary: None, artefacts: vec![], force: false };
    assert_eq!(planned(path, &text, &bare, false), Err(Refusal::NoResult));
    assert_eq!(planned(path, "a: \"x\" y", &Verb::Start, false), Err(Refusal::Unreadable));
    let list =
        planned("inbox/a.yaml", "id: a\nl: [x]\n", &Verb::Set { key: "l".into(), value: "y".into() }, false);
    assert!(matches!(list, Err(Refusal::BadValue(_))));
}

#[test]
fn every_provided_file_takes_every_verb_it_may() {
    let Some(files) = provided() else { return };
    let mut count = 0;
    for (path, bytes) in &files {
        let task = raw(path, bytes);
        for (verb, _) in verbs() {
            let layout = Layout::default();
            let Ok(plan) = plan(Task::new(&task), &verb, Asked { layout: &layout, now: NOW, force: false })
            else {
                continue;
            };
            let applied =
                apply(bytes, &plan.edits).unwrap_or_else(|error| panic!("{path}: {verb:?}: {error}"));
            assert!(!applied.lines.is_empty());
            count += 1;
        }
    }
    assert!(count > 200, "{count}");
}

#[test]
fn new_files_follow_the_convention() {
    let layout = Layout::default();
    let asked = Asked { layout: &layout, now: NOW, force: false };
    let mut new = NewTask {
        title: "Fix: the parser's #1 bug!".into(),
        agent: Some("dev".into()),
        priority: Some("HIGH".into()),
        description: Some("# Why\n\nBecause: it fails.\n".into()),
        created_by: None,
        assign: true,
        template: None,
    };
    let (dir, id, text) = new.render(2, asked).expect("rendered");
    assert_eq!((dir.as_str(), id.as_str()), ("assigned/dev", "2026-02-09T2035-dev-fix-the-parser-s-1-bug-2"));
    assert_eq!(
        text,
        "id: 2026-02-09T2035-dev-fix-the-parser-s-1-bug-2\nagent: dev\nstatus: assigned\npriority: high\n\
         title: 'Fix: the parser''s #1 bug!'\ncreated_at: '2026-02-09T20:35:00Z'\n\
         assigned_at: '2026-02-09T20:35:00Z'\ndescription: |-\n  # Why\n\n  Because: it fails.\n"
    );
    let file = raw(&format!("{dir}/{id}.yaml"), text.as_bytes());
    assert_eq!(Task::new(&file).problems(), []);
    new.agent = None;
    assert!(new.render(1, asked).is_err());
    new.assign = false;
    assert_eq!(new.render(1, asked).expect("rendered").0, "inbox");
    new.title = " ".into();
    assert!(new.render(1, asked).is_err());
}
