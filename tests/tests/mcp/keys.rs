//! What the configuration of a server can say, and that it does what it says: limits, required and allowed tools,
//! secrets from files and programs, credentials that are refused.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use llmctl_tests::proc;
use llmctl_tests::rack::{Rack, each_second, fake, server, with};
use llmctl_tests::sandbox::binary;
use llmctl_tests::stage::SOON;
use llmctl_tests::wait::{wait_for, wait_until};
use serde_json::{Value, json};

/// Memory that a fake server takes, in mebibytes, and a limit far below.
const TAKES: &str = "80";
const LIMIT_MB: u64 = 40;
/// What is looked at every second, and limits every five.
const SLOW: Duration = Duration::from_secs(40);

fn limited(on_exceed: &str, options: &[&str]) -> Value {
    let limits = json!({"limits": {"memory_mb": LIMIT_MB, "on_exceed": on_exceed}});
    with(with(fake(options), &each_second()), &limits)
}

fn reasons(shown: &Value) -> String {
    shown["reasons"].to_string()
}

#[test]
fn a_memory_limit_warns_replaces_or_stops() {
    let rack = Rack::new(&[
        ("warn", limited("warn", &["--memory", TAKES])),
        ("restart", with(limited("restart", &["--memory", TAKES]), &json!({"max_restart_attempts": 1}))),
        ("stop", limited("stop", &["--memory", TAKES])),
        ("small", limited("restart", &[])),
    ]);
    for name in ["warn", "restart", "stop", "small"] {
        rack.mcp(&["start", name]).expect_code(0);
    }
    let small = rack.process("small");
    let warned = rack.wait_state_for(SLOW, "warn", &["degraded"]);
    assert!(reasons(&warned).contains("its limit is 40 MiB"), "{warned:#}");
    let stopped = rack.wait_state_for(SLOW, "stop", &["failed"]);
    assert!(stopped["last_error"].to_string().contains("40 MiB"), "{stopped:#}");
    assert_eq!(rack.wait_event("stop", "mcp.server.failed", 0)["data"]["cause"], "limit");
    assert_eq!(rack.wait_event("restart", "mcp.server.restarting", 0)["data"]["cause"], "limit");
    // It takes as much again, and is given up.
    rack.wait_state_for(SLOW, "restart", &["crash_loop"]);
    assert!(proc::is_alive(small), "one within its limit is left alone");
    for name in ["warn", "restart", "stop", "small"] {
        rack.stop(name);
    }
    rack.assert_none_left();
}

#[test]
fn a_processor_limit_is_an_average_of_ten_seconds() {
    let busy = with(
        with(fake(&["--burn"]), &each_second()),
        &json!({"limits": {"cpu_percent": 20, "on_exceed": "warn"}}),
    );
    let rack = Rack::one(busy);
    rack.start("one");
    let shown = rack.wait_state_for(SLOW, "one", &["degraded"]);
    assert!(reasons(&shown).contains("its limit is 20 %"), "{shown:#}");
    rack.stop("one");
    rack.assert_none_left();
}

#[test]
fn required_tools_are_looked_for_and_others_not_allowed() {
    let needs = with(fake(&[]), &json!({"required_tools": ["echo", "added-0001"]}));
    let few = with(fake(&[]), &json!({"tools": ["echo", "pid"]}));
    let rack = Rack::new(&[("needs", needs), ("few", few)]);
    let shown = rack.start("needs");
    assert_eq!(
        (&shown["state"], &shown["required_tools_missing"]),
        (&json!("degraded"), &json!(["added-0001"]))
    );
    // What was missing comes, and all is well.
    rack.call("needs", "change", &json!({}));
    let shown = rack.wait_state("needs", &["running"]);
    assert_eq!(shown["required_tools_missing"], json!([]), "{shown:#}");
    let shown = rack.start("few");
    assert_eq!(shown["tools_count"], 2, "{shown:#}");
    assert!(rack.call("few", "echo", &json!({"a": 1})).contains('1'));
    let refused = rack.mcp(&["call", "few", "fail", "{}"]).expect_code(2);
    assert!(refused.stderr_text().contains("do not name it"), "{}", refused.stderr_text());
    rack.stop("needs");
    rack.stop("few");
    rack.assert_none_left();
}

