//! A project may lower a user's hard limits and never raise them.
//!
//! The user's policies are read without the project and compared with the result: a hard budget that is gone,
//! softer or larger comes back as the user wrote it. Policies that only the project brings, or selects, inherit
//! the hard budgets of the user's default policy.

use super::diagnostic::{Code, Diagnostic, KeyPath};
use super::layers::Layered;
use super::node::{Node, Place};
use super::read;
use super::{Budget, Config, LimitKind, Policy, Table};

/// Restores what the project raised; each is a finding.
pub(super) fn keep(config: &mut Config, layered: &Layered, findings: &mut Vec<Diagnostic>) {
    let Some(own) = &layered.own else { return };
    let mine = read::policies(own, layered);
    for (name, policy) in &mine {
        match config.policies.get_mut(name) {
            Some(merged) => restore(name, policy, merged, &layered.tree, findings),
            None => {
                config.policies.insert(name.clone(), policy.clone());
            }
        }
    }
    let default = own.get("default_policy").and_then(Node::text).unwrap_or("default");
    let Some(base) = mine.get(default) else { return };
    for name in selected_by_project(config, own, &mine) {
        // A policy that nobody defines is built in and limits nothing.
        let merged = config.policies.entry(name.clone()).or_default();
        restore(&name, base, merged, &layered.tree, findings);
    }
}

/// Policies that are there, or are chosen, because of the project.
fn selected_by_project(config: &Config, own: &Node, mine: &Table<Policy>) -> Vec<String> {
    let mut names: Vec<String> =
        config.policies.keys().filter(|name| !mine.contains_key(*name)).cloned().collect();
    let own_default = own.get("default_policy").and_then(Node::text).unwrap_or("default");
    if config.default_policy != own_default {
        names.push(config.default_policy.clone());
    }
    for (name, agent) in &config.agents {
        let same = own.at_path(&["agents", name, "policy"]).and_then(Node::text) == agent.policy.as_deref();
        names.extend(agent.policy.clone().filter(|_| !same));
    }
    names.sort();
    names.dedup();
    names
}

fn restore(name: &str, own: &Policy, merged: &mut Policy, tree: &Node, findings: &mut Vec<Diagnostic>) {
    for budget in own.budgets.iter().filter(|budget| budget.kind == LimitKind::Hard) {
        let same = |other: &Budget| {
            (other.scope, &other.name, other.period) == (budget.scope, &budget.name, budget.period)
        };
        let strict = |other: &Budget| {
            same(other)
                && other.kind == LimitKind::Hard
                && other.limit <= budget.limit
                && other.timezone == budget.timezone
        };
        if merged.budgets.iter().any(strict) {
            continue;
        }
        merged.budgets.retain(|other| !same(other) || other.limit < budget.limit);
        merged.budgets.push(Budget { policy: name.to_owned(), ..budget.clone() });
        let path = KeyPath::of(["policies", name]);
        let at = tree.at_path(&path.0).map_or_else(Place::default, |_| super::cross::key_place(tree, &path));
        let message = format!(
            "the project cannot lift a hard limit: {} stays at {} for policy {name}",
            budget.setting, budget.limit
        );
        findings.push(Diagnostic::new(Code::BudgetKept, &path, at, message));
    }
    merged.max_cost = match (own.max_cost, merged.max_cost) {
        (Some(own), Some(merged)) => Some(own.min(merged)),
        (own, merged) => own.or(merged),
    };
}
