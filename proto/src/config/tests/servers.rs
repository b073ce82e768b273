//! MCP servers: every key, every default, layers and trust, and that no secret is shown.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::*;

const KEY: &str = "sk-ant-api03-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIjKlMnOp";

fn loaded(layer: Layer, document: &str) -> Loaded {
    load(&Sources { home: Some("/home/u".into()), ..sources(vec![file(layer, "mcp.yaml", document)]) })
}

fn servers(layer: Layer, document: &str) -> Vec<McpServerConfig> {
    let loaded = loaded(layer, document);
    assert_eq!(loaded.of(Severity::Error).map(ToString::to_string).collect::<Vec<_>>(), [] as [&str; 0]);
    loaded.config.mcp.servers
}

fn server(document: &str) -> McpServerConfig {
    servers(Layer::User, document).into_iter().next().expect("a server")
}

fn text(text: &str) -> SecretText {
    SecretText::Text(text.to_owned())
}

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

const ALL: &str = r#"
mcp_servers:
  full:
    command: "~/bin/serve --root 'my files' ${EXTRA:-a b}"
    args: [--port, 8080]
    package: some-package
    env:
      ZULU: plain-value
      ALPHA: "x ${ALPHA}"
      FILE: {file: secrets/key}
      PROGRAM: {command: [pass, show, it]}
      WORDS: {command: "pass 'show it'"}
    cwd: work
    auto_start: yes
    health_check:
      method: tool_call
      interval_seconds: 3600
      timeout_seconds: 7
      failures: 20
      tool: look
      args: {deep: [1, '1', 2.5, true, no, null, {a: b}], path: /x}
    restart: always
    restart_on_failure: true
    max_restart_attempts: 9
    restart_window_seconds: 60
    startup_timeout_seconds: 600
    request_timeout_seconds: 3600
    shutdown_timeout_seconds: 60
    protocol_era: legacy
    shared: true
    tools: [look, find]
    required_tools: [look]
    limits: {memory_mb: 3, cpu_percent: 150, on_exceed: stop}
    tags: [files, own]
    note: a note
  web:
    url: "${BASE:-https://example.com}/mcp"
    headers: {X-One: "${ONE}", X-Two: {file: ~/two}}
    bearer: {command: [token, get]}
    protocol_era: modern
    health_check: {method: ping}
    restart_on_failure: false
mcp_settings:
  auto_start_default: false
  health_check_interval_seconds: 1
  startup_timeout_seconds: 33
  shutdown_timeout_seconds: 30
  parallel_starts: 64
  log_directory: logs
"#;

#[test]
fn every_key_is_read() {
    let loaded = loaded(Layer::User, ALL);
    assert_eq!(loaded.diagnostics, []);
    let McpConfig { servers, settings } = loaded.config.mcp;
    assert_eq!(settings.log_directory.as_deref(), Some(Path::new("/home/u/logs")));
    assert_eq!(settings.parallel_starts, 64);
    let [full, web] = servers.as_slice() else { panic!("{servers:?}") };
    let command = ["/home/u/bin/serve", "--root", "my files", "${EXTRA:-a b}", "--port", "8080"].map(text);
    let words = |words: &[&str]| SecretText::Command(words.iter().map(|word| (*word).to_owned()).collect());
    let env = [
        ("ZULU", text("plain-value")),
        ("ALPHA", text("x ${ALPHA}")),
        ("FILE", SecretText::File("/home/u/secrets/key".into())),
        ("PROGRAM", words(&["pass", "show", "it"])),
        ("WORDS", words(&["pass", "show it"])),
    ];
    let expected = McpServerConfig {
        name: "full".into(),
        transport: McpTransport::Stdio {
            command: command.to_vec(),
            env: env.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            cwd: Some("/home/u/work".into()),
        },
        auto_start: true,
        restart: RestartPolicy::Always,
        max_restart_attempts: 9,
        restart_window: seconds(60),
        startup_timeout: seconds(600),
        request_timeout: seconds(3600),
        shutdown_timeout: seconds(60),
        health: HealthCheck {
            method: HealthMethod::ToolCall {
                tool: "look".into(),
                args: json!({"deep": [1, "1", 2.5, true, "no", null, {"a": "b"}], "path": "/x"}),
            },
            interval: seconds(3600),
            timeout: seconds(7),
            failures: 20,
        },
        era: EraChoice::Legacy,
        limits: Some(McpLimits {
            memory_bytes: Some(3 * 1024 * 1024),
            cpu_percent: Some(150),
            on_exceed: OnExceed::Stop,
        }),
        required_tools: vec!["look".into()],
        allowed_tools: Some(vec!["look".into(), "find".into()]),
        shared: true,
        tags: vec!["files".into(), "own".into()],
        package: Some("some-package".into()),
        note: Some("a note".into()),
        origin: Some("~/.config/llmctl/mcp.yaml:3".into()),
        broken: None,
    };
    assert!(*full == expected, "{full:#?}\n{expected:#?}");
    let headers = vec![
        ("X-One".to_owned(), text("${ONE}")),
        ("X-Two".to_owned(), SecretText::File("/home/u/two".into())),
        ("Authorization".to_owned(), SecretText::Bearer(Box::new(words(&["token", "get"])))),
    ];
    assert!(web.transport == McpTransport::Http { url: text("${BASE:-https://example.com}/mcp"), headers });
    assert_eq!((web.era, web.restart), (EraChoice::Modern, RestartPolicy::Never));
    assert_eq!((web.startup_timeout, web.shutdown_timeout), (seconds(33), seconds(30)));
    assert_eq!((web.health.interval, &web.health.method), (seconds(1), &HealthMethod::Auto));
}

