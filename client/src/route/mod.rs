//! Which tool and model take an operation: a pure decision over facts that were gathered before.
//!
//! The first usable candidate wins, in the order installed tools, keys in the environment, local servers, the
//! practice model. Every candidate is listed with its reason, for or against.

pub mod facts;
pub(crate) mod login;
mod names;
pub mod templates;

use llmctl_proto::event::{Candidate, Reason, Requested, Selected, Verdict};

pub use names::{family, nearest};

/// Most candidates that are listed.
const LISTED: usize = 50;

/// What a candidate could be used for, if at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Tool, provider or server by name.
    pub tool: String,
    /// Where it came from: `installed`, `configured`, `credentials`, `local_server`, `practice`.
    pub source: &'static str,
    /// The provider behind it, when there is only one.
    pub provider: Option<String>,
    /// Models it offers by name; empty when it takes any of its provider's.
    pub models: Vec<String>,
    /// Model used when none is named; none leaves it to the tool.
    pub default_model: Option<String>,
    /// Why it cannot be used at all.
    pub missing: Option<Reason>,
    /// Why `auto` passes it by, though it could be tried by name.
    pub doubtful: Option<Reason>,
}

/// Why nobody was even looked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// No such tool.
    #[error("unknown tool {name:?}; known: {}", known.join(", "))]
    UnknownTool {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
        /// The nearest of them.
        nearest: Option<String>,
    },
    /// No tool, provider or server that could take such a model.
    #[error("unknown model {name:?}: no known tool or provider offers it")]
    UnknownModel {
        /// What was asked for.
        name: String,
        /// Models known by name.
        known: Vec<String>,
        /// The nearest of them.
        nearest: Option<String>,
    },
}

/// A decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What was asked for.
    pub requested: Requested,
    /// Place of the chosen fact in the list that was given; none when nobody is left.
    pub chosen: Option<usize>,
    /// The choice.
    pub selected: Option<Selected>,
    /// Every candidate.
    pub candidates: Vec<Candidate>,
    /// Candidates beyond those listed.
    pub omitted: u32,
    /// Usable candidates that were not chosen.
    pub standby: u32,
}

/// Chooses. The same request and facts give the same decision.
///
/// # Errors
/// The tool or model that was asked for is not known at all.
pub fn route(requested: Requested, facts: &[Fact]) -> Result<Decision, RouteError> {
    let wish = Wish::of(&requested, facts)?;
    let mut candidates = Vec::new();
    let mut chosen = None;
    let mut standby = 0;
    for (at, fact) in facts.iter().enumerate() {
        if wish.tool.as_ref().is_some_and(|tool| *tool != fact.tool) {
            continue;
        }
        let mut reasons: Vec<Reason> = fact.missing.iter().cloned().collect();
        if let Some(model) = &wish.model
            && wish.tool.is_none()
            && !fact.offers(model)
        {
            // Asked for by model: whoever has nothing to do with it is no candidate.
            continue;
        }
        if wish.is_auto() {
            reasons.extend(fact.doubtful.clone());
        }
        let usable = reasons.is_empty();
        let verdict = match (usable, chosen) {
            (false, _) => Verdict::Rejected,
            (true, None) => {
                chosen = Some(at);
                Verdict::Selected
            }
            (true, Some(_)) => {
                standby += 1;
                Verdict::Standby
            }
        };
        if usable {
            reasons.push(wish.reason_for(fact));
        }
        candidates.push(Candidate {
            tool: fact.tool.clone(),
            model: wish.model.clone().or_else(|| fact.default_model.clone()),
            provider: fact.provider.clone(),
            source: if wish.is_auto() { fact.source } else { "explicit" }.to_owned(),
            verdict,
            reasons,
            score: None,
            parts: None,
            estimate_nano_usd: None,
            reservation_nano_usd: None,
            context_window: None,
        });
    }
    let selected = chosen.map(|at| {
        let (fact, reason) = (&facts[at], wish.reason_for(&facts[at]));
        Selected {
            tool: fact.tool.clone(),
            model: wish.model.clone().or_else(|| fact.default_model.clone()),
            provider: fact.provider.clone(),
            source: fact.source.to_owned(),
            score: None,
            reason_code: reason.code,
            reason: reason.text,
        }
    });
    let omitted = candidates.len().saturating_sub(LISTED);
    candidates.truncate(LISTED);
    Ok(Decision { requested, chosen, selected, candidates, omitted: omitted as u32, standby })
}

impl Fact {
    fn offers(&self, model: &str) -> bool {
        if !self.models.is_empty() {
            return self.models.iter().any(|known| known == model);
        }
        match (&self.provider, family(model)) {
            (Some(provider), Some(family)) => provider == family,
            // A tool for every provider takes `provider/model`.
            (None, _) => model.contains('/'),
            (Some(_), None) => self.default_model.as_deref() == Some(model),
        }
    }
}

/// A request with its names taken apart and checked.
struct Wish {
    tool: Option<String>,
    model: Option<String>,
}

