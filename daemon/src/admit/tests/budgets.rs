//! Rules of money: CONFIG.md B1 to B6, API.md A15.

use llmctl_proto::admission::{FactsQuery, SharedFacts};
use llmctl_proto::event::WarningLevel;

use super::*;
use crate::admit::LimitError;

const HARD: LimitKind = LimitKind::Hard;
const SOFT: LimitKind = LimitKind::Soft;

fn warnings(effects: &[Effect]) -> Vec<(WarningLevel, u32)> {
    let of = |effect: &Effect| match effect {
        Effect::Warn(warning) => Some((warning.level, warning.budget.used_percent)),
        _ => None,
    };
    effects.iter().filter_map(of).collect()
}

fn facts(core: &Core, budget: &Budget, now: UnixMs) -> SharedFacts {
    let query = FactsQuery {
        budgets: vec![budget.clone()],
        rates: Vec::new(),
        project: Some("/p".into()),
        agent: Some("backend".into()),
    };
    core.facts(&query, now)
}

/// Spent and reserved, in cents.
fn used(core: &Core, budget: &Budget, now: UnixMs) -> (i64, i64) {
    let status = &facts(core, budget, now).budgets[0];
    (status.spent_nano_usd / 10_000_000, status.reserved_nano_usd / 10_000_000)
}

#[test]
fn b1_a_soft_budget_warns_once_for_each_level_and_never_refuses() {
    let (mut core, budget) = (open(), daily(1_000, SOFT));
    restore(&mut core, &[spent("old", 1, 810, MORNING)], MORNING);
    let (answer, effects) = core.submit(under("a", &budget), MORNING);
    let Admission::Admitted { warnings: near, .. } = answer else { panic!("soft budgets refuse nobody") };
    assert_eq!((near[0].used_percent, near[0].spent_nano_usd), (81, 8_100_000_000));
    assert_eq!(warnings(&effects), [(WarningLevel::Threshold, 82)]);
    // Further events at the same level are silent.
    assert!(warnings(&core.on_spend(&id("a"), cents(20), after(1))).is_empty());
    assert_eq!(warnings(&core.on_spend(&id("a"), cents(195), after(2))), [(WarningLevel::Limit, 100)]);
    assert!(core.on_spend(&id("a"), cents(500), after(3)).is_empty());
    assert!(core.on_recorded(&spent("a", 1, 500, after(4)), after(4)).is_empty());
    // A new day warns again.
    let tomorrow = after(24 * 3_600);
    core.on_end(&id("a"), after(5));
    let (_, effects) =
        core.submit(Submission { reservation: Some(cents(900)), ..under("b", &budget) }, tomorrow);
    assert_eq!(warnings(&effects), [(WarningLevel::Threshold, 90)]);
}

#[test]
fn b1_a_warning_from_before_a_restart_is_not_given_twice() {
    let (mut core, budget) = (open(), daily(10, SOFT));
    let (_, effects) = core.submit(under("a", &budget), MORNING);
    let Some(Effect::Warn(warning)) = effects.first() else { panic!("a warning") };
    assert_eq!(warning.caused_by, Some(id("a")));
    let mut next = open();
    next.restore_warning(warning, MORNING);
    assert!(next.submit(under("a", &budget), after(1)).1.is_empty());
    assert_eq!(next.submit(under("b", &budget), after(24 * 3_600)).1.len(), 1);
}

#[test]
fn b2_a_hard_budget_refuses_with_every_figure() {
    let (mut core, budget) = (open(), daily(1_000, HARD));
    restore(&mut core, &[spent("old", 1, 980, MORNING)], MORNING);
    let (answer, effects) =
        core.submit(Submission { reservation: Some(cents(50)), ..under("a", &budget) }, MORNING);
    let refusal = refused(answer);
    assert_eq!(
        refusal.sentence(),
        "daily budget would be passed: $9.80 spent + $0.5000 reserved for this operation = $10.30 of $10.00 (policy default, hard)"
    );
    assert_eq!(refusal.budget.resets_at, Some(UnixMs(MORNING.0 + 17 * 3_600_000)));
    assert!(effects.is_empty());
    assert_eq!(used(&core, &budget, MORNING), (980, 0));
    // To the cent it fits.
    assert!(admitted(
        &core.submit(Submission { reservation: Some(cents(20)), ..under("b", &budget) }, MORNING).0
    ));
}