#[test]
fn defaults() {
    let plain = server("mcp_servers:\n  s: {command: serve}\n");
    let expected = McpServerConfig {
        name: "s".into(),
        transport: McpTransport::Stdio { command: vec![text("serve")], env: vec![], cwd: None },
        auto_start: false,
        restart: RestartPolicy::OnFailure,
        max_restart_attempts: 3,
        restart_window: seconds(600),
        startup_timeout: seconds(60),
        request_timeout: seconds(60),
        shutdown_timeout: seconds(5),
        health: HealthCheck {
            method: HealthMethod::Auto,
            interval: seconds(30),
            timeout: seconds(5),
            failures: 3,
        },
        era: EraChoice::Auto,
        limits: None,
        required_tools: vec![],
        allowed_tools: None,
        shared: false,
        tags: vec![],
        package: None,
        note: None,
        origin: Some("~/.config/llmctl/mcp.yaml:2".into()),
        broken: None,
    };
    assert_eq!(plain, expected);
    for program in ["npx", "uvx", "docker", "bunx", "pnpm", "pipx", "podman", "/usr/bin/npx"] {
        let slow = server(&format!("mcp_servers:\n  s: {{command: [{program}, -y, thing]}}\n"));
        assert_eq!(slow.startup_timeout, seconds(120), "{program}");
    }
    let set = "mcp_settings: {startup_timeout_seconds: 7, auto_start_default: true}\n";
    let set = server(&format!("{set}mcp_servers:\n  s: {{command: npx thing, tools: []}}\n"));
    assert_eq!((set.startup_timeout, set.auto_start), (seconds(7), true));
    assert_eq!(set.allowed_tools, Some(vec![]), "an empty list allows nothing");
    assert_eq!(load(&sources(vec![])).config.mcp, McpConfig::default());
}

#[test]
fn paths_begin_where_the_file_belongs() {
    let cwd = |layer, written: &str| {
        let found = servers(layer, &format!("mcp_servers:\n  s: {{command: x{written}}}\n")).remove(0);
        let McpTransport::Stdio { cwd, .. } = found.transport else { panic!("{found:?}") };
        cwd.map(|cwd| cwd.display().to_string())
    };
    for (layer, written, expected) in [
        (Layer::User, "", None),
        (Layer::Project, "", Some("/p")),
        (Layer::User, ", cwd: a/b", Some("/home/u/a/b")),
        (Layer::Project, ", cwd: ./a/b", Some("/p/a/b")),
        (Layer::Project, ", cwd: .", Some("/p")),
        (Layer::Project, ", cwd: ~/a", Some("/home/u/a")),
        (Layer::Project, ", cwd: '~'", Some("/home/u")),
        (Layer::User, ", cwd: /abs", Some("/abs")),
    ] {
        assert_eq!(cwd(layer, written).as_deref(), expected, "{layer:?} {written}");
    }
}