impl Wish {
    fn of(requested: &Requested, facts: &[Fact]) -> Result<Self, RouteError> {
        let mut tool = requested.tool.clone();
        let mut model = requested.model.clone().filter(|model| model != "auto" && !model.is_empty());
        if let (None, Some((name, rest))) = (&tool, model.as_ref().and_then(|model| model.split_once(':')))
            && facts.iter().any(|fact| fact.tool == name)
        {
            tool = Some(name.to_owned());
            model = Some(rest.to_owned()).filter(|rest| !rest.is_empty() && rest != "auto");
        }
        if let Some(name) = &tool
            && !facts.iter().any(|fact| fact.tool == *name)
        {
            let known: Vec<String> = facts.iter().map(|fact| fact.tool.clone()).collect();
            let nearest = nearest(name, &known);
            return Err(RouteError::UnknownTool { name: name.clone(), known, nearest });
        }
        if let (None, Some(name)) = (&tool, &model)
            && !facts.iter().any(|fact| fact.offers(name))
        {
            let known: Vec<String> = facts
                .iter()
                .flat_map(|fact| fact.models.iter().chain(&fact.default_model))
                .cloned()
                .collect();
            let nearest = nearest(name, &known);
            return Err(RouteError::UnknownModel { name: name.clone(), known, nearest });
        }
        Ok(Self { tool, model })
    }

    fn is_auto(&self) -> bool {
        self.tool.is_none() && self.model.is_none()
    }

    fn reason_for(&self, fact: &Fact) -> Reason {
        let (code, text) = match (&self.tool, &self.model) {
            (Some(_), Some(model)) => ("explicit", format!("asked for by name, with model {model}")),
            (Some(_), None) => ("explicit", "asked for by name".to_owned()),
            (None, Some(model)) => ("explicit_model", format!("offers {model}")),
            (None, None) => match fact.source {
                "installed" => ("installed", "installed and ready".to_owned()),
                "configured" => ("configured", "configured in tools.yaml".to_owned()),
                "credentials" => ("credentials", "its key is in the environment".to_owned()),
                "local_server" => ("local_server", "answers on this machine".to_owned()),
                _ => ("practice", "built in; nothing better was found".to_owned()),
            },
        };
        Reason::new(code, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(tool: &str, source: &'static str, provider: Option<&str>, missing: Option<&str>) -> Fact {
        Fact {
            tool: tool.into(),
            source,
            provider: provider.map(str::to_owned),
            models: Vec::new(),
            default_model: None,
            missing: missing.map(|code| Reason::new(code, code)),
            doubtful: None,
        }
    }

    fn machine() -> Vec<Fact> {
        vec![
            fact("claude-code", "installed", Some("anthropic"), Some("not_installed")),
            fact("codex", "installed", Some("openai"), None),
            fact("opencode", "installed", None, Some("not_installed")),
            fact("anthropic", "credentials", Some("anthropic"), None),
            Fact { models: vec!["smollm2".into()], ..fact("ollama", "local_server", None, None) },
            Fact {
                default_model: Some("practice".into()),
                ..fact("practice", "practice", Some("practice"), None)
            },
        ]
    }

    fn ask(model: Option<&str>, tool: Option<&str>) -> Result<Decision, RouteError> {
        let requested = Requested {
            model: model.map(str::to_owned),
            tool: tool.map(str::to_owned),
            ..Requested::default()
        };
        route(requested, &machine())
    }

    fn chosen(model: Option<&str>, tool: Option<&str>) -> Option<String> {
        ask(model, tool).expect("known names").selected.map(|s| s.tool)
    }

    #[test]
    fn auto_takes_the_first_usable_and_lists_all() {
        let decision = ask(Some("auto"), None).expect("auto");
        assert_eq!(decision.selected.as_ref().map(|s| s.tool.as_str()), Some("codex"));
        assert_eq!(decision.candidates.len(), 6);
        assert!(decision.candidates.iter().all(|c| !c.reasons.is_empty()));
        assert_eq!(decision.standby, 3);
    }

    #[test]
    fn names_are_obeyed() {
        assert_eq!(chosen(Some("claude-opus-5-5"), None).as_deref(), Some("anthropic"));
        assert_eq!(chosen(Some("gpt-5"), None).as_deref(), Some("codex"));
        assert_eq!(chosen(Some("smollm2"), None).as_deref(), Some("ollama"));
        assert_eq!(chosen(Some("codex:gpt-5"), None).as_deref(), Some("codex"));
        assert_eq!(chosen(None, Some("practice")).as_deref(), Some("practice"));
        assert_eq!(chosen(Some("my-own"), Some("codex")).as_deref(), Some("codex"));
        // Explicit and missing: nobody takes its place.
        assert_eq!(chosen(None, Some("claude-code")), None);
    }

    #[test]
    fn unknown_names_are_refused_with_the_nearest() {
        let error = ask(None, Some("codx")).expect_err("no such tool");
        assert!(matches!(&error, RouteError::UnknownTool { nearest: Some(n), .. } if n == "codex"));
        let error = ask(Some("smollm"), None).expect_err("no such model");
        assert!(matches!(&error, RouteError::UnknownModel { nearest: Some(n), .. } if n == "smollm2"));
    }

    #[test]
    fn doubt_counts_for_auto_only() {
        let mut facts = machine();
        facts[1].doubtful = Some(Reason::new("not_logged_in", "no login"));
        let auto = route(Requested::default(), &facts).expect("auto");
        assert_eq!(auto.selected.map(|s| s.tool).as_deref(), Some("anthropic"));
        let named = Requested { tool: Some("codex".into()), ..Requested::default() };
        assert_eq!(route(named, &facts).expect("named").selected.map(|s| s.tool).as_deref(), Some("codex"));
    }
}
