//! Sentences of routing: why a candidate was looked at, why one was chosen, what stood against the others.
//!
//! Codes are for programs and stay; sentences are for people.

use llmctl_proto::event::{Candidate, Selected, Verdict};

use super::candidates::Draft;
use super::decision::NO_TOOL;

/// `tool:model`, or what there is of it.
pub fn name(tool: &str, model: Option<&str>) -> String {
    match model {
        Some(model) if tool == NO_TOOL => model.to_owned(),
        Some(model) if model != tool => format!("{tool}:{model}"),
        _ => tool.to_owned(),
    }
}

/// Whether a code says why a candidate was looked at, or only describes it; all others stand against it.
pub(super) fn is_for(code: &str) -> bool {
    matches!(
        code,
        "explicit"
            | "explicit_model"
            | "task_type"
            | "simple"
            | "preferred"
            | "complex"
            | "fallback"
            | "catalogue"
            | "configured"
            | "installed"
            | "credentials"
            | "local_server"
            | "practice"
            | "tool_switch"
            | "cheapest"
            | "no_standby"
    )
}

/// The choice in the form of events.
pub(super) fn selected(candidate: &Candidate, reason: String) -> Selected {
    Selected {
        tool: candidate.tool.clone(),
        model: candidate.model.clone(),
        provider: candidate.provider.clone(),
        source: candidate.source.clone(),
        score: candidate.score,
        reason_code: candidate.source.clone(),
        reason,
    }
}

/// Why a rejected candidate could not be used, in few words: `cursor is not installed`.
pub(super) fn short(candidate: &Candidate, agent_policy: &str) -> Option<String> {
    let tool = &candidate.tool;
    let pair = name(tool, candidate.model.as_deref());
    let model = candidate.model.as_deref().unwrap_or(tool);
    let first = candidate.reasons.first()?;
    Some(match first.code.as_str() {
        "unknown_tool" => format!("{tool} is no known tool"),
        "unknown_model" => format!("{model} is no known model"),
        "not_offered" if tool == NO_TOOL => format!("no tool offers {model}"),
        "not_offered" => format!("{tool} does not offer {model}"),
        "retired" => format!("{pair} is retired"),
        "not_installed" => format!("{tool} is not installed"),
        "not_executable" => format!("{tool} is not executable"),
        "credentials_missing" => format!("{tool} lacks credentials"),
        "not_answering" => format!("{tool} does not answer"),
        "capability_missing" => format!("{tool} lacks a capability"),
        "context_too_small" => format!("the prompt is too large for {pair}"),
        "denied" => format!("policy {agent_policy} denies {pair}"),
        "rate_limited" => format!("{tool} is rate limited"),
        "cooling_down" => format!("{pair} is cooling down"),
        "over_max_cost" => format!("{pair} may pass the cost limit"),
        "over_budget" => format!("{pair} would pass a budget"),
        "untrusted" => format!("{tool} is not trusted"),
        "broken" => format!("{pair} has errors in its configuration"),
        _ => format!("{pair}: {}", first.text),
    })
}

/// What stood against the candidates that would have gone before the choice; each thing once.
pub(super) fn passed_by(
    candidates: &[Candidate],
    drafts: &[Draft],
    chosen: usize,
    policy: &str,
) -> Vec<String> {
    let before = |at: usize| (drafts[at].value, std::cmp::Reverse(at));
    let mut rejected: Vec<usize> = (0..candidates.len())
        .filter(|at| candidates[*at].verdict == Verdict::Rejected && before(*at) > before(chosen))
        .collect();
    rejected.sort_by_key(|at| std::cmp::Reverse(before(*at)));
    let mut texts: Vec<String> = Vec::new();
    for text in rejected.into_iter().filter_map(|at| short(&candidates[at], policy)) {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts
}