#[test]
fn entries_of_two_files_are_one_mistake_and_null_takes_one_away() {
    let twice = load(&sources(vec![
        file(Layer::Project, "a.yaml", "mcp_servers:\n  s: {command: x}\n"),
        file(Layer::Project, "b.yaml", "mcp_servers:\n  s: {command: y}\n"),
    ]));
    assert!(twice.config.mcp.servers[0].broken.as_ref().is_some_and(|why| why.contains("defined twice")));
    let gone = load(&sources(vec![
        file(
            Layer::User,
            "a.yaml",
            "mcp_servers:\n  s: {command: x, env: {A: '${A}', B: '${B}'}}\n  t: {command: t}\n",
        ),
        file(Layer::Project, "b.yaml", "mcp_servers:\n  s: {env: {A: null}}\n  t: null\n"),
    ]));
    let [s] = gone.config.mcp.servers.as_slice() else { panic!("{:?}", gone.config.mcp) };
    let McpTransport::Stdio { env, cwd, .. } = &s.transport else { panic!("{s:?}") };
    assert_eq!(env, &[("B".to_owned(), text("${B}"))]);
    assert_eq!(*cwd, None, "its command is the user's");
}

#[test]
fn a_project_that_is_not_trusted_adds_no_server() {
    let user = "mcp_servers:\n  mine: {command: mine}\n";
    let project = "mcp_servers:\n  mine: {command: theirs, env: {A: {command: theirs}}}\n  other: {command: theirs}\nmcp_settings: {auto_start_default: true}\n";
    let both = vec![file(Layer::User, "a.yaml", user), file(Layer::Project, "b.yaml", project)];
    let mut sources = sources(both);
    for trust in [Trust::New, Trust::Changed, Trust::NotOurs("it belongs to user 7".into())] {
        sources.project = Some(Project { dir: "/p/config".into(), root: "/p".into(), trust });
        let mcp = load(&sources).config.mcp;
        let [mine] = mcp.servers.as_slice() else { panic!("{mcp:?}") };
        assert_eq!((mine.target().as_str(), mine.auto_start), ("mine", false));
    }
    sources.project = Some(Project { dir: "/p/config".into(), root: "/p".into(), trust: Trust::Trusted });
    assert_eq!(load(&sources).config.mcp.servers.len(), 2);
}

#[test]
fn what_a_project_runs_and_reads_for_its_secrets_is_shown_before_it_is_trusted() {
    let adds = trust::adds(&one(
        "mcp.yaml",
        "mcp_servers:\n  s: {command: x, env: {A: {command: [pass, it]}, B: {file: ~/key}, C: '${C}'}}\n",
    ));
    assert_eq!(
        adds,
        [
            "server s: x",
            "server s runs `pass it` for A",
            "server s reads ~/key for B",
            "server s sets A, B, C"
        ]
    );
}

#[test]
fn no_secret_is_shown() {
    let document = format!(
        "mcp_servers:\n  a:\n    command: [npx, --api-key, hidden-one, --db, 'postgres://u:hidden-two@h/db', '--x={KEY}', '${{P:-hidden-three}}', --token, '${{T}}']\n    env: {{A: hidden-four, B: 'x hidden-five ${{B}}', C: '${{C:-hidden-six}}', D: {{file: /run/key}}, E: {{command: [pass, --password, hidden-seven]}}}}\n    health_check: {{method: tool_call, tool: t, args: {{token: hidden-eight}}}}\n    note: '{KEY}'\n  b:\n    url: 'https://u:hidden-nine@example.com/mcp?token=hidden-ten&x=1'\n    headers: {{X: hidden-eleven}}\n    bearer: hidden-twelve\n"
    );
    let loaded = loaded(Layer::User, &document);
    for server in &loaded.config.mcp.servers {
        let (shown, target, debug) = (server.shown().to_string(), server.target(), format!("{server:?}"));
        for text in [&shown, &target] {
            assert!(!text.contains("hidden-") && !text.contains("AbCdEf"), "{text}");
        }
        let debug = debug.replace(KEY, "");
        assert!(!debug.contains("hidden-"), "{debug}");
        assert!(target.len() <= 300 && !target.contains('\n'));
    }
    let [a, b] = loaded.config.mcp.servers.as_slice() else { panic!("two") };
    assert_eq!(b.target(), "https://***@example.com/mcp?token=***&x=1");
    let shown = a.shown();
    assert_eq!(shown["env"]["B"], "***${B}");
    assert_eq!(shown["env"]["C"], "${C:-***}");
    assert_eq!(shown["env"]["D"], json!({"file": "/run/key"}));
    assert!(
        a.target().ends_with("'${P:-***}' --token ${T}") || a.target().ends_with("${P:-***} --token ${T}")
    );
    assert_eq!((&shown["transport"], &shown["startup_timeout_seconds"]), (&json!("stdio"), &json!(120)));
    assert_eq!(b.shown()["headers"], json!({"X": "***", "Authorization": "Bearer ***"}));
    // Displays of the configuration itself hide them too.
    let all = to_yaml(&loaded.tree, &KeyPath::default());
    for hidden in ["hidden-four", "hidden-five", "hidden-six", "hidden-eleven", "hidden-twelve"] {
        assert!(!all.contains(hidden), "{all}");
    }
    assert!(all.contains("file: /run/key"), "{all}");
}

