//! The daemon's life: one at a time, honest about its start, private, gone in time, and never in the way.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hyper_util::rt::TokioIo;
use llmctl_proto::pb::HelloRequest;
use llmctl_proto::pb::control_client::ControlClient;
use llmctl_tests::proc;
use llmctl_tests::run;
use llmctl_tests::stage::{LONG, SOON, Stage};
use llmctl_tests::wait::{wait_for, wait_until};
use rustix::process::Signal;
use serde_json::{Value, json};

/// A stage without an operation.
fn stage() -> Stage {
    Stage::new(&[])
}

fn socket(stage: &Stage) -> PathBuf {
    stage.runtime("llmctld.sock")
}

/// A peer that connects and says nothing.
fn silent_peer(stage: &Stage) -> UnixStream {
    UnixStream::connect(socket(stage)).expect("the daemon listens")
}

/// A daemon in the foreground, ready.
fn foreground(stage: &Stage) -> run::Running {
    let running = run::spawn(stage.sandbox.llmctld::<&str>(&[]), b"");
    wait_until(SOON, "readiness", || running.stderr_text().contains("ready"));
    running
}

#[test]
fn ten_first_calls_start_one_daemon() {
    let stage = stage();
    let calls: Vec<_> = (0..10).map(|_| stage.sandbox.spawn(&["events", "-n", "1"])).collect();
    for call in calls {
        call.wait(LONG).expect_code(0);
    }
    assert_eq!(stage.daemons(), [stage.daemon().expect("it runs")]);
    assert_eq!(stage.events(&["--after", "0", "--type", "daemon.started"]).len(), 1);
    // It is nobody's child and holds nobody's terminal or pipe.
    let daemon = proc::stat(stage.daemons()[0].pid).expect("it runs");
    assert_eq!(daemon.session, daemon.group);
    for fd in 0..3 {
        let target = fs::read_link(format!("/proc/{}/fd/{fd}", daemon.identity.pid)).expect("it is open");
        assert_eq!(target, PathBuf::from("/dev/null"));
    }
}

#[test]
fn going_to_the_background_tells_the_truth() {
    let stage = stage();
    let first = run::run(stage.sandbox.llmctld(&["--daemonize"]), b"", SOON).expect_code(0);
    let pid = stage.daemon().expect("it was ready when the call returned").pid;
    assert_eq!(first.stdout_text(), format!("llmctld is running, pid {pid}\n"));
    assert!(!first.held_open);
    // Answers at once: ready means ready.
    stage.llmctl(&["daemon", "status"]).expect_code(0);
    for words in [&["--daemonize"][..], &[]] {
        let second = run::run(stage.sandbox.llmctld(words), b"", SOON).expect_code(1);
        let said = second.stderr_text();
        let version = llmctl_proto::VERSION;
        assert!(said.contains(&format!("already running (version {version}, pid {pid})")), "{said}");
    }
    assert_eq!(stage.daemons().len(), 1);
}

#[test]
fn directories_that_cannot_be_used_are_named() {
    let stage = stage();
    let refused = |name: &str, value: PathBuf| {
        let mut command = stage.sandbox.llmctld(&["--daemonize"]);
        command.env(name, &value);
        let said = run::run(command, b"", SOON).expect_code(1).stderr_text();
        assert!(said.contains(&value.display().to_string()), "{said}");
        said
    };
    let file = stage.sandbox.write("file", "no directory");
    refused("LLMCTL_STATE_DIR", file.clone());
    refused("LLMCTL_RUNTIME_DIR", file);
    let open = stage.sandbox.path("open");
    fs::create_dir(&open).expect("made");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).expect("changed");
    assert!(refused("LLMCTL_RUNTIME_DIR", open).contains("755"));
    let long = stage.sandbox.path("x".repeat(120));
    assert!(refused("LLMCTL_RUNTIME_DIR", long).contains("LLMCTL_SOCKET"));
    assert!(stage.daemons().is_empty());
}

#[test]
fn what_a_dead_daemon_left_is_taken_over() {
    let stage = stage();
    let first = stage.start_daemon();
    // Its answer says that everything before it is on disk.
    stage.llmctl(&["emit", "test.durable"]).expect_code(0);
    stage.kill_daemon();
    assert!(socket(&stage).exists(), "a killed daemon leaves its socket");
    // The pid in the lock is somebody else's by now: this test's.
    let lock = json!({"daemon": {"boot_id": "another", "pid": std::process::id(), "start_time": 1},
        "version": "0.0.1", "protocol": 1});
    fs::write(stage.runtime("llmctld.lock"), lock.to_string()).expect("written");
    let second = stage.start_daemon();
    assert_ne!(first, second);
    let started = stage.events(&["--after", "0", "--type", "daemon.started"]);
    let ends: Vec<&Value> = started.iter().map(|event| &event["data"]["previous_end"]).collect();
    assert_eq!(ends, [&json!("first"), &json!("crash")]);
}

