//! Each source with its value, and what the score adds to it.

use super::fixture::*;
use crate::route::{Request, route};

fn source(decision: &crate::route::Decision, name: &str) -> (String, i32) {
    let candidate = candidate(decision, name);
    (candidate.source.clone(), candidate.parts.map(|parts| parts.source).unwrap_or_default())
}

#[test]
fn explicit_models_are_not_replaced() {
    let config = config();
    let facts = both(&config);
    let named = |model: &str| Request { model: Some(model.into()), ..of_agent("architect", 3_000) };
    // The agent's tool goes first, though it is the second of the file.
    let decision = ask(&named(OPUS), &config, &facts);
    assert_eq!(choice(&decision), (format!("cursor:{OPUS}"), "explicit"));
    assert_eq!((decision.order.len(), decision.candidates.len()), (1, 2));
    assert_eq!(codes(candidate(&decision, &format!("claude-code:{OPUS}")))[0], "no_standby");
    let decision = ask(&Request { fallback: true, ..named(OPUS) }, &config, &facts);
    assert_eq!(choice(&decision), (format!("cursor:{OPUS}"), "explicit"));
    assert!(decision.standby() >= 2, "{:?}", decision.order);
    assert_eq!(source(&decision, "cursor:gpt-4o"), ("preferred".to_owned(), 7_000));
    let decision = ask(&named(&format!("claude-code:{OPUS}")), &config, &facts);
    assert_eq!(choice(&decision).0, format!("claude-code:{OPUS}"));
    let decision = ask(&named("claude-code:gpt-4o"), &config, &facts);
    assert_eq!(codes(&decision.candidates[0]), ["not_offered"]);
}

#[test]
fn an_explicit_tool_takes_the_agents_model() {
    let config = config();
    let facts = both(&config);
    let on = |tool: &str, task: Option<&str>| Request {
        tool: Some(tool.into()),
        task_type: task.map(str::to_owned),
        ..of_agent("architect", 3_000)
    };
    assert_eq!(choice(&ask(&on("cursor", None), &config, &facts)).0, "cursor:gpt-4o");
    assert_eq!(choice(&ask(&on("cursor", Some("synthesis")), &config, &facts)).0, format!("cursor:{OPUS}"));
    // It does not offer the agent's model: its own first.
    assert_eq!(choice(&ask(&on("claude-code", None), &config, &facts)).0, format!("claude-code:{OPUS}"));
}

#[test]
fn aliases_are_resolved() {
    let mut config = config();
    config.models[OPUS].aliases = names(&["opus"]);
    config.agents["planner"].preferred_model = "opus".into();
    let facts = both(&config);
    let request = Request { model: Some("opus".into()), ..Request::default() };
    assert_eq!(choice(&ask(&request, &config, &facts)).0, format!("claude-code:{OPUS}"));
    assert_eq!(choice(&ask(&of_agent("planner", 3_000), &config, &facts)).0, format!("claude-code:{OPUS}"));
}

#[test]
fn without_an_agent_the_size_decides() {
    let config = config();
    let facts = both(&config);
    let sized = |tokens| Request { input_tokens: Some(tokens), ..Request::default() };
    let decision = ask(&sized(1_499), &config, &facts);
    assert_eq!(choice(&decision), (format!("claude-code:{HAIKU}"), "simple"));
    assert!(decision.candidates.iter().all(|c| c.source != "complex"));
    let decision = ask(&sized(1_500), &config, &facts);
    assert_eq!(choice(&decision), ("cursor:gpt-4o".to_owned(), "complex"));
    assert_eq!(source(&decision, &format!("cursor:{SONNET}")), ("complex".to_owned(), 6_480));
    assert_eq!(source(&decision, &format!("claude-code:{HAIKU}")), ("catalogue".to_owned(), 1_000));
    assert_eq!(source(&decision, "practice"), ("catalogue".to_owned(), 400));
}

#[test]
fn the_catalogue_is_for_those_without_an_agent_unless_told() {
    let mut config = config();
    let facts = both(&config);
    let request = of_agent("backend-dev", 3_000);
    let has = |config: &_| {
        let decision = route(&request, config, &facts).expect("known names");
        decision.candidates.iter().any(|c| c.source == "catalogue")
    };
    assert!(!has(&config));
    config.routing.use_catalogue = Some(true);
    assert!(has(&config));
}

