//! Random schedules: limits of places and rates hold, everybody starts at last, and sums equal the records.

use std::collections::BTreeMap;

use llmctl_proto::admission::FactsQuery;
use llmctl_proto::ledger::{BUCKET_MS, period_bounds};

use super::*;

fn checked_places(
    core: &Core,
    limits: &Concurrency,
    told: &BTreeMap<OperationId, Place>,
    now: UnixMs,
    seed: u64,
) {
    let running: Vec<&Submission> =
        core.entries.values().filter(|entry| entry.runs()).map(|entry| &entry.submission).collect();
    assert!(running.len() <= limits.total as usize, "seed {seed}");
    for (tool, most) in &limits.per_tool {
        assert!(running.iter().filter(|s| s.tool == *tool).count() <= *most as usize, "seed {seed}: {tool}");
    }
    for (provider, most) in &limits.per_provider {
        let count = running.iter().filter(|s| s.provider.as_ref() == Some(provider)).count();
        assert!(count <= *most as usize, "seed {seed}: {provider}");
    }
    // What runners were told is what the queue says, without gap or double.
    let rows = core.queue(now);
    for (row, position) in rows.iter().zip(1..) {
        assert_eq!(
            (row.place.position, Some(&row.place)),
            (position, told.get(&row.operation_id)),
            "seed {seed}"
        );
    }
}

#[test]
fn limits_of_places_and_rates_hold_and_everybody_starts() {
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let limits = Concurrency {
            total: 1 + dice.below(4) as u32,
            per_tool: [("t0".to_owned(), 1 + dice.below(2) as u32)].into(),
            per_provider: [("p1".to_owned(), 1 + dice.below(2) as u32)].into(),
        };
        let mut core = Core::new(limits.clone());
        let (mut now, mut next) = (MORNING, 0);
        let mut told: BTreeMap<OperationId, Place> = BTreeMap::new();
        let mut running: Vec<OperationId> = Vec::new();
        let mut times: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for step in 0..2_000 {
            now.0 += dice.amount(4_000);
            let waiting: Vec<OperationId> = told.keys().cloned().collect();
            let mut effects = match dice.below(5) {
                0 | 1 if next < 40 => {
                    next += 1;
                    let one = Submission {
                        submitted_at: now,
                        tool: format!("t{}", dice.below(3)),
                        provider: dice.one_in(2).then(|| format!("p{}", dice.below(2))),
                        fair_key: format!("k{}", dice.below(3)),
                        priority: dice.below(3) as i32,
                        held: dice.one_in(6),
                        rates: rate("t1", 3),
                        ..submission(&format!("{next:03}"))
                    };
                    let id = one.operation_id.clone();
                    let (answer, mut effects) = core.submit(one, now);
                    effects.push(Effect::Answer(id, answer));
                    effects
                }
                2 | 3 if !running.is_empty() => {
                    core.on_end(&running.swap_remove(dice.below(running.len())), now)
                }
                4 if !waiting.is_empty() => {
                    let held = if step > 300 { Some(false) } else { dice.one_in(2).then(|| dice.one_in(3)) };
                    let priority = dice.one_in(2).then(|| dice.below(3) as i32);
                    let one = &waiting[dice.below(waiting.len())];
                    core.change(one, priority, held, now).expect("it waits")
                }
                _ => core.tick(now),
            };
            for effect in effects.drain(..) {
                let Effect::Answer(id, answer) = effect else { panic!("seed {seed}: no budgets here") };
                match answer {
                    Admission::Queued(place) => drop(told.insert(id, place)),
                    Admission::Admitted { .. } => {
                        told.remove(&id);
                        let tool = core.entries[&id].submission.tool.clone();
                        times.entry(tool).or_default().push(now.0);
                        running.push(id);
                    }
                    Admission::Refused(_) => panic!("seed {seed}: nothing refuses"),
                }
            }
            checked_places(&core, &limits, &told, now, seed);
        }
        assert!(told.is_empty() && next == 40, "seed {seed}: {told:?}");
        for window in times.get("t1").map(|t| t.windows(4)).into_iter().flatten() {
            assert!(window[3] - window[0] >= 60_000, "seed {seed}: {window:?}");
        }
    }
}

