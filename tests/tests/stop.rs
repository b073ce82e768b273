//! Stopping an operation, by whatever means: one ladder, nothing left running, and everything so far is kept.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::time::{Duration, Instant};

use llmctl_tests::proc;
use llmctl_tests::run::{self, Finished, Running};
use llmctl_tests::stage::{LONG, SOON, Stage, numbered};
use llmctl_tests::wait::wait_until;
use rustix::process::Signal;
use serde_json::{Value, json};

/// Writes for minutes.
const ENDLESS: [&str; 4] = ["--deltas", "100000", "--delay-ms", "5"];

/// An operation that has begun to answer.
fn answering(stage: &Stage, more: &[&str]) -> (Running, String) {
    let mut running = stage.start(more);
    running.wait_stdout(SOON, |out| out.contains("delta 0000003"));
    let id = stage.only_id();
    (running, id)
}

/// What every stop leaves: the whole partial result, one closing event, no process.
fn assert_kept(stage: &Stage, id: &str, done: &Finished) -> Value {
    let stopped = stage.facts(id, "execution.stopped");
    assert_eq!(stopped.len(), 1, "{stopped:?}");
    let journal = stage.journal(id);
    assert_eq!(journal.last().map(|entry| entry.type_name.as_str()), Some("execution.stopped"));
    let output = stage.output(id);
    assert_eq!(output, done.stdout_text(), "the file is what was shown");
    assert!(!output.is_empty() && numbered(2_000).starts_with(&output), "{output}");
    assert_eq!(stopped[0]["stdout_bytes"], json!(output.len()));
    let files = stopped[0]["partial"]["files"].as_array().expect("files");
    let names: Vec<&str> = files.iter().filter_map(|file| file["name"].as_str()).collect();
    assert_eq!(names, ["journal.jsonl", "operation.json", "output.txt", "raw.jsonl", "stderr.txt"]);
    let kept = files.iter().find(|file| file["name"] == "output.txt").expect("the output");
    assert_eq!(kept["bytes"], json!(output.len()));
    assert!(stage.file(id, "operation.json").is_file());
    stage.wait_only_daemon();
    stopped.into_iter().next().expect("one")
}

#[test]
fn from_the_cli_with_a_daemon() {
    let stage = Stage::new(&ENDLESS);
    let (running, id) = answering(&stage, &[]);
    let stop = stage.llmctl(&["stop", &id, "--reason", "enough"]).expect_code(0);
    assert!(stop.stdout_text().starts_with(&format!("{id} stopped: ")), "{}", stop.stdout_text());
    // The verb returns when the state it speaks of is true.
    assert_eq!(stage.state_of(&id).as_deref(), Some("stopped"));
    let done = running.wait(SOON).expect_code(4);
    let stopped = assert_kept(&stage, &id, &done);
    assert_eq!((&stopped["by"], &stopped["via"]), (&json!("user"), &json!("cli")));
    assert_eq!((&stopped["reason"], &stopped["step"]), (&json!("enough"), &json!("interrupt")));
    assert!(stopped["session_id"].is_string() && stopped["cost_nano_usd"].as_i64() > Some(0), "{stopped}");
    stage.assert_store_is_the_journals();
}

#[test]
fn from_the_cli_without_a_daemon() {
    let stage = Stage::new(&ENDLESS);
    let (running, id) = answering(&stage, &["--no-daemon"]);
    stage.llmctl(&["stop", &id[..12], "--reason", "enough"]).expect_code(0);
    let done = running.wait(SOON).expect_code(4);
    let stopped = assert_kept(&stage, &id, &done);
    assert_eq!((&stopped["via"], &stopped["reason"]), (&json!("cli"), &json!("enough")));
    assert!(stage.daemons().is_empty());
}