#[test]
fn an_agent_can_opt_out_of_cheap_models() {
    let mut config = config();
    config.policies["default"].prefer_cheaper_under_tokens = None;
    config.agents["backend-dev"].cost_optimization = false;
    let decision = ask(&of_agent("backend-dev", 800), &config, &both(&config));
    assert_eq!(choice(&decision), (format!("claude-code:{SONNET}"), "preferred"));
}

#[test]
fn a_model_that_is_not_cheaper_is_not_simple() {
    let mut config = config();
    config.cost_optimization.simple_task_models = names(&[OPUS, SONNET]);
    let decision = ask(&of_agent("backend-dev", 800), &config, &both(&config));
    assert!(decision.candidates.iter().all(|c| c.source != "simple"), "{:?}", decision.candidates);
}

#[test]
fn cheapness_overturns_the_chain_only_when_asked_to() {
    let mut config = config();
    config.cost_optimization.simple_task_models.clear();
    let facts = both(&config);
    // Below 2,000 tokens cheapness counts twenty times: haiku 5900 + 1980, sonnet 7000.
    let decision = ask(&of_agent("backend-dev", 1_600), &config, &facts);
    assert_eq!(choice(&decision), (format!("claude-code:{HAIKU}"), "fallback"));
    let parts = candidate(&decision, &format!("claude-code:{HAIKU}")).parts.expect("parts");
    assert_eq!((parts.source, parts.fit, parts.price), (5_900, 0, 1_980));
    assert_eq!(
        decision.choice.as_ref().map(|choice| choice.reason.as_str()),
        Some("fallback 2 of 3: cheaper for a small prompt")
    );
    let decision = ask(&of_agent("backend-dev", 2_000), &config, &facts);
    assert_eq!(choice(&decision).0, format!("claude-code:{SONNET}"));
}

#[test]
fn suitability_counts() {
    let config = config();
    let request = Request { task_type: Some("simple_tasks".into()), ..of_agent("backend-dev", 3_000) };
    let decision = ask(&request, &config, &both(&config));
    let parts = candidate(&decision, &format!("claude-code:{HAIKU}")).parts.expect("parts");
    assert_eq!((parts.fit, choice(&decision).0), (200, format!("claude-code:{SONNET}")));
}

#[test]
fn the_next_after_a_failure() {
    let config = config();
    let decision = ask(&of_agent("architect", 3_000), &config, &both(&config));
    let why = llmctl_proto::event::Reason::new("rate_limit", "429 Too Many Requests");
    let second = decision.after_failure(&why, false);
    assert_eq!(choice(&second), (format!("claude-code:{OPUS}"), "fallback"));
    assert_eq!(codes(candidate(&second, "cursor:gpt-4o")), ["rate_limit"]);
    let reason = second.choice.as_ref().map(|choice| choice.reason.as_str());
    assert_eq!(reason, Some("after cursor:gpt-4o: 429 Too Many Requests"));
    // A window that is not larger does not help.
    let third = second.after_failure(&why, true);
    assert_eq!((third.selected, third.choice), (None, None));
    let third = second.after_failure(&why, false);
    assert_eq!((choice(&third).0, third.standby()), (format!("claude-code:{SONNET}"), 0));
    assert_eq!(third.after_failure(&why, false).selected, None);
}

#[test]
fn an_event_lists_at_most_fifty_and_always_the_choice() {
    let mut config = config();
    for at in 0..80 {
        let tool = config.tools["cursor"].clone();
        config.tools.insert_before(0, format!("tool-{at}"), tool);
    }
    let facts = machine(&config, &["cursor"]);
    let request = Request { model: Some("gpt-4o".into()), ..Request::default() };
    let decision = ask(&request, &config, &facts);
    assert_eq!(decision.candidates.len(), 81);
    let event = decision.event(&llmctl_proto::ids::OperationId::new(), 1, "submit", 9);
    assert_eq!((event.candidates.len(), event.omitted), (50, 31));
    assert!(event.candidates.iter().any(|c| c.tool == "cursor"));
}
