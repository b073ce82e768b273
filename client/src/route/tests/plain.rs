//! Without a configuration: what is installed first, then keys, local servers, the practice model.

use llmctl_proto::config::Config;
use llmctl_proto::event::Reason;

use super::fixture::{ask, refused};
use crate::route::{Decision, Fact, Facts, Kind, Request, RouteError};

fn fact(tool: &str, kind: Kind, provider: Option<&str>, missing: Option<&str>) -> Fact {
    Fact {
        provider: provider.map(str::to_owned),
        missing: missing.map(|code| Reason::new(code, code)),
        ..Fact::new(tool, kind)
    }
}

fn machine() -> Facts {
    let machine = vec![
        fact("claude-code", Kind::Installed, Some("anthropic"), Some("not_installed")),
        fact("codex", Kind::Installed, Some("openai"), None),
        fact("opencode", Kind::Installed, None, Some("not_installed")),
        fact("anthropic", Kind::Credentials, Some("anthropic"), None),
        Fact { models: vec!["smollm2".into()], ..fact("ollama", Kind::LocalServer, None, None) },
        Fact {
            default_model: Some("practice".into()),
            ..fact("practice", Kind::Practice, Some("practice"), None)
        },
    ];
    Facts { machine, ..Facts::default() }
}

fn request(model: Option<&str>, tool: Option<&str>) -> Request {
    Request { model: model.map(str::to_owned), tool: tool.map(str::to_owned), ..Request::default() }
}

fn decide(model: Option<&str>, tool: Option<&str>) -> Decision {
    ask(&request(model, tool), &Config::default(), &machine())
}

fn chosen(model: Option<&str>, tool: Option<&str>) -> Option<String> {
    decide(model, tool).choice.map(|choice| choice.tool)
}

#[test]
fn auto_takes_the_first_usable_and_lists_all() {
    let decision = decide(Some("auto"), None);
    assert_eq!(decision.choice.as_ref().map(|s| s.tool.as_str()), Some("codex"));
    assert_eq!(decision.candidates.len(), 6);
    assert!(decision.candidates.iter().all(|c| !c.reasons.is_empty()));
    assert_eq!(decision.standby(), 3);
    let order: Vec<&str> = decision.order.iter().map(|at| decision.candidates[*at].tool.as_str()).collect();
    assert_eq!(order, ["codex", "anthropic", "ollama", "practice"]);
    assert_eq!((decision.fact(), decision.notice), (Some(1), None));
}

#[test]
fn names_are_obeyed() {
    assert_eq!(chosen(Some("claude-opus-5-5"), None).as_deref(), Some("anthropic"));
    assert_eq!(chosen(Some("gpt-5"), None).as_deref(), Some("codex"));
    assert_eq!(chosen(Some("smollm2"), None).as_deref(), Some("ollama"));
    assert_eq!(chosen(Some("codex:gpt-5"), None).as_deref(), Some("codex"));
    assert_eq!(chosen(Some("codex:auto"), None).as_deref(), Some("codex"));
    assert_eq!(chosen(None, Some("practice")).as_deref(), Some("practice"));
    assert_eq!(chosen(Some("my-own"), Some("codex")).as_deref(), Some("codex"));
    // Explicit and missing: nobody takes its place.
    assert_eq!(chosen(None, Some("claude-code")), None);
}

#[test]
fn an_explicit_choice_has_a_standby_only_when_told() {
    let alone = decide(None, Some("claude-code"));
    assert_eq!((alone.candidates.len(), alone.order.len()), (1, 0));
    let request = Request { fallback: true, ..request(None, Some("claude-code")) };
    let decision = ask(&request, &Config::default(), &machine());
    assert_eq!(decision.choice.as_ref().map(|s| s.tool.as_str()), Some("codex"));
    let two = decide(Some("anthropic/claude-opus-5-5"), None);
    assert_eq!(two.order.len(), 1);
}

#[test]
fn unknown_names_are_refused_with_the_nearest() {
    for (model, tool, what, near) in
        [(None, Some("codx"), "tool", "codex"), (Some("smollm"), None, "model", "smollm2")]
    {
        let error = refused(&request(model, tool), &Config::default(), &machine());
        let RouteError::Unknown(unknown) = error else { panic!("{error}") };
        assert_eq!((unknown.what, unknown.nearest.as_deref()), (what, Some(near)));
    }
    let named = Request { policy: Some("prod".into()), ..Request::default() };
    let error = refused(&named, &Config::default(), &machine());
    assert_eq!(error.to_string(), "unknown policy \"prod\"; none is known");
}

#[test]
fn doubt_counts_for_auto_only() {
    let mut facts = machine();
    facts.machine[1].doubtful = Some(Reason::new("not_logged_in", "no login"));
    let auto = ask(&Request::default(), &Config::default(), &facts);
    assert_eq!(auto.choice.map(|s| s.tool).as_deref(), Some("anthropic"));
    let named = ask(&request(None, Some("codex")), &Config::default(), &facts);
    assert_eq!(named.choice.map(|s| s.tool).as_deref(), Some("codex"));
}

#[test]
fn an_agent_without_any_agents_is_a_label() {
    let request = Request { agent: Some("dev".into()), ..Request::default() };
    let decision = ask(&request, &Config::default(), &machine());
    assert_eq!(decision.choice.map(|s| s.tool).as_deref(), Some("codex"));
    assert_eq!(decision.requested.agent.as_deref(), Some("dev"));
}
