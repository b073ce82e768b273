//! Checks between entries: references, offers, what is retired, templates, addresses.
//!
//! Everything is reported in one run, each finding at the line that makes the reference.

use super::diagnostic::{Code, Diagnostic, KeyPath, nearest};
use super::node::{Node, Place};
use super::read::entry_pair as pair;
use super::sources::Catalogue;
use super::{Agent, Config};
use crate::price::PriceTable;
use crate::time::UnixMs;

/// Checks everything; findings are appended.
pub(super) fn check(
    config: &Config,
    tree: &Node,
    catalogue: &Catalogue,
    now: UnixMs,
    findings: &mut Vec<Diagnostic>,
) {
    let mut cross = Cross { config, tree, catalogue, now, findings };
    cross.policies();
    if catalogue.references {
        cross.models();
        cross.agents();
        cross.cost_optimization();
        cross.rate_limiting();
    }
}

struct Cross<'a> {
    config: &'a Config,
    tree: &'a Node,
    catalogue: &'a Catalogue,
    now: UnixMs,
    findings: &'a mut Vec<Diagnostic>,
}

/// Where the key at the end of a path is written; the nearest place known, if it is not there itself.
pub(super) fn key_place(tree: &Node, path: &KeyPath) -> Place {
    let Some((last, above)) = path.0.split_last() else { return tree.at };
    match tree.at_path(above) {
        Some(node) => {
            let entry = node.map().and_then(|map| map.get(last)).map(|entry| entry.key_at);
            entry.or_else(|| node.at_path(&[last]).map(|item| item.at)).unwrap_or(node.at)
        }
        None => key_place(tree, &KeyPath(above.to_vec())),
    }
}

/// Where the value at a path is written.
pub(super) fn value_place(tree: &Node, path: &KeyPath) -> Place {
    tree.at_path(&path.0).map_or_else(|| key_place(tree, path), |node| node.at)
}

