//! Each check by itself, and all of them together.

use llmctl_proto::admission::CoolDown;
use llmctl_proto::config::{Budget, BudgetPeriod, BudgetScope, Config, LimitKind};
use llmctl_proto::event::{BudgetStatus, Reason, Verdict};
use llmctl_proto::money::PicoUsd;
use llmctl_proto::time::UnixMs;

use super::fixture::*;
use crate::route::{Decision, Facts, Request};

fn usd(text: &str) -> PicoUsd {
    PicoUsd::parse(text).expect("an amount")
}

fn planner() -> Request {
    of_agent("planner", 3_000)
}

fn against<'d>(decision: &'d Decision, name: &str, code: &str) -> &'d Reason {
    let candidate = candidate(decision, name);
    assert_eq!(candidate.verdict, Verdict::Rejected, "{candidate:?}");
    let found = candidate.reasons.iter().find(|reason| reason.code == code);
    found.unwrap_or_else(|| panic!("{code} is not among {:?}", candidate.reasons))
}

/// Decides for the planner after a change of the configuration or the facts.
fn after(change: impl FnOnce(&mut Config, &mut Facts)) -> Decision {
    let mut config = config();
    let mut facts = both(&config);
    change(&mut config, &mut facts);
    ask(&planner(), &config, &facts)
}

#[test]
fn unknown_and_broken_entries_are_rejected_candidates() {
    let decision = after(|config, _| {
        let chain = &mut config.agents["planner"].fallback_chain;
        chain[0].tool = "curser".into();
        chain[1].model = "claude-nonsense".into();
        config.tools["claude-code"].broken = Some("command_template: an open quote".into());
    });
    assert_eq!(decision.selected, None);
    against(&decision, "curser:gpt-4o", "unknown_tool");
    against(&decision, "claude-code:claude-nonsense", "unknown_model");
    against(&decision, "claude-code:claude-nonsense", "not_offered");
    against(&decision, "claude-code:claude-nonsense", "broken");
    against(&decision, &format!("claude-code:{OPUS}"), "broken");
    let decision =
        after(|config, _| config.models[OPUS].broken = Some("cost_per_1k_tokens: negative".into()));
    against(&decision, &format!("claude-code:{OPUS}"), "broken");
    assert_eq!(choice(&decision).0, "cursor:gpt-4o");
}

#[test]
fn an_agent_with_errors_cannot_be_worked_as() {
    let mut config = config();
    config.agents["planner"].broken = Some("missing preferred_model (config/agents.yaml:7)".into());
    let error = refused(&planner(), &config, &both(&config));
    let text = "agent planner cannot be used: missing preferred_model (config/agents.yaml:7)";
    assert_eq!(error.to_string(), text);
}

#[test]
fn retired_and_untrusted_tools() {
    let decision = after(|config, _| {
        let tool = &mut config.tools["claude-code"];
        (tool.retired, tool.retired_date) = (true, Some("2026-01-31".into()));
    });
    assert!(against(&decision, &format!("claude-code:{OPUS}"), "retired").text.contains("2026-01-31"));
    let decision = after(|config, _| config.tools["claude-code"].untrusted = true);
    against(&decision, &format!("claude-code:{OPUS}"), "untrusted");
    assert_eq!(choice(&decision).0, "cursor:gpt-4o");
    let decision = after(|config, _| {
        let tool = &mut config.tools["claude-code"];
        (tool.deprecated, tool.note) = (true, Some("use cursor".into()));
    });
    assert_eq!(decision.warnings, ["tool claude-code is deprecated (use cursor)"]);
}

#[test]
fn programs_and_variables() {
    let decision = after(|config, facts| {
        config.tools["claude-code"].env_required = names(&["ONE", "TWO", "THREE"]);
        facts.variables = ["TWO".to_owned()].into();
        facts.machine[1].missing = Some(Reason::new("not_executable", "/bin/cursor is not executable"));
    });
    let text = &against(&decision, &format!("claude-code:{OPUS}"), "credentials_missing").text;
    assert_eq!(text, "ONE, THREE are not set");
    against(&decision, "cursor:gpt-4o", "not_executable");
    let decision = after(|_, facts| facts.machine.retain(|fact| fact.tool != "claude-code"));
    against(&decision, &format!("claude-code:{OPUS}"), "not_installed");
}

