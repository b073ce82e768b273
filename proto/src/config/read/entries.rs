//! Agents, tools, models and providers.

use super::{money, number, text, text_map, texts, truth};
use crate::config::node::Node;
use crate::config::{Agent, ChainEntry, Model, Provider, Tool};

/// Splits `tool:model` at the first colon; a model's own name may have more.
pub(in crate::config) fn pair(entry: &str) -> Option<(&str, &str)> {
    let (tool, model) = entry.split_once(':')?;
    let (tool, model) = (tool.trim(), model.trim());
    (!tool.is_empty() && !model.is_empty()).then_some((tool, model))
}

pub(super) fn agent(node: &Node) -> Agent {
    let preferred_tool = text(node, "preferred_tool").unwrap_or_default();
    let preferred_model = text(node, "preferred_model").unwrap_or_default();
    let written = texts(node, "fallback_chain");
    let entry = |(at, entry): (usize, &String)| {
        let (tool, model) = pair(entry)?;
        let preferred = tool == preferred_tool && model == preferred_model;
        let place = u32::try_from(at + 1).unwrap_or(u32::MAX);
        (!preferred).then(|| ChainEntry { tool: tool.to_owned(), model: model.to_owned(), place })
    };
    Agent {
        fallback_chain: written.iter().enumerate().filter_map(entry).collect(),
        chain_length: u32::try_from(written.len()).unwrap_or(u32::MAX),
        task_types: text_map_in_order(node),
        policy: text(node, "policy"),
        cost_optimization: truth(node, "cost_optimization", true),
        require: texts(node, "require"),
        max_cost: money(node, "max_cost_usd"),
        env_vars: text_map(node, "env_vars"),
        role: text(node, "role"),
        timeout_s: number(node, "timeout_s"),
        preferred_tool,
        preferred_model,
        broken: None,
    }
}

fn text_map_in_order(node: &Node) -> crate::config::Table<String> {
    let entries = super::entries_of(node, "task_types");
    entries.filter_map(|(name, node)| Some((name.clone(), node.text()?.to_owned()))).collect()
}

pub(super) fn tool(node: &Node) -> Tool {
    let system = if cfg!(target_os = "macos") { "macos" } else { "linux" };
    Tool {
        binary: text(node, "binary").unwrap_or_default(),
        command_template: text(node, "command_template"),
        binary_path: text(node, "binary_path"),
        platform_path: node.get("platforms").and_then(|platforms| text(platforms, system)),
        models: texts(node, "models"),
        capabilities: texts(node, "capabilities"),
        env_vars: text_map(node, "env_vars"),
        env_required: texts(node, "env_required"),
        timeout_s: number(node, "timeout"),
        note: text(node, "note"),
        deprecated: truth(node, "deprecated", false),
        retired: truth(node, "retired", false),
        retired_date: text(node, "retired_date"),
        adapter: text(node, "adapter"),
        parser: text(node, "parser"),
        provider: text(node, "provider"),
        args: texts(node, "args"),
        max_concurrent: number(node, "max_concurrent"),
        stall_s: number(node, "stall_s").unwrap_or(0),
        untrusted: false,
        broken: None,
    }
}

pub(super) fn model(node: &Node) -> Model {
    Model {
        provider: text(node, "provider").unwrap_or_default(),
        aliases: texts(node, "aliases"),
        context_window: number(node, "context_window"),
        max_output_tokens: number(node, "max_output_tokens"),
        task_suitability: texts(node, "task_suitability"),
        note: text(node, "note"),
        deprecated: truth(node, "deprecated", false),
        superseded_by: text(node, "superseded_by"),
        retired: truth(node, "retired", false),
        retired_date: text(node, "retired_date"),
        broken: None,
    }
}

pub(super) fn provider(node: &Node) -> Provider {
    Provider {
        base_url: text(node, "base_url"),
        api: text(node, "api"),
        api_key_env: text(node, "api_key_env"),
        headers: text_map(node, "headers"),
        max_concurrent: number(node, "max_concurrent"),
        max_requests_per_minute: number(node, "max_requests_per_minute"),
        max_tokens_per_minute: number(node, "max_tokens_per_minute"),
        timeout_connect_s: number(node, "timeout_connect_s").unwrap_or(10),
        timeout_idle_s: number(node, "timeout_idle_s").unwrap_or(120),
    }
}
