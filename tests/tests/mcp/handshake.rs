//! The start of a conversation: both eras, servers that are slow, silent, strict, or never speak.

use std::time::{Duration, Instant};

use llmctl_tests::rack::{Rack, fake, tell, with};
use serde_json::json;

fn era(shown: &serde_json::Value) -> String {
    shown["era"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn each_kind_is_opened_in_its_own_era() {
    let cases: [(&str, &[&str], &str, u64); 7] = [
        ("legacy", &["--era", "legacy"], "legacy", 2_000),
        ("modern", &["--era", "modern"], "modern", 2_000),
        ("dual", &["--era", "dual"], "modern", 2_000),
        ("silent", &["--era", "legacy", "--silent-discover"], "legacy", 6_000),
        ("strict", &["--era", "legacy", "--exit-on-unknown"], "legacy", 4_000),
        ("slow-dual", &["--era", "dual", "--slow", "4000"], "modern", 8_000),
        ("slow-legacy", &["--era", "legacy", "--slow", "4000"], "legacy", 8_000),
    ];
    let servers: Vec<_> = cases.iter().map(|(name, options, ..)| (*name, fake(options))).collect();
    let rack = Rack::new(&servers);
    rack.stage.start_daemon();
    for (name, _, expected, limit_ms) in cases {
        let begun = Instant::now();
        let shown = rack.start(name);
        let took = begun.elapsed();
        assert_eq!(era(&shown), expected, "{name}: {shown:#}");
        let version = if expected == "modern" { "2026-07-28" } else { "2025-11-25" };
        assert_eq!(shown["protocol_version"], version, "{name}");
        assert_eq!(
            (&shown["server_info"]["name"], &shown["restarts"]),
            (&json!("fake-mcp"), &json!(0)),
            "{name}"
        );
        assert!(shown["tools_count"].as_u64() >= Some(8), "{name}: {shown:#}");
        assert!(rack.events(name, "mcp.server.restarting").is_empty(), "{name}: no probe is a crash");
        assert!(took < Duration::from_millis(limit_ms), "{name}: {took:?}");
        tell(&format!("start of a {name} server: {} ms, {expected}", took.as_millis()));
        let text = rack.call(name, "echo", &json!({"said": name}));
        assert!(text.contains(name), "{text}");
        rack.stop(name);
    }
    rack.assert_none_left();
}

#[test]
fn one_that_never_answers_is_given_up_in_its_time_and_leaves_nothing() {
    let silent =
        with(fake(&["--never-answer"]), &json!({"startup_timeout_seconds": 1, "max_restart_attempts": 1}));
    let rack = Rack::one(silent);
    rack.stage.start_daemon();
    let begun = Instant::now();
    let done = rack.mcp(&["start", "one"]);
    let took = begun.elapsed();
    assert!(matches!(done.code, Some(1 | 124)), "{:?} {}", done.code, done.stderr_text());
    assert!(took < Duration::from_secs(8), "{took:?}");
    rack.wait_state("one", &["failed", "crash_loop"]);
    let failed = rack.wait_event("one", "mcp.server.failed", 0);
    assert!(failed["data"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{failed}");
    tell(&format!("never answers, start timeout of 1 s: told after {:.1} s", took.as_secs_f64()));
    rack.assert_none_left();
}

#[test]
fn a_program_that_is_not_there_is_said_at_once() {
    let rack = Rack::one(llmctl_tests::rack::server(&["no-such-program-anywhere"]));
    rack.stage.start_daemon();
    let begun = Instant::now();
    let done = rack.mcp(&["start", "one"]).expect_code(1);
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(done.stderr_text().contains("no-such-program-anywhere"), "{}", done.stderr_text());
    assert_eq!(rack.wait_event("one", "mcp.server.failed", 0)["data"]["cause"], "command_missing");
    assert_eq!(rack.events("one", "mcp.server.restarting").len(), 0, "no restart can help");
    let unknown = rack.mcp(&["start", "nobody"]);
    assert!(matches!(unknown.code, Some(1 | 2)) && unknown.stderr_text().contains("nobody"));
}

#[test]
fn a_server_gets_what_it_was_given_and_nothing_else() {
    let rack = Rack::new(&[]);
    let (file, note) = rack.note("env.json");
    let mut server = with(
        fake(&["--env-dump", &note]),
        &json!({"env": {"PLAIN": "as it is", "SECRET": "${RACK_SECRET}"}}),
    );
    server["cwd"] = json!(rack.stage.sandbox.path("data"));
    rack.configure(&[("one", server)], &json!({}));
    let mut daemon = rack.stage.sandbox.llmctl(&["daemon", "start"]);
    daemon.env("RACK_SECRET", "s3cr3t-value-of-the-daemon").env("UNRELATED_TOKEN", "not-for-servers");
    llmctl_tests::run::run(daemon, b"", Duration::from_secs(30)).expect_code(0);
    rack.start("one");
    let text = std::fs::read_to_string(&file).expect("written at the start");
    let seen: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&seen["PLAIN"], &seen["SECRET"]), (&json!("as it is"), &json!("s3cr3t-value-of-the-daemon")));
    assert!(seen["PATH"].is_string() && seen["HOME"].is_string());
    assert!(!text.contains("not-for-servers"), "only what is allowed is passed on");
    let everything =
        [rack.show("one").to_string(), format!("{:?}", rack.stage.events(&["--after", "0"]))].concat();
    assert!(!everything.contains("s3cr3t-value"), "a secret is shown nowhere");
    rack.stop("one");
    rack.assert_none_left();
}
