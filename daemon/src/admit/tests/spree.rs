//! 10,000 random schedules of 64 operations against a hard dollar: nothing is ever passed.

use super::*;
use crate::admit::Entry;

const SCHEDULES: u64 = 10_000;
const OPERATIONS: usize = 64;
const LIMIT: i64 = 100 * CENT;
const AGENT_LIMIT: i64 = 60 * CENT;

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
        restore(&mut self.core, &self.records, self.now);
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
