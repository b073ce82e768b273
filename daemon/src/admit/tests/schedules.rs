//! Random schedules: the limits hold at every step, everybody starts at last, and sums equal the records.

use std::collections::BTreeMap;

use llmctl_proto::admission::FactsQuery;
use llmctl_proto::ledger::{BUCKET_MS, period_bounds};

use super::*;
use crate::admit::Entry;

const SCHEDULES: u64 = 10_000;
const OPERATIONS: usize = 64;
const LIMIT: i64 = 100 * CENT;
const AGENT_LIMIT: i64 = 60 * CENT;

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

/// One operation as its runner knows it.
struct Runner {
    submission: Submission,
    state: State,
    /// Really spent by the current attempt.
    live: i64,
    /// Really spent by attempts that are recorded.
    recorded: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    New,
    Running,
    /// Dead, its record still in the journal.
    Crashed,
    Ended,
}

/// 64 operations against one dollar a day, and 60 cents for each of two agents.
struct Spree {
    seed: u64,
    dice: Dice,
    core: Core,
    runners: Vec<Runner>,
    records: Vec<CostRecorded>,
    now: UnixMs,
    /// Tools that tell what they spent only after they spent it, and so may overshoot.
    sloppy: bool,
    overshoot: i64,
}

impl Spree {
    fn new(seed: u64, budgets: &[Budget], names: &[OperationId]) -> Self {
        let mut dice = Dice(seed);
        let runner = |name: &OperationId, dice: &mut Dice| {
            let reservation = if dice.one_in(8) { 0 } else { dice.amount(30 * CENT) };
            let submission = Submission {
                operation_id: name.clone(),
                agent: Some(if dice.one_in(2) { "one" } else { "two" }.to_owned()),
                reservation: Some(PicoUsd(reservation)),
                budgets: budgets.to_vec(),
                ..submission("x")
            };
            Runner { submission, state: State::New, live: 0, recorded: 0 }
        };
        let runners = names.iter().map(|name| runner(name, &mut dice)).collect();
        let sloppy = seed % 4 == 3;
        Self { seed, dice, core: open(), runners, records: Vec::new(), now: MORNING, sloppy, overshoot: 0 }
    }

    fn granted(&self, place: usize) -> i64 {
        self.core.entries[&self.runners[place].submission.operation_id].purse.held()
    }

    /// What the two budgets of an operation still carry.
    fn room(&self, place: usize) -> i64 {
        let money = self.core.totals(self.now, "UTC");
        let agent = self.runners[place].submission.agent.as_deref().unwrap_or_default();
        let (spent, held) = self.agent(agent);
        (LIMIT - money.day.0 - money.reserved.0).min(AGENT_LIMIT - spent - held)
    }

    fn agent(&self, agent: &str) -> (i64, i64) {
        let (from, to) = self.core.calendar.bounds("UTC", BudgetPeriod::Day, self.now);
        let spent = self.core.sums.between(BudgetScope::Agent, agent, from, to) as i64;
        (spent, self.core.held.of(BudgetScope::Agent, agent).held as i64)
    }

    fn step(&mut self) {
        self.now.0 += self.dice.amount(2_000);
        let place = self.dice.below(self.runners.len());
        match (self.runners[place].state, self.dice.below(20)) {
            (State::New, _) => self.submit(place),
            (State::Running, 0..=10) => self.spend(place),
            (State::Running, 11..=13) => self.finish(place, true),
            (State::Running, 14) => self.finish(place, false),
            (State::Running, 15) => self.crash(place),
            (State::Running, 16) => self.cancel(place),
            (State::Running, 17) => self.reconnect(place, false),
            (State::Crashed, 0..=3) => self.record(place),
            (_, 19) if self.dice.one_in(8) => self.restart(),
            _ => {}
        }
        self.check();
    }

    fn submit(&mut self, place: usize) {
        let submission = self.runners[place].submission.clone();
        let (answer, _) = self.core.submit(submission, self.now);
        match answer {
            Admission::Admitted { .. } => self.runners[place].state = State::Running,
            // Some try again later, with less.
            Admission::Refused(_) if self.dice.one_in(3) => self.runners[place].state = State::Ended,
            Admission::Refused(_) => {
                let less = self.dice.amount(10 * CENT);
                self.runners[place].submission.reservation = Some(PicoUsd(less));
            }
            Admission::Queued(_) => panic!("seed {}: nothing limits places", self.seed),
        }
    }

    fn spend(&mut self, place: usize) {
        let (live, granted) = (self.runners[place].live, self.granted(place));
        let beyond = match self.dice.below(4) {
            0 if self.sloppy => 10 * CENT,
            0 | 1 => self.room(place).clamp(0, 10 * CENT),
            _ => 0,
        };
        let most = (granted + beyond).max(live);
        let now_live = live + self.dice.amount(most - live);
        self.runners[place].live = now_live;
        let id = self.runners[place].submission.operation_id.clone();
        let effects = self.core.on_spend(&id, PicoUsd(now_live), self.now);
        if effects.iter().any(|effect| matches!(effect, Effect::Stop(of, _) if *of == id)) {
            assert!(self.sloppy, "seed {}: stopped inside what was granted", self.seed);
            self.overshoot += (now_live - granted).max(0);
            self.finish(place, true);
        }
        for effect in effects {
            // Others fall with it.
            if let Effect::Stop(other, _) = effect
                && let Some(place) = self
                    .runners
                    .iter()
                    .position(|r| r.submission.operation_id == other && r.state == State::Running)
            {
                self.finish(place, true);
            }
        }
    }

