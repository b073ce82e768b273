//! The fake MCP server speaks as real ones were recorded to speak, and its faults are those it was told.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

use llmctl_tests::proc;
use llmctl_tests::sandbox::{Sandbox, binary};
use llmctl_tests::wait::{wait_for, wait_until};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);

/// A fake server and both ends of the conversation with it.
struct Server {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Server {
    fn start(sandbox: &Sandbox, options: &[&str]) -> Self {
        let mut command = sandbox.command(binary("fake-mcp"));
        command.args(options).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("it starts");
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().expect("a pipe"));
        Self { child, stdin, stdout: BufReader::new(stdout) }
    }

    fn send(&mut self, message: &Value) {
        writeln!(self.stdin.as_mut().expect("open"), "{message}").expect("it reads");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("a line");
        line
    }

    fn receive(&mut self) -> Value {
        serde_json::from_str(&self.line()).unwrap_or_default()
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.send(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}));
        self.receive()
    }

    /// Closes its input, and gives its exit code.
    fn end(mut self) -> Option<i32> {
        self.stdin = None;
        wait_for(SOON, "its end", || self.child.try_wait().expect("waited for")).code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn meta() -> Value {
    json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}})
}

/// Everything a real answer has, the fake one has in the same type; what is text may differ.
fn assert_alike(fake: &Value, real: &Value, path: &str) {
    match (fake, real) {
        (Value::Object(fake), Value::Object(real)) => {
            for (key, value) in real {
                // What a server offers is its own affair.
                if !["capabilities", "data", "structuredContent", "tools"].contains(&key.as_str()) {
                    let found =
                        fake.get(key).unwrap_or_else(|| panic!("{path}.{key} is missing in {fake:?}"));
                    assert_alike(found, value, &format!("{path}.{key}"));
                }
            }
        }
        (Value::String(fake), Value::String(real)) if path.ends_with("Type") || path.ends_with("Version") => {
            assert_eq!(fake, real, "{path}");
        }
        (Value::Number(fake), Value::Number(real)) => assert_eq!(fake, real, "{path}"),
        _ => assert_eq!(std::mem::discriminant(fake), std::mem::discriminant(real), "{path}: {fake} {real}"),
    }
}

#[test]
fn it_answers_as_the_recorded_servers_did() {
    let sandbox = Sandbox::new();
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/mcp");
    for (file, era) in
        [("server-memory", "legacy"), ("server-time-modern", "dual"), ("server-time-legacy", "dual")]
    {
        let mut server = Server::start(&sandbox, &["--era", era]);
        let text = std::fs::read_to_string(format!("{dir}/{file}.jsonl")).expect("a recording");
        for (number, line) in text.lines().enumerate() {
            let line: Value = serde_json::from_str(line).expect("JSON");
            if line["sent"].is_object() {
                server.send(&line["sent"]);
            } else {
                let answer = server.receive();
                assert_alike(&answer, &line["answer"], &format!("{file}:{}", number + 1));
                if let Some(tools) = line["answer"]["result"]["tools"].as_array() {
                    let fake = &answer["result"]["tools"][0];
                    assert!(tools[0]["name"].is_string() && fake["name"].is_string());
                    assert!(fake["inputSchema"]["type"] == "object" && fake["description"].is_string());
                }
            }
        }
        assert_eq!(server.end(), Some(0));
    }
}

