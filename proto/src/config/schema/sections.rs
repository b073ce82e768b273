//! Keys of the sections that are no tables of names.

use super::{COUNT, Key, Kind, NUMBER, TEXTS, TOKENS, key};

pub(super) const COST: &[Key] = &[
    key("simple_task_threshold_tokens", TOKENS, "1500", "Input tokens below which a prompt is small."),
    key("simple_task_models", TEXTS, "[]", "For small prompts."),
    key("complex_task_models", TEXTS, "[]", "For large prompts without an agent."),
];

pub(super) const RATES: &[Key] = &[
    key("max_requests_per_minute", Kind::MapOf(&COUNT), "{}", "By tool, `provider:NAME` or `model:NAME`."),
    key("max_requests_per_hour", Kind::MapOf(&COUNT), "{}", "By tool, `provider:NAME` or `model:NAME`."),
    key("max_tokens_per_minute", Kind::MapOf(&TOKENS), "{}", "By tool, `provider:NAME` or `model:NAME`."),
];

pub(super) const ROUTING: &[Key] = &[
    key(
        "use_catalogue",
        Kind::Bool,
        "",
        "Every installed pair is a candidate; by default only without an agent.",
    ),
    key("reserve_output_tokens", TOKENS, "8192", "Output tokens reserved when nothing is known."),
    key("estimate", Kind::Choice(&["history", "size"]), "history", "What estimates are made from."),
];

const HTTP: &[Key] = &[
    key("enabled", Kind::Bool, "true", "Whether it may be started."),
    key("host", Kind::Text, "127.0.0.1", "Address."),
    key("port", Kind::Integer(1, 65_535), "", "Port; by default 8080 or the next free one up to 8089."),
    key("allowed_hosts", TEXTS, "[]", "Host names accepted besides loopback's."),
];

const CONCURRENCY: &[Key] = &[
    key("total", NUMBER, "4", "Operations at once; 0 for no limit."),
    key("per_tool", Kind::MapOf(&COUNT), "{}", "Operations at once by tool."),
    key("per_provider", Kind::MapOf(&COUNT), "{}", "Operations at once by provider."),
];

const STOP: &[Key] = &[
    key("interrupt_grace_s", Kind::Integer(0, 600), "10", "Seconds between the interrupt and the next step."),
    key("terminate_grace_s", Kind::Integer(0, 600), "5", "Seconds between the second step and the kill."),
];

const RETENTION: &[Key] = &[
    key("events_days", NUMBER, "30", "Days that events are kept; 0 for ever."),
    key("output_days", NUMBER, "30", "Days that recorded output is kept; 0 for ever."),
    key("output_max_mb", NUMBER, "2048", "Mebibytes of recorded output; 0 for no limit."),
    key("server_log_mb", NUMBER, "8", "Mebibytes of each MCP server's log."),
];

const HISTORY: &[Key] = &[key("enabled", Kind::Bool, "true", "Whether a history is kept at all.")];

pub(super) const DAEMON: &[Key] = &[
    key("autostart", Kind::Bool, "true", "The first command that wants the daemon starts it."),
    key("idle_exit_s", NUMBER, "0", "Seconds without work after which it leaves; 0 for never."),
    key("log_level", LOG_LEVEL, "info", "Least severity that is logged."),
    key("http", Kind::Object(HTTP), "{}", "The dashboard's gateway."),
    key("concurrency", Kind::Object(CONCURRENCY), "{}", "Operations at once."),
    key("stop", Kind::Object(STOP), "{}", "Grace between the steps of a stop."),
    key("retention", Kind::Object(RETENTION), "{}", "What is kept, and how long."),
    key("history", Kind::Object(HISTORY), "{}", "The history of operations."),
    key("shutdown_s", Kind::Integer(1, 600), "10", "Seconds for its own shutdown."),
];

const LOG_LEVEL: Kind = Kind::Choice(&["error", "warn", "info", "debug", "trace"]);

const LANES: &[Key] = &[
    key("inbox", Kind::Text, "inbox", "New tasks."),
    key("assigned", Kind::Text, "assigned", "Tasks with an agent."),
    key("done", Kind::Text, "done", "Finished tasks."),
    key("archive", Kind::Text, "archive", "Old tasks."),
    key("fridge", Kind::Text, "fridge", "Tasks that wait."),
];

const WIP: &[Key] = &[
    key("per_agent", NUMBER, "0", "Tasks in progress of one agent; 0 for no limit."),
    key("in_progress", NUMBER, "0", "Tasks in progress in all; 0 for no limit."),
    key("enforce", Kind::Bool, "false", "Refuse beyond instead of warning."),
];

pub(super) const TASKS: &[Key] = &[
    key("roots", TEXTS, "[work/collaboration]", "Directories with task files, in each project."),
    key("lanes", Kind::Object(LANES), "{}", "Names of the directories below."),
    key("exclude", TEXTS, "[backups]", "Directories that are not read."),
    key("agent_aliases", Kind::MapOf(&Kind::Text), "{}", "Other names of agents."),
    key("wip", Kind::Object(WIP), "{}", "Limits of work in progress."),
    key("stalled_after_s", NUMBER, "7200", "Seconds after which a task counts as stalled."),
    key("write_cost", Kind::Bool, "false", "Whether an operation's cost is written into its task file."),
];

pub(super) const TELEMETRY: &[Key] = &[
    key("enabled", Kind::Bool, "true", "Read as `daemon.history.enabled`."),
    key("db_path", Kind::Text, "", "Not used."),
    key("privacy_level", Kind::Choice(&["metadata", "full", "none"]), "metadata", "full keeps prompts."),
    key("retention_days", NUMBER, "30", "Read as `daemon.retention.events_days`."),
];

pub(super) const SERVICE: &[Key] = &[
    key("name", Kind::Text, "", "Not used."),
    key("version", Kind::Text, "", "Not used."),
    key("log_level", Kind::Text, "", "Read as `daemon.log_level`."),
];