#[test]
fn one_without_a_link_while_a_daemon_runs() {
    let stage = Stage::new(&ENDLESS);
    stage.start_daemon();
    let (running, id) = answering(&stage, &["--no-daemon"]);
    stage.llmctl(&["stop", &id]).expect_code(0);
    assert_eq!(stage.state_of(&id).as_deref(), Some("stopped"));
    let done = running.wait(SOON).expect_code(4);
    assert_kept(&stage, &id, &done);
    stage.assert_store_is_the_journals();
}

#[test]
fn a_hung_tool_is_terminated_and_a_stubborn_one_killed() {
    let stubborn: [(&[&str], &str); 2] =
        [(&["--ignore-int"], "terminate"), (&["--ignore-int", "--ignore-term"], "kill")];
    for (options, step) in stubborn {
        for no_daemon in [&["--no-daemon"][..], &[]] {
            let stage = Stage::new(&[options, &["--hang"]].concat());
            let (running, id) = answering(&stage, no_daemon);
            stage.llmctl(&["stop", &id, "--grace", "100ms"]).expect_code(0);
            let stopped = assert_kept(&stage, &id, &running.wait(SOON).expect_code(4));
            assert_eq!(stopped["step"], step);
            assert_eq!(stopped["killed_processes"], u32::from(step == "kill"), "{stopped}");
        }
    }
}

#[test]
fn force_goes_straight_to_the_kill() {
    let stage = Stage::new(&["--hang", "--ignore-int", "--ignore-term"]);
    let (running, id) = answering(&stage, &[]);
    let begun = Instant::now();
    stage.llmctl(&["stop", &id, "--force"]).expect_code(0);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let stopped = assert_kept(&stage, &id, &running.wait(SOON).expect_code(4));
    assert_eq!((&stopped["step"], &stopped["exit_code"]), (&json!("kill"), &Value::Null));
}

#[test]
fn a_stop_that_is_under_way_can_be_forced() {
    let stage = Stage::new(&["--hang", "--ignore-int", "--ignore-term"]);
    let (running, id) = answering(&stage, &[]);
    let first = stage.sandbox.spawn(&["stop", &id, "--grace", "1h"]);
    stage.wait_state(&id, "stopping");
    stage.llmctl(&["stop", &id, "--force"]).expect_code(0);
    first.wait(SOON).expect_code(0);
    assert_kept(&stage, &id, &running.wait(SOON).expect_code(4));
}

#[test]
fn two_stops_at_once_are_one_ladder() {
    for no_daemon in [&["--no-daemon"][..], &[]] {
        let stage = Stage::new(&["--hang", "--slow-int-ms", "300"]);
        let (running, id) = answering(&stage, no_daemon);
        let stops: Vec<Running> = (0..4).map(|_| stage.sandbox.spawn(&["stop", &id])).collect();
        for stop in stops {
            stop.wait(SOON).expect_code(0);
        }
        let stopped = assert_kept(&stage, &id, &running.wait(SOON).expect_code(4));
        assert_eq!(stopped["step"], "interrupt");
    }
}

#[test]
fn all_of_them() {
    let stage = Stage::new(&ENDLESS);
    let mut running: Vec<Running> =
        [&[][..], &[], &["--no-daemon"]].into_iter().map(|more| stage.start(more)).collect();
    for one in &mut running {
        one.wait_stdout(SOON, |out| out.contains("delta 0000003"));
    }
    let stop = stage.llmctl(&["stop", "--all", "--json"]).expect_code(0);
    let results: Vec<Value> = serde_json::from_slice(&stop.stdout).expect("JSON");
    assert_eq!(results.len(), 3);
    assert!(results.iter().all(|result| result["operation"]["state"] == "stopped"), "{results:?}");
    for one in running {
        one.wait(SOON).expect_code(4);
    }
    stage.wait_only_daemon();
    assert_eq!(stage.llmctl(&["stop", "--all"]).expect_code(0).stdout_text(), "nothing is running\n");
    stage.assert_store_is_the_journals();
}

