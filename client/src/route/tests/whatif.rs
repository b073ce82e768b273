//! History under another policy: the same policy changes nothing, another one only what it decides.

use llmctl_proto::config::Policy;
use llmctl_proto::event::CostRecorded;
use llmctl_proto::ids::OperationId;
use llmctl_proto::ledger::LedgerRow;
use llmctl_proto::money::PicoUsd;
use llmctl_proto::usage::Usage;
use proptest::prelude::*;

use super::fixture::*;
use super::properties::{Draw, some_config, some_facts, some_request};
use crate::route::whatif::Past;
use crate::route::{Decision, Request};

/// An attempt with one row.
fn cost(id: &OperationId, attempt: u32, usage: Usage, cost: Option<i64>) -> CostRecorded {
    CostRecorded {
        operation_id: id.clone(),
        attempt,
        tool: String::new(),
        provider: None,
        agent: None,
        project: None,
        task_type: None,
        task_id: None,
        policy: None,
        started_at: NOW,
        recorded_at: NOW,
        rows: vec![LedgerRow { tokens: usage, cost_pico_usd: cost.map(PicoUsd), ..LedgerRow::default() }],
        cost_nano_usd: None,
        drift: None,
    }
}

fn past(decision: &Decision, request: &Request, costs: impl Fn(&OperationId) -> Vec<CostRecorded>) -> Past {
    let id = OperationId::new();
    Past {
        at: NOW,
        decision: decision.event(&id, 1, "submit", 9),
        prompt_bytes: None,
        max_cost: request.max_cost,
        costs: costs(&id),
        spent: Some(PicoUsd::ZERO),
        id,
    }
}

const USED: Usage = Usage {
    input: 1_000,
    output: 500,
    cache_read: 0,
    cache_write_5m: 0,
    cache_write_1h: 0,
    reasoning: 0,
    web_searches: 0,
};

#[test]
fn another_policy_prices_what_was_used_elsewhere() {
    let config = config();
    let request = of_agent("planner", 3_000);
    let decision = ask(&request, &config, &both(&config));
    // Two attempts, the second a pico-dollar more than its price.
    let costs = |id: &OperationId| {
        vec![cost(id, 1, Usage::default(), Some(0)), cost(id, 2, USED, Some(52_500_000_001))]
    };
    let past = past(&decision, &request, costs);
    let same = past.under(&config, "default", &config.policies["default"]);
    assert_eq!(
        (same.then.as_deref(), same.then == same.otherwise),
        (Some("claude-code:claude-opus-4-6"), true)
    );
    assert_eq!((same.actual, same.hypothetical), (Some(PicoUsd(52_500_000_001)), same.actual));
    let strict = Policy { deny_models: names(&["*opus*"]), ..Policy::default() };
    let other = past.under(&config, "strict", &strict);
    assert_eq!(other.otherwise.as_deref(), Some("cursor:gpt-4o"));
    // 1,000 × $2.50 and 500 × $10 a million.
    assert_eq!(other.hypothetical, Some(PicoUsd(7_500_000_000)));
    let closed = Policy { deny_models: names(&["*"]), ..Policy::default() };
    let none = past.under(&config, "closed", &closed);
    assert_eq!((none.otherwise, none.hypothetical), (None, Some(PicoUsd::ZERO)));
}

#[test]
fn what_a_policy_denied_can_come_back() {
    let mut config = config();
    config.policies["default"].deny_models = names(&["*opus*"]);
    let request = of_agent("planner", 3_000);
    let decision = ask(&request, &config, &both(&config));
    let past = past(&decision, &request, |id| vec![cost(id, 1, USED, None)]);
    let open = past.under(&config, "open", &Policy::default());
    assert_eq!(open.then.as_deref(), Some("cursor:gpt-4o"));
    assert_eq!(open.otherwise.as_deref(), Some("claude-code:claude-opus-4-6"));
    assert_eq!((open.actual, open.hypothetical), (None, Some(PicoUsd(52_500_000_000))));
}

#[test]
fn limits_and_cheapness_are_the_policys() {
    let mut config = config();
    config.cost_optimization.simple_task_models.clear();
    let request = of_agent("backend-dev", 1_600);
    let decision = ask(&request, &config, &both(&config));
    let past = past(&decision, &request, |id| vec![cost(id, 1, USED, Some(5))]);
    let (haiku, sonnet) = (format!("claude-code:{HAIKU}"), format!("claude-code:{SONNET}"));
    assert_eq!(past.under(&config, "default", &config.policies["default"]).then, Some(haiku.clone()));
    let patient = past.under(&config, "patient", &Policy::default());
    assert_eq!(patient.otherwise, Some(sonnet));
    let tight = Policy { max_cost: PicoUsd::parse("0.05").ok(), ..Policy::default() };
    assert_eq!(past.under(&config, "tight", &tight).otherwise, Some(haiku));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_same_policy_spends_the_same_to_the_last_digit(seed: u64, amount in 0_i64..i64::MAX / 4) {
        let mut draw = Draw(seed);
        let config = some_config(&mut draw);
        let facts = some_facts(&mut draw, &config);
        let request = some_request(&mut draw);
        let decision = ask(&request, &config, &facts);
        let costs = |id: &OperationId| vec![cost(id, 1, USED, Some(amount)), cost(id, 2, USED, Some(3))];
        let past = past(&decision, &request, costs);
        let (name, policy) = config.policy(Some(&decision.policy), None).expect("it was decided under it");
        // Nobody waits for ever: how long was asked for is not recorded.
        prop_assume!(!request.wait);
        let again = past.under(&config, &name, &policy);
        prop_assert_eq!(&again.then, &again.otherwise);
        prop_assert_eq!(again.actual, Some(PicoUsd(amount + 3)));
        prop_assert_eq!(again.hypothetical, again.actual);
    }
}
