//! Step 4, checks: everything that stands against a candidate. All are evaluated, so that all reasons are shown.

use llmctl_proto::admission::{FullWindow, Refusal};
use llmctl_proto::config::{Budget, BudgetPeriod, BudgetScope, Config, LimitKind};
use llmctl_proto::event::{BudgetStatus, Reason};
use llmctl_proto::money::PicoUsd;
use llmctl_proto::time::UnixMs;

use super::candidates::Draft;
use super::decision::NO_TOOL;
use super::estimate::Figures;
use super::facts::Facts;
use super::glob;
use super::reasons::name;
use super::request::Request;
use super::wish::{Wish, resolve};
use crate::term::tokens;

/// What was found about a candidate.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Reasons against it.
    pub(super) against: Vec<Reason>,
    /// What will make it wait or be refused later, though it stays in the choice.
    pub(super) noted: Vec<Reason>,
}

/// Everything a check may look at.
#[derive(Clone, Copy)]
pub(super) struct Checks<'a> {
    pub(super) request: &'a Request,
    pub(super) config: &'a Config,
    pub(super) facts: &'a Facts,
    pub(super) wish: &'a Wish<'a>,
}

/// How far a reason gives way when nobody else is left; none: it never does. Lower is better.
pub(super) fn softness(reason: &Reason) -> Option<u8> {
    match reason.code.as_str() {
        // The run is stopped at the limit.
        "over_max_cost" => Some(0),
        // The queue waits.
        "rate_limited" => Some(1),
        // Admission refuses with the full text.
        "over_budget" => Some(2),
        _ => None,
    }
}