#[test]
fn b2_force_overrides_and_is_told() {
    let (mut core, budget) = (open(), daily(5, HARD));
    let forced = Submission { force_reason: Some("demo".into()), ..under("a", &budget) };
    let Admission::Admitted { overridden: Some(refusal), reservation, .. } = core.submit(forced, MORNING).0
    else {
        panic!("forced");
    };
    assert_eq!((refusal.reservation, reservation), (Some(cents(10)), Some(cents(10))));
    assert!(stops(&core.on_spend(&id("a"), cents(50), after(1))).is_empty());
    assert_eq!(used(&core, &budget, after(1)), (0, 50));
}

#[test]
fn an_operation_without_a_price_is_refused_by_a_hard_budget_alone() {
    for (kind, forced, runs) in [(HARD, false, false), (SOFT, false, true), (HARD, true, true)] {
        let unpriced = Submission {
            reservation: None,
            force_reason: forced.then(|| "x".into()),
            ..under("a", &daily(1_000, kind))
        };
        let answer = open().submit(unpriced, MORNING).0;
        assert_eq!(admitted(&answer), runs, "{kind:?} {forced}");
        if !runs {
            assert_eq!(refused(answer).would_be, None);
        }
    }
}

#[test]
fn what_costs_nothing_runs_under_a_budget_that_is_used_up() {
    let (mut core, budget) = (open(), daily(100, HARD));
    restore(&mut core, &[spent("old", 1, 150, MORNING)], MORNING);
    assert!(admitted(
        &core.submit(Submission { reservation: Some(cents(0)), ..under("a", &budget) }, MORNING).0
    ));
    assert_eq!(stops(&core.on_spend(&id("a"), PicoUsd(1), after(1))), ["a"]);
}

#[test]
fn scopes_count_the_operation_they_name_or_each_by_itself() {
    use BudgetScope::{Agent, All, Model, Project, Provider, Tool};
    for (scope, own) in
        [(Project, "/p"), (Model, "opus"), (Agent, "backend"), (Tool, "claude-code"), (Provider, "anthropic")]
    {
        for (name, others, refuses) in [
            (Some(own), false, true),
            (Some("another"), false, false),
            (None, false, true),
            (None, true, false),
        ] {
            let budget = Budget { scope, name: name.map(str::to_owned), ..daily(15, HARD) };
            let mut core = open();
            let mut first = submission("a");
            if others {
                (first.project, first.model) = (Some("/q".into()), Some("haiku".into()));
                (first.agent, first.provider) = (Some("other".into()), Some("other".into()));
                first.tool = "other".into();
            }
            core.submit(first, MORNING);
            let answer = core.submit(under("b", &budget), MORNING).0;
            assert_eq!(!admitted(&answer), refuses, "{scope:?} {name:?} {others}");
            if refuses {
                assert_eq!(refused(answer).budget.name.as_deref(), Some(own));
            }
        }
    }
    // A named budget of everything counts everything; an operation without an agent is no agent's.
    let everything = Budget { scope: All, name: Some("x".into()), ..daily(5, HARD) };
    refused(open().submit(under("a", &everything), MORNING).0);
    let agents = Budget { scope: Agent, ..daily(5, HARD) };
    assert!(admitted(&open().submit(Submission { agent: None, ..under("a", &agents) }, MORNING).0));
}

#[test]
fn b4_a_reservation_is_extended_while_the_budget_allows_and_then_stopped() {
    let (mut core, budget) = (open(), daily(30, HARD));
    core.submit(under("a", &budget), MORNING);
    core.submit(Submission { reservation: Some(cents(8)), ..under("b", &budget) }, MORNING);
    // Half of the first reservation more.
    assert!(core.on_spend(&id("a"), cents(11), after(1)).is_empty());
    assert_eq!(used(&core, &budget, after(1)), (0, 23));
    // What it has spent, which is more than a step; then what is left, which is less.
    core.on_spend(&id("a"), cents(21), after(2));
    assert_eq!(used(&core, &budget, after(2)), (0, 29));
    core.on_spend(&id("a"), cents(22), after(2));
    assert_eq!(used(&core, &budget, after(2)), (0, 30));
    let effects = core.on_spend(&id("a"), PicoUsd(22 * CENT + 1), after(3));
    let stop = effects.iter().find_map(|effect| match effect {
        Effect::Stop(of, refusal) if *of == id("a") => Some(refusal),
        _ => None,
    });
    let refusal = stop.expect("stopped");
    assert_eq!(
        (refusal.budget.reserved_nano_usd, refusal.reservation),
        (80_000_000, Some(PicoUsd(22 * CENT + 1)))
    );
    // Once, and the other goes on.
    assert!(stops(&core.on_spend(&id("a"), PicoUsd(22 * CENT + 2), after(4))).is_empty());
    assert!(stops(&core.on_spend(&id("b"), cents(7), after(4))).is_empty());
    core.on_recorded(&spent("a", 1, 20, after(5)), after(5));
    core.on_end(&id("a"), after(5));
    assert_eq!(used(&core, &budget, after(5)), (20, 8));
    assert!(stops(&core.on_spend(&id("b"), cents(10), after(6))).is_empty());
}

