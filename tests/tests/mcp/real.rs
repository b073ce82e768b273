//! Real servers from npm and PyPI, over standard input and output and over HTTP: start, discover, health check,
//! call, restart, stop, and nothing left.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use llmctl_tests::proc;
use llmctl_tests::rack::{Rack, each_second, server, tell, with};
use llmctl_tests::run;
use llmctl_tests::stage::SOON;
use llmctl_tests::tools;
use llmctl_tests::wait::{poll, wait_for, wait_until};
use serde_json::{Value, json};

/// The interpreters of real servers start slowly on a busy machine.
const SLOW: Duration = Duration::from_mins(1);

/// A server, what it must be, and a call with a piece of its answer.
struct Real<'a> {
    program: &'a str,
    more: &'a [&'a str],
    env: Value,
    era: &'a str,
    tools: u64,
    call: (&'a str, Value),
    answer: &'a str,
}

fn configured(real: &Real<'_>) -> Value {
    let program = tools::mcp_server(real.program).display().to_string();
    let words: Vec<&str> = std::iter::once(program.as_str()).chain(real.more.iter().copied()).collect();
    with(with(server(&words), &each_second()), &json!({"env": real.env, "startup_timeout_seconds": 60}))
}

/// Waits for a health check that was answered after now.
fn wait_checked(rack: &Rack, name: &str) {
    let last = || rack.show(name)["last_check"]["at"].clone();
    let before = last();
    let checked = wait_for(SOON, "a health check", || {
        let now = rack.show(name)["last_check"].clone();
        (!now["at"].is_null() && now["at"] != before).then_some(now)
    });
    assert!(checked["latency_ms"].is_number(), "{checked}");
}

#[track_caller]
fn supervised(rack: &Rack, real: &Real<'_>) {
    rack.configure(&[("real", configured(real))], &json!({}));
    rack.stage.start_daemon();
    let begun = Instant::now();
    let shown = rack.start("real");
    let started = begun.elapsed();
    assert_eq!((&shown["state"], &shown["era"]), (&json!("running"), &json!(real.era)), "{shown:#}");
    assert_eq!(shown["tools_count"], real.tools, "{shown:#}");
    assert!(shown["server_info"]["name"].is_string() && shown["capabilities"].to_string().contains("tools"));
    let first = rack.process("real");
    wait_checked(rack, "real");
    let (tool, arguments) = &real.call;
    let answer = rack.call("real", tool, arguments);
    assert!(answer.contains(real.answer), "{answer}");
    rack.mcp(&["restart", "real"]).expect_code(0);
    let second = rack.process("real");
    assert!(first != second && !proc::is_alive(first));
    assert_eq!(rack.show("real")["tools_count"], real.tools);
    rack.kill(second);
    wait_for(SLOW, "the next life", || {
        let shown = rack.show("real");
        (shown["state"] == "running" && shown["pid"] != second.pid).then_some(())
    });
    rack.look();
    let begun = Instant::now();
    rack.stop("real");
    tell(&format!(
        "{}: start {} ms, {}, stop {} ms",
        real.program,
        started.as_millis(),
        real.era,
        begun.elapsed().as_millis()
    ));
    assert_eq!(rack.left(), [], "nothing is left when the verb returns");
    rack.assert_none_left();
}

#[test]
fn everything_from_npm() {
    supervised(
        &Rack::new(&[]),
        &Real {
            program: "everything",
            more: &[],
            env: json!({}),
            era: "legacy",
            tools: 13,
            call: ("echo", json!({"message": "hello from a test"})),
            answer: "hello from a test",
        },
    );
}

#[test]
fn filesystem_from_npm() {
    let rack = Rack::new(&[]);
    rack.stage.sandbox.write("shelf/book.txt", "text");
    let dir = rack.stage.sandbox.project().join("shelf").display().to_string();
    supervised(
        &rack,
        &Real {
            program: "filesystem",
            more: &[&dir],
            env: json!({}),
            era: "legacy",
            tools: 14,
            call: ("list_directory", json!({"path": dir})),
            answer: "book.txt",
        },
    );
}

#[test]
fn memory_from_npm() {
    let rack = Rack::new(&[]);
    let (_, file) = rack.note("memory.jsonl");
    let entity = json!({"name": "Ada", "entityType": "person", "observations": ["writes programs"]});
    supervised(
        &rack,
        &Real {
            program: "memory",
            more: &[],
            env: json!({"MEMORY_FILE_PATH": file}),
            era: "legacy",
            tools: 9,
            call: ("create_entities", json!({"entities": [entity]})),
            answer: "Ada",
        },
    );
}

#[test]
fn sequential_thinking_from_npm() {
    let thought =
        json!({"thought": "one", "nextThoughtNeeded": false, "thoughtNumber": 1, "totalThoughts": 1});
    supervised(
        &Rack::new(&[]),
        &Real {
            program: "sequential-thinking",
            more: &[],
            env: json!({}),
            era: "legacy",
            tools: 1,
            call: ("sequentialthinking", thought),
            answer: "thoughtHistoryLength",
        },
    );
}

#[test]
fn time_from_pypi() {
    supervised(
        &Rack::new(&[]),
        &Real {
            program: "time",
            more: &["--local-timezone", "UTC"],
            env: json!({}),
            era: "modern",
            tools: 2,
            call: ("get_current_time", json!({"timezone": "UTC"})),
            answer: "is_dst",
        },
    );
}

