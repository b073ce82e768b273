//! The fake agent CLI does what its options say: streams, faults, signals, and what it leaves in its tree.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::time::Duration;

use llmctl_tests::proc::{self, Identity};
use llmctl_tests::run::{self, Finished, Running};
use llmctl_tests::sandbox::Sandbox;
use llmctl_tests::wait::{wait_for, wait_until};
use llmctl_tests::{fake, price};
use rustix::process::Signal;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);

fn play(sandbox: &Sandbox, name: &str, options: &[&str], input: &[u8]) -> Finished {
    let path = sandbox.fake_tool(name, options);
    run::run(sandbox.command(path), input, SOON)
}

/// Started as the leader of its own group, as the product does it.
fn start(sandbox: &Sandbox, name: &str, options: &[&str]) -> Running {
    let mut command = sandbox.command(sandbox.fake_tool(name, options));
    command.process_group(0);
    run::spawn(command, b"prompt")
}

fn frames(output: &[u8]) -> Vec<Value> {
    let lines = output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

fn text_of(frames: &[Value]) -> String {
    frames.iter().filter_map(|f| f.pointer("/event/delta/text").and_then(Value::as_str)).collect()
}

fn pids(path: &Path, count: usize) -> Vec<Identity> {
    let read = || {
        let text = std::fs::read_to_string(path).ok()?;
        let pids: Vec<i32> = text.lines().filter_map(|line| line.parse().ok()).collect();
        (pids.len() == count).then_some(pids)
    };
    let pids = wait_for(SOON, "the process ids of the grandchildren", read);
    pids.iter().map(|pid| proc::stat(*pid).expect("the grandchild runs").identity).collect()
}

#[test]
fn a_claude_stream_has_known_text_usage_and_price() {
    let sandbox = Sandbox::new();
    let path = sandbox.fake_tool("claude", &["--deltas", "500", "--delta-bytes", "100"]);
    let mut command = sandbox.command(path);
    command.args(["-p", "--model", "claude-haiku-4-5", "--session-id", "abc"]);
    let done = run::run(command, b"prompt", SOON).expect_code(0);
    let frames = frames(&done.stdout);
    assert_eq!(text_of(&frames), fake::text(500, 100));
    let result = frames.last().expect("there is a result");
    assert_eq!(result["result"], json!(fake::text(500, 100)));
    assert_eq!((&result["session_id"], &result["terminal_reason"]), (&json!("abc"), &json!("completed")));
    let usage = fake::usage(500 * 100);
    let account = &result["modelUsage"]["claude-haiku-4-5"];
    assert_eq!(account["outputTokens"], json!(usage.output));
    let nano = price::of("claude-haiku-4-5").expect("it has a price").nano_usd(&usage);
    let reported = account["costUSD"].as_f64().expect("a number") * 1e9;
    assert!((reported - nano as f64).abs() < 0.5, "{reported} {nano}");
}

#[test]
fn other_kinds_have_their_own_formats() {
    let sandbox = Sandbox::new();
    let codex = frames(&play(&sandbox, "codex", &["--tool-calls", "1"], b"").expect_code(0).stdout);
    assert_eq!(codex[0]["type"], "thread.started");
    assert_eq!(codex.last().map(|f| &f["type"]), Some(&json!("turn.completed")));
    assert!(codex.iter().any(|f| f["item"]["type"] == "command_execution" && f["item"]["exit_code"] == 0));
    let gemini = frames(&play(&sandbox, "gemini", &[], b"").expect_code(0).stdout);
    assert_eq!(gemini.last().map(|f| &f["status"]), Some(&json!("success")));
    let plain = play(&sandbox, "llm", &["--deltas", "7"], b"").expect_code(0);
    assert_eq!(plain.stdout_text(), fake::text(7, fake::DELTA_BYTES));
}

#[test]
fn versions_are_told_and_hidden() {
    let sandbox = Sandbox::new();
    for (name, version) in [("claude", "2.1.330 (Claude Code)\n"), ("codex", "codex-cli 0.169.0\n")] {
        let mut command = sandbox.command(sandbox.fake_tool(name, &["--exit-before", "9"]));
        command.arg("--version");
        assert_eq!(run::run(command, b"", SOON).expect_code(0).stdout_text(), version);
    }
    let mut command = sandbox.command(sandbox.fake_tool("claude", &["--hang-version"]));
    command.arg("--version");
    let running = run::spawn(command, b"");
    running.signal(Signal::KILL);
    assert_eq!(running.wait(SOON).signal, Some(9));
}

#[test]
fn arguments_environment_and_input_are_echoed() {
    let sandbox = Sandbox::new();
    let echo = sandbox.path("echo.json");
    let path = sandbox.fake_tool("claude", &["--echo", &echo.display().to_string()]);
    let mut command = sandbox.command(path);
    command.args(["-p", "--output-format", "it's a word"]).env("COLOUR", "grün");
    let input = "ä".repeat(300_000);
    run::run(command, input.as_bytes(), SOON).expect_code(0);
    let echo: Value = serde_json::from_slice(&std::fs::read(echo).expect("the file is there")).expect("JSON");
    assert_eq!(echo["argv"], json!(["-p", "--output-format", "it's a word"]));
    assert_eq!(echo["env"]["COLOUR"], "grün");
    assert_eq!(echo["env"]["HOME"], json!(sandbox.home()));
    assert_eq!((echo["stdin_bytes"].as_u64(), echo["stdin"].as_str()), (Some(600_000), Some(input.as_str())));
    assert_eq!(echo["cwd"], json!(sandbox.project()));
}

#[test]
fn claude_closes_politely_on_sigint_and_not_on_the_others() {
    let sandbox = Sandbox::new();
    for (signal, code) in [(Signal::INT, 0), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let mut running = start(&sandbox, "claude", &["--deltas", "5", "--hang"]);
        running.wait_stdout(SOON, |out| out.contains("delta 0000005"));
        running.signal_group(signal);
        let frames = frames(&running.wait(SOON).expect_code(code).stdout);
        let last = frames.last().expect("there are frames");
        if signal != Signal::INT {
            assert_eq!(last["type"], "stream_event");
            continue;
        }
        assert_eq!(last["terminal_reason"], "aborted_streaming");
        assert_eq!((&last["is_error"], last.get("result")), (&json!(true), None));
        assert_eq!(last["usage"]["output_tokens"], 0);
        let output = &last["modelUsage"][fake::DEFAULT_MODEL]["outputTokens"];
        assert_eq!(*output, json!(fake::usage(5 * fake::DELTA_BYTES).output));
        let partial = frames.iter().find(|f| f["aborted"] == true).expect("the partial answer");
        assert_eq!(partial["message"]["content"][0]["text"], json!(fake::text(5, fake::DELTA_BYTES)));
    }
    let mut running = start(&sandbox, "claude", &["--hang-in-tool"]);
    running.wait_stdout(SOON, |out| out.contains(r#""type":"tool_use""#));
    running.signal_group(Signal::INT);
    let frames = frames(&running.wait(SOON).expect_code(0).stdout);
    assert_eq!(frames.last().map(|f| &f["terminal_reason"]), Some(&json!("aborted_tools")));
}

#[test]
fn the_others_end_as_the_real_ones_do() {
    let sandbox = Sandbox::new();
    let cases = [
        ("codex", Signal::INT, Some(1), None),
        ("codex", Signal::TERM, Some(143), None),
        ("gemini", Signal::INT, Some(0), None),
        ("gemini", Signal::TERM, Some(0), None),
        ("llm", Signal::INT, Some(1), None),
        ("llm", Signal::TERM, None, Some(15)),
        ("claude", Signal::KILL, None, Some(9)),
    ];
    for (name, signal, code, by) in cases {
        let mut running = start(&sandbox, name, &["--hang"]);
        running.wait_stdout(SOON, |out| out.contains("delta 0000003"));
        running.signal(signal);
        let done = running.wait(SOON);
        assert_eq!((done.code, done.signal), (code, by), "{name} {signal:?}");
        assert!(!done.stdout_text().contains("result"));
    }
}

#[test]
fn signals_can_be_ignored_and_answered_late() {
    let sandbox = Sandbox::new();
    let mut running = start(&sandbox, "claude", &["--hang", "--ignore-int", "--ignore-term"]);
    running.wait_stdout(SOON, |out| out.contains("delta 0000003"));
    running.signal(Signal::INT);
    running.signal(Signal::TERM);
    running.signal(Signal::HUP);
    assert_eq!(running.wait(SOON).code, Some(129), "only the last one was heard");

    let mut running = start(&sandbox, "claude", &["--hang", "--slow-int-ms", "300"]);
    running.wait_stdout(SOON, |out| out.contains("delta 0000003"));
    running.signal(Signal::INT);
    let done = running.wait(SOON).expect_code(0);
    assert!(done.elapsed >= Duration::from_millis(300));
    assert!(done.stdout_text().contains("aborted_streaming"));

    let mut running = start(&sandbox, "claude", &["--hang", "--slow-int-ms", "60000"]);
    running.wait_stdout(SOON, |out| out.contains("delta 0000003"));
    running.signal(Signal::INT);
    running.signal(Signal::TERM);
    running.wait(SOON).expect_code(143);
}

#[test]
fn streams_can_end_badly() {
    let sandbox = Sandbox::new();
    let run = |options: &[&str]| play(&sandbox, "claude", options, b"");
    assert!(run(&["--exit-before", "7"]).expect_code(7).stdout.is_empty());
    let cut = run(&["--deltas", "9", "--exit-after", "4", "--exit-code", "3"]).expect_code(3);
    assert_eq!(text_of(&frames(&cut.stdout)), fake::text(4, fake::DELTA_BYTES));
    let silent = run(&["--no-terminal"]).expect_code(0);
    assert!(!silent.stdout_text().contains("terminal_reason"));
    let half = run(&["--end-mid-line"]).expect_code(0);
    assert!(!half.stdout.ends_with(b"\n"));
    assert_eq!(run(&["--exit-after", "1", "--die-by", "11"]).signal, Some(11));
    let refused = run(&["--fail", "429"]).expect_code(1);
    let result = frames(&refused.stdout).pop().expect("there is a result");
    assert_eq!((&result["subtype"], &result["api_error_status"]), (&json!("success"), &json!(429)));
}

#[test]
fn failures_can_pass() {
    let sandbox = Sandbox::new();
    let runs = sandbox.path("runs").display().to_string();
    let options = ["--fail", "529", "--fail-times", "2", "--count-file", &runs];
    let codes = [(); 3].map(|()| play(&sandbox, "codex", &options, b"").code);
    assert_eq!(codes, [Some(1), Some(1), Some(0)]);
}

#[test]
fn odd_bytes_can_stand_around_the_stream() {
    let sandbox = Sandbox::new();
    let odd = ["--garbage", "3", "--crlf", "--blank-lines", "--write-bytes", "7"];
    let done = play(&sandbox, "claude", &odd, b"").expect_code(0);
    assert!(done.stdout_text().starts_with("garbage 0 "));
    assert!(done.stdout_text().contains("}\r\n\n{"));
    assert_eq!(text_of(&frames(&done.stdout)), fake::text(3, fake::DELTA_BYTES));

    let large = play(&sandbox, "claude", &["--big-line-mb", "17"], b"").expect_code(0);
    let longest = large.stdout.split(|byte| *byte == b'\n').map(<[u8]>::len).max();
    assert!(longest > Some(17 << 20));

    let noisy = play(&sandbox, "codex", &["--stderr-mb", "3"], b"").expect_code(0);
    assert_eq!(noisy.stderr.len(), 3 << 20);
    assert!(noisy.stderr_text().lines().last().is_some_and(|line| line.starts_with("noise 00049151 ")));
}

#[test]
fn standard_input_can_be_slow_or_never_read() {
    let sandbox = Sandbox::new();
    play(&sandbox, "claude", &["--stdin", "never"], &vec![b'x'; 1 << 20]).expect_code(0);
    let echo = sandbox.path("echo.json").display().to_string();
    let slow = ["--stdin", "slow", "--delay-ms", "1", "--echo", &echo];
    let done = play(&sandbox, "claude", &slow, &vec![b'x'; 10 << 10]).expect_code(0);
    assert!(done.elapsed >= Duration::from_millis(100));
    let echo: Value = serde_json::from_slice(&std::fs::read(echo).expect("the file is there")).expect("JSON");
    assert_eq!(echo["stdin_bytes"], 10 << 10);
}

#[test]
fn captures_are_replayed_byte_by_byte() {
    let sandbox = Sandbox::new();
    let line = |text: &str| format!("{{\"event\":{{\"delta\":{{\"text\":{text:?}}}}}}}\r\n\n");
    let capture = sandbox.write("capture.jsonl", [line("one "), line("two "), "half".to_owned()].concat());
    let capture_name = capture.display().to_string();
    let done = play(&sandbox, "claude", &["--replay", &capture_name, "--delay-ms", "1"], b"").expect_code(0);
    assert_eq!(done.stdout, std::fs::read(capture).expect("the capture is there"));
    let mut running = start(&sandbox, "claude", &["--replay", &capture_name, "--hang"]);
    running.wait_stdout(SOON, |out| out.ends_with("half"));
    running.signal(Signal::INT);
    assert!(running.wait(SOON).expect_code(0).stdout_text().contains(r#""text":"one two ""#));
}

#[test]
fn grandchildren_stand_where_they_should_and_outlive_the_tool() {
    let sandbox = Sandbox::new();
    let file = sandbox.path("pids");
    let options = ["--grandchild", "plain", "--grandchild", "setsid", "--grandchild", "double", "--hang"];
    let pid_file = file.display().to_string();
    let mut running = start(&sandbox, "claude", &[&options[..], &["--grandchild-pids", &pid_file]].concat());
    running.wait_stdout(SOON, |out| out.contains("delta 0000003"));
    let tool = running.pid();
    let [plain, setsid, double] = pids(&file, 3)[..] else { panic!("three grandchildren") };
    let at = |who: Identity| proc::stat(who.pid).expect("it runs");
    assert_eq!((at(plain).group, at(plain).parent), (tool, tool));
    assert_eq!((at(setsid).session, at(setsid).parent), (setsid.pid, tool));
    assert_eq!(at(double).session, double.pid);
    wait_until(SOON, "the middle process to be gone", || at(double).parent != tool);
    let found: Vec<i32> = proc::descendants(tool).iter().map(|p| p.identity.pid).collect();
    assert!(found.contains(&plain.pid) && found.contains(&setsid.pid) && !found.contains(&double.pid));
    running.signal(Signal::INT);
    running.wait(SOON).expect_code(0);
    let mut left: Vec<Identity> = sandbox.processes().iter().map(|p| p.identity).collect();
    left.sort();
    let mut all = vec![plain, setsid, double];
    all.sort();
    assert_eq!(left, all);
    let mut reaped: Vec<Identity> = sandbox.reap().iter().map(|p| p.identity).collect();
    reaped.sort();
    assert_eq!(reaped, all);
    sandbox.wait_empty(SOON);
}

#[test]
fn stubborn_grandchildren_hold_the_output() {
    let sandbox = Sandbox::new();
    let file = sandbox.path("pids");
    let pid_file = file.display().to_string();
    let options = ["--grandchild", "setsid", "--grandchild-stubborn", "--grandchild-holds-stdout"];
    let running = start(&sandbox, "claude", &[&options[..], &["--grandchild-pids", &pid_file]].concat());
    let grandchild = pids(&file, 1)[0];
    let done = running.wait(SOON).expect_code(0);
    assert!(done.held_open);
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        assert!(proc::signal(grandchild, signal));
    }
    assert!(proc::signal(grandchild, Signal::KILL));
    wait_until(SOON, "the grandchild's end", || !proc::is_alive(grandchild));
}

#[test]
fn a_reader_that_goes_away_is_no_failure_of_claude() {
    let sandbox = Sandbox::new();
    let path = sandbox.fake_tool("claude", &["--deltas", "100000"]);
    let mut command = sandbox.command(path);
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    drop(child.stdout.take());
    let status = wait_for(SOON, "its end", || child.try_wait().expect("it is our child"));
    assert_eq!(status.code(), Some(0));
}
