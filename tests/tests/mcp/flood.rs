//! Servers that say far too much: the daemon reads it all, keeps little, and goes on talking.

use std::time::Duration;

use llmctl_tests::proc;
use llmctl_tests::rack::{Rack, each_second, fake, tell, with};
use llmctl_tests::wait::poll;
use serde_json::{Value, json};

/// How long a flood is watched.
const WATCHED: Duration = Duration::from_secs(6);
/// What a flood may add to the daemon's memory, in bytes.
const ADDED: u64 = 24 << 20;
/// What a server's log may take on disk, in bytes: the default, and a piece that is being written.
const LOG: u64 = 17 << 20;

/// Lets a server flood for a while, and gives what it did to the daemon: memory added at the most, in bytes, and
/// processor time in milliseconds a second.
fn flooded(rack: &Rack) -> (u64, u64) {
    let daemon = rack.stage.start_daemon().pid;
    let before = proc::peak_bytes(daemon).expect("it runs");
    rack.start("one");
    let process = rack.process("one");
    let cpu = proc::cpu_ms(daemon).expect("it runs");
    let hurt = poll(WATCHED, || (!proc::is_alive(process)).then_some(()));
    let cpu = proc::cpu_ms(daemon).expect("it runs") - cpu;
    assert!(hurt.is_none(), "it was restarted: {:#}", rack.show("one"));
    assert!(rack.events("one", "mcp.server.restarting").is_empty());
    assert!(rack.call("one", "echo", &json!({"still": "there"})).contains("there"));
    (proc::peak_bytes(daemon).expect("it runs") - before, cpu / WATCHED.as_secs())
}

fn log_bytes(rack: &Rack) -> u64 {
    fn size(path: &std::path::Path) -> u64 {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        let each = entries.map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => size(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        });
        each.sum()
    }
    size(&rack.stage.sandbox.path("state/llmctl"))
}

fn checked(options: &[&str]) -> Value {
    with(fake(options), &each_second())
}

#[test]
fn a_flood_on_the_error_stream_is_drained() {
    let rack = Rack::one(checked(&["--flood-stderr", "100"]));
    let (added, cpu) = flooded(&rack);
    let log = log_bytes(&rack);
    tell(&format!(
        "stderr at 100 MB/s: daemon +{:.1} MB, {cpu} ms of processor a second, {:.1} MB on disk",
        added as f64 / 1e6,
        log as f64 / 1e6
    ));
    assert!(added <= ADDED, "{added} bytes more");
    assert!(log <= LOG, "{log} bytes on disk");
    let said = rack.mcp(&["logs", "one"]).expect_code(0).stdout_text();
    assert!(said.contains("a server that says far too much"), "{}", said.len());
    rack.stop("one");
    rack.assert_none_left();
}

#[test]
fn noise_between_the_messages_is_passed_over_and_said() {
    let rack = Rack::one(checked(&["--noise-stdout", "20"]));
    let (added, cpu) = flooded(&rack);
    tell(&format!(
        "20 MB/s of non-JSON on stdout: daemon +{:.1} MB, {cpu} ms of processor a second",
        added as f64 / 1e6
    ));
    assert!(added <= ADDED, "{added} bytes more");
    let shown = rack.show("one");
    assert!(["running", "degraded"].iter().any(|state| shown["state"] == *state), "{shown:#}");
    assert!(shown.to_string().contains("stdout"), "it is said where the fault is: {shown:#}");
    rack.stop("one");
    rack.assert_none_left();
}

#[test]
fn a_line_of_a_hundred_megabytes_is_dropped_and_the_conversation_goes_on() {
    let rack = Rack::one(checked(&["--huge-line", "100000000"]));
    let (added, _) = flooded(&rack);
    tell(&format!("one line of 100 MB: daemon +{:.1} MB at the most", added as f64 / 1e6));
    assert!(added <= ADDED, "{added} bytes more");
    rack.stop("one");
    rack.assert_none_left();
}

#[test]
fn an_answer_of_a_hundred_megabytes_fails_alone() {
    let rack = Rack::one(checked(&[]));
    let daemon = rack.stage.start_daemon().pid;
    let before = proc::peak_bytes(daemon).expect("it runs");
    rack.start("one");
    let process = rack.process("one");
    let call = rack.spawn(&["call", "one", "huge", r#"{"bytes": 100000000}"#, "--timeout", "10"]);
    assert_ne!(call.wait(Duration::from_secs(30)).code, Some(0));
    // By then the whole answer has been read, since this one comes after it.
    assert!(rack.call("one", "echo", &json!({"still": "there"})).contains("there"));
    let added = proc::peak_bytes(daemon).expect("it runs") - before;
    tell(&format!("one answer of 100 MB: daemon +{:.1} MB at the most", added as f64 / 1e6));
    assert!(added <= ADDED, "{added} bytes more");
    assert_eq!(rack.process("one"), process);
    rack.stop("one");
    rack.assert_none_left();
}