#[test]
fn nobody_starves_while_new_ones_keep_coming() {
    for seed in 0..50 {
        let mut dice = Dice(seed);
        let mut core = Core::new(total(2));
        let mut running: Vec<OperationId> = Vec::new();
        for n in 0..400_i64 {
            let one = Submission {
                submitted_at: after(n),
                priority: if n < 10 { -(n as i32) } else { dice.below(100) as i32 },
                fair_key: format!("k{n}"),
                ..submission(&format!("{n:03}"))
            };
            let id = one.operation_id.clone();
            if admitted(&core.submit(one, after(n)).0) {
                running.push(id);
            }
            if n >= 10 {
                let effects = core.on_end(&running.swap_remove(dice.below(running.len())), after(n));
                running.extend(starts(&effects).iter().map(|name| super::id(name)));
            }
        }
        assert!((0..10).all(|n| core.place(&id(&format!("{n:03}"))).is_none()), "seed {seed}");
    }
}

/// The sum of a budget, straight from the records.
fn naive(records: &[CostRecorded], budget: &Budget, now: UnixMs) -> i128 {
    let (from, to) = period_bounds(&budget.timezone, budget.period, now);
    let wanted = budget.name.as_deref();
    let inside = records.iter().filter(|record| from <= record.recorded_at && record.recorded_at < to);
    let counted = inside.flat_map(|record| record.rows.iter().map(move |row| (record, row)));
    counted
        .filter(|(record, row)| match budget.scope {
            BudgetScope::All => true,
            BudgetScope::Project => record.project.as_deref() == wanted,
            BudgetScope::Agent => record.agent.as_deref() == wanted,
            BudgetScope::Tool => Some(record.tool.as_str()) == wanted,
            BudgetScope::Model => Some(row.model.as_str()) == wanted,
            BudgetScope::Provider => row.provider.as_deref().or(record.provider.as_deref()) == wanted,
        })
        .filter_map(|(_, row)| row.cost_pico_usd)
        .map(|cost| i128::from(cost.0))
        .sum()
}

#[test]
fn sums_equal_the_records_and_a_restored_core_answers_the_same() {
    let scopes = [
        (BudgetScope::All, None),
        (BudgetScope::Project, Some("/b")),
        (BudgetScope::Agent, Some("backend")),
        (BudgetScope::Tool, Some("claude-code")),
        (BudgetScope::Model, Some("haiku")),
        (BudgetScope::Provider, Some("other")),
    ];
    let mut budgets = Vec::new();
    for zone in ["UTC", "Asia/Kathmandu", "America/New_York"] {
        for period in [BudgetPeriod::Day, BudgetPeriod::Month] {
            for (scope, name) in scopes {
                let (name, timezone) = (name.map(str::to_owned), zone.to_owned());
                budgets.push(Budget { scope, name, period, timezone, ..daily(1, LimitKind::Soft) });
            }
        }
    }
    let query = FactsQuery { budgets, ..FactsQuery::default() };
    for seed in 0..200 {
        let mut dice = Dice(seed);
        let (mut live, mut now) = (open(), MORNING);
        let mut records: Vec<CostRecorded> = Vec::new();
        for n in 0..60 {
            now.0 += dice.amount(30 * 3_600_000) / (1 + dice.amount(40));
            // Some come late, as from a journal that was found.
            let at = UnixMs(now.0 - if dice.one_in(5) { dice.amount(40 * BUCKET_MS) } else { 0 });
            let rows = [("opus", dice.amount(50 * CENT)), ("haiku", dice.amount(7)), ("", 3)];
            let mut one = record(&format!("exec-{}", n / 2), n % 2, &rows[..=dice.below(3)], at);
            one.project = dice.one_in(2).then(|| "/b".to_owned());
            one.rows[0].provider = dice.one_in(2).then(|| "other".to_owned());
            if dice.one_in(9) {
                one.rows[0].cost_pico_usd = None;
            }
            live.on_recorded(&one, now);
            records.push(one);
            if dice.one_in(4) {
                live.on_recorded(&records[dice.below(records.len())], now);
            }
        }
        let mut restored = open();
        restore(&mut restored, records.iter().rev(), now);
        let facts = live.facts(&query, now);
        assert_eq!(facts, restored.facts(&query, now), "seed {seed}");
        for (budget, status) in query.budgets.iter().zip(&facts.budgets) {
            let expected = PicoUsd(naive(&records, budget, now) as i64).nano();
            assert_eq!(status.spent_nano_usd, expected, "seed {seed}: {budget:?}");
        }
    }
}
