//! The daemon's own end, its next life, and a clock that somebody sets.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use llmctl_tests::proc::{self, Identity};
use llmctl_tests::rack::{Rack, each_second, fake, tell, with};
use llmctl_tests::run;
use llmctl_tests::stage::SOON;
use llmctl_tests::wait::{poll, wait_for, wait_until};
use serde_json::{Value, json};

/// Servers that run when the daemon dies.
const SERVERS: usize = 10;
/// How often it is killed.
const ROUNDS: usize = 5;

/// Ten servers that start by themselves: polite ones, and some that ignore every request to end.
fn ten(rack: &Rack, notes: &[(PathBuf, String)]) -> Vec<(String, Value)> {
    let server = |n: usize| {
        let (starts, pids) = (notes[n].1.as_str(), rack.note(&format!("pids-{n}")).1);
        let mut words = vec!["--starts", starts];
        if n % 2 == 1 {
            words.extend([
                "--ignore-eof",
                "--ignore-term",
                "--grandchild",
                "setsid",
                "--grandchild-stubborn",
            ]);
            words.extend(["--grandchild-holds-stdout", "--grandchild-pids", &pids]);
        }
        let keys = json!({"auto_start": true, "shutdown_timeout_seconds": 1});
        (format!("server-{n}"), with(fake(&words), &keys))
    };
    (0..SERVERS).map(server).collect()
}

/// Processes of all servers and of what they started.
fn everyone(rack: &Rack) -> BTreeSet<Identity> {
    let daemons = rack.stage.daemons();
    let all = rack.stage.sandbox.processes().into_iter().map(|process| process.identity);
    all.filter(|process| !daemons.contains(process)).collect()
}

fn running(rack: &Rack) -> usize {
    rack.list().iter().filter(|server| server["state"] == "running").count()
}

#[test]
fn ten_servers_end_with_a_daemon_that_is_killed_and_come_back_once() {
    let rack = Rack::new(&[]);
    let notes: Vec<_> = (0..SERVERS).map(|n| rack.note(&format!("starts-{n}"))).collect();
    let servers = ten(&rack, &notes);
    let servers: Vec<(&str, Value)> =
        servers.iter().map(|(name, server)| (name.as_str(), server.clone())).collect();
    rack.configure(&servers, &json!({}));
    let mut worst = Duration::ZERO;
    rack.stage.start_daemon();
    for round in 0..ROUNDS {
        wait_until(SOON, "ten servers", || running(&rack) == SERVERS);
        rack.look();
        let former = everyone(&rack);
        assert_eq!(former.len(), SERVERS + SERVERS / 2, "each once, half with a grandchild");
        assert!(rack.stage.kill_daemon());
        let begun = Instant::now();
        rack.stage.start_daemon();
        wait_until(SOON, "ten servers again", || running(&rack) == SERVERS);
        worst = worst.max(begun.elapsed());
        let left: Vec<_> = former.iter().filter(|process| proc::is_alive(**process)).collect();
        assert!(left.is_empty(), "round {round}: of the former life {left:?}");
        assert_eq!(everyone(&rack).len(), SERVERS + SERVERS / 2, "round {round}");
        for (file, _) in &notes {
            assert_eq!(rack.starts(file).len(), round + 2, "started once a life");
        }
    }
    tell(&format!(
        "daemon killed with ten servers, {ROUNDS} times: all ten again after at most {} ms, none left",
        worst.as_millis()
    ));
    let begun = Instant::now();
    rack.stage.llmctl(&["daemon", "stop"]).expect_code(0);
    tell(&format!("daemon stop with ten servers, half of them deaf: {} ms", begun.elapsed().as_millis()));
    assert!(begun.elapsed() < Duration::from_secs(10));
    rack.assert_none_left();
}

#[test]
fn polite_servers_end_by_themselves_when_the_daemon_is_killed() {
    let names: Vec<String> = (0..SERVERS).map(|n| format!("server-{n}")).collect();
    let servers: Vec<(&str, Value)> =
        names.iter().map(|name| (name.as_str(), with(fake(&[]), &json!({"auto_start": true})))).collect();
    let rack = Rack::new(&servers);
    rack.stage.start_daemon();
    wait_until(SOON, "ten servers", || running(&rack) == SERVERS);
    rack.look();
    assert!(rack.stage.kill_daemon());
    let begun = Instant::now();
    rack.assert_none_left();
    tell(&format!("daemon killed for ever: ten servers gone after {} ms", begun.elapsed().as_millis()));
}