#[test]
fn real_spend_beyond_a_hard_limit_stops_everybody_under_it() {
    let (mut core, budget) = (open(), daily(30, HARD));
    for name in ["a", "b"] {
        core.submit(under(name, &budget), MORNING);
    }
    core.submit(Submission { force_reason: Some("x".into()), ..under("c", &budget) }, MORNING);
    core.submit(Submission { model: Some("free".into()), ..submission("d") }, MORNING);
    // The final figure is far above what the tool said on its way.
    let effects = core.on_recorded(&spent("a", 1, 31, after(1)), after(1));
    assert_eq!(stops(&effects), ["b"]);
    assert!(stops(&core.on_spend(&id("b"), cents(9), after(2))).is_empty());
}

#[test]
fn an_operations_own_limit_caps_the_reservation_and_stops_it() {
    let mut core = open();
    let capped = Submission { max_cost: Some(cents(3)), ..submission("a") };
    let Admission::Admitted { reservation, .. } = core.submit(capped, MORNING).0 else {
        panic!("it may try")
    };
    assert_eq!(reservation, Some(cents(3)));
    assert!(stops(&core.on_spend(&id("a"), cents(3), after(1))).is_empty());
    assert_eq!(stops(&core.on_spend(&id("a"), cents(4), after(2))), ["a"]);
    // Force is about shared budgets; and what earlier attempts spent counts.
    let second = Submission {
        max_cost: Some(cents(3)),
        spent: cents(3),
        attempt: 2,
        force_reason: Some("x".into()),
        ..submission("b")
    };
    let refusal = refused(core.submit(second, MORNING).0);
    assert_eq!((refusal.budget.policy.as_str(), refusal.budget.limit_nano_usd), ("--max-cost", 30_000_000));
    // A tool without a price can still tell what it spends.
    let unpriced = Submission { max_cost: Some(cents(3)), reservation: None, ..submission("c") };
    assert!(admitted(&core.submit(unpriced, MORNING).0));
    assert!(stops(&core.on_spend(&id("c"), cents(3), after(1))).is_empty());
    assert_eq!(stops(&core.on_spend(&id("c"), cents(4), after(1))), ["c"]);
}

#[test]
fn a_budget_of_each_operation_counts_its_attempts_together() {
    let budget = Budget { period: BudgetPeriod::Operation, ..daily(15, HARD) };
    let mut core = open();
    assert!(admitted(&core.submit(under("a", &budget), MORNING).0));
    assert!(admitted(&core.submit(under("b", &budget), MORNING).0));
    core.on_recorded(&spent("a", 1, 6, after(1)), after(1));
    let again = Submission { attempt: 2, spent: cents(6), ..under("a", &budget) };
    assert_eq!(refused(core.submit(again, after(1)).0).would_be, Some(cents(16)));
    assert_eq!(stops(&core.on_spend(&id("b"), cents(16), after(2))), ["b"]);
}

#[test]
fn b6_what_is_recorded_after_midnight_counts_for_the_new_day() {
    let budget = Budget { timezone: "Europe/Berlin".into(), ..daily(100, HARD) };
    let midnight = UnixMs(MORNING.0 + 16 * 3_600_000);
    let mut core = open();
    core.on_recorded(&spent("early", 1, 70, UnixMs(midnight.0 - 1)), UnixMs(midnight.0 - 1));
    core.submit(Submission { reservation: Some(cents(30)), ..under("a", &budget) }, UnixMs(midnight.0 - 1));
    core.on_spend(&id("a"), cents(25), UnixMs(midnight.0 - 1));
    refused(core.submit(under("b", &budget), UnixMs(midnight.0 - 1)).0);
    assert_eq!(core.next_wake(UnixMs(midnight.0 - 1)), Some(midnight));
    core.tick(midnight);
    assert_eq!(used(&core, &budget, midnight), (0, 30));
    core.on_recorded(&spent("a", 1, 28, midnight), midnight);
    core.on_end(&id("a"), midnight);
    assert_eq!(used(&core, &budget, midnight), (28, 0));
    assert_eq!(used(&core, &budget, UnixMs(midnight.0 - 1)), (70, 0));
    assert_eq!(core.totals(midnight, "Europe/Berlin").day, cents(28));
    assert_eq!(core.totals(midnight, "UTC").day, cents(98));
    assert_eq!(core.totals(midnight, "UTC").month, cents(98));
}

