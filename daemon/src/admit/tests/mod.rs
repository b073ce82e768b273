//! Tests of the admission core: one table for each rule, and random schedules.

mod budgets;
mod queue;
mod schedules;
mod spree;

use llmctl_proto::admission::{Admission, Effect, Place, RateLimit, Refusal, Submission};
use llmctl_proto::config::{Budget, BudgetPeriod, BudgetScope, Concurrency, LimitKind};
use llmctl_proto::event::CostRecorded;
use llmctl_proto::ids::OperationId;
use llmctl_proto::ledger::{BUCKET_MS, Cell, LedgerRow, shares};
use llmctl_proto::money::PicoUsd;
use llmctl_proto::time::UnixMs;

use super::Core;

/// 2026-11-23 07:00 UTC.
const MORNING: UnixMs = UnixMs(1_795_417_200_000);
/// One US cent in pico-dollars.
const CENT: i64 = 10_000_000_000;

fn cents(amount: i64) -> PicoUsd {
    PicoUsd(amount * CENT)
}

fn id(name: &str) -> OperationId {
    format!("exec-{name}").parse().expect("an id")
}

fn after(seconds: i64) -> UnixMs {
    UnixMs(MORNING.0 + seconds * 1_000)
}

fn submission(name: &str) -> Submission {
    Submission {
        operation_id: id(name),
        submitted_at: MORNING,
        attempt: 1,
        tool: "claude-code".into(),
        model: Some("opus".into()),
        provider: Some("anthropic".into()),
        agent: Some("backend".into()),
        project: Some("/p".into()),
        fair_key: String::new(),
        priority: 0,
        held: false,
        estimate: Some(cents(5)),
        reservation: Some(cents(10)),
        max_cost: None,
        budgets: Vec::new(),
        rates: Vec::new(),
        force_reason: None,
        running: false,
        spent: PicoUsd::ZERO,
    }
}

fn daily(limit_cents: i64, kind: LimitKind) -> Budget {
    Budget {
        scope: BudgetScope::All,
        name: None,
        period: BudgetPeriod::Day,
        limit: cents(limit_cents),
        kind,
        threshold_percent: 80,
        timezone: "UTC".into(),
        policy: "default".into(),
        setting: "policies.default.daily_budget_usd (config/policies.yaml:7)".into(),
    }
}

fn under(name: &str, budget: &Budget) -> Submission {
    Submission { budgets: vec![budget.clone()], ..submission(name) }
}

fn rate(key: &str, per_minute: u32) -> Vec<RateLimit> {
    vec![RateLimit { key: key.into(), per_minute: Some(per_minute), per_hour: None, tokens_per_minute: None }]
}

fn total(total: u32) -> Concurrency {
    Concurrency { total, ..Concurrency::default() }
}

/// A core without limits of concurrency.
fn open() -> Core {
    Core::new(total(0))
}

/// Restores a core as the store would: each attempt once, in the sums of its quarter.
fn restore<'a>(core: &mut Core, records: impl IntoIterator<Item = &'a CostRecorded>, now: UnixMs) {
    let mut seen = std::collections::HashSet::new();
    let once: Vec<&CostRecorded> = records
        .into_iter()
        .filter(|record| seen.insert((record.operation_id.clone(), record.attempt)))
        .collect();
    let cells: Vec<Cell> = once.iter().flat_map(|record| cells(record)).collect();
    core.restore_sums(&cells, now);
    core.restore(once, now);
}

fn cells(record: &CostRecorded) -> impl Iterator<Item = Cell> {
    let bucket = record.recorded_at.0.div_euclid(BUCKET_MS);
    shares(record).into_iter().map(move |share| Cell {
        bucket,
        scope: share.scope,
        value: share.value.to_owned(),
        pico: share.pico,
    })
}

/// A record with pico-dollars by model.
pub(super) fn record(id: &str, attempt: u32, rows: &[(&str, i64)], at: UnixMs) -> CostRecorded {
    CostRecorded {
        operation_id: id.parse().expect("an id"),
        attempt,
        tool: "claude-code".into(),
        provider: Some("anthropic".into()),
        agent: Some("backend".into()),
        project: Some("/p".into()),
        task_type: None,
        task_id: None,
        policy: None,
        started_at: at,
        recorded_at: at,
        rows: rows
            .iter()
            .map(|(model, cost)| LedgerRow {
                model: (*model).to_owned(),
                cost_pico_usd: Some(PicoUsd(*cost)),
                ..LedgerRow::default()
            })
            .collect(),
        cost_nano_usd: None,
        drift: None,
    }
}

/// A record of one model's cents.
fn spent(name: &str, attempt: u32, amount: i64, at: UnixMs) -> CostRecorded {
    record(&format!("exec-{name}"), attempt, &[("opus", amount * CENT)], at)
}

fn admitted(answer: &Admission) -> bool {
    matches!(answer, Admission::Admitted { .. })
}

fn refused(answer: Admission) -> Box<Refusal> {
    match answer {
        Admission::Refused(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

fn queued(answer: Admission) -> Place {
    match answer {
        Admission::Queued(place) => place,
        other => panic!("not queued: {other:?}"),
    }
}

/// Who was told to start.
fn starts(effects: &[Effect]) -> Vec<String> {
    let of = |effect: &Effect| match effect {
        Effect::Answer(id, answer) if admitted(answer) => Some(id.as_str()["exec-".len()..].to_owned()),
        _ => None,
    };
    effects.iter().filter_map(of).collect()
}

fn stops(effects: &[Effect]) -> Vec<String> {
    let of = |effect: &Effect| match effect {
        Effect::Stop(id, _) => Some(id.as_str()["exec-".len()..].to_owned()),
        _ => None,
    };
    effects.iter().filter_map(of).collect()
}

fn order(core: &Core, now: UnixMs) -> Vec<String> {
    core.queue(now).iter().map(|row| row.operation_id.as_str()["exec-".len()..].to_owned()).collect()
}

/// Splitmix64: the same numbers for the same seed on every machine.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// From 0 to `most` inclusive.
    fn amount(&mut self, most: i64) -> i64 {
        if most <= 0 { 0 } else { (self.next() % (most as u64 + 1)) as i64 }
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}
