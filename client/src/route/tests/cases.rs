//! The acceptance cases of routing, on the configuration they are written for.

use llmctl_proto::admission::FullWindow;
use llmctl_proto::event::Verdict;
use llmctl_proto::time::UnixMs;

use super::fixture::*;
use crate::error::Exit;
use crate::route::{Request, preview};

#[test]
fn r1_the_preferred_pair() {
    let config = config();
    let decision = ask(&of_agent("backend-dev", 3_000), &config, &both(&config));
    assert_eq!(choice(&decision), (format!("claude-code:{SONNET}"), "preferred"));
    let reason = decision.choice.as_ref().map(|choice| choice.reason.as_str());
    assert_eq!(reason, Some("preferred by agent backend-dev"));
    assert_eq!((decision.notice.as_deref(), decision.standby()), (None, 2));
}

#[test]
fn r2_a_small_prompt_goes_to_a_cheap_model() {
    let config = config();
    let mut facts = both(&config);
    let decision = ask(&of_agent("backend-dev", 800), &config, &facts);
    assert_eq!(choice(&decision), (format!("claude-code:{HAIKU}"), "simple"));
    let mini = candidate(&decision, "gpt-4o-mini");
    assert_eq!((mini.verdict, codes(mini)), (Verdict::Rejected, vec!["not_offered"]));
    assert_eq!(decision.notice, None);
    // With figures of earlier operations the sentence says what is saved.
    facts.shared.history = [HAIKU, SONNET]
        .map(|model| llmctl_proto::admission::History {
            agent: Some("backend-dev".into()),
            tool: "claude-code".into(),
            model: Some(model.into()),
            count: 20,
            output_p50: 2_000,
            output_p90: 4_000,
        })
        .to_vec();
    let decision = ask(&of_agent("backend-dev", 800), &config, &facts);
    assert_eq!(
        decision.choice.map(|choice| choice.reason).as_deref(),
        Some("small prompt (800 < 1,500 tokens): estimated $0.0027 instead of $0.0324")
    );
}

#[test]
fn r3_an_explicit_task_type_wins_over_the_size() {
    let config = config();
    let facts = both(&config);
    for (task, model) in [("coding", SONNET), ("simple", HAIKU)] {
        let request = Request { task_type: Some(task.into()), ..of_agent("backend-dev", 800) };
        let decision = ask(&request, &config, &facts);
        assert_eq!(choice(&decision), (format!("claude-code:{model}"), "task_type"), "{task}");
        assert!(decision.candidates.iter().all(|c| c.source != "simple"));
    }
}

#[test]
fn r4_the_task_type_finds_another_tool() {
    let mut config = config();
    let request = Request { task_type: Some("synthesis".into()), ..of_agent("architect", 3_000) };
    let decision = ask(&request, &config, &both(&config));
    assert_eq!(choice(&decision), (format!("cursor:{OPUS}"), "task_type"));
    assert_eq!(decision.choice.map(|c| c.reason).as_deref(), Some("task type synthesis of agent architect"));
    let decision = ask(&request, &config, &machine(&config, &["claude-code"]));
    assert_eq!(choice(&decision), (format!("claude-code:{OPUS}"), "task_type"));
    assert!(!codes(candidate(&decision, &format!("claude-code:{OPUS}"))).contains(&"tool_switch"));
    // An architect whose tool does not offer his model.
    config.agents["architect"].preferred_model = HAIKU.into();
    let decision = ask(&of_agent("architect", 3_000), &config, &both(&config));
    assert_eq!(choice(&decision), (format!("claude-code:{HAIKU}"), "preferred"));
    let chosen = candidate(&decision, &format!("claude-code:{HAIKU}"));
    assert!(codes(chosen).contains(&"tool_switch"), "{chosen:?}");
    assert_eq!(chosen.parts.map(|parts| parts.source), Some(6_990));
    assert_eq!(codes(candidate(&decision, &format!("cursor:{HAIKU}"))), ["not_offered"]);
}

