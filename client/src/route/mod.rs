//! Which tool and model take an operation: a pure decision over a request, the configuration and gathered facts.
//!
//! `route` has no clock, no file and no network: the same input gives the same decision. Steps: names, candidates,
//! estimate, checks, score, selection. Facts are gathered before ([`gather`]); admission comes after, elsewhere.

pub mod ask;
mod candidates;
mod checks;
mod decision;
mod estimate;
pub mod facts;
pub mod gather;
mod glob;
mod login;
mod names;
pub mod preview;
mod probe;
pub mod reasons;
mod request;
mod score;
pub mod whatif;
mod wish;

#[cfg(test)]
mod tests;

use llmctl_proto::config::Config;
use llmctl_proto::event::{Candidate, Estimate, Reason, Verdict};
use llmctl_proto::money::PicoUsd;

pub use decision::{Decision, LISTED, NO_TOOL, RouteError, Unknown};
pub use facts::{Fact, Facts, Kind, Known, Target};
pub use names::{family, nearest};
pub use request::Request;

use candidates::Draft;
use checks::{Checks, Findings};
use estimate::{Estimator, Figures};
use score::Scores;
use wish::Wish;

/// Chooses. The same request, configuration and facts give the same decision.
///
/// # Errors
/// The name of an agent, tool, model or policy that is not known.
pub fn route(request: &Request, config: &Config, facts: &Facts) -> Result<Decision, RouteError> {
    let wish = Wish::of(request, config, facts)?;
    let estimator = Estimator::new(request, config, facts);
    let drafts = candidates::collect(request, config, facts, &wish, &estimator);
    let checks = Checks { request, config, facts, wish: &wish };
    let looked: Vec<Looked> = drafts
        .iter()
        .map(|draft| {
            let figures = estimator.figures(draft.pair(facts));
            Looked { figures, found: checks.of(draft, &figures) }
        })
        .collect();
    let small = wish
        .policy
        .prefer_cheaper_under_tokens
        .is_some_and(|limit| candidates::size(request, config, &wish) < limit);
    let scores = Scores::of(&Ranking { request, config, facts, wish: &wish, small }, &drafts, &looked);
    Ok(Choosing { request, config, facts, wish, drafts, looked, scores }.decide())
}

/// What was found about one draft.
#[derive(Debug)]
struct Looked {
    figures: Figures,
    found: Findings,
}

/// What scores depend on besides the candidates.
struct Ranking<'a> {
    request: &'a Request,
    config: &'a Config,
    facts: &'a Facts,
    wish: &'a Wish<'a>,
    /// The prompt is so small that cheapness goes before the agent's order.
    small: bool,
}

/// Everything known before the choice.
struct Choosing<'a> {
    request: &'a Request,
    config: &'a Config,
    facts: &'a Facts,
    wish: Wish<'a>,
    drafts: Vec<Draft>,
    looked: Vec<Looked>,
    scores: Scores,
}