#[test]
fn a_reload_touches_only_what_has_changed() {
    let keep = fake(&["--name", "keep"]);
    let rack = Rack::new(&[("keep", keep.clone()), ("change", fake(&[])), ("leave", fake(&[]))]);
    for name in ["keep", "change", "leave"] {
        rack.start(name);
    }
    let (kept, changed, left) = (rack.process("keep"), rack.process("change"), rack.process("leave"));
    let auto = with(fake(&[]), &json!({"auto_start": true}));
    rack.configure(&[("keep", keep), ("change", fake(&["--tools", "2"])), ("new", auto)], &json!({}));
    rack.stage.llmctl(&["config", "reload"]).expect_code(0);
    rack.wait_state("new", &["running"]);
    wait_for(SOON, "the change", || (rack.show("change")["tools_count"] == 10).then_some(()));
    assert_eq!(rack.process("keep"), kept);
    assert_ne!(rack.process("change"), changed);
    wait_until(SOON, "the end of the one that is gone", || !proc::is_alive(left) && !proc::is_alive(changed));
    assert!(rack.list().iter().all(|server| server["name"] != "leave"));
    rack.stage.llmctl(&["daemon", "stop"]).expect_code(0);
    rack.assert_none_left();
}

/// A library that adds so many seconds, as a file says, to the wall clock of whoever loads it.
fn clock(rack: &Rack) -> (PathBuf, PathBuf) {
    let source = rack.stage.sandbox.write(
        "clock.c",
        r#"#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
static volatile long long *offset;
__attribute__((constructor)) static void begin(void) {
    int fd = open(getenv("CLOCK_OFFSET"), O_RDONLY);
    void *page = fd < 0 ? MAP_FAILED : mmap(0, 8, PROT_READ, MAP_SHARED, fd, 0);
    offset = page == MAP_FAILED ? 0 : page;
}
int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, now);
    if (offset && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) now->tv_sec += *offset;
    return result;
}
"#,
    );
    let (library, file) = (rack.stage.sandbox.path("tmp/clock.so"), rack.stage.sandbox.path("tmp/offset"));
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &source]).arg("-ldl");
    run::run(compiler, b"", SOON).expect_code(0);
    std::fs::write(&file, 0_i64.to_ne_bytes()).expect("written");
    (library, file)
}

#[test]
fn a_clock_that_is_set_hurts_nobody() {
    let rack =
        Rack::new(&[("one", with(fake(&[]), &each_second())), ("two", with(fake(&[]), &each_second()))]);
    let (library, offset) = clock(&rack);
    let mut start = rack.stage.sandbox.llmctl(&["daemon", "start"]);
    start.env("LD_PRELOAD", &library).env("CLOCK_OFFSET", &offset);
    run::run(start, b"", SOON).expect_code(0);
    let processes = ["one", "two"].map(|name| {
        rack.start(name);
        rack.process(name)
    });
    for jump in [86_400_i64, -86_400, 0] {
        // Written in place, since the daemon has the file mapped.
        let file = std::fs::OpenOptions::new().write(true).open(&offset).expect("there");
        std::os::unix::fs::FileExt::write_all_at(&file, &jump.to_ne_bytes(), 0).expect("written");
        let hurt = poll(Duration::from_millis(2_500), || processes.iter().find(|p| !proc::is_alive(**p)));
        assert!(hurt.is_none(), "a jump of {jump} s: {:#?}", rack.list());
        for server in rack.list() {
            assert_eq!(server["state"], "running", "a jump of {jump} s: {server:#}");
            let up = server["uptime_ms"].as_u64().expect("how long it runs");
            assert!(up < 120_000, "a jump of {jump} s is no time to live: {up} ms");
        }
    }
    // The clock of the daemon really was another one.
    let set = std::os::unix::fs::FileExt::write_all_at(
        &std::fs::OpenOptions::new().write(true).open(&offset).expect("there"),
        &86_400_i64.to_ne_bytes(),
        0,
    );
    set.expect("written");
    let before = llmctl_tests::rack::wall_ms();
    rack.kill(processes[0]);
    let restarting = rack.wait_event("one", "mcp.server.restarting", 0);
    assert!(llmctl_tests::rack::at_ms(&restarting) - before > 86_000_000.0, "{restarting}");
    rack.wait_state("one", &["running"]);
    rack.stage.llmctl(&["daemon", "stop"]).expect_code(0);
    rack.assert_none_left();
}
