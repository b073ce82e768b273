//! Whatever a server leaves in its tree is gone with it, and a pipe that somebody else holds delays nothing.

use std::time::{Duration, Instant};

use llmctl_tests::proc::{self, Identity};
use llmctl_tests::rack::{Rack, at_ms, fake, server, tell, with};
use llmctl_tests::sandbox::binary;
use llmctl_tests::stage::SOON;
use llmctl_tests::wait::{poll, wait_for};
use serde_json::{Value, json};

/// Grandchildren of each kind, which note themselves.
fn grandchildren<'a>(note: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let kinds = ["plain", "setsid", "double"].into_iter().flat_map(|kind| ["--grandchild", kind]);
    kinds.chain(["--grandchild-pids", note]).chain(more.iter().copied()).collect()
}

/// A stop timeout of a second.
fn brisk(server: Value) -> Value {
    with(server, &json!({"shutdown_timeout_seconds": 1}))
}

fn all_gone(processes: &[Identity]) -> bool {
    processes.iter().all(|process| !proc::is_alive(*process))
}

#[test]
fn a_stop_ends_every_kind_of_grandchild_by_the_time_it_returns() {
    for (what, more) in [
        ("polite", &[][..]),
        ("holding the pipe", &["--grandchild-holds-stdout"]),
        ("ignoring signals", &["--grandchild-stubborn", "--grandchild-holds-stdout"]),
        (
            "all of it",
            &["--ignore-term", "--ignore-eof", "--grandchild-stubborn", "--grandchild-holds-stdout"],
        ),
    ] {
        let rack = Rack::new(&[]);
        let (file, note) = rack.note("pids");
        rack.configure(&[("one", brisk(fake(&grandchildren(&note, more))))], &json!({}));
        rack.start("one");
        let mut tree = rack.stage.noted(&file, 3);
        tree.push(rack.process("one"));
        let begun = Instant::now();
        rack.stop("one");
        let took = begun.elapsed();
        assert!(all_gone(&tree), "{what}: gone when the verb returns");
        tell(&format!("stop of a tree, {what}: {} ms, nothing left", took.as_millis()));
        assert!(took < Duration::from_millis(4_500), "{what}: {took:?}");
        rack.assert_none_left();
    }
}

#[test]
fn a_death_is_seen_though_a_grandchild_holds_the_pipe() {
    let rack = Rack::new(&[]);
    let (file, note) = rack.note("pids");
    let options = grandchildren(&note, &["--grandchild-holds-stdout", "--grandchild-stubborn"]);
    rack.configure(&[("one", brisk(fake(&options)))], &json!({}));
    rack.start("one");
    let first = rack.stage.noted(&file, 3);
    let process = rack.process("one");
    let (wall, _) = rack.kill(process);
    let restarting = rack.wait_event("one", "mcp.server.restarting", 0);
    let took = at_ms(&restarting) - wall.floor();
    tell(&format!("kill -9 with the pipe held by grandchildren → seen after {took:.0} ms"));
    assert!(took <= 150.0, "{took} ms");
    wait_for(SOON, "the next life", || (rack.process("one") != process).then_some(()));
    assert!(all_gone(&first), "the grandchildren of the former life are gone");
    rack.stop("one");
    rack.assert_none_left();
}

#[test]
fn a_server_behind_a_launcher_is_one_tree() {
    let rack = Rack::new(&[]);
    let line = format!("'{}' --era legacy; exit $?", binary("fake-mcp").display());
    rack.configure(&[("one", brisk(server(&["/bin/sh", "-c", &line])))], &json!({}));
    rack.start("one");
    let launcher = rack.process("one");
    let below =
        wait_for(SOON, "the server below", || proc::descendants(launcher.pid).first().map(|p| p.identity));
    let shown = wait_for(SOON, "what the tree uses", || {
        let shown = rack.show("one");
        (shown["usage"]["processes"].as_u64() == Some(2)).then_some(shown)
    });
    assert!(shown["usage"]["rss_bytes"].as_u64() > proc::rss_bytes(below.pid), "{shown:#}");
    rack.stop("one");
    assert!(all_gone(&[launcher, below]));
    rack.start("one");
    // The launcher alone is killed: what it had started is of no use any more.
    let launcher = rack.process("one");
    let below = proc::descendants(launcher.pid).first().expect("the server below").identity;
    rack.kill(launcher);
    wait_for(SOON, "the next life", || (rack.process("one") != launcher).then_some(()));
    assert!(all_gone(&[launcher, below]));
    rack.stop("one");
    rack.assert_none_left();
}

#[test]
fn a_restart_never_has_two_at_once() {
    let rack = Rack::new(&[]);
    let (file, note) = rack.note("starts");
    rack.configure(
        &[("one", brisk(fake(&["--ignore-term", "--ignore-eof", "--starts", &note])))],
        &json!({}),
    );
    rack.start("one");
    for _ in 0..3 {
        let before = rack.process("one");
        rack.mcp(&["restart", "one"]).expect_code(0);
        let after = rack.process("one");
        assert!(before != after && !proc::is_alive(before));
        let running = rack
            .starts(&file)
            .iter()
            .filter(|(_, pid)| proc::stat(*pid).is_some_and(|s| s.state != 'Z'))
            .count();
        assert_eq!(running, 1);
    }
    assert_eq!(rack.starts(&file).len(), 4);
    rack.stop("one");
    rack.assert_none_left();
}

#[test]
fn verbs_at_once_end_in_one_state() {
    let rack = Rack::new(&[]);
    let (file, note) = rack.note("starts");
    rack.configure(&[("one", fake(&["--starts", &note]))], &json!({}));
    rack.stage.start_daemon();
    let verbs = ["start", "stop", "restart", "start", "stop", "restart", "start", "start"];
    let running: Vec<_> = verbs.iter().cycle().take(24).map(|verb| rack.spawn(&[verb, "one"])).collect();
    for one in running {
        let done = one.wait(SOON);
        assert!(matches!(done.code, Some(0 | 1)), "{:?} {}", done.code, done.stderr_text());
    }
    let alive = || {
        rack.starts(&file).iter().filter(|(_, pid)| proc::stat(*pid).is_some_and(|s| s.state != 'Z')).count()
    };
    assert!(alive() <= 1, "{} at once", alive());
    rack.mcp(&["start", "one"]).expect_code(0);
    assert_eq!((alive(), rack.show("one")["state"].clone()), (1, json!("running")));
    rack.stop("one");
    let none = poll(Duration::from_secs(1), || (alive() == 0).then_some(()));
    assert!(none.is_some());
    rack.assert_none_left();
}