#[test]
fn capabilities_of_request_and_agent() {
    let mut config = config();
    let facts = both(&config);
    let request = Request { require: names(&["multimodal"]), ..planner() };
    let decision = ask(&request, &config, &facts);
    let text = &against(&decision, &format!("claude-code:{OPUS}"), "capability_missing").text;
    assert_eq!(text, "claude-code does not have multimodal");
    assert_eq!(choice(&decision).0, "cursor:gpt-4o");
    config.agents["planner"].require = names(&["code_review"]);
    let decision = ask(&request, &config, &facts);
    against(&decision, "cursor:gpt-4o", "capability_missing");
    assert_eq!(decision.selected, None);
}

#[test]
fn policies_allow_and_deny() {
    let opus = format!("claude-code:{OPUS}");
    let decision = after(|config, _| config.policies["default"].deny_models = names(&["*opus*"]));
    assert_eq!(against(&decision, &opus, "denied").text, "policy default denies models `*opus*`");
    let decision = after(|config, _| config.policies["default"].allow_models = names(&["gpt-*"]));
    assert_eq!(against(&decision, &opus, "denied").text, "policy default allows only models gpt-*");
    assert_eq!(choice(&decision).0, "cursor:gpt-4o");
    let decision = after(|config, _| config.policies["default"].deny_providers = names(&["anthropic"]));
    assert_eq!(choice(&decision).0, "cursor:gpt-4o");
    let decision = after(|config, _| config.policies["default"].allow_providers = names(&["anth*"]));
    against(&decision, "cursor:gpt-4o", "denied");
    assert_eq!(choice(&decision).0, opus);
    let decision = after(|config, _| {
        config.agents["planner"].policy = Some("production".into());
        config.policies["default"].deny_models = names(&["*"]);
    });
    assert_eq!((choice(&decision).0, decision.policy.as_str()), (opus, "production"));
}

#[test]
fn pairs_that_cool_down() {
    let until = UnixMs(NOW.0 + 1_000);
    let cool = |model: Option<&str>| CoolDown {
        tool: "claude-code".into(),
        model: model.map(str::to_owned),
        class: "overloaded".into(),
        until,
    };
    let decision = after(|_, facts| facts.shared.cooling = vec![cool(Some(OPUS))]);
    let reason = against(&decision, &format!("claude-code:{OPUS}"), "cooling_down");
    assert_eq!((reason.text.as_str(), reason.until), ("cools down after overloaded", Some(until)));
    assert_eq!(candidate(&decision, &format!("claude-code:{SONNET}")).verdict, Verdict::Standby);
    let decision = after(|_, facts| {
        facts.shared.cooling = vec![cool(Some(OPUS))];
        facts.now = until;
    });
    assert_eq!(choice(&decision).0, format!("claude-code:{OPUS}"));
}

#[test]
fn the_limit_of_one_operation() {
    // 3,000 tokens in and 8,192 out: $0.6594 by opus, $0.0894 by gpt-4o, $0.1319 by sonnet.
    let mut config = config();
    let facts = both(&config);
    let with = |limit| Request { max_cost: Some(usd(limit)), ..planner() };
    let decision = ask(&with("0.10"), &config, &facts);
    let text = &against(&decision, &format!("claude-code:{OPUS}"), "over_max_cost").text;
    assert_eq!(text, "may cost $0.6594, more than the limit of $0.1000");
    assert_eq!((choice(&decision).0.as_str(), decision.standby()), ("cursor:gpt-4o", 0));
    // Nobody stays below it: the run is stopped at the limit.
    let decision = ask(&with("0.05"), &config, &facts);
    assert_eq!(choice(&decision).0, format!("claude-code:{OPUS}"));
    assert_eq!(decision.kept_despite[0].code, "over_max_cost");
    config.agents["planner"].max_cost = Some(usd("0.12"));
    config.policies["default"].max_cost = Some(usd("0.20"));
    assert_eq!(choice(&ask(&planner(), &config, &facts)).0, "cursor:gpt-4o");
}

fn day(spent: i64, kind: LimitKind) -> BudgetStatus {
    BudgetStatus {
        scope: BudgetScope::All,
        name: None,
        period: BudgetPeriod::Day,
        kind,
        limit_nano_usd: 10_000_000_000,
        spent_nano_usd: spent,
        reserved_nano_usd: 200_000_000,
        used_percent: 0,
        threshold_percent: 80,
        policy: "default".into(),
        timezone: "UTC".into(),
        setting: String::new(),
        resets_at: None,
    }
}

