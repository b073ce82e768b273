//! What holds for every request, configuration and machine.

use llmctl_proto::admission::{CoolDown, FullWindow, History};
use llmctl_proto::config::{BudgetPeriod, BudgetScope, Config, LimitKind, Table};
use llmctl_proto::event::{BudgetStatus, Reason, Verdict};
use llmctl_proto::money::PicoUsd;
use llmctl_proto::time::UnixMs;
use proptest::prelude::*;

use super::fixture::*;
use crate::route::{Fact, Facts, Kind, Request, route};

/// Decides on numbers drawn from a seed, so that one integer describes a case.
pub(super) struct Draw(pub(super) u64);

impl Draw {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn often(&mut self) -> bool {
        self.next(4) == 0
    }

    fn one<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.next(all.len() as u64) as usize]
    }

    fn maybe(&mut self, all: &[&str]) -> Option<String> {
        (self.next(3) == 0).then(|| self.one(all).to_owned())
    }

    fn shuffle<T>(&mut self, all: &mut [T]) {
        for at in (1..all.len()).rev() {
            all.swap(at, self.next(at as u64 + 1) as usize);
        }
    }

    fn reorder<T>(&mut self, table: &mut Table<T>) {
        let mut entries: Vec<(String, T)> = table.drain(..).collect();
        self.shuffle(&mut entries);
        table.extend(entries);
    }
}

const TOOLS: [&str; 2] = ["claude-code", "cursor"];
const MODELS: [&str; 7] = [OPUS, SONNET, HAIKU, "gpt-4o", "gpt-4o-mini", "gpt-4-turbo", "code-davinci-002"];

pub(super) fn some_request(draw: &mut Draw) -> Request {
    Request {
        agent: draw.maybe(&["architect", "backend-dev", "planner"]),
        model: draw.maybe(&MODELS),
        tool: draw.maybe(&["claude-code", "cursor", "openai", "practice"]),
        task_type: draw.maybe(&["coding", "synthesis", "simple", "analysis", "other"]),
        require: draw.maybe(&["multimodal", "code_review"]).into_iter().collect(),
        input_tokens: Some([10, 800, 1_600, 3_000, 150_000, 900_000][draw.next(6) as usize]),
        policy: draw.maybe(&["default", "production"]),
        max_cost: draw.often().then(|| PicoUsd(draw.next(1_000_000_000_000) as i64)),
        fallback: draw.often(),
        wait: draw.often(),
        ..Request::default()
    }
}

pub(super) fn some_config(draw: &mut Draw) -> Config {
    let mut config = config();
    for (_, policy) in &mut config.policies {
        policy.auto_fallback_on_rate_limit = !draw.often();
        policy.downgrade_on_budget = draw.next(2) == 0;
        policy.deny_models = draw.maybe(&["*opus*", "gpt-*", "nothing"]).into_iter().collect();
        policy.prefer_cheaper_under_tokens = draw.often().then_some(2_000);
    }
    for (_, tool) in &mut config.tools {
        tool.untrusted = draw.next(8) == 0;
        tool.broken = (draw.next(8) == 0).then(|| "an error".to_owned());
    }
    config.routing.use_catalogue = [None, Some(true), Some(false)][draw.next(3) as usize];
    config
}

pub(super) fn some_facts(draw: &mut Draw, config: &Config) -> Facts {
    let installed: Vec<&str> = TOOLS.into_iter().filter(|_| draw.next(3) != 0).collect();
    let mut facts = machine(config, &installed);
    facts.daemon = draw.next(2) == 0;
    for _ in 0..draw.next(3) {
        facts.shared.cooling.push(CoolDown {
            tool: draw.one(&TOOLS).to_owned(),
            model: draw.maybe(&MODELS),
            class: "overloaded".into(),
            until: UnixMs(NOW.0 + draw.next(3) as i64 * 1_000),
        });
        facts.shared.full_windows.push(FullWindow {
            key: draw.one(&["cursor", "claude-code", "provider:openai", "model:gpt-4o"]).to_owned(),
            count: 9,
            window: "minute".into(),
            limit: 9,
            until: UnixMs(NOW.0 + draw.next(3) as i64 * 40_000),
        });
        facts.shared.history.push(History {
            agent: draw.maybe(&["architect", "planner"]),
            tool: draw.one(&TOOLS).to_owned(),
            model: Some(draw.one(&MODELS).to_owned()),
            count: 15 + draw.next(10) as u32,
            output_p50: draw.next(9_000),
            output_p90: 9_000,
        });
        let limit = 1_000_000_000 + draw.next(9) as i64 * 100_000_000;
        facts.shared.budgets.push(BudgetStatus {
            scope: BudgetScope::All,
            name: None,
            period: [BudgetPeriod::Day, BudgetPeriod::Month][draw.next(2) as usize],
            kind: [LimitKind::Soft, LimitKind::Hard][draw.next(2) as usize],
            limit_nano_usd: limit,
            spent_nano_usd: limit - draw.next(600_000_000) as i64,
            reserved_nano_usd: 0,
            used_percent: 0,
            threshold_percent: 80,
            policy: "default".into(),
            timezone: "UTC".into(),
            setting: String::new(),
            resets_at: None,
        });
    }
    facts
}

