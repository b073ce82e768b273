//! Keys of MCP servers, and of what holds for all of them.

use super::{COUNT, Key, Kind, SECRETS, TEXTS, key};

const METHODS: &[&str] = &["auto", "ping", "tools_list", "tool_call"];

const HEALTH: &[Key] = &[
    key(
        "method",
        Kind::Choice(METHODS),
        "auto",
        "What is asked; `auto` and `ping`: what its era has for this.",
    ),
    key("interval_seconds", SECONDS, "", "By default `mcp_settings.health_check_interval_seconds`."),
    key("timeout_seconds", Kind::Integer(1, 30), "5", "Seconds to answer."),
    key("failures", Kind::Integer(1, 20), "3", "Checks in a row that fail before it is replaced."),
    key("tool", Kind::Text, "", "Tool that `tool_call` calls."),
    key("args", Kind::Any, "{}", "Arguments of that call."),
];

const LIMITS: &[Key] = &[
    key("memory_mb", COUNT, "", "Mebibytes of memory."),
    key("cpu_percent", COUNT, "", "Per cent of one processor."),
    key("on_exceed", Kind::Choice(&["warn", "restart", "stop"]), "warn", "What happens beyond."),
];

/// An hour at most.
const SECONDS: Kind = Kind::Integer(1, 3_600);
const STARTUP: Kind = Kind::Integer(1, 600);
const RESTART: Kind = Kind::Choice(&["always", "on_failure", "never"]);
const ERA: Kind = Kind::Choice(&["auto", "legacy", "modern"]);

pub(super) const SERVER: &[Key] = &[
    key("command", Kind::Words, "", "Program and arguments, for stdio; `${NAME}` stands for a variable."),
    key("args", TEXTS, "[]", "Appended to the command."),
    key("url", Kind::Secret, "", "Address, for http."),
    key("headers", SECRETS, "{}", "Headers, for http."),
    key("bearer", Kind::Secret, "", "Token, for http: sent as `Authorization: Bearer TOKEN`."),
    key("transport", Kind::Choice(&["stdio", "http"]), "", "Follows from `command` or `url`."),
    key("package", Kind::Text, "", "Shown."),
    key("env", SECRETS, "{}", "For its environment."),
    key(
        "cwd",
        Kind::Text,
        "",
        "Working directory: by default the project for a project's file, else the home directory; a relative path begins there.",
    ),
    key("auto_start", Kind::Bool, "", "By default `mcp_settings.auto_start_default`."),
    key("health_check", Kind::Object(HEALTH), "{}", "How its health is asked."),
    key("restart", RESTART, "on_failure", "When it is started again after it ended."),
    key(
        "restart_on_failure",
        Kind::Bool,
        "",
        "Older: true is `restart: on_failure`, false is `restart: never`.",
    ),
    key("max_restart_attempts", Kind::Integer(1, 10), "3", "Starts within the window."),
    key("restart_window_seconds", COUNT, "600", "The window, in seconds."),
    key("startup_timeout_seconds", STARTUP, "", "By default `mcp_settings.startup_timeout_seconds`."),
    key("request_timeout_seconds", SECONDS, "60", "Seconds for one request."),
    key(
        "shutdown_timeout_seconds",
        Kind::Integer(1, 60),
        "",
        "By default `mcp_settings.shutdown_timeout_seconds`.",
    ),
    key(
        "protocol_era",
        ERA,
        "auto",
        "`legacy` opens it with `initialize`, `modern` without; `auto` asks it.",
    ),
    key("shared", Kind::Bool, "false", "One process for several clients; only for a stateless server."),
    key("tools", TEXTS, "", "The only tools that are allowed."),
    key("required_tools", TEXTS, "[]", "Tools without which it counts as degraded."),
    key("limits", Kind::Object(LIMITS), "{}", "Memory and processor."),
    key("tags", TEXTS, "[]", "For people and filters."),
    key("note", Kind::Text, "", "Shown."),
];

pub(super) const SETTINGS: &[Key] = &[
    key("auto_start_default", Kind::Bool, "false", "Whether servers start by themselves."),
    key("health_check_interval_seconds", SECONDS, "30", "Seconds between health checks."),
    key(
        "startup_timeout_seconds",
        STARTUP,
        "",
        "Seconds to start; by default 60, and 120 for npx, uvx, bunx, pnpm, pipx, docker and podman, which may have to fetch it first.",
    ),
    key("shutdown_timeout_seconds", Kind::Integer(1, 30), "5", "Seconds to stop."),
    key("parallel_starts", Kind::Integer(1, 64), "8", "Servers that are started at the same time."),
    key("log_directory", Kind::Text, "", "By default the state directory."),
];