#[test]
fn what_has_ended_or_never_was_is_said() {
    for no_daemon in [&["--no-daemon"][..], &[]] {
        let stage = Stage::new(&[]);
        stage.execute(no_daemon).expect_code(0);
        let id = stage.only_id();
        let ended = stage.llmctl(&["stop", &id]).expect_code(1);
        assert!(ended.stderr_text().contains(&format!("{id} has already ended")), "{}", ended.stderr_text());
        let unknown = stage.llmctl(&["stop", "exec-zzzz"]).expect_code(2);
        assert!(
            unknown.stderr_text().contains("no operation matches \"exec-zzzz\""),
            "{}",
            unknown.stderr_text()
        );
        assert_eq!(stage.facts(&id, "execution.stopped"), [] as [Value; 0]);
    }
}

#[test]
fn ctrl_c_once_keeps_the_part_and_dies_by_the_signal() {
    for no_daemon in [&["--no-daemon"][..], &[]] {
        let stage = Stage::new(&ENDLESS);
        let (running, id) = answering(&stage, no_daemon);
        running.signal(Signal::INT);
        let done = running.wait(SOON);
        assert_eq!((done.code, done.signal), (None, Some(2)), "{}", done.stderr_text());
        assert!(done.stderr_text().contains("kept: "), "{}", done.stderr_text());
        let stopped = assert_kept(&stage, &id, &done);
        assert_eq!((&stopped["by"], &stopped["via"]), (&json!("user"), &json!("terminal")));
        assert_eq!((&stopped["signal"], &stopped["step"]), (&json!(2), &json!("interrupt")));
    }
}

#[test]
fn ctrl_c_from_a_terminal_reaches_the_tool_only_through_the_runner() {
    // The whole foreground group gets the signal, as from a terminal; the tool is in a group of its own.
    let stage = Stage::new(&ENDLESS);
    let mut command = stage.sandbox.llmctl(&stage.words(&[]));
    command.process_group(0);
    let mut running = run::spawn(command, b"");
    running.wait_stdout(SOON, |out| out.contains("delta 0000003"));
    let id = stage.only_id();
    let tool = proc::stat(stage.tool(&id).pid).expect("it runs");
    assert_eq!((tool.parent, tool.group), (running.pid(), tool.identity.pid));
    running.signal_group(Signal::INT);
    let done = running.wait(SOON);
    assert_eq!(done.signal, Some(2));
    assert_kept(&stage, &id, &done);
}

#[test]
fn ctrl_c_twice_kills() {
    let stage = Stage::new(&["--hang", "--ignore-int", "--ignore-term"]);
    let (running, id) = answering(&stage, &[]);
    running.signal(Signal::INT);
    wait_until(SOON, "the first to be heard", || running.stderr_text().contains("again to kill"));
    let begun = Instant::now();
    running.signal(Signal::INT);
    let done = running.wait(SOON);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(done.signal, Some(2));
    assert_eq!(assert_kept(&stage, &id, &done)["step"], "kill");
}

#[test]
fn other_signals_stop_too() {
    for (signal, number) in [(Signal::TERM, 15), (Signal::HUP, 1)] {
        let stage = Stage::new(&ENDLESS);
        let (running, id) = answering(&stage, &["--no-daemon"]);
        running.signal(signal);
        let done = running.wait(SOON);
        assert_eq!((done.code, done.signal), (None, Some(number)));
        let stopped = assert_kept(&stage, &id, &done);
        assert_eq!((&stopped["by"], &stopped["signal"]), (&json!("signal"), &json!(number)));
    }
}

#[test]
fn a_suspended_runner_hears_it_too() {
    for no_daemon in [&["--no-daemon"][..], &[]] {
        let stage = Stage::new(&ENDLESS);
        let (running, id) = answering(&stage, no_daemon);
        // What Ctrl-Z does; its own signal is discarded where the process group is orphaned, as it may be in CI.
        running.signal(Signal::STOP);
        wait_until(SOON, "the suspension", || proc::stat(running.pid()).is_some_and(|s| s.state == 'T'));
        stage.llmctl(&["stop", &id]).expect_code(0);
        assert_kept(&stage, &id, &running.wait(SOON).expect_code(4));
    }
}