#[test]
fn hard_budgets() {
    let opus = format!("claude-code:{OPUS}");
    let with = |kind, downgrade, spent| {
        after(|config, facts| {
            config.policies["default"].downgrade_on_budget = downgrade;
            facts.daemon = true;
            facts.shared.budgets = vec![day(spent, kind)];
        })
    };
    // $9.60 spent, $0.20 reserved: opus' $0.6594 would pass $10.00, gpt-4o's $0.0894 would not.
    let decision = with(LimitKind::Hard, true, 9_600_000_000);
    let text = &against(&decision, &opus, "over_budget").text;
    assert!(text.starts_with("daily budget would be passed: $9.60 spent"), "{text}");
    assert_eq!(choice(&decision).0, "cursor:gpt-4o");
    assert_eq!(decision.budgets.len(), 1);
    // Without the setting nothing takes its place, and admission refuses.
    let decision = with(LimitKind::Hard, false, 9_600_000_000);
    assert_eq!(
        (choice(&decision).0.as_str(), decision.kept_despite[0].code.as_str()),
        (&*opus, "over_budget")
    );
    let decision = with(LimitKind::Soft, true, 9_600_000_000);
    assert_eq!((choice(&decision).0, decision.kept_despite.len()), (opus.clone(), 0));
    // Nobody fits: the best is kept for admission to refuse.
    let decision = with(LimitKind::Hard, true, 9_799_000_000);
    assert_eq!(
        (choice(&decision).0.as_str(), decision.kept_despite[0].code.as_str()),
        (&*opus, "over_budget")
    );
}

#[test]
fn budgets_of_one_model_and_one_operation() {
    let budget = |scope, name: Option<&str>, period, limit| Budget {
        scope,
        name: name.map(str::to_owned),
        period,
        limit: usd(limit),
        kind: LimitKind::Hard,
        threshold_percent: 80,
        timezone: "UTC".into(),
        policy: "default".into(),
        setting: String::new(),
    };
    let with = |budget: Budget, daemon| {
        after(|config, facts| {
            let policy = &mut config.policies["default"];
            (policy.budgets, policy.downgrade_on_budget) = (vec![budget], true);
            facts.daemon = daemon;
        })
    };
    let (model, day, one) = (BudgetScope::Model, BudgetPeriod::Day, BudgetPeriod::Operation);
    assert_eq!(choice(&with(budget(model, Some(OPUS), day, "0.10"), true)).0, "cursor:gpt-4o");
    assert_eq!(choice(&with(budget(model, None, day, "0.10"), true)).0, "cursor:gpt-4o");
    assert_eq!(
        choice(&with(budget(model, Some(SONNET), day, "0.10"), true)).0,
        format!("claude-code:{OPUS}")
    );
    // Shared budgets mean nothing without a daemon; one operation's own limit holds.
    assert_eq!(choice(&with(budget(model, None, day, "0.10"), false)).0, format!("claude-code:{OPUS}"));
    assert_eq!(choice(&with(budget(BudgetScope::All, None, one, "0.10"), false)).0, "cursor:gpt-4o");
}

#[test]
fn an_unknown_price_passes_a_hard_budget() {
    let decision = after(|config, facts| {
        config.policies["default"].downgrade_on_budget = true;
        let models = names(&["nameless"]);
        config.tools["claude-code"].models = models;
        config.agents["planner"].preferred_model = "nameless".into();
        facts.daemon = true;
        facts.shared.budgets = vec![day(0, LimitKind::Hard)];
    });
    against(&decision, "claude-code:nameless", "over_budget");
}

#[test]
fn a_full_window_is_waited_for_when_nobody_else_is_left() {
    let full = |until: i64| llmctl_proto::admission::FullWindow {
        key: "provider:anthropic".into(),
        count: 5,
        window: "hour".into(),
        limit: 5,
        until: UnixMs(NOW.0 + until),
    };
    let with = |until, wait| {
        let config = config();
        let mut facts = machine(&config, &["claude-code"]);
        facts.shared.full_windows = vec![full(until)];
        ask(&Request { wait, ..planner() }, &config, &facts)
    };
    let soon = with(60_000, false);
    assert_eq!(choice(&soon).0, format!("claude-code:{OPUS}"));
    assert_eq!(soon.waits_until(), Some(UnixMs(NOW.0 + 60_000)));
    assert_eq!(with(60_001, false).selected, None);
    assert_eq!(with(60_001, true).waits_until(), Some(UnixMs(NOW.0 + 60_001)));
}

#[test]
fn all_reasons_are_shown_not_the_first() {
    let decision = after(|config, facts| {
        config.policies["default"].deny_models = names(&["*opus*"]);
        config.tools["claude-code"].env_required = names(&["KEY"]);
        config.tools["claude-code"].untrusted = true;
        facts.machine[0].missing = Some(Reason::new("not_installed", "claude is not in PATH"));
    });
    assert_eq!(
        codes(candidate(&decision, &format!("claude-code:{OPUS}"))),
        ["untrusted", "not_installed", "credentials_missing", "denied"]
    );
}