#[test]
fn what_a_live_one_holds_is_never_taken_over() {
    let stage = stage();
    let daemon = stage.start_daemon();
    // Without its socket it cannot be asked, but it still holds the lock.
    fs::remove_file(socket(&stage)).expect("removed");
    let said = run::run(stage.sandbox.llmctld(&["--daemonize"]), b"", SOON).expect_code(1).stderr_text();
    assert!(said.contains("already running") && said.contains(&format!("pid {}", daemon.pid)), "{said}");
    assert!(proc::is_alive(daemon));
    proc::signal(daemon, Signal::TERM);
    wait_until(SOON, "its end", || !proc::is_alive(daemon));

    // Somebody who listens on the socket without the lock is not displaced either.
    let listener = UnixListener::bind(socket(&stage)).expect("bound");
    let said = run::run(stage.sandbox.llmctld(&["--daemonize"]), b"", SOON).expect_code(1).stderr_text();
    assert!(said.contains("already running and answers on"), "{said}");
    drop(listener);
    stage.start_daemon();
}

#[test]
fn socket_and_files_are_private() {
    let stage = stage();
    stage.execute(&[]).expect_code(0);
    let mode = |path: PathBuf| fs::metadata(path).expect("it is there").mode() & 0o7777;
    assert_eq!(mode(socket(&stage)), 0o600);
    for dir in
        [stage.runtime(""), stage.state(""), stage.state("operations"), stage.file(&stage.only_id(), "")]
    {
        assert_eq!(mode(dir.clone()), 0o700, "{}", dir.display());
    }
    let id = stage.only_id();
    for file in ["operation.json", "journal.jsonl", "output.txt", "stderr.txt", "raw.jsonl"] {
        assert_eq!(mode(stage.file(&id, file)), 0o600, "{file}");
    }
    for file in [stage.state("telemetry.redb"), stage.state("llmctld.log"), stage.runtime("llmctld.lock")] {
        assert_eq!(mode(file.clone()), 0o600, "{}", file.display());
    }
}

#[test]
fn another_user_is_refused_whatever_the_mode() {
    let python = PathBuf::from("/usr/bin/python3");
    if !rustix::process::geteuid().is_root() || !python.exists() {
        let _ = writeln!(std::io::stderr(), "skipped: needs root and python3 to connect as another user");
        return;
    }
    let stage = stage();
    stage.start_daemon();
    let open =
        |path: PathBuf, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("opened");
    for dir in ["", "run", "run/llmctl"] {
        open(stage.sandbox.path(dir), 0o711);
    }
    open(socket(&stage), 0o777);
    // The client's greeting of HTTP/2; a server that accepts answers with its settings.
    let script = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n\
        s.settimeout(20)\ntry:\n s.sendall(b'PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n\\0\\0\\0\\4\\0\\0\\0\\0\\0')\n \
        print(len(s.recv(64)))\nexcept (BrokenPipeError, ConnectionResetError):\n print(0)\n";
    let ask = |uid: u32| {
        let mut command = stage.sandbox.command(&python);
        command.args(["-c", script]).arg(socket(&stage)).current_dir("/").uid(uid).gid(uid);
        run::run(command, b"", SOON).expect_code(0).stdout_text()
    };
    assert_eq!(ask(65534), "0\n");
    assert_ne!(ask(0), "0\n");
    let log = stage.llmctl(&["daemon", "logs"]).expect_code(0).stdout_text();
    assert!(log.contains("connection of another user refused") && log.contains("65534"), "{log}");
}

#[test]
fn the_verbs_say_what_is() {
    let stage = stage();
    let status = stage.llmctl(&["daemon", "status"]).expect_code(3);
    assert!(status.stdout_text().contains("not running"));
    let status: Value =
        serde_json::from_slice(&stage.llmctl(&["daemon", "status", "--json"]).expect_code(3).stdout)
            .expect("JSON");
    assert_eq!(status["running"], false);
    stage.llmctl(&["daemon", "stop"]).expect_code(0);
    assert!(stage.llmctl(&["daemon", "logs"]).expect_code(0).stdout_text().contains("no log yet"));

    let first = stage.start_daemon();
    assert_eq!(stage.start_daemon(), first, "one that runs is left alone");
    let text = stage.llmctl(&["daemon", "status"]).expect_code(0).stdout_text();
    assert!(text.contains(&format!("pid {}", first.pid)) && text.contains("store"), "{text}");
    let status: Value =
        serde_json::from_slice(&stage.llmctl(&["daemon", "status", "--json"]).expect_code(0).stdout)
            .expect("JSON");
    assert_eq!((&status["pid"], &status["store"]["state"]), (&json!(first.pid), &json!("ok")));

    stage.llmctl(&["daemon", "restart"]).expect_code(0);
    let second = stage.daemon().expect("it runs");
    assert!(second != first && !proc::is_alive(first));
    let lines = stage.llmctl(&["daemon", "logs", "-n", "1"]).expect_code(0).stdout_text();
    assert_eq!(lines.lines().count(), 1);
    let mut follower = stage.sandbox.spawn(&["daemon", "logs", "-f"]);
    follower.wait_stdout(SOON, |log| log.matches(" ready").count() == 2);
    let stopped = stage.llmctl(&["daemon", "stop"]).expect_code(0);
    assert_eq!(stopped.stdout_text(), "llmctld has stopped\n");
    assert!(!proc::is_alive(second) && !socket(&stage).exists());
    follower.wait_stdout(SOON, |log| log.contains("ended"));
    drop(follower);
    stage.sandbox.wait_empty(SOON);
    let started = {
        stage.start_daemon();
        stage.events(&["--after", "0", "--type", "daemon.started"])
    };
    assert!(started[1..].iter().all(|event| event["data"]["previous_end"] == "clean"), "{started:?}");
}