impl Checks<'_> {
    /// Evaluates every check on a candidate.
    pub(super) fn of(&self, draft: &Draft, figures: &Figures) -> Findings {
        let mut found = Findings::default();
        let against = &mut found.against;
        self.configuration(draft, against);
        self.machine(draft, against);
        self.capabilities(draft, against);
        context(figures, against);
        self.policy(draft, against);
        let policy = &self.wish.policy;
        let rates = self.rate_windows(draft);
        if policy.auto_fallback_on_rate_limit { &mut found.against } else { &mut found.noted }.extend(rates);
        found.against.extend(self.cooling(draft));
        found.against.extend(self.max_cost(figures));
        let budgets = if self.request.force { None } else { self.budgets(draft, figures) };
        // Without the setting a budget is never a reason to take something else: admission says what it thinks.
        if policy.downgrade_on_budget { &mut found.against } else { &mut found.noted }.extend(budgets);
        found
    }

    fn configuration(&self, draft: &Draft, against: &mut Vec<Reason>) {
        let tool = self.config.tools.get(&draft.tool);
        let model = draft.model.as_ref().and_then(|model| self.config.models.get(model));
        if draft.tool != NO_TOOL && tool.is_none() && draft.fact.is_none() {
            against.push(Reason::new("unknown_tool", format!("no tool {} is known", draft.tool)));
        }
        if let Some(model) = &draft.model {
            self.offer(draft, model, against);
        }
        if let Some(tool) = tool {
            retired(&draft.tool, tool.retired, tool.retired_date.as_deref(), tool.note.as_deref(), against);
            if tool.untrusted {
                let text = format!("{} is defined only in a project that is not trusted", draft.tool);
                against.push(Reason::new("untrusted", format!("{text}; see `llmctl config trust`")));
            }
            against.extend(tool.broken.as_ref().map(|why| Reason::new("broken", why)));
        }
        if let (Some(name), Some(model)) = (&draft.model, model) {
            retired(name, model.retired, model.retired_date.as_deref(), model.note.as_deref(), against);
            against.extend(model.broken.as_ref().map(|why| Reason::new("broken", why)));
        }
    }

    fn offer(&self, draft: &Draft, model: &str, against: &mut Vec<Reason>) {
        let config = self.config;
        let successor =
            config.models.get(model).filter(|m| m.deprecated).and_then(|m| m.superseded_by.as_ref());
        let instead = successor.map(|s| format!("; it is deprecated, use {s}")).unwrap_or_default();
        if draft.tool == NO_TOOL {
            against.push(Reason::new("not_offered", format!("no tool offers {model}{instead}")));
            return;
        }
        let Some(tool) = config.tools.get(&draft.tool).filter(|tool| !tool.retired) else { return };
        if !tool.models.iter().any(|m| m == model || resolve(config, m) == model) {
            let known = config.models.contains_key(model)
                || config.tools.values().any(|tool| tool.models.iter().any(|m| m == model));
            if !known {
                against.push(Reason::new("unknown_model", format!("no model {model} is known")));
            }
            let text = format!("{} does not offer {model}{instead}", draft.tool);
            against.push(Reason::new("not_offered", text));
        }
    }

    fn machine(&self, draft: &Draft, against: &mut Vec<Reason>) {
        let tool = self.config.tools.get(&draft.tool);
        match draft.fact.map(|at| &self.facts.machine[at]) {
            Some(fact) => {
                against.extend(fact.missing.clone());
                // What was named by somebody is tried: the tool knows best whether it is logged in.
                let by_itself =
                    matches!(draft.source, "catalogue" | "installed" | "configured" | "credentials");
                if by_itself || fact.kind.as_str() == draft.source {
                    against.extend(fact.doubtful.clone());
                }
            }
            None if tool.is_some_and(|tool| !tool.retired) => {
                let text = format!("{} was not found on this machine", draft.tool);
                against.push(Reason::new("not_installed", text));
            }
            None => {}
        }
        let required = tool.map(|tool| tool.env_required.as_slice()).unwrap_or_default();
        let unset: Vec<&str> =
            required.iter().filter(|n| !self.facts.variables.contains(*n)).map(String::as_str).collect();
        if !unset.is_empty() {
            let are = if unset.len() == 1 { "is" } else { "are" };
            let text = format!("{} {are} not set", unset.join(", "));
            against.push(Reason::new("credentials_missing", text));
        }
    }

    fn capabilities(&self, draft: &Draft, against: &mut Vec<Reason>) {
        if draft.tool == NO_TOOL {
            return;
        }
        let of_agent = self.wish.agent.map(|(_, agent)| agent.require.as_slice()).unwrap_or_default();
        let has =
            self.config.tools.get(&draft.tool).map(|tool| tool.capabilities.as_slice()).unwrap_or_default();
        let mut lacking: Vec<&str> = Vec::new();
        for wanted in self.request.require.iter().chain(of_agent) {
            if !has.contains(wanted) && !lacking.contains(&wanted.as_str()) {
                lacking.push(wanted);
            }
        }
        if !lacking.is_empty() {
            let text = format!("{} does not have {}", draft.tool, lacking.join(", "));
            against.push(Reason::new("capability_missing", text));
        }
    }

    fn policy(&self, draft: &Draft, against: &mut Vec<Reason>) {
        let (policy, of) = (&self.wish.policy, &self.wish.policy_name);
        against.extend(denied(
            "model",
            draft.model.as_deref(),
            &policy.allow_models,
            &policy.deny_models,
            of,
        ));
        let provider = draft.provider.as_deref();
        against.extend(denied("provider", provider, &policy.allow_providers, &policy.deny_providers, of));
    }

    fn rate_windows(&self, draft: &Draft) -> Vec<Reason> {
        let mut reasons: Vec<Reason> = self
            .facts
            .shared
            .full_windows
            .iter()
            .filter(|w| w.until > self.facts.now && counts(w, draft))
            .map(full)
            .collect();
        // The order in which windows were counted must not matter.
        reasons.sort_by(|a, b| (a.until, &a.text).cmp(&(b.until, &b.text)));
        reasons
    }

    fn cooling(&self, draft: &Draft) -> Option<Reason> {
        let same = |model: &Option<String>| model.is_none() || *model == draft.model;
        let all = self.facts.shared.cooling.iter();
        let cooling = all.filter(|c| c.until > self.facts.now && c.tool == draft.tool && same(&c.model));
        cooling.max_by_key(|c| (c.until, c.class.clone())).map(|c| Reason {
            code: "cooling_down".to_owned(),
            text: format!("cools down after {}", c.class),
            until: Some(c.until),
        })
    }

    fn max_cost(&self, figures: &Figures) -> Option<Reason> {
        let of_agent = self.wish.agent.and_then(|(_, agent)| agent.max_cost);
        let limit =
            [self.request.max_cost, of_agent, self.wish.policy.max_cost].into_iter().flatten().min()?;
        let reservation = figures.reservation.filter(|reservation| *reservation > limit)?;
        let text = format!("may cost {reservation}, more than the limit of {limit}");
        Some(Reason::new("over_max_cost", text))
    }

    /// The first hard budget that the reservation would pass.
    fn budgets(&self, draft: &Draft, figures: &Figures) -> Option<Reason> {
        let shared = self.facts.shared.budgets.iter();
        let known =
            shared.filter(|b| b.kind == LimitKind::Hard && self.covers(b.scope, b.name.as_deref(), draft));
        let mut passed: Vec<Reason> = known.filter_map(|status| would_pass(status, figures)).collect();
        for budget in self.wish.policy.budgets.iter().filter(|b| b.kind == LimitKind::Hard) {
            // Without a daemon nobody knows what else was spent; one operation's own limit holds all the same.
            let counted = self.facts.daemon || budget.period == BudgetPeriod::Operation;
            if counted
                && self.covers(budget.scope, budget.name.as_deref(), draft)
                && !self.is_known(budget, draft)
            {
                passed.extend(would_pass(&unspent(budget), figures));
            }
        }
        passed.sort_by(|a, b| a.text.cmp(&b.text));
        passed.into_iter().next()
    }

    fn is_known(&self, budget: &Budget, draft: &Draft) -> bool {
        self.facts.shared.budgets.iter().any(|status| {
            (status.scope, status.period) == (budget.scope, budget.period)
                && status.policy == budget.policy
                && self.covers(status.scope, status.name.as_deref(), draft)
        })
    }

    /// Whether a budget counts what a candidate would spend; without a name it counts each by itself.
    fn covers(&self, scope: BudgetScope, name: Option<&str>, draft: &Draft) -> bool {
        let own = match scope {
            BudgetScope::All => return true,
            BudgetScope::Project => self.request.project.as_deref(),
            BudgetScope::Agent => self.request.agent.as_deref(),
            BudgetScope::Model => draft.model.as_deref(),
            BudgetScope::Tool => Some(draft.tool.as_str()),
            BudgetScope::Provider => draft.provider.as_deref(),
        };
        own.is_some() && (name.is_none() || name == own)
    }
}