#[test]
fn r5_a_missing_program_is_passed_by_and_said() {
    let config = config();
    let decision = ask(&of_agent("architect", 3_000), &config, &machine(&config, &["claude-code"]));
    assert_eq!(choice(&decision), (format!("claude-code:{OPUS}"), "fallback"));
    assert_eq!(
        decision.notice.as_deref(),
        Some("cursor is not installed; using claude-code:claude-opus-4-6 (fallback 2 of 3)")
    );
    let reason = decision.choice.as_ref().map(|choice| choice.reason.as_str());
    assert_eq!(reason, Some("fallback 2 of 3: cursor is not installed"));
    assert_eq!(codes(candidate(&decision, "cursor:gpt-4o")), ["not_installed"]);
    let scores: Vec<_> = decision.order.iter().map(|at| decision.candidates[*at].score).collect();
    assert_eq!(scores, [Some(5_900), Some(5_899)]);
    let text = preview::text(&preview::Sheet::from(&decision));
    assert!(text.contains("fallback 2 of 3: cursor is not installed"), "{text}");
    assert!(text.contains("agent's chain, place 3; cheapest, about $"), "{text}");
}

#[test]
fn r6_nobody_is_left() {
    let config = config();
    let decision = ask(&of_agent("architect", 3_000), &config, &machine(&config, &[]));
    assert_eq!((decision.selected, decision.choice.is_none()), (None, true));
    assert_eq!(decision.event(&llmctl_proto::ids::OperationId::new(), 1, "submit", 9).selected, None);
    let error = preview::no_candidate(&decision);
    assert_eq!(error.exit, Exit::Refused);
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "error: no candidate left for agent architect");
    assert!(lines[1].starts_with("  cursor:gpt-4o  not_installed: cursor is not in PATH"), "{text}");
    assert!(lines[2].starts_with("  claude-code:claude-opus-4-6  not_installed"), "{text}");
    assert!(lines[4].starts_with("  hint: install claude-code or cursor"), "{text}");
}

#[test]
fn r7_an_unknown_agent() {
    let config = config();
    let error = refused(&of_agent("archtect", 3_000), &config, &both(&config));
    assert_eq!(
        error.to_string(),
        "unknown agent \"archtect\"; known: architect, backend-dev, planner; did you mean \"architect\"?"
    );
    assert_eq!(preview::unknown(&error).exit, Exit::Usage);
}

#[test]
fn r8_a_prompt_that_does_not_fit() {
    let config = config();
    let decision = ask(&of_agent("architect", 150_000), &config, &both(&config));
    let small = candidate(&decision, "cursor:gpt-4o");
    assert_eq!(codes(small), ["context_too_small"]);
    assert_eq!(small.reasons[0].text, "165,000 + 8,192 > 128,000 tokens");
    assert_eq!(choice(&decision), (format!("claude-code:{OPUS}"), "fallback"));
}

#[test]
fn r9_retired_and_deprecated_models() {
    let config = config();
    let facts = both(&config);
    let named = |model: &str| Request { model: Some(model.into()), ..Request::default() };
    let decision = ask(&named("code-davinci-002"), &config, &facts);
    let only = &decision.candidates[0];
    assert_eq!((decision.selected, decision.candidates.len()), (None, 1));
    assert!(codes(only).contains(&"retired") && only.reasons.iter().any(|r| r.text.contains("2023-03-23")));
    let decision = ask(&named("gpt-4-turbo"), &config, &facts);
    let only = &decision.candidates[0];
    assert_eq!((decision.selected, codes(only)), (None, vec!["not_offered"]));
    assert!(only.reasons[0].text.contains("use gpt-4o"), "{only:?}");
    assert_eq!(decision.warnings, ["model gpt-4-turbo is deprecated; use gpt-4o"]);
}

#[test]
fn r10_a_full_window() {
    let mut config = config();
    let mut facts = both(&config);
    let until = UnixMs(NOW.0 + 30_000);
    facts.shared.full_windows =
        vec![FullWindow { key: "cursor".into(), count: 20, window: "minute".into(), limit: 20, until }];
    let decision = ask(&of_agent("architect", 3_000), &config, &facts);
    let full = candidate(&decision, "cursor:gpt-4o");
    assert_eq!((codes(full), full.reasons[0].until), (vec!["rate_limited"], Some(until)));
    assert_eq!(choice(&decision).0, format!("claude-code:{OPUS}"));
    assert_eq!(
        decision.notice.as_deref(),
        Some("cursor is rate limited; using claude-code:claude-opus-4-6 (fallback 2 of 3)")
    );
    config.policies["default"].auto_fallback_on_rate_limit = false;
    let decision = ask(&of_agent("architect", 3_000), &config, &facts);
    assert_eq!(choice(&decision), ("cursor:gpt-4o".into(), "preferred"));
    assert_eq!(decision.waits_until(), Some(until));
    // A window that has opened is none.
    facts.now = until;
    let decision = ask(&of_agent("architect", 3_000), &config, &facts);
    assert_eq!((choice(&decision).0.as_str(), decision.waits_until()), ("cursor:gpt-4o", None));
}