#[test]
fn it_pages_and_never_ends_when_told() {
    let sandbox = Sandbox::new();
    let mut server = Server::start(&sandbox, &["--era", "legacy", "--tools", "92", "--page", "10"]);
    let (mut names, mut cursor, mut pages) = (Vec::new(), json!({}), 0);
    loop {
        let answer = server.ask("tools/list", &cursor)["result"].clone();
        names.extend(answer["tools"].as_array().expect("tools").iter().map(|tool| tool["name"].to_string()));
        pages += 1;
        if answer["nextCursor"].is_null() {
            break;
        }
        cursor = json!({"cursor": answer["nextCursor"]});
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!((names.len(), pages), (100, 10));
    let mut endless = Server::start(&sandbox, &["--endless-cursor"]);
    let answer = endless.ask("tools/list", &json!({"cursor": "0", "_meta": meta()}));
    assert_eq!(answer["result"]["nextCursor"], "0");
    let mut endless = Server::start(&sandbox, &["--endless-pages", "--page", "5"]);
    let answer = endless.ask("tools/list", &json!({"cursor": "500", "_meta": meta()}));
    assert_eq!(answer["result"]["nextCursor"], "505");
}

#[test]
fn it_tells_of_changes_in_both_eras() {
    let sandbox = Sandbox::new();
    let mut legacy = Server::start(&sandbox, &["--era", "legacy"]);
    legacy.ask("initialize", &json!({"protocolVersion": "2025-11-25"}));
    let notice = legacy.ask("tools/call", &json!({"name": "change", "arguments": {}}));
    assert_eq!(notice["method"], "notifications/tools/list_changed");
    let mut modern = Server::start(&sandbox, &["--era", "modern"]);
    let ack = modern
        .ask("subscriptions/listen", &json!({"_meta": meta(), "notifications": {"toolsListChanged": true}}));
    assert_eq!(ack["method"], "notifications/subscriptions/acknowledged");
    let notice = modern.ask("tools/call", &json!({"name": "change", "arguments": {}, "_meta": meta()}));
    assert_eq!(notice["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 1);
    let mut storm = Server::start(&sandbox, &["--era", "legacy", "--storm", "1000"]);
    storm.ask("initialize", &json!({"protocolVersion": "2025-11-25"}));
    storm.send(&json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}));
    let notices =
        (0..1000).filter(|_| storm.receive()["method"] == "notifications/tools/list_changed").count();
    assert_eq!((notices, storm.receive()["id"].clone()), (1000, json!(2)));
}

#[test]
fn its_ends_are_those_it_was_told() {
    let sandbox = Sandbox::new();
    let starts = sandbox.path("tmp/starts").display().to_string();
    let crash = ["--crash-at-start", "7", "--crash-times", "2", "--starts", &starts];
    let codes: Vec<Option<i32>> = (0..3).map(|_| Server::start(&sandbox, &crash).end()).collect();
    assert_eq!(codes, [Some(7), Some(7), Some(0)]);
    let mut unknown = Server::start(&sandbox, &["--exit-on-unknown", "--era", "legacy"]);
    unknown.ask("ping", &json!({}));
    assert_eq!(unknown.end(), Some(3));
    let mut after = Server::start(&sandbox, &["--exit-after-handshake", "--era", "legacy"]);
    after.ask("initialize", &json!({}));
    after.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    assert_eq!(after.end(), Some(4));
    let mut exit = Server::start(&sandbox, &[]);
    exit.ask("tools/call", &json!({"name": "exit", "arguments": {"code": 9}}));
    assert_eq!(exit.end(), Some(9));
    let mut silent = Server::start(&sandbox, &["--silent-discover", "--era", "legacy"]);
    silent.send(&json!({"jsonrpc": "2.0", "id": 5, "method": "server/discover"}));
    assert_eq!(silent.ask("ping", &json!({}))["id"], 1);
}

#[test]
fn it_stays_when_told_and_floods_in_whole_lines() {
    let sandbox = Sandbox::new();
    let pids = sandbox.path("tmp/pids").display().to_string();
    let words = [
        "--ignore-term",
        "--ignore-eof",
        "--noise-stdout",
        "1",
        "--huge-line",
        "3000000",
        "--grandchild",
        "setsid",
        "--grandchild-holds-stdout",
        "--grandchild-pids",
        &pids,
    ];
    let mut server = Server::start(&sandbox, &words);
    let child = proc::stat(server.child.id() as i32).expect("it runs").identity;
    server.send(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}));
    let (mut noise, mut longest) = (0, 0);
    loop {
        let line = server.line();
        longest = longest.max(line.len());
        match serde_json::from_str::<Value>(&line) {
            Ok(message) if message["id"] == 1 => break,
            Ok(_) => {}
            Err(_) => noise += usize::from(line.starts_with("debug: ")),
        }
    }
    assert!(noise > 0 && longest > 3_000_000, "{noise} {longest}");
    server.stdin = None;
    proc::signal(child, rustix::process::Signal::TERM);
    let asleep = || proc::stat(child.pid).is_some_and(|stat| stat.state == 'S');
    wait_until(SOON, "it to go on", || asleep() && proc::is_alive(child));
    let stray: i32 = std::fs::read_to_string(&pids).expect("noted").trim().parse().expect("a pid");
    let stray = proc::stat(stray).expect("it runs");
    assert_eq!(stray.session, stray.identity.pid);
    proc::signal(stray.identity, rustix::process::Signal::KILL);
    drop(server);
    sandbox.wait_empty(SOON);
}
