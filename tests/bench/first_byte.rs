//! What `llmctl execute` adds before the first byte of a tool's answer, beside the same tool run directly.
//!
//! The fake tool answers at once, so nearly all of the time is llmctl's own. Each sample waits for the end of its
//! operation before the next one begins.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use llmctl_tests::run;
use llmctl_tests::sandbox::Sandbox;

use crate::Bench;
use crate::daemon::{Daemon, PATIENCE};
use crate::probe::millis;
use crate::samples::Samples;
use crate::table::{Against, Goal, Row};

/// What the first piece of every answer begins with.
const FIRST: &[u8] = b"delta 0000001";
/// The command llmctl starts the real tool with.
const CLAUDE: [&str; 5] = ["-p", "--output-format", "stream-json", "--verbose", "--include-partial-messages"];

pub(crate) fn measure(bench: &Bench) -> Vec<Row> {
    try_measure(bench).unwrap_or_else(|why| vec![Row::failed("first byte", why)])
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.fake_tool("instant", &["--deltas", "1"]);
    sandbox.fake_tool("claude", &["--deltas", "1"]);
    let tools = "tools:\n  instant:\n    binary: instant\n    command_template: '{binary}'\n";
    let dir = sandbox.path("config/llmctl");
    // A directory that cannot be written shows as a tool that is not known.
    let _ = std::fs::create_dir_all(&dir).and_then(|()| std::fs::write(dir.join("tools.yaml"), tools));
    sandbox
}

fn execute(sandbox: &Sandbox, tool: &str, more: &[&str]) -> Command {
    let mut words = vec!["execute", "--quiet", "--prompt-text", "say something", "--tool", tool];
    words.extend(more);
    sandbox.llmctl(&words)
}

fn try_measure(bench: &Bench) -> Result<Vec<Row>, String> {
    let (warm, cold) = (sandbox(), sandbox());
    let daemon = Daemon::start(bench, &warm)?;
    let mut all: [Samples; 6] = Default::default();
    for round in 0..=bench.pick(5, 3) {
        for samples in &mut all {
            samples.begin_round();
        }
        // The first round warms the file cache and is not counted.
        let samples = if round == 0 { 2 } else { bench.pick(20, 6) };
        for _ in 0..samples {
            let plain = warm.command(warm.path("bin/instant"));
            let mut claude = warm.command(warm.path("bin/claude"));
            claude.args(CLAUDE);
            let values = [
                first_byte(plain)?,
                first_byte(execute(&warm, "instant", &[]))?,
                first_byte(claude)?,
                first_byte(execute(&warm, "claude-code", &[]))?,
                first_byte(execute(&warm, "instant", &["--no-daemon"]))?,
                first_byte(execute(&cold, "instant", &[]))?,
            ];
            run::run(cold.llmctl(&["daemon", "stop"]), b"", PATIENCE);
            for (samples, value) in all.iter_mut().zip(values) {
                samples.push(value);
            }
        }
        if round == 0 {
            all = Default::default();
        }
    }
    daemon.stop();
    let [plain, template, claude, adapter, without, starting] = &all;
    let direct = ("the tool itself", plain);
    let row = |figure: &str, samples: &Samples, anchor, limit: f64| {
        Row::latency(figure, samples, anchor, Against::Added, Goal::Added(limit))
    };
    Ok(vec![
        row("execute → first byte, template", template, direct, 15.0),
        row("execute → first byte, claude adapter", adapter, ("the tool itself", claude), 15.0),
        row("execute → first byte, --no-daemon", without, direct, 15.0),
        row("execute → first byte, daemon starts first", starting, direct, 50.0),
    ])
}

/// Milliseconds from before the start of a program to the first piece of its answer.
fn first_byte(mut command: Command) -> Result<f64, String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let begun = Instant::now();
    let mut child = command.spawn().map_err(|e| format!("{command:?}: {e}"))?;
    let mut stdout = child.stdout.take().ok_or("no standard output")?;
    let (mut seen, mut buffer, mut first) = (Vec::new(), vec![0; 16 * 1024], None);
    loop {
        let count = stdout.read(&mut buffer).map_err(|e| e.to_string())?;
        if count == 0 {
            break;
        }
        seen.extend_from_slice(&buffer[..count]);
        if first.is_none() && seen.windows(FIRST.len()).any(|window| window == FIRST) {
            first = Some(millis(begun.elapsed()));
        }
    }
    let output = child.wait_with_output().map_err(|e| e.to_string())?;
    first.ok_or_else(|| {
        format!("{command:?} gave no answer: {}", String::from_utf8_lossy(&output.stderr).trim())
    })
}