#[test]
fn peers_that_say_nothing_do_not_hold_up_the_end() {
    let stage = stage();
    let daemon = stage.start_daemon();
    let silent = silent_peer(&stage);
    let mut follower = stage.sandbox.spawn(&["events", "-f", "--after", "0"]);
    follower.wait_stdout(SOON, |out| out.contains("daemon.started"));
    follower.signal(Signal::STOP);
    let begun = Instant::now();
    stage.llmctl(&["daemon", "stop"]).expect_code(0);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(!proc::is_alive(daemon));
    follower.signal(Signal::CONT);
    drop((silent, follower));
}

#[test]
fn an_idle_daemon_ends_at_once() {
    let stage = stage();
    let running = foreground(&stage);
    let begun = Instant::now();
    running.signal(Signal::TERM);
    running.wait(SOON).expect_code(0);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[test]
fn the_second_signal_ends_it_at_once() {
    let stage = stage();
    let running = foreground(&stage);
    let silent = silent_peer(&stage);
    running.signal(Signal::TERM);
    wait_until(SOON, "the first signal to be heard", || running.stderr_text().contains("stopping"));
    let begun = Instant::now();
    running.signal(Signal::TERM);
    assert_eq!(running.wait(SOON).code, Some(143));
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    drop(silent);
    stage.start_daemon();
}

#[test]
fn a_start_while_another_leaves_waits_for_it() {
    let stage = stage();
    let running = foreground(&stage);
    let silent = silent_peer(&stage);
    running.signal(Signal::TERM);
    wait_until(SOON, "its socket to be gone", || !socket(&stage).exists());
    assert!(stage.daemon().is_some(), "the peer holds it up");
    // Whoever calls now gets the next daemon, not an error.
    stage.llmctl(&["emit", "test.first"]).expect_code(0);
    running.wait(SOON).expect_code(0);
    assert_eq!(stage.daemons().len(), 1);
    drop(silent);
}

#[test]
fn another_protocol_is_refused_with_the_remedy() {
    let stage = stage();
    stage.start_daemon();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let hello = |protocol: u32| {
        let path = socket(&stage);
        runtime.block_on(async move {
            let connector = tower::service_fn(move |_| {
                let path = path.clone();
                async move { tokio::net::UnixStream::connect(path).await.map(TokioIo::new) }
            });
            let endpoint = tonic::transport::Endpoint::from_static("http://daemon.test");
            let channel = endpoint.connect_with_connector(connector).await.expect("it listens");
            let request = HelloRequest { protocol, version: "9.9.9".into() };
            ControlClient::new(channel).hello(request).await
        })
    };
    let own = hello(llmctl_proto::PROTOCOL).expect("the same protocol").into_inner();
    assert_eq!(own.pid as i32, stage.daemon().expect("it runs").pid);
    for (protocol, older) in [(99, "llmctld is older"), (0, "llmctl is older")] {
        let status = hello(protocol).expect_err("another protocol");
        assert_eq!(status.code(), tonic::Code::FailedPrecondition);
        for part in ["9.9.9", &protocol.to_string(), llmctl_proto::VERSION, older, "llmctl daemon restart"] {
            assert!(status.message().contains(part), "{part}: {}", status.message());
        }
    }
}

#[test]
fn bytes_that_are_no_protocol_harm_nobody() {
    let stage = stage();
    let daemon = stage.start_daemon();
    let mut peers: Vec<UnixStream> = (0..50).map(|_| silent_peer(&stage)).collect();
    for peer in &mut peers {
        let _ = peer.write_all(&[0xff; 4096]);
    }
    stage.llmctl(&["emit", "test.alive"]).expect_code(0);
    for peer in &mut peers {
        peer.set_read_timeout(Some(SOON)).expect("set");
        let mut answer = Vec::new();
        // Refused by the end of the connection, after whatever HTTP/2 says of it.
        let _ = peer.read_to_end(&mut answer);
    }
    drop(peers);
    assert_eq!(stage.daemon(), Some(daemon));
    wait_for(SOON, "closed connections", || (proc::open_files(daemon.pid)? < 40).then_some(()));
}

/// What a daemon holds in memory is on no disk after a crash.
#[test]
fn a_crash_dumps_no_memory() {
    let stage = stage();
    stage.llmctl(&["daemon", "start"]).expect_code(0);
    let daemon = stage.daemon().expect("it runs");
    let limits = fs::read_to_string(format!("/proc/{}/limits", daemon.pid)).expect("its limits");
    let line = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
    assert_eq!(line.split_whitespace().filter(|word| *word == "1").count(), 2, "{line}");
}