#[test]
fn secrets_come_from_files_and_programs_and_are_seen_nowhere() {
    let rack = Rack::new(&[]);
    let (file, note) = rack.note("env.json");
    let secret = rack.stage.sandbox.write("secret.txt", "from-a-file-a1b2c3d4\n");
    let program = rack.stage.sandbox.script("vault", "echo from-a-program-e5f6a7b8");
    let keys =
        json!({"env": {"A": {"file": secret}, "B": {"command": [program]}, "C": "${NOWHERE:-otherwise}"}});
    let line = format!("echo key is $A >&2; exec '{}' --env-dump '{note}'", binary("fake-mcp").display());
    let says = with(server(&["/bin/sh", "-c", &line]), &keys);
    let missing = with(fake(&[]), &json!({"env": {"A": "${NO_SUCH_VARIABLE}"}}));
    rack.configure(&[("one", says), ("missing", missing)], &json!({}));
    rack.start("one");
    let seen: Value = serde_json::from_slice(&std::fs::read(&file).expect("written")).expect("JSON");
    assert_eq!(
        [&seen["A"], &seen["B"], &seen["C"]],
        [&json!("from-a-file-a1b2c3d4"), &json!("from-a-program-e5f6a7b8"), &json!("otherwise")]
    );
    let logged = wait_for(SOON, "a line of its log", || {
        let text = rack.mcp(&["logs", "one"]).expect_code(0).stdout_text();
        text.contains("key is").then_some(text)
    });
    let told = [
        logged,
        rack.show("one").to_string(),
        rack.mcp(&["status", "one"]).expect_code(0).stdout_text(),
        rack.mcp(&["doctor", "one"]).expect_code(0).stdout_text(),
        format!("{:?}", rack.stage.events(&["--after", "0"])),
    ];
    for text in told {
        assert!(!text.contains("a1b2c3d4") && !text.contains("e5f6a7b8"), "{text}");
    }
    let refused = rack.mcp(&["start", "missing"]).expect_code(1).stderr_text();
    assert!(refused.contains("NO_SUCH_VARIABLE") && refused.contains("env.A"), "{refused}");
    assert_eq!(rack.wait_event("missing", "mcp.server.failed", 0)["data"]["cause"], "configuration");
    rack.stop("one");
    rack.assert_none_left();
}

#[test]
fn a_server_that_wants_credentials_is_not_restarted() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/mcp", listener.local_addr().expect("bound"));
    let answers = std::thread::spawn(move || {
        let mut asked = 0_u32;
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut bytes = [0; 8192];
            let count = stream.read(&mut bytes).unwrap_or(0);
            if bytes[..count].starts_with(b"GET /end") {
                return asked;
            }
            asked += 1;
            let head = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"tools\"\r\n";
            let _ =
                stream.write_all(format!("{head}Content-Length: 0\r\nConnection: close\r\n\r\n").as_bytes());
        }
        asked
    });
    let rack = Rack::one(json!({"url": url, "bearer": "${RACK_NO_TOKEN:-expired}"}));
    let refused = rack.mcp(&["start", "one"]).expect_code(1).stderr_text();
    assert!(refused.contains("credentials") && refused.contains("realm"), "{refused}");
    assert_eq!(rack.show("one")["state"], "needs_authentication");
    assert_eq!(rack.wait_event("one", "mcp.server.failed", 0)["data"]["cause"], "authentication");
    assert!(rack.events("one", "mcp.server.restarting").is_empty());
    rack.stop("one");
    let addr = url.trim_start_matches("http://").trim_end_matches("/mcp");
    let mut end = std::net::TcpStream::connect(addr).expect("it listens");
    end.write_all(b"GET /end HTTP/1.1\r\n\r\n").expect("sent");
    assert!(answers.join().expect("no panic") <= 3, "it is not asked for ever");
}

#[test]
fn the_panel_says_what_a_person_wants_to_know() {
    let dies = with(
        fake(&["--crash-at-start", "9", "--stderr", "error: the cupboard is bare"]),
        &json!({"max_restart_attempts": 1}),
    );
    let rack = Rack::new(&[("dies", dies), ("good", with(fake(&[]), &json!({"auto_start": true})))]);
    let before = rack.mcp(&["list"]).expect_code(0).stdout_text();
    assert!(before.contains("no daemon runs") && before.contains("healthy 0/2"), "{before}");
    rack.stage.start_daemon();
    rack.wait_state("good", &["running"]);
    rack.mcp(&["start", "dies"]).expect_code(1);
    rack.wait_state("dies", &["crash_loop"]);
    let list = rack.mcp(&["list"]).expect_code(0).stdout_text();
    for word in ["SERVER", "good", "running", "crash loop", "healthy 1/2", "auto-managed 1", "tools 8"] {
        assert!(list.contains(word), "{word}: {list}");
    }
    let doctor = rack.mcp(&["doctor", "dies"]).expect_code(1).stdout_text();
    assert!(doctor.contains("the cupboard is bare") && doctor.contains("crash loop"), "{doctor}");
    assert_eq!(rack.mcp(&["doctor", "good"]).code, Some(0));
    let history: Value =
        serde_json::from_slice(&rack.mcp(&["history", "dies", "--json"]).expect_code(0).stdout)
            .expect("a list");
    assert_eq!(history.as_array().map(Vec::len), Some(2), "{history:#}");
    assert_eq!((&history[0]["exit_code"], &history[0]["cause"]), (&json!(9), &json!("exited")));
    let status = rack.mcp(&["status", "good"]).expect_code(0).stdout_text();
    assert!(status.contains("protocol") && status.contains("echo"), "{status}");
    // A follower gets what is written while it looks.
    let follow = rack.spawn(&["logs", "good", "-f", "-n", "0"]);
    rack.mcp(&["restart", "good"]).expect_code(0);
    wait_until(SOON, "a line", || String::from_utf8_lossy(&follow.stdout()).contains("start (user)"));
    drop(follow);
    rack.stop("good");
    rack.assert_none_left();
    // What a killed daemon knew of the past, the next one knows too.
    assert!(rack.stage.kill_daemon());
    rack.stage.start_daemon();
    let again: Value =
        serde_json::from_slice(&rack.mcp(&["history", "dies", "--json"]).expect_code(0).stdout)
            .expect("a list");
    assert_eq!(again.as_array().map(Vec::len), Some(2), "{again:#}");
}
