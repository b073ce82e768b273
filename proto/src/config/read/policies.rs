//! Policies and their budgets, the two of the old form included, each with the setting that a hint can name.

use super::{amount, money, number, text, texts, truth};
use crate::config::diagnostic::KeyPath;
use crate::config::layers::Layered;
use crate::config::node::{Entry, Node, Value};
use crate::config::{Budget, BudgetPeriod, BudgetScope, Fallback, LimitKind, Policy, Table};
use crate::money::PicoUsd;

/// Day budget of a policy that does not mention one: 10 dollars.
const DEFAULT_DAY: PicoUsd = PicoUsd(10_000_000_000_000);
/// Where warnings begin.
const DEFAULT_THRESHOLD: u8 = 80;

/// Reads the policies of a tree.
pub(in crate::config) fn read(tree: &Node, layered: &Layered) -> Table<Policy> {
    let entries = tree.get("policies").and_then(Node::map).into_iter().flatten();
    let some = entries.filter(|(_, entry)| entry.node.value != Value::Null);
    some.map(|(name, entry)| (name.clone(), Reader { name, entry, layered }.policy())).collect()
}

struct Reader<'a> {
    name: &'a str,
    entry: &'a Entry,
    layered: &'a Layered,
}

impl Reader<'_> {
    fn policy(&self) -> Policy {
        let node = &self.entry.node;
        let default = Policy::default();
        Policy {
            budgets: self.budgets(),
            prefer_cheaper_under_tokens: number(node, "prefer_cheaper_models_under_tokens"),
            auto_fallback_on_rate_limit: truth(node, "auto_fallback_on_rate_limit", true),
            log_prompts: truth(node, "log_prompts", false),
            log_metadata: truth(node, "log_metadata", true),
            require_justification_over: money(node, "require_justification_over_usd"),
            timezone: self.timezone(),
            max_cost: money(node, "max_cost_usd"),
            downgrade_on_budget: truth(node, "downgrade_on_budget", false),
            allow_models: texts(node, "allow_models"),
            deny_models: texts(node, "deny_models"),
            allow_providers: texts(node, "allow_providers"),
            deny_providers: texts(node, "deny_providers"),
            fallback: node.get("fallback").map_or(default.fallback, fallback),
        }
    }

    fn timezone(&self) -> String {
        let zone = text(&self.entry.node, "timezone").filter(|zone| crate::config::zone_exists(zone));
        zone.unwrap_or_else(|| "UTC".to_owned())
    }

    fn budgets(&self) -> Vec<Budget> {
        let node = &self.entry.node;
        let limit = node.get("limit");
        let kind = limit.map_or(LimitKind::Soft, kind_of);
        let threshold = limit.map_or(DEFAULT_THRESHOLD, threshold_of);
        let whole = |key: &str, period, limit| Budget {
            scope: BudgetScope::All,
            name: None,
            period,
            limit,
            kind,
            threshold_percent: threshold,
            timezone: self.timezone(),
            policy: self.name.to_owned(),
            setting: self.setting(&[key]),
        };
        // `null` is a decision for no budget; only a policy that does not mention it has the default.
        let day = match node.map().and_then(|map| map.get("daily_budget_usd")) {
            Some(Entry { node: Node { value: Value::Null, .. }, .. }) => None,
            Some(entry) => Some(amount(&entry.node, 9).unwrap_or(DEFAULT_DAY)),
            None => Some(DEFAULT_DAY),
        };
        let mut budgets: Vec<Budget> =
            day.map(|limit| whole("daily_budget_usd", BudgetPeriod::Day, limit)).into_iter().collect();
        let month = money(node, "monthly_budget_usd");
        budgets.extend(month.map(|limit| whole("monthly_budget_usd", BudgetPeriod::Month, limit)));
        let further = node.get("budgets").and_then(Node::items).unwrap_or_default();
        budgets.extend(further.iter().enumerate().filter_map(|(at, node)| self.further(at, node)));
        budgets
    }

    fn further(&self, at: usize, node: &Node) -> Option<Budget> {
        let scope = match node.get("scope")?.text()? {
            "all" => BudgetScope::All,
            "project" => BudgetScope::Project,
            "model" => BudgetScope::Model,
            "agent" => BudgetScope::Agent,
            "tool" => BudgetScope::Tool,
            "provider" => BudgetScope::Provider,
            _ => return None,
        };
        let period = match node.get("period")?.text()? {
            "operation" => BudgetPeriod::Operation,
            "day" => BudgetPeriod::Day,
            "month" => BudgetPeriod::Month,
            _ => return None,
        };
        Some(Budget {
            scope,
            name: text(node, "name"),
            period,
            limit: money(node, "limit_usd")?,
            kind: kind_of(node),
            threshold_percent: threshold_of(node),
            timezone: self.timezone(),
            policy: self.name.to_owned(),
            setting: self.setting(&["budgets", &format!("[{at}]"), "limit_usd"]),
        })
    }

    /// `policies.default.daily_budget_usd (config/policies.yaml:7)`.
    fn setting(&self, keys: &[&str]) -> String {
        let path = KeyPath::of(["policies", self.name].iter().chain(keys).copied());
        match self.entry.node.at_path(keys).and_then(|node| self.layered.origin(node.at)) {
            Some(origin) => format!("{path} ({})", origin.short()),
            None => format!("{path} (default)"),
        }
    }
}

fn kind_of(node: &Node) -> LimitKind {
    match node.get("type").and_then(Node::text) {
        Some("hard") => LimitKind::Hard,
        _ => LimitKind::Soft,
    }
}

fn threshold_of(node: &Node) -> u8 {
    number(node, "threshold_percent").filter(|percent| *percent <= 100).unwrap_or(DEFAULT_THRESHOLD)
}

fn fallback(node: &Node) -> Fallback {
    let default = Fallback::default();
    Fallback {
        on: node.get("on").map_or(default.on, Node::texts),
        max_attempts: number(node, "max_attempts").unwrap_or(default.max_attempts),
        retries: number(node, "retries").unwrap_or(default.retries),
        retry_delay_s: number(node, "retry_delay_s").unwrap_or(default.retry_delay_s),
        max_wait_s: number(node, "max_wait_s").unwrap_or(default.max_wait_s),
    }
}
