//! Rules of the queue: CONFIG.md R10, API.md A13.

use super::*;
use crate::admit::turns::AGED_AFTER;
use crate::admit::{LimitError, NotQueued};

/// Submits operations named by their fair key and a number, a second apart.
fn fill(core: &mut Core, names: &[&str]) {
    for (name, second) in names.iter().zip(0..) {
        let one = Submission { fair_key: name[..1].into(), submitted_at: after(second), ..submission(name) };
        core.submit(one, MORNING);
    }
}

/// Ends what runs and lets the next start, one after the other.
fn drain(core: &mut Core, first: &str) -> Vec<String> {
    let mut done = vec![first.to_owned()];
    while let Some(next) = starts(&core.on_end(&id(&done[done.len() - 1]), MORNING)).pop() {
        done.push(next);
    }
    done
}

#[test]
fn places_are_limited_in_all_by_tool_and_by_provider() {
    let limits = Concurrency {
        total: 3,
        per_tool: [("claude-code".to_owned(), 1)].into(),
        per_provider: [("openai".to_owned(), 1), ("none".to_owned(), 0)].into(),
    };
    let mut core = Core::new(limits);
    let mut place = |name: &str, tool: &str, provider: &str| {
        let one = Submission { tool: tool.into(), provider: Some(provider.into()), ..submission(name) };
        match core.submit(one, MORNING).0 {
            Admission::Queued(place) => format!("{} {}", place.position, place.limit.unwrap_or_default()),
            other => format!("{}", admitted(&other)),
        }
    };
    assert_eq!(place("a", "claude-code", "anthropic"), "true");
    assert_eq!(place("b", "claude-code", "anthropic"), "1 claude-code");
    assert_eq!(place("c", "codex", "openai"), "true");
    assert_eq!(place("d", "cursor", "openai"), "2 provider:openai");
    // Nobody waits behind those who wait for something else.
    assert_eq!(place("e", "cursor", "none"), "true");
    assert_eq!(place("f", "cursor", "none"), "3 total");
    assert_eq!(core.counts(), (3, 3));
    assert_eq!(starts(&core.on_end(&id("e"), MORNING)), ["f"]);
    assert_eq!(starts(&core.on_end(&id("a"), MORNING)), ["b"]);
    assert_eq!(starts(&core.set_limits(total(0), MORNING)), ["d"]);
}

#[test]
fn priority_goes_first_and_equals_take_turns() {
    let mut core = Core::new(total(1));
    fill(&mut core, &["x", "a1", "a2", "a3", "b1", "c1", "b2"]);
    core.change(&id("a3"), Some(5), None, MORNING).expect("queued");
    assert_eq!(order(&core, MORNING), ["a3", "a1", "b1", "c1", "a2", "b2"]);
    let expected = ["x", "a3", "a1", "b1", "c1", "a2", "b2"];
    assert_eq!(drain(&mut core, "x"), expected);
}

#[test]
fn a_key_that_comes_later_does_not_make_up_for_its_absence() {
    let mut core = Core::new(total(1));
    fill(&mut core, &["x", "a1", "a2", "a3", "a4"]);
    for (done, next) in [("x", "a1"), ("a1", "a2")] {
        assert_eq!(starts(&core.on_end(&id(done), MORNING)), [next]);
    }
    for name in ["b1", "b2", "b3"] {
        core.submit(
            Submission { fair_key: "b".into(), submitted_at: after(60), ..submission(name) },
            MORNING,
        );
    }
    assert_eq!(drain(&mut core, "a2"), ["a2", "b1", "a3", "b2", "a4", "b3"]);
}

#[test]
fn whoever_was_passed_often_enough_goes_before_every_priority() {
    let mut core = Core::new(total(1));
    fill(&mut core, &["x"]);
    core.submit(Submission { priority: -100, ..submission("low") }, MORNING);
    let mut running = "x".to_owned();
    for n in 0..=AGED_AFTER {
        let urgent = Submission {
            priority: 100,
            submitted_at: after(i64::from(n) + 1),
            ..submission(&format!("u{n}"))
        };
        core.submit(urgent, MORNING);
        running = starts(&core.on_end(&id(&running), MORNING)).remove(0);
        assert_eq!(running == "low", n == AGED_AFTER, "{n}");
    }
}