#[test]
fn a_record_counts_once() {
    let mut core = open();
    restore(&mut core, &[spent("a", 1, 5, MORNING)], MORNING);
    for _ in 0..3 {
        core.on_recorded(&spent("a", 1, 5, MORNING), MORNING);
        core.on_recorded(&spent("a", 2, 2, MORNING), MORNING);
    }
    assert_eq!(core.totals(MORNING, "UTC").day, cents(7));
}

#[test]
fn a_later_attempt_gives_back_what_the_earlier_did_not_spend() {
    let (mut core, budget) = (open(), daily(20, HARD));
    core.submit(under("a", &budget), MORNING);
    core.on_spend(&id("a"), cents(4), after(1));
    // The record of the first attempt comes late; its live cost stays held until then.
    core.submit(Submission { attempt: 2, spent: cents(4), ..under("a", &budget) }, after(2));
    assert_eq!(used(&core, &budget, after(2)), (0, 14));
    core.on_recorded(&spent("a", 1, 4, after(3)), after(3));
    assert_eq!(used(&core, &budget, after(3)), (4, 10));
    core.on_recorded(&spent("a", 2, 3, after(4)), after(4));
    assert_eq!(used(&core, &budget, after(4)), (7, 7));
    core.on_end(&id("a"), after(5));
    assert_eq!(used(&core, &budget, after(5)), (7, 0));
    assert_eq!(core.totals(after(5), "UTC").reserved, PicoUsd::ZERO);
}

#[test]
fn after_a_restart_a_running_operation_takes_its_reservation_whatever_the_limits_say() {
    let (mut core, budget) = (Core::new(total(1)), daily(20, HARD));
    restore(&mut core, &[spent("a", 1, 9, MORNING)], MORNING);
    core.submit(under("first", &budget), MORNING);
    let running = Submission { running: true, attempt: 2, spent: cents(12), ..under("a", &budget) };
    assert!(admitted(&core.submit(running.clone(), after(1)).0));
    // Nine of the twelve are recorded: three are live, inside the reservation of ten.
    assert_eq!(used(&core, &budget, after(1)), (9, 20));
    assert_eq!(core.totals(after(1), "UTC").live, cents(3));
    assert_eq!(core.counts(), (2, 0));
    // Told again by a reconnecting runner: nothing is taken twice.
    assert!(admitted(&core.submit(running, after(2)).0));
    assert_eq!((core.counts(), used(&core, &budget, after(2))), ((2, 0), (9, 20)));
    // No room to extend what is over-committed already.
    assert_eq!(stops(&core.on_spend(&id("a"), cents(11), after(3))), ["a"]);
}

#[test]
fn a15_a_lower_limit_stops_and_a_higher_one_lets_go_on() {
    let (mut core, budget) = (open(), daily(50, HARD));
    core.submit(Submission { max_cost: Some(cents(10)), ..under("a", &budget) }, MORNING);
    core.on_spend(&id("a"), cents(9), after(1));
    assert_eq!(core.set_max_cost(&id("a"), Some(cents(30)), after(2)), Ok(vec![]));
    assert!(stops(&core.on_spend(&id("a"), cents(25), after(3))).is_empty());
    let Err(LimitError::Refused(refusal)) = core.set_max_cost(&id("a"), Some(cents(51)), after(4)) else {
        panic!("beyond the day");
    };
    assert_eq!(refusal.would_be, Some(cents(51)));
    assert_eq!(core.set_max_cost(&id("a"), None, after(4)), Ok(vec![]));
    assert_eq!(stops(&core.set_max_cost(&id("a"), Some(cents(24)), after(5)).expect("allowed")), ["a"]);
    assert_eq!(core.set_max_cost(&id("x"), None, after(5)), Err(LimitError::NotHere));
    // A lower limit gives back what can no longer be spent, and a runner's old word does not undo it.
    core.submit(Submission { max_cost: Some(cents(10)), ..under("b", &budget) }, MORNING);
    core.set_max_cost(&id("b"), Some(cents(2)), after(6)).expect("allowed");
    assert_eq!(used(&core, &budget, after(6)), (0, 27));
    core.submit(Submission { attempt: 2, max_cost: Some(cents(10)), ..under("b", &budget) }, after(7));
    assert_eq!(used(&core, &budget, after(7)), (0, 27));
}

