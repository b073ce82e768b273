//! The sections that are no tables of names.

use super::{number, number_map, text, texts, truth};
use crate::config::node::Node;
use crate::config::{
    Concurrency, CostOptimization, Daemon, Http, Policy, RateLimiting, Retention, Routing, StopGrace, Table,
};

/// Lets every policy that does not say otherwise keep prompts, as `telemetry.privacy_level: full` asks.
pub(super) fn keep_prompts(tree: &Node, policies: &mut Table<Policy>, default_policy: &str) {
    for (name, policy) in policies.iter_mut() {
        policy.log_prompts |= tree.at_path(&["policies", name, "log_prompts"]).is_none();
    }
    if !policies.contains_key(default_policy) {
        let keeping = Policy { log_prompts: true, ..Policy::default() };
        policies.insert(default_policy.to_owned(), keeping);
    }
}

pub(super) fn cost_optimization(tree: &Node) -> CostOptimization {
    let default = CostOptimization::default();
    let Some(node) = tree.get("cost_optimization") else { return default };
    CostOptimization {
        simple_task_threshold_tokens: number(node, "simple_task_threshold_tokens")
            .unwrap_or(default.simple_task_threshold_tokens),
        simple_task_models: texts(node, "simple_task_models"),
        complex_task_models: texts(node, "complex_task_models"),
    }
}

pub(super) fn rate_limiting(tree: &Node) -> RateLimiting {
    let Some(node) = tree.get("rate_limiting") else { return RateLimiting::default() };
    RateLimiting {
        max_requests_per_minute: number_map(node, "max_requests_per_minute"),
        max_requests_per_hour: number_map(node, "max_requests_per_hour"),
        max_tokens_per_minute: number_map(node, "max_tokens_per_minute"),
    }
}

pub(super) fn routing(tree: &Node) -> Routing {
    let default = Routing::default();
    let Some(node) = tree.get("routing") else { return default };
    Routing {
        use_catalogue: node.get("use_catalogue").and_then(Node::bool),
        reserve_output_tokens: number(node, "reserve_output_tokens").unwrap_or(default.reserve_output_tokens),
        estimate_from_history: node.get("estimate").and_then(Node::text) != Some("size"),
    }
}

pub(super) fn daemon(tree: &Node) -> Daemon {
    let default = Daemon::default();
    let Some(node) = tree.get("daemon") else { return default };
    let levels = ["error", "warn", "info", "debug", "trace"];
    let level = text(node, "log_level").filter(|level| levels.contains(&level.as_str()));
    Daemon {
        autostart: truth(node, "autostart", default.autostart),
        idle_exit_s: number(node, "idle_exit_s").unwrap_or(default.idle_exit_s),
        log_level: level.unwrap_or(default.log_level),
        http: node.get("http").map_or(default.http, http),
        concurrency: node.get("concurrency").map_or(default.concurrency, concurrency),
        stop: node.get("stop").map_or(default.stop, stop),
        retention: node.get("retention").map_or(default.retention, retention),
        history_enabled: node.get("history").is_none_or(|history| truth(history, "enabled", true)),
        shutdown_s: number(node, "shutdown_s").unwrap_or(default.shutdown_s),
    }
}

fn http(node: &Node) -> Http {
    let default = Http::default();
    Http {
        enabled: truth(node, "enabled", default.enabled),
        host: text(node, "host").unwrap_or(default.host),
        port: number(node, "port").filter(|port| *port > 0),
        allowed_hosts: texts(node, "allowed_hosts"),
    }
}

fn concurrency(node: &Node) -> Concurrency {
    Concurrency {
        total: number(node, "total").unwrap_or(Concurrency::default().total),
        per_tool: number_map(node, "per_tool"),
        per_provider: number_map(node, "per_provider"),
    }
}

fn stop(node: &Node) -> StopGrace {
    let default = StopGrace::default();
    StopGrace {
        interrupt_grace_s: number(node, "interrupt_grace_s").unwrap_or(default.interrupt_grace_s),
        terminate_grace_s: number(node, "terminate_grace_s").unwrap_or(default.terminate_grace_s),
    }
}

fn retention(node: &Node) -> Retention {
    let default = Retention::default();
    Retention {
        events_days: number(node, "events_days").unwrap_or(default.events_days),
        output_days: number(node, "output_days").unwrap_or(default.output_days),
        output_max_mb: number(node, "output_max_mb").unwrap_or(default.output_max_mb),
        server_log_mb: number(node, "server_log_mb").unwrap_or(default.server_log_mb),
    }
}