#[test]
fn a13_a_held_operation_does_not_start_until_it_is_released() {
    let mut core = Core::new(total(1));
    fill(&mut core, &["x", "a", "b"]);
    let effects = core.change(&id("a"), None, Some(true), MORNING).expect("queued");
    // Both learn their new places.
    let place = |name: &str| core.place(&id(name)).cloned().expect("queued");
    assert_eq!(effects.len(), 2);
    assert_eq!((place("a").position, place("a").reason.as_str(), place("a").held), (2, "held", true));
    assert_eq!((place("b").position, place("b").limit.as_deref()), (1, Some("total")));
    assert_eq!(starts(&core.on_end(&id("x"), MORNING)), ["b"]);
    assert!(starts(&core.on_end(&id("b"), MORNING)).is_empty());
    assert_eq!(starts(&core.change(&id("a"), None, Some(false), MORNING).expect("queued")), ["a"]);
    assert_eq!(core.change(&id("a"), Some(1), None, MORNING), Err(NotQueued));
    assert_eq!(core.change(&id("nobody"), None, None, MORNING), Err(NotQueued));
    // One that is submitted held waits even in an empty core.
    assert!(queued(core.submit(Submission { held: true, ..submission("h") }, MORNING).0).held);
    core.on_end(&id("a"), MORNING);
    assert_eq!(order(&core, MORNING), ["h"]);
}

#[test]
fn places_are_told_only_when_they_change() {
    let mut core = Core::new(total(1));
    fill(&mut core, &["x", "a", "b", "c"]);
    assert!(core.tick(after(5)).is_empty());
    assert!(core.change(&id("b"), Some(0), Some(false), after(6)).expect("queued").is_empty());
    let effects = core.on_end(&id("b"), after(7));
    assert!(
        matches!(&effects[..], [Effect::Answer(of, Admission::Queued(place))] if *of == id("c") && place.position == 2)
    );
    assert!(core.on_end(&id("b"), after(8)).is_empty());
}

#[test]
fn r10_a_full_window_queues_and_opens() {
    let mut core = open();
    let limited = |name: &str, second: i64| Submission {
        submitted_at: after(second),
        rates: rate("claude-code", 20),
        ..submission(name)
    };
    for n in 0..20 {
        assert!(admitted(&core.submit(limited(&format!("s{n}"), n), after(n)).0));
    }
    let place = queued(core.submit(limited("a", 30), after(30)).0);
    assert_eq!((place.reason.as_str(), place.limit.as_deref()), ("rate_limit", Some("claude-code")));
    assert_eq!(place.wait_until, Some(after(60)));
    // The next in line waits for the next opening.
    assert_eq!(queued(core.submit(limited("b", 31), after(31)).0).wait_until, Some(after(61)));
    // Another tool does not wait, nor one without the limit.
    assert!(admitted(&core.submit(Submission { tool: "codex".into(), ..limited("c", 32) }, after(32)).0));
    assert_eq!(core.next_wake(after(33)), Some(after(60)));
    assert!(core.tick(UnixMs(after(60).0 - 1)).is_empty());
    assert_eq!(starts(&core.tick(after(60))), ["a"]);
    assert_eq!(starts(&core.tick(after(61))), ["b"]);
    assert_eq!(core.next_wake(after(61)), None);
    // A newcomer does not take the opening from one who waited for it.
    queued(core.submit(limited("d", 61), after(61)).0);
    let (answer, effects) = core.submit(limited("e", 62), after(62));
    assert_eq!((queued(answer).position, starts(&effects)), (1, vec!["d".to_owned()]));
}

#[test]
fn windows_survive_a_restart_through_the_ledger() {
    let mut core = open();
    restore(&mut core, &[spent("old", 1, 1, MORNING)], after(10));
    for (key, waits) in
        [("claude-code", true), ("provider:anthropic", true), ("model:opus", true), ("codex", false)]
    {
        let one = Submission { rates: rate(key, 1), ..submission("a") };
        let mut core_now = open();
        restore(&mut core_now, &[spent("old", 1, 1, MORNING)], after(10));
        assert_eq!(!admitted(&core_now.submit(one, after(10)).0), waits, "{key}");
    }
}