#[test]
fn facts_show_budgets_by_value_and_cool_downs() {
    let mut core = open();
    restore(&mut core, &[spent("old", 1, 5, MORNING)], MORNING);
    core.submit(Submission { model: Some("haiku".into()), ..submission("a") }, MORNING);
    let of = |scope| {
        let budget = Budget { scope, ..daily(100, SOFT) };
        let shown = facts(&core, &budget, MORNING).budgets;
        shown.into_iter().map(|b| (b.name.unwrap_or_default(), b.used_percent)).collect::<Vec<_>>()
    };
    assert_eq!(of(BudgetScope::All), [(String::new(), 15)]);
    assert_eq!(of(BudgetScope::Model), [("haiku".to_owned(), 10), ("opus".to_owned(), 5)]);
    assert_eq!(of(BudgetScope::Project), [("/p".to_owned(), 15)]);
    core.on_failure("claude-code", Some("opus"), "rate_limit", Some(5_000), MORNING);
    let cooling = core.facts(&FactsQuery::default(), after(1)).cooling;
    assert_eq!((cooling[0].until, cooling[0].class.as_str()), (after(5), "rate_limit"));
    core.on_success("claude-code", Some("opus"));
    assert!(core.facts(&FactsQuery::default(), after(1)).cooling.is_empty());
}

#[test]
fn amounts_at_the_edge_of_the_range_do_not_panic() {
    let budget = Budget { limit: PicoUsd(i64::MAX), ..daily(1, HARD) };
    let huge = |name: &str| Submission { reservation: Some(PicoUsd(i64::MAX)), ..under(name, &budget) };
    let mut core = open();
    assert!(admitted(&core.submit(huge("a"), MORNING).0));
    refused(core.submit(huge("b"), UnixMs(i64::MAX)).0);
    core.submit(Submission { force_reason: Some("x".into()), ..huge("c") }, MORNING);
    for (live, now) in [(i64::MAX, UnixMs(i64::MIN)), (i64::MIN, MORNING), (i64::MAX, UnixMs(i64::MAX))] {
        core.on_spend(&id("a"), PicoUsd(live), now);
        core.on_recorded(&record("exec-a", 1, &[("m", live), ("n", i64::MAX)], now), now);
        core.on_recorded(&record("exec-c", 1, &[("m", i64::MAX)], now), now);
        core.tick(now);
        core.next_wake(now);
        core.totals(now, "Nowhere/City");
    }
    core.set_max_cost(&id("a"), Some(PicoUsd(i64::MIN)), MORNING).expect("lower is allowed");
}

#[test]
fn what_a_dead_runner_spent_stays_held_until_it_is_recorded() {
    let (mut core, budget) = (open(), daily(20, HARD));
    core.submit(under("a", &budget), MORNING);
    core.on_spend(&id("a"), cents(7), after(1));
    core.on_end(&id("a"), after(2));
    assert_eq!((used(&core, &budget, after(2)), core.counts()), ((0, 7), (0, 0)));
    assert!(core.on_end(&id("a"), after(2)).is_empty());
    core.on_spend(&id("a"), cents(9), after(3));
    core.on_recorded(&spent("a", 1, 6, after(4)), after(4));
    assert_eq!((used(&core, &budget, after(4)), core.entries.len()), ((6, 0), 0));
    // Without a record it is given up after a day.
    core.submit(under("b", &budget), after(5));
    core.on_spend(&id("b"), cents(7), after(6));
    core.on_end(&id("b"), after(7));
    let next_day = after(7 + 24 * 3_600);
    assert_eq!(core.next_wake(after(8)), Some(next_day));
    core.tick(UnixMs(next_day.0 - 1));
    assert_eq!(core.totals(next_day, "UTC").live, cents(7));
    core.tick(next_day);
    assert_eq!((core.totals(next_day, "UTC").live, core.entries.len()), (PicoUsd::ZERO, 0));
}