#[test]
fn a_detached_one() {
    let stage = Stage::new(&ENDLESS);
    let id = stage.execute(&["--detach"]).expect_code(0).stdout_text().trim().to_owned();
    assert_eq!(id, stage.only_id());
    let runner = stage.runner(&id);
    stage.wait_output(&id, 100);
    stage.llmctl(&["stop", &id]).expect_code(0);
    wait_until(SOON, "the runner's end", || !proc::is_alive(runner));
    let output = stage.output(&id);
    assert!(numbered(2_000).starts_with(&output) && output.len() >= 100);
    assert_eq!(stage.facts(&id, "execution.stopped").len(), 1);
    stage.wait_only_daemon();
}

#[test]
fn the_time_limit() {
    let stage = Stage::new(&ENDLESS);
    let done = stage.execute(&["--timeout", "500ms"]).expect_code(124);
    let stopped = assert_kept(&stage, &stage.only_id(), &done);
    assert_eq!((&stopped["by"], &stopped["via"]), (&json!("timeout"), &json!("runner")));
}

#[test]
fn a_reader_that_does_not_read_holds_up_no_stop() {
    for no_daemon in [&["--no-daemon"][..], &[]] {
        let stage = Stage::new(&["--deltas", "100000", "--delta-bytes", "4096"]);
        // The pipe's end is open and nobody reads it.
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let mut command = stage.sandbox.llmctl(&stage.words(no_daemon));
        command.stdout(writer);
        let mut child = command.spawn().expect("started");
        drop(command);
        let id = stage.only_id();
        // Everything between tool and reader is full when the record has not grown for a while.
        let mut last = (0, Instant::now());
        wait_until(SOON, "a full pipe", || {
            let now = stage.output(&id).len();
            if now != last.0 {
                last = (now, Instant::now());
            }
            now > 100_000 && last.1.elapsed() > Duration::from_millis(300)
        });
        stage.llmctl(&["stop", &id, "--grace", "200ms"]).expect_code(0);
        assert_eq!(stage.state_of(&id).as_deref(), Some("stopped"));
        let tool = stage.tool(&id);
        assert!(!proc::is_alive(tool));
        drop(reader);
        let status =
            llmctl_tests::wait::wait_for(LONG, "the runner's end", || child.try_wait().expect("ours"));
        assert_eq!(status.code(), Some(4));
        stage.wait_only_daemon();
    }
}

#[test]
fn a_slow_reader_misses_nothing() {
    // Without its closing frames, which would be larger than the buffers between tool and reader.
    let stage = Stage::new(&["--deltas", "3000", "--delta-bytes", "4096", "--exit-after", "2000"]);
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let mut command = stage.sandbox.llmctl(&stage.words(&["--no-daemon"]));
    command.stdout(writer);
    let mut child = command.spawn().expect("started");
    drop(command);
    let id = stage.only_id();
    let tool = stage.tool(&id);
    let expected = llmctl_tests::fake::text(2000, 4096);
    // What is left then fits between tool and reader, so that the tool ends; and its reader is away for a while.
    let mut text = vec![0; expected.len() - 430_000];
    reader.read_exact(&mut text).expect("readable");
    wait_until(SOON, "the tool's end", || !proc::is_alive(tool));
    let ended = Instant::now();
    wait_until(SOON, "a reader that comes back", || ended.elapsed() > Duration::from_millis(1500));
    reader.read_to_end(&mut text).expect("readable");
    assert!(text == expected.as_bytes(), "{} of {} bytes", text.len(), expected.len());
    assert_eq!(child.wait().expect("ended").code(), Some(1));
    assert_eq!(stage.output(&id), expected);
}