impl Choosing<'_> {
    fn decide(self) -> Decision {
        let mut order = self.scores.order.clone();
        // Nobody asked for anything but the choice, so nothing takes its place.
        if self.wish.is_explicit() && !self.request.fallback {
            order.truncate(1);
        }
        let selected = order.first().copied();
        let cheapest = self.cheapest(&order);
        let candidates: Vec<Candidate> =
            (0..self.drafts.len()).map(|at| self.candidate(at, &order, cheapest)).collect();
        let mut decision = Decision {
            requested: self.request.requested(),
            selected,
            candidates,
            facts: self.drafts.iter().map(|draft| draft.fact).collect(),
            order,
            choice: None,
            estimate: selected.map_or_else(|| self.unchosen(), |at| self.looked[at].figures.tokens),
            policy: self.wish.policy_name.clone(),
            budgets: self.facts.shared.budgets.clone(),
            kept_despite: selected.map(|at| self.kept(at)).unwrap_or_default(),
            warnings: self.warnings(selected),
            notice: None,
        };
        if let Some(at) = selected {
            self.explain(&mut decision, at);
        }
        decision
    }

    /// Tokens to reckon with when nobody was chosen.
    fn unchosen(&self) -> Estimate {
        let reserve = self.config.routing.reserve_output_tokens;
        Estimate {
            input_tokens: candidates::size(self.request, self.config, &self.wish),
            output_tokens: reserve,
            output_tokens_upper: reserve,
        }
    }

    fn kept(&self, at: usize) -> Vec<Reason> {
        let found = &self.looked[at].found;
        found.against.iter().chain(&found.noted).cloned().collect()
    }

    fn warnings(&self, selected: Option<usize>) -> Vec<String> {
        let mut warnings = match selected.map(|at| &self.drafts[at]) {
            Some(draft) => checks::deprecations(self.config, &draft.tool, draft.model.as_deref()),
            None => Vec::new(),
        };
        for more in checks::deprecations(self.config, "", self.wish.model.as_deref()) {
            if !warnings.contains(&more) {
                warnings.push(more);
            }
        }
        warnings
    }

    /// The cheapest of those that can be used, if they differ.
    fn cheapest(&self, order: &[usize]) -> Option<usize> {
        let costs = || order.iter().filter_map(|at| Some((self.looked[*at].figures.estimate?, *at)));
        let (low, at) = costs().min()?;
        costs().any(|(cost, _)| cost > low).then_some(at)
    }

    fn candidate(&self, at: usize, order: &[usize], cheapest: Option<usize>) -> Candidate {
        let (draft, looked) = (&self.drafts[at], &self.looked[at]);
        let usable = self.scores.order.contains(&at);
        let verdict = match order.iter().position(|o| *o == at) {
            Some(0) => Verdict::Selected,
            Some(_) => Verdict::Standby,
            None => Verdict::Rejected,
        };
        let mut reasons = Vec::new();
        if verdict == Verdict::Rejected && usable {
            reasons.push(Reason::new("no_standby", "an explicit choice has no standby without --fallback"));
        }
        if usable {
            reasons.extend(draft.reasons.iter().cloned());
        }
        reasons.extend(looked.found.against.iter().chain(&looked.found.noted).cloned());
        if cheapest == Some(at) && !candidates::is_plain(self.config) {
            let cost = looked.figures.estimate.map(|cost| cost.to_string()).unwrap_or_default();
            reasons.push(Reason::new("cheapest", format!("cheapest, about {cost}")));
        }
        let parts = self.scores.parts[at];
        Candidate {
            tool: draft.tool.clone(),
            model: draft.model.clone(),
            provider: draft.provider.clone(),
            source: draft.source.to_owned(),
            verdict,
            reasons,
            score: (verdict != Verdict::Rejected).then_some(score::sum(parts)),
            parts: Some(parts),
            estimate_nano_usd: looked.figures.estimate.map(PicoUsd::nano),
            reservation_nano_usd: looked.figures.reservation.map(PicoUsd::nano),
            context_window: looked.figures.window,
        }
    }

    /// Puts the choice and its reason into words.
    fn explain(&self, decision: &mut Decision, at: usize) {
        let draft = &self.drafts[at];
        let passed = reasons::passed_by(&decision.candidates, &self.drafts, at, &self.wish.policy_name);
        let own = draft.reasons.first().map(|reason| reason.text.clone()).unwrap_or_default();
        let passed_text = passed.join(", ");
        let chain = draft.place.filter(|_| draft.source == "fallback").zip(self.wish.agent);
        let (reason, brief) = match chain {
            Some((place, (_, agent))) => {
                let brief = format!("fallback {place} of {}", agent.chain_length.max(place));
                let cheaper = self.scores.parts[at].price > 0;
                let why = match (passed.is_empty(), cheaper) {
                    (false, _) => passed_text.clone(),
                    (true, true) => "cheaper for a small prompt".to_owned(),
                    (true, false) => "best score".to_owned(),
                };
                (format!("{brief}: {why}"), brief)
            }
            None => (own.clone(), own),
        };
        let by_rule = matches!(draft.source, "task_type" | "simple" | "preferred" | "complex" | "fallback");
        if by_rule && !passed.is_empty() {
            let pair = reasons::name(&draft.tool, draft.model.as_deref());
            decision.notice = Some(format!("{passed_text}; using {pair} ({brief})"));
        }
        let mut choice = reasons::selected(&decision.candidates[at], reason);
        if let Some(first) = draft.reasons.first() {
            choice.reason_code.clone_from(&first.code);
        }
        decision.choice = Some(choice);
    }
}