#[test]
fn git_from_pypi() {
    let rack = Rack::new(&[]);
    let repository = rack.stage.sandbox.project().display().to_string();
    let mut init = rack.stage.sandbox.command("git");
    init.args(["init", "-q", "-b", "trunk", &repository]);
    run::run(init, b"", SOON).expect_code(0);
    supervised(
        &rack,
        &Real {
            program: "git",
            more: &["--repository", &repository],
            env: json!({}),
            era: "modern",
            tools: 12,
            call: ("git_status", json!({"repo_path": repository})),
            answer: "trunk",
        },
    );
}

#[test]
fn fetch_from_pypi() {
    let rack = Rack::new(&[]);
    // Nobody listens there; what counts is that its own words come back.
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://127.0.0.1:{}/", taken.local_addr().expect("bound").port());
    drop(taken);
    rack.configure(&[], &json!({}));
    let real = Real {
        program: "fetch",
        more: &[],
        env: json!({}),
        era: "modern",
        tools: 1,
        call: ("fetch", json!({"url": url})),
        answer: "",
    };
    rack.configure(&[("real", configured(&real))], &json!({}));
    rack.start("real");
    let done = rack.mcp(&["call", "real", "fetch", &json!({"url": url}).to_string()]);
    let said = done.stdout_text() + &done.stderr_text();
    assert!(done.code == Some(1) && said.contains("robots.txt"), "{said}");
    wait_checked(&rack, "real");
    rack.stop("real");
    assert_eq!(rack.left(), []);
    rack.assert_none_left();
}

#[test]
fn sqlite_from_pypi_is_broken_and_given_up_with_its_reason() {
    let rack = Rack::new(&[]);
    let (_, file) = rack.note("x.db");
    let real = Real {
        program: "sqlite",
        more: &["--db-path", &file],
        env: json!({}),
        era: "legacy",
        tools: 0,
        call: ("", json!({})),
        answer: "",
    };
    let server = with(configured(&real), &json!({"auto_start": true, "max_restart_attempts": 1}));
    rack.configure(&[("real", server)], &json!({}));
    rack.stage.start_daemon();
    let shown = rack.wait_state_for(SLOW, "real", &["crash_loop", "failed"]);
    let failed = rack.wait_event("real", "mcp.server.failed", 0);
    let why = failed["data"]["stderr_tail"].as_str().unwrap_or_default();
    assert!(why.contains("list_resources"), "{failed:#} {shown:#}");
    rack.assert_none_left();
}

#[test]
fn a_launcher_from_npm_leaves_nothing() {
    let rack = Rack::new(&[]);
    let prefix = tools::cache_dir().join("mcp").display().to_string();
    let words = ["npm", "exec", "--offline", "--prefix", &prefix, "--", "mcp-server-sequential-thinking"];
    let server = with(server(&words), &json!({"startup_timeout_seconds": 60}));
    rack.configure(&[("real", server)], &json!({}));
    rack.stage.sandbox.script("npm", &format!("exec '{}' \"$@\"", tools::on_path("npm").display()));
    rack.start("real");
    let tree = rack.look();
    assert!(tree.len() >= 2, "a launcher and its server: {tree:?}");
    rack.stop("real");
    assert_eq!(rack.left(), []);
    rack.start("real");
    let launcher = rack.process("real");
    rack.look();
    rack.kill(launcher);
    wait_for(SLOW, "the next life", || {
        let shown = rack.show("real");
        (shown["state"] == "running" && shown["pid"] != launcher.pid).then_some(())
    });
    rack.stop("real");
    rack.assert_none_left();
}

#[test]
fn everything_over_streamable_http() {
    let rack = Rack::new(&[]);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("bound").port();
    drop(taken);
    let url = format!("http://127.0.0.1:{port}/mcp");
    let remote = with(json!({"url": url}), &each_second());
    rack.configure(&[("real", remote)], &json!({}));
    let serve = || {
        let mut command = rack.stage.sandbox.command(tools::mcp_server("everything"));
        command.arg("streamableHttp").env("PORT", port.to_string());
        let running = run::spawn(command, b"");
        let listens = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        wait_until(SLOW, "the server to listen", listens);
        running
    };
    rack.stage.start_daemon();
    // Nobody is there yet.
    assert_eq!(rack.mcp(&["start", "real"]).code, Some(1));
    rack.mcp(&["stop", "real"]).expect_code(0);
    let first = serve();
    let shown = rack.start("real");
    assert_eq!((&shown["transport"], &shown["tools_count"]), (&json!("http"), &json!(13)), "{shown:#}");
    assert!(shown["pid"].is_null(), "its process is not ours: {shown:#}");
    wait_checked(&rack, "real");
    assert!(rack.call("real", "echo", &json!({"message": "over http"})).contains("over http"));
    rack.mcp(&["restart", "real"]).expect_code(0);
    assert!(rack.call("real", "echo", &json!({"message": "once more"})).contains("once more"));
    // It goes away and comes back with no memory of the session.
    let begun = Instant::now();
    drop(first);
    rack.wait_state("real", &["unhealthy", "backing_off", "crash_loop", "failed"]);
    tell(&format!("HTTP server gone: noticed after {} ms", begun.elapsed().as_millis()));
    let second = serve();
    let back = poll(Duration::from_secs(15), || (rack.show("real")["state"] == "running").then_some(()));
    if back.is_none() {
        rack.start("real");
    }
    assert!(rack.call("real", "echo", &json!({"message": "and again"})).contains("and again"));
    rack.stop("real");
    drop(second);
    rack.assert_none_left();
}