#[test]
fn a_window_of_zero_never_opens_and_blocks_nobody_else() {
    let mut core = open();
    let place =
        queued(core.submit(Submission { rates: rate("claude-code", 0), ..submission("a") }, MORNING).0);
    assert_eq!((place.wait_until, core.next_wake(MORNING)), (None, None));
    assert!(admitted(&core.submit(submission("b"), MORNING).0));
}

#[test]
fn a_budget_is_asked_again_at_the_start_and_the_impossible_at_once() {
    let budget = daily(25, LimitKind::Hard);
    let mut core = Core::new(total(1));
    for name in ["a", "b", "c"] {
        core.submit(under(name, &budget), MORNING);
    }
    refused(core.submit(Submission { reservation: Some(cents(26)), ..under("d", &budget) }, MORNING).0);
    refused(core.submit(Submission { reservation: None, ..under("e", &budget) }, MORNING).0);
    core.on_recorded(&spent("a", 1, 10, MORNING), MORNING);
    assert_eq!(starts(&core.on_end(&id("a"), MORNING)), ["b"]);
    core.on_recorded(&spent("b", 1, 10, MORNING), MORNING);
    // What is spent does not come back today: whoever comes now is told, and so is the one who waited. One who is
    // held may wait for another day.
    refused(core.submit(under("f", &budget), MORNING).0);
    assert!(queued(core.submit(Submission { held: true, ..under("g", &budget) }, MORNING).0).held);
    let effects = core.on_end(&id("b"), MORNING);
    assert!(effects.iter().any(|e| matches!(e, Effect::Answer(of, Admission::Refused(_)) if *of == id("c"))));
    assert_eq!(core.counts(), (0, 1));
    let tomorrow = after(24 * 3_600);
    assert_eq!(starts(&core.change(&id("g"), None, Some(false), tomorrow).expect("queued")), ["g"]);
}

#[test]
fn a_later_attempt_keeps_its_place_where_its_new_tool_has_room() {
    let limits = Concurrency { per_tool: [("codex".to_owned(), 1)].into(), ..total(2) };
    let mut core = Core::new(limits);
    fill(&mut core, &["a", "b", "c"]);
    assert!(admitted(&core.submit(Submission { attempt: 2, ..submission("a") }, MORNING).0));
    // The same attempt again is answered again.
    assert!(admitted(&core.submit(Submission { attempt: 2, ..submission("a") }, MORNING).0));
    assert_eq!(core.counts(), (2, 1));
    core.on_end(&id("b"), MORNING);
    let codex = |name: &str| Submission { tool: "codex".into(), attempt: 3, ..submission(name) };
    assert!(admitted(&core.submit(codex("a"), MORNING).0));
    let (answer, _) = core.submit(codex("c"), MORNING);
    assert_eq!(queued(answer).limit.as_deref(), Some("codex"));
    assert_eq!(starts(&core.on_end(&id("a"), MORNING)), ["c"]);
}

#[test]
fn queued_operations_survive_a_restart_in_their_order() {
    let mut old = Core::new(total(1));
    fill(&mut old, &["x", "a", "b", "c", "d"]);
    old.change(&id("c"), Some(7), None, MORNING).expect("queued");
    old.change(&id("a"), None, Some(true), MORNING).expect("queued");
    // Runners tell what they were told, in any order.
    let mut new = Core::new(total(1));
    new.submit(Submission { running: true, ..submission("x") }, after(9));
    for name in ["d", "a", "c", "b"] {
        let entry = &old.entries[&id(name)];
        let place = old.place(&id(name)).expect("queued");
        let again = Submission { held: place.held, priority: place.priority, ..entry.submission.clone() };
        queued(new.submit(again, after(9)).0);
    }
    assert_eq!(order(&new, after(9)), order(&old, after(9)));
    assert_eq!(order(&new, after(9)), ["c", "b", "d", "a"]);
    // A runner that reconnects to a living daemon does not undo what a person changed.
    new.submit(Submission { priority: 0, submitted_at: after(3), ..submission("c") }, after(10));
    assert_eq!(order(&new, after(10))[0], "c");
    assert_eq!(new.set_max_cost(&id("zz"), None, after(10)), Err(LimitError::NotHere));
}