impl Cross<'_> {
    fn report(&mut self, code: Code, path: &KeyPath, message: String, hint: Option<String>) {
        let at = value_place(self.tree, path);
        let mut finding = Diagnostic::new(code, path, at, message);
        finding.hint = hint;
        self.findings.push(finding);
    }

    fn at_key(&mut self, code: Code, path: &KeyPath, message: String, hint: Option<String>) {
        let at = key_place(self.tree, path);
        let mut finding = Diagnostic::new(code, path, at, message);
        finding.hint = hint;
        self.findings.push(finding);
    }

    fn unknown(&mut self, code: Code, path: &KeyPath, what: &str, name: &str, known: &[String]) {
        let list = if known.is_empty() { "none".to_owned() } else { listed(known) };
        let message = format!("{path}: there is no {what} `{name}`; known: {list}");
        let near = nearest(name, known.iter().map(String::as_str));
        self.report(code, path, message, near.map(|near| format!("did you mean `{near}`?")));
    }

    fn policies(&mut self) {
        let known: Vec<String> = self.config.policies.keys().cloned().collect();
        let default = &self.config.default_policy;
        let written = self.tree.get("default_policy").is_some();
        if written && default != "default" && !self.config.policies.contains_key(default) {
            self.unknown(Code::UnknownPolicy, &KeyPath::of(["default_policy"]), "policy", default, &known);
        }
        for (name, agent) in &self.config.agents {
            if let Some(policy) = agent.policy.as_ref().filter(|policy| !known.contains(policy)) {
                let path = KeyPath::of(["agents", name, "policy"]);
                self.unknown(Code::UnknownPolicy, &path, "policy", policy, &known);
            }
        }
    }

    fn models(&mut self) {
        for (name, model) in &self.config.models {
            let path = KeyPath::of(["models", name]);
            let listed = PriceTable::embedded().lookup(name, None, self.now).is_some();
            let node = self.tree.at_path(&path.0);
            let has = |key: &str| node.is_some_and(|node| node.get(key).is_some());
            let priced = has("cost_per_1k_tokens") || has("prices") || listed;
            if model.retired {
                if !priced || !has("context_window") {
                    let lacks = match (priced, has("context_window")) {
                        (false, false) => "no price or context window",
                        (false, true) => "no price",
                        _ => "no context window",
                    };
                    let message = format!("{path} is retired and has {lacks}; it will not be used");
                    self.at_key(Code::RetiredIncomplete, &path, message, None);
                }
                continue;
            }
            for (key, there) in [
                ("provider", has("provider") || listed),
                ("cost_per_1k_tokens", priced),
                ("context_window", model.context_window.is_some() || has("context_window")),
            ] {
                if !there {
                    let hint =
                        (key == "cost_per_1k_tokens").then(|| "or dated `prices`; 0 for free".to_owned());
                    self.at_key(Code::MissingKey, &path, format!("{path} has no `{key}`"), hint);
                }
            }
            self.successor(&path, model.superseded_by.as_deref());
        }
    }

    fn successor(&mut self, path: &KeyPath, successor: Option<&str>) {
        if let Some(name) = successor.filter(|name| !self.knows_model(name)) {
            let known = self.known_models();
            self.unknown(Code::UnknownModel, &path.with("superseded_by"), "model", name, &known);
        }
    }

    fn agents(&mut self) {
        for (name, agent) in &self.config.agents {
            let path = KeyPath::of(["agents", name]);
            if !agent.preferred_tool.is_empty() {
                self.tool(&path.with("preferred_tool"), &agent.preferred_tool);
            }
            if !agent.preferred_model.is_empty() {
                self.model(&path.with("preferred_model"), &agent.preferred_model);
                self.preferred_pair(&path, agent);
            }
            self.chain(&path.with("fallback_chain"), agent);
            for (task, model) in &agent.task_types {
                self.model(&path.with("task_types").with(task.as_str()), model);
            }
        }
    }

    fn preferred_pair(&mut self, path: &KeyPath, agent: &Agent) {
        if self.offers(&agent.preferred_tool, &agent.preferred_model) == Some(false) {
            let (tool, model) = (&agent.preferred_tool, &agent.preferred_model);
            let message = format!("{path} prefers {tool} with {model}, which {tool} does not offer");
            let hint = self.offered_by(model);
            self.report(Code::PreferredNotOffered, &path.with("preferred_model"), message, hint);
        }
    }

    fn chain(&mut self, path: &KeyPath, agent: &Agent) {
        let written = self.tree.at_path(&path.0).map(Node::texts).unwrap_or_default();
        for (at, entry) in written.iter().enumerate() {
            let path = path.item(at);
            let Some((tool, model)) = pair(entry) else {
                let message = format!("{path}: `{entry}` is no pair of tool and model");
                self.report(
                    Code::BadFallbackEntry,
                    &path,
                    message,
                    Some("write it as tool:model".to_owned()),
                );
                continue;
            };
            if tool == agent.preferred_tool && model == agent.preferred_model {
                continue;
            }
            if !self.tool(&path, tool) | !self.model(&path, model) {
                continue;
            }
            if self.offers(tool, model) == Some(false) {
                let message = format!("{path}: {tool} does not offer {model}; the entry will not be used");
                let hint = self.offered_by(model);
                self.report(Code::NotOffered, &path, message, hint);
            }
        }
    }

    /// Whether a tool is known; it may be retired or deprecated, which is said.
    fn tool(&mut self, path: &KeyPath, name: &str) -> bool {
        if let Some(tool) = self.config.tools.get(name) {
            let date = tool.retired_date.as_deref().map(|date| format!(" ({date})")).unwrap_or_default();
            if tool.retired {
                let message = format!("{path}: the tool {name} is retired{date}");
                self.report(Code::RetiredInUse, path, message, tool.note.clone());
            } else if tool.deprecated {
                let message = format!("{path}: the tool {name} is deprecated");
                self.report(Code::Deprecated, path, message, tool.note.clone());
            }
            return true;
        }
        if self.catalogue.knows_tool(name) {
            return true;
        }
        let mut known: Vec<String> = self.config.tools.keys().cloned().collect();
        let built_in = self.catalogue.adapters.iter().map(|name| (*name).to_owned());
        known.extend(built_in.filter(|name| !self.config.tools.contains_key(name)));
        self.unknown(Code::UnknownTool, path, "tool", name, &known);
        false
    }

    /// Whether a model is known; it may be retired or deprecated, which is said.
    fn model(&mut self, path: &KeyPath, name: &str) -> bool {
        if let Some(model) = self.config.models.get(name) {
            let successor = model.superseded_by.as_ref().map(|next| format!("use {next}"));
            if model.retired {
                let date = model.retired_date.as_deref().map(|date| format!(" ({date})")).unwrap_or_default();
                let message = format!("{path}: the model {name} is retired{date}");
                self.report(Code::RetiredInUse, path, message, successor);
            } else if model.deprecated {
                self.report(
                    Code::Deprecated,
                    path,
                    format!("{path}: the model {name} is deprecated"),
                    successor,
                );
            }
            return true;
        }
        if self.knows_model(name) {
            return true;
        }
        let known = self.known_models();
        self.unknown(Code::UnknownModel, path, "model", name, &known);
        false
    }

    fn knows_model(&self, name: &str) -> bool {
        let models = &self.config.models;
        models.contains_key(name)
            || models.values().any(|model| model.aliases.iter().any(|alias| alias == name))
            || self.config.tools.values().any(|tool| tool.models.iter().any(|model| model == name))
            || PriceTable::embedded().lookup(name, None, self.now).is_some()
    }

    fn known_models(&self) -> Vec<String> {
        self.config.models.keys().cloned().collect()
    }

    /// Whether a tool offers a model; nothing where only the tool itself knows.
    fn offers(&self, tool: &str, model: &str) -> Option<bool> {
        let tool = self.config.tools.get(tool).filter(|tool| !tool.models.is_empty())?;
        let names = |known: &str| {
            known == model
                || self.config.models.get(known).is_some_and(|m| m.aliases.iter().any(|alias| alias == model))
        };
        Some(tool.models.iter().any(|known| names(known)))
    }

    fn offered_by(&self, model: &str) -> Option<String> {
        let tools = self.config.tools.keys().filter(|tool| self.offers(tool, model) == Some(true));
        let tools: Vec<&str> = tools.map(String::as_str).collect();
        (!tools.is_empty()).then(|| format!("offered by {}", tools.join(", ")))
    }

    fn cost_optimization(&mut self) {
        for list in ["simple_task_models", "complex_task_models"] {
            let path = KeyPath::of(["cost_optimization", list]);
            let models = self.tree.at_path(&path.0).map(Node::texts).unwrap_or_default();
            for (at, model) in models.iter().enumerate() {
                let path = path.item(at);
                // Without tools in the files, whatever is installed may offer it.
                if self.model(&path, model)
                    && !self.config.tools.is_empty()
                    && self.offered_by(model).is_none()
                {
                    let message = format!("{path}: no tool offers {model}; it will not be chosen");
                    self.report(Code::OfferedByNoTool, &path, message, None);
                }
            }
        }
    }

    fn rate_limiting(&mut self) {
        for list in ["max_requests_per_minute", "max_requests_per_hour", "max_tokens_per_minute"] {
            let path = KeyPath::of(["rate_limiting", list]);
            let names: Vec<String> = match self.tree.at_path(&path.0).and_then(Node::map) {
                Some(map) => map.keys().cloned().collect(),
                None => continue,
            };
            for name in names {
                let path = path.with(name.as_str());
                match name.split_once(':') {
                    None => {
                        self.tool(&path, &name);
                    }
                    Some(("model", model)) => {
                        self.model(&path, model);
                    }
                    Some(("provider", _)) => {}
                    Some(_) => {
                        let message = format!("{path} must be a tool, provider:NAME or model:NAME");
                        self.at_key(Code::WrongType, &path, message, None);
                    }
                }
            }
        }
    }
}

/// At most twenty names, and how many more.
fn listed(names: &[String]) -> String {
    let more = names.len().saturating_sub(20);
    let shown = names.iter().take(20).map(String::as_str).collect::<Vec<_>>().join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}