/// R11: the order of maps and lists that have no order of their own does not matter.
#[test]
fn the_same_request_a_thousand_times() {
    let mut draw = Draw(11);
    let request = Request { task_type: Some("analysis".into()), ..of_agent("architect", 1_600) };
    let first_config = some_config(&mut Draw(3));
    let mut facts = some_facts(&mut Draw(5), &first_config);
    facts.shared.history.clear();
    let expected = ask(&request, &first_config, &facts);
    for _ in 0..1_000 {
        let mut config = first_config.clone();
        draw.reorder(&mut config.agents);
        draw.reorder(&mut config.models);
        draw.reorder(&mut config.policies);
        draw.shuffle(&mut facts.machine);
        draw.shuffle(&mut facts.shared.cooling);
        draw.shuffle(&mut facts.shared.full_windows);
        let decision = ask(&request, &config, &facts);
        assert_eq!(decision.candidates, expected.candidates);
        assert_eq!((&decision.choice, &decision.order), (&expected.choice, &expected.order));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn every_decision_is_sound(seed: u64) {
        let mut draw = Draw(seed);
        let config = some_config(&mut draw);
        let facts = some_facts(&mut draw, &config);
        let request = some_request(&mut draw);
        let decision = route(&request, &config, &facts).expect("all names are known");
        prop_assert_eq!(&decision, &route(&request, &config, &facts).expect("again"));
        prop_assert_eq!(decision.selected, decision.order.first().copied());
        prop_assert_eq!(decision.facts.len(), decision.candidates.len());
        for (at, candidate) in decision.candidates.iter().enumerate() {
            prop_assert!(!candidate.reasons.is_empty(), "{candidate:?}");
            prop_assert!(candidate.reasons.iter().all(|reason| !reason.text.is_empty()));
            let place = decision.order.iter().position(|o| *o == at);
            let verdict = match place {
                Some(0) => Verdict::Selected,
                Some(_) => Verdict::Standby,
                None => Verdict::Rejected,
            };
            prop_assert_eq!(candidate.verdict, verdict);
            prop_assert_eq!(candidate.score.is_some(), place.is_some());
            if place.is_some() {
                let sum = candidate.parts.map(|parts| parts.source + parts.fit + parts.price);
                prop_assert_eq!(candidate.score, sum);
                prop_assert!(decision.facts[at].is_some(), "nothing to run: {candidate:?}");
            }
        }
        let scores: Vec<_> = decision.order.iter().map(|at| decision.candidates[*at].score).collect();
        prop_assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    }

    #[test]
    fn what_stands_against_the_choice_is_soft(seed: u64) {
        let mut draw = Draw(seed);
        let config = some_config(&mut draw);
        let facts = some_facts(&mut draw, &config);
        let request = some_request(&mut draw);
        let decision = route(&request, &config, &facts).expect("all names are known");
        for reason in &decision.kept_despite {
            prop_assert!(["over_max_cost", "rate_limited", "over_budget"].contains(&reason.code.as_str()), "{reason:?}");
        }
        let Some(chosen) = decision.selected() else { return Ok(()) };
        // A hard budget holds unless admission is left to refuse.
        let kept = decision.kept_despite.iter().any(|reason| reason.code == "over_budget");
        for budget in facts.shared.budgets.iter().filter(|b| b.kind == LimitKind::Hard && !kept) {
            let after = chosen.reservation_nano_usd.map(|cost| budget.spent_nano_usd + cost);
            prop_assert!(after.is_some_and(|after| after <= budget.limit_nano_usd + 1), "{chosen:?}");
        }
    }

    #[test]
    fn an_unusable_tool_changes_nothing_among_the_others(seed: u64, place in 0_usize..3) {
        let mut draw = Draw(seed);
        let config = some_config(&mut draw);
        let facts = some_facts(&mut draw, &config);
        let request = some_request(&mut draw);
        let before = route(&request, &config, &facts).expect("all names are known");
        let (mut more, mut with) = (config.clone(), facts.clone());
        let tool = llmctl_proto::config::Tool { models: names(&MODELS), ..config.tools["cursor"].clone() };
        more.tools.insert_before(place.min(more.tools.len()), "ghost".to_owned(), tool);
        with.machine.push(Fact {
            missing: Some(Reason::new("not_installed", "ghost is not in PATH")),
            ..Fact::new("ghost", Kind::Configured)
        });
        let after = route(&request, &more, &with).expect("all names are known");
        let pair = |d: &crate::route::Decision| d.choice.as_ref().map(|c| (c.tool.clone(), c.model.clone()));
        prop_assert_eq!(pair(&before), pair(&after));
    }
}
