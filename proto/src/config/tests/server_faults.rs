//! MCP servers: what is wrong, with its place and advice, and which entry it takes out of use.

use std::time::Duration;

use super::*;

/// Code, document, place, part of the finding.
const WRONG: &[(&str, &str, &str, &str)] = &[
    ("unknown_key", "s: {command: x, protocol_erra: auto}", "2:19", "did you mean `protocol_era`?"),
    ("unknown_key", "s: {command: x, env: {A: {fil: x}}}", "2:29", "did you mean `file`?"),
    ("unknown_key", "s: {command: x, health_check: {interval: 5}}", "2:34", "has no key `interval`"),
    ("wrong_type", "s: {command: x, restart: allways}", "2:28", "did you mean `always`?"),
    ("wrong_type", "s: {command: x, restart: never, restart_on_failure: true}", "2:28", "remove one"),
    ("wrong_type", "s: {command: x, restart: always, restart_on_failure: false}", "2:28", "remove one"),
    ("wrong_type", "s: {command: x, env: {A: {}}}", "2:28", "either `file` or `command`"),
    ("wrong_type", "s: {command: x, env: {A: {file: a, command: b}}}", "2:28", "either `file` or `command`"),
    ("wrong_type", "s: {command: x, env: {A: [b]}}", "2:28", "{file: PATH}"),
    ("wrong_type", "s: {command: x, env: {'A=B': b}}", "2:25", "name of a variable"),
    ("wrong_type", "s: {url: 'http://h', headers: {'A B': b}}", "2:34", "name of a header"),
    ("wrong_type", "s: {url: 'http://h', bearer: '${A}', headers: {authorization: '${B}'}}", "2:24", "both"),
    ("wrong_type", "s: {command: x, url: 'http://h'}", "2:3", "say which"),
    ("wrong_type", "s: {command: x, limits: {on_exceed: kill}}", "2:39", "warn, restart, stop"),
    ("wrong_type", "s: {command: x, health_check: {method: tool_call, tool: t, args: 5}}", "2:68", "mapping"),
    ("wrong_type", "s: 5", "2:6", "mapping"),
    ("wrong_type", "'a/b': {command: x}", "2:3", "name of a server"),
    ("missing_key", "s: {command: x, health_check: {method: tool_call}}", "2:19", "no `tool`"),
    ("missing_key", "s: {command: x, transport: http}", "2:3", "no `url`"),
    ("missing_key", "s: {url: 'http://h', transport: stdio}", "2:3", "no `command`"),
    ("bad_template", "s: {command: ''}", "2:16", "names no program"),
    ("bad_template", "s: {command: []}", "2:16", "names no program"),
    ("bad_template", "s: {command: ['', x]}", "2:16", "names no program"),
    ("bad_template", "s: {command: \"x 'y\"}", "2:16", "open ' quote"),
    ("bad_template", "s: {command: x | y}", "2:16", "needs a shell"),
    ("bad_template", "s: {command: x, env: {A: {command: x && y}}}", "2:38", "needs a shell"),
    ("bad_env_reference", "s: {command: x, env: {A: '${'}}", "2:28", "closing brace"),
    (
        "secret_in_config",
        "s: {url: 'http://h', bearer: sk-ant-api03-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIjKlMnOp}",
        "2:32",
        "${NAME}",
    ),
    ("bad_address", "s: {url: 'ftp://h'}", "2:12", "http://"),
    ("out_of_range", "s: {command: x, startup_timeout_seconds: 601}", "2:44", "from 1 to 600"),
    ("out_of_range", "s: {command: x, request_timeout_seconds: 0}", "2:44", "from 1 to 3600"),
    ("out_of_range", "s: {command: x, shutdown_timeout_seconds: 61}", "2:45", "from 1 to 60"),
    ("out_of_range", "s: {command: x, health_check: {interval_seconds: 3601}}", "2:52", "from 1 to 3600"),
    ("out_of_range", "s: {command: x, health_check: {failures: 21}}", "2:44", "from 1 to 20"),
];

#[test]
fn what_is_wrong_is_said_and_the_entry_is_not_used() {
    let mut wrong = Vec::new();
    for (code, entry, place, part) in WRONG {
        let document = format!("mcp_servers:\n  {entry}\n  good: {{command: fine}}\n");
        let loaded = one("mcp.yaml", &document);
        let errors: Vec<&Diagnostic> = loaded.of(Severity::Error).collect();
        let [finding] = errors.as_slice() else {
            wrong.push(format!("{document}{}", loaded.report(Severity::Error)));
            continue;
        };
        let (said, origin) = (finding.to_string(), finding.origin.as_ref().expect("origin").to_string());
        if finding.code.name() != *code
            || !said.contains(part)
            || origin != format!("config/mcp.yaml:{place}")
        {
            wrong.push(format!("{document}expected {code} {place} {part:?}\n{said}\n"));
        }
        let [bad, good] = loaded.config.mcp.servers.as_slice() else { panic!("{document}") };
        assert!(good.broken.is_none(), "{document}");
        if bad.broken.as_ref().is_none_or(|why| !why.ends_with("(config/mcp.yaml:2)")) {
            wrong.push(format!("{document}{:?}", bad.broken));
        }
        assert!(loaded.refusal().is_none(), "an unused server is no reason: {document}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn settings_out_of_their_limits_are_not_used() {
    let document = "mcp_settings: {parallel_starts: 65, health_check_interval_seconds: 0}\nmcp_servers: {s: {command: x}}\n";
    let loaded = one("mcp.yaml", document);
    assert_eq!(codes(&loaded), ["out_of_range", "out_of_range"]);
    let mcp = &loaded.config.mcp;
    assert_eq!((mcp.settings.parallel_starts, mcp.servers[0].health.interval), (8, Duration::from_secs(30)));
    assert!(mcp.servers[0].broken.is_none());
}

#[test]
fn keys_of_the_other_transport_are_told() {
    let loaded =
        one("mcp.yaml", "mcp_servers:\n  a: {command: x, bearer: '${B}'}\n  b: {url: 'http://h', cwd: x}\n");
    assert_eq!(codes(&loaded), ["not_used", "not_used"]);
}