    /// Records the attempt, then ends it or goes on with another attempt.
    fn finish(&mut self, place: usize, ends: bool) {
        self.record(place);
        let id = self.runners[place].submission.operation_id.clone();
        if ends {
            self.core.on_end(&id, self.now);
            self.runners[place].state = State::Ended;
        } else {
            self.runners[place].submission.attempt += 1;
            self.runners[place].submission.spent = PicoUsd(self.runners[place].recorded);
            self.runners[place].submission.reservation = Some(PicoUsd(self.dice.amount(20 * CENT)));
            self.runners[place].state = State::New;
            self.submit(place);
        }
    }

    fn record(&mut self, place: usize) {
        let runner = &mut self.runners[place];
        let id = runner.submission.operation_id.as_str();
        let mut record = record(id, runner.submission.attempt, &[("opus", runner.live)], self.now);
        record.agent.clone_from(&runner.submission.agent);
        runner.recorded += std::mem::take(&mut runner.live);
        if runner.state == State::Crashed {
            runner.state = State::Ended;
        }
        self.core.on_recorded(&record, self.now);
        if self.dice.one_in(4) {
            self.core.on_recorded(&record, self.now);
        }
        self.records.push(record);
    }

    fn crash(&mut self, place: usize) {
        self.core.on_end(&self.runners[place].submission.operation_id, self.now);
        self.runners[place].state = State::Crashed;
    }

    /// The end is told before the record.
    fn cancel(&mut self, place: usize) {
        self.crash(place);
        self.record(place);
    }

    fn reconnect(&mut self, place: usize, running: bool) {
        let runner = &self.runners[place];
        let spent = PicoUsd(runner.recorded + runner.live);
        let again = Submission { running, spent, ..runner.submission.clone() };
        assert!(admitted(&self.core.submit(again, self.now).0), "seed {}", self.seed);
    }

    /// A new daemon reads the ledger and the journals of the dead, then hears those who live.
    fn restart(&mut self) {
        for place in 0..self.runners.len() {
            if self.runners[place].state == State::Crashed {
                self.record(place);
            }
        }
        self.core = open();
        self.core.restore(&self.records, self.now);
        for place in 0..self.runners.len() {
            if self.runners[place].state == State::Running {
                self.reconnect(place, true);
            }
        }
    }

    fn check(&self) {
        let money = self.core.totals(self.now, "UTC");
        let used = money.day.0 + money.reserved.0;
        assert!(used <= LIMIT + self.overshoot, "seed {}: {used} of {LIMIT}", self.seed);
        assert!(self.sloppy || self.overshoot == 0);
        let real: i64 = self.runners.iter().map(|runner| runner.live + runner.recorded).sum();
        assert!(real <= LIMIT + self.overshoot, "seed {}: {real} really spent", self.seed);
        assert!(real <= used, "seed {}: {real} spent and only {used} counted", self.seed);
        for agent in ["one", "two"] {
            let (spent, held) = self.agent(agent);
            assert!(spent + held <= AGENT_LIMIT + self.overshoot, "seed {}: agent {agent}", self.seed);
        }
    }

    /// Purses and sums tell the same story as the parts they are made of.
    fn check_books(&self) {
        let of = |amount: fn(&Entry) -> i64| self.core.entries.values().map(amount).sum::<i64>();
        let money = self.core.totals(self.now, "UTC");
        assert_eq!(money.reserved.0, of(|entry| entry.purse.held()), "seed {}", self.seed);
        assert_eq!(money.live.0, of(|entry| entry.purse.live), "seed {}", self.seed);
        assert_eq!(money.day.0, self.runners.iter().map(|runner| runner.recorded).sum::<i64>());
        let running = self.runners.iter().filter(|runner| runner.state == State::Running).count();
        assert_eq!(self.core.counts(), (running as u32, 0), "seed {}", self.seed);
    }
}

fn spree(seeds: impl Iterator<Item = u64>) {
    let all = Budget { threshold_percent: 80, ..daily(100, LimitKind::Hard) };
    let each = Budget { scope: BudgetScope::Agent, limit: PicoUsd(AGENT_LIMIT), ..all.clone() };
    let names: Vec<OperationId> = (0..OPERATIONS).map(|n| id(&format!("{n:02}"))).collect();
    for seed in seeds {
        let mut spree = Spree::new(seed, &[all.clone(), each.clone()], &names);
        for place in 0..OPERATIONS {
            spree.submit(place);
            spree.check();
        }
        for _ in 0..60 {
            spree.step();
        }
        spree.check_books();
    }
}

#[test]
fn b3_a_hard_dollar_is_never_passed_in_the_first_half_of_10_000_schedules() {
    spree((0..SCHEDULES).step_by(2));
}

#[test]
fn b3_a_hard_dollar_is_never_passed_in_the_second_half_of_10_000_schedules() {
    spree((1..SCHEDULES).step_by(2));
}

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
        restored.restore(records.iter().rev(), now);
        let facts = live.facts(&query, now);
        assert_eq!(facts, restored.facts(&query, now), "seed {seed}");
        for (budget, status) in query.budgets.iter().zip(&facts.budgets) {
            let expected = PicoUsd(naive(&records, budget, now) as i64).nano();
            assert_eq!(status.spent_nano_usd, expected, "seed {seed}: {budget:?}");
        }
    }
}