fn retired(what: &str, retired: bool, date: Option<&str>, note: Option<&str>, against: &mut Vec<Reason>) {
    if retired {
        let since = date.map(|date| format!(" since {date}")).unwrap_or_default();
        let note = note.map(|note| format!(" ({note})")).unwrap_or_default();
        against.push(Reason::new("retired", format!("{what} is retired{since}{note}")));
    }
}

fn context(figures: &Figures, against: &mut Vec<Reason>) {
    let Some(window) = figures.window else { return };
    let input = figures.tokens.input_tokens;
    let input = input.saturating_add(input.div_ceil(10));
    let output = figures.tokens.output_tokens_upper;
    if input.saturating_add(output) > window {
        let text = format!("{} + {} > {} tokens", tokens(input), tokens(output), tokens(window));
        against.push(Reason::new("context_too_small", text));
    }
}

/// Why the lists of a policy do not let a name pass.
pub(super) fn denied(
    what: &str,
    name: Option<&str>,
    allow: &[String],
    deny: &[String],
    policy: &str,
) -> Option<Reason> {
    if let Some(pattern) = name.and_then(|name| glob::first(deny, name)) {
        return Some(Reason::new("denied", format!("policy {policy} denies {what}s `{pattern}`")));
    }
    let allowed = allow.is_empty() || name.is_some_and(|name| glob::first(allow, name).is_some());
    (!allowed)
        .then(|| Reason::new("denied", format!("policy {policy} allows only {what}s {}", allow.join(", "))))
}

fn counts(window: &FullWindow, draft: &Draft) -> bool {
    match window.key.split_once(':') {
        Some(("provider", provider)) => draft.provider.as_deref() == Some(provider),
        Some(("model", model)) => draft.model.as_deref() == Some(model),
        _ => window.key == draft.tool,
    }
}

fn full(window: &FullWindow) -> Reason {
    let FullWindow { key, count, limit, .. } = window;
    let text = match window.window.strip_suffix("_tokens") {
        Some(length) => format!("{key} has used {count} of {limit} tokens in one {length}"),
        None => format!("{key} has had {count} of {limit} starts in one {}", window.window),
    };
    Reason { code: "rate_limited".to_owned(), text, until: Some(window.until) }
}

fn unspent(budget: &Budget) -> BudgetStatus {
    BudgetStatus {
        scope: budget.scope,
        name: budget.name.clone(),
        period: budget.period,
        kind: budget.kind,
        limit_nano_usd: budget.limit.nano(),
        spent_nano_usd: 0,
        reserved_nano_usd: 0,
        used_percent: 0,
        threshold_percent: budget.threshold_percent,
        policy: budget.policy.clone(),
        timezone: budget.timezone.clone(),
        setting: budget.setting.clone(),
        resets_at: None::<UnixMs>,
    }
}

/// A cost that nobody knows passes every hard budget.
fn would_pass(budget: &BudgetStatus, figures: &Figures) -> Option<Reason> {
    let before = i128::from(budget.spent_nano_usd) + i128::from(budget.reserved_nano_usd);
    let would_be = figures.reservation.map(|reservation| before * 1_000 + i128::from(reservation.0));
    if would_be.is_some_and(|amount| amount <= i128::from(budget.limit_nano_usd) * 1_000) {
        return None;
    }
    let would_be = would_be.and_then(|amount| PicoUsd::from_sum(amount).ok());
    let refusal = Refusal { budget: budget.clone(), reservation: figures.reservation, would_be };
    Some(refusal.as_reason())
}

/// Names a deprecated tool or model and what to use instead.
pub(super) fn deprecations(config: &Config, tool: &str, model: Option<&str>) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(known) =
        model.and_then(|model| config.models.get(model)).filter(|m| m.deprecated && !m.retired)
    {
        let instead = known.superseded_by.as_ref().map(|s| format!("; use {s}")).unwrap_or_default();
        warnings.push(format!("model {} is deprecated{instead}", model.unwrap_or_default()));
    }
    if config.tools.get(tool).is_some_and(|tool| tool.deprecated) {
        let note = config.tools.get(tool).and_then(|tool| tool.note.as_ref());
        let note = note.map(|note| format!(" ({note})")).unwrap_or_default();
        warnings.push(format!("tool {} is deprecated{note}", name(tool, None)));
    }
    warnings
}