#[test]
fn errors_of_values_name_where_they_come_from() {
    let server = server(
        "mcp_servers:\n  s:\n    command: x\n    env: {A: 'secret-one ${GONE}', B: {file: /nowhere/key}, C: {command: [sh, -c, 'echo secret-two; exit 4']}, D: '${SET} ${GONE:-other}'}\n",
    );
    let McpTransport::Stdio { env, .. } = server.transport else { panic!("stdio") };
    let lookup = |name: &str| (name == "SET").then(|| "value".to_owned());
    let said: Vec<String> = env
        .iter()
        .map(|(_, value)| value.expand(&lookup).unwrap_or_else(|error| format!("error: {error}")))
        .collect();
    assert_eq!(said[0], "error: GONE is not set");
    assert!(said[1].starts_with("error: cannot read /nowhere/key: "), "{}", said[1]);
    assert_eq!(said[2], "error: sh ended with exit code 4");
    assert_eq!(said[3], "value other");
}

#[test]
fn a_target_is_one_short_line() {
    let long =
        server(&format!("mcp_servers:\n  s: {{command: [serve, \"a\\nb\", '{}']}}\n", "ä".repeat(400)));
    let target = long.target();
    assert!(target.starts_with("serve 'a b' ä") && target.ends_with('…'), "{target}");
    assert!(target.len() <= 300 && target.len() > 290);
}

proptest::proptest! {
    #[test]
    fn any_command_and_address_can_be_shown(words in proptest::collection::vec("\\PC{0,60}", 1..8), url in "(http://)?[a-z:@/?#&=${}\\-é]{0,400}") {
        let mut server = server("mcp_servers:\n  s: {command: x}\n");
        server.transport = McpTransport::Stdio {
            command: words.iter().map(|word| text(word)).collect(),
            env: vec![],
            cwd: None,
        };
        proptest::prop_assert!(server.target().len() <= 300 && server.shown().is_object());
        server.transport = McpTransport::Http { url: text(&url), headers: vec![] };
        proptest::prop_assert!(server.target().len() <= 300 && server.shown().is_object());
    }
}

#[test]
fn only_how_it_is_reached_needs_a_new_start() {
    let with = |more: &str| server(&format!("mcp_servers:\n  s: {{command: x{more}}}\n"));
    let plain = with("");
    let order = ["A: a, B: b", "B: b, A: a"].map(|env| with(&format!(", env: {{{env}}}")));
    assert!(order[0] != order[1] && !order[0].needs_restart(&order[1]));
    for more in [
        ", args: [y]",
        ", env: {A: '${B}'}",
        ", cwd: /x",
        ", protocol_era: legacy",
        ", env: {A: {file: /x}}",
        ", url: 'http://h', transport: http",
    ] {
        assert!(plain.needs_restart(&with(more)), "{more}");
    }
    for more in [
        "",
        ", tags: [a], note: b, package: c, auto_start: true, shared: true",
        ", restart: never, max_restart_attempts: 9, restart_window_seconds: 5",
        ", startup_timeout_seconds: 9, request_timeout_seconds: 9, shutdown_timeout_seconds: 9",
        ", health_check: {method: tools_list, failures: 9}, limits: {memory_mb: 9}",
        ", required_tools: [a], tools: [a]",
    ] {
        assert!(!plain.needs_restart(&with(more)), "{more}");
    }
}
