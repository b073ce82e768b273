//! A tool that writes as fast as it can, through the runner: parse, redact, record, send, pass on.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use llmctl_tests::sandbox::Sandbox;

use crate::Bench;
use crate::daemon::Daemon;
use crate::samples::Samples;
use crate::table::{Row, mb, verdict};

/// Goals: megabytes a second, and bytes of resident memory.
const SPEED: f64 = 50.0;
const MEMORY: f64 = 12e6;

pub(crate) fn measure(bench: &Bench) -> Vec<Row> {
    try_measure(bench).unwrap_or_else(|why| vec![Row::failed("output through the runner", why)])
}

fn try_measure(bench: &Bench) -> Result<Vec<Row>, String> {
    let sandbox = Sandbox::new();
    let input = sandbox.path("project/output.txt");
    let bytes = write_log(&input, bench.pick(200_000_000, 20_000_000)).map_err(|e| e.to_string())?;
    let tools = "tools:\n  pour:\n    binary: cat\n    command_template: '{binary} output.txt'\n";
    let dir = sandbox.path("config/llmctl");
    std::fs::create_dir_all(&dir)
        .and_then(|()| std::fs::write(dir.join("tools.yaml"), tools))
        .map_err(|e| e.to_string())?;
    let daemon = Daemon::start(bench, &sandbox)?;
    let (mut direct, mut through, mut peak) = (Samples::default(), Samples::default(), 0.0_f64);
    for _ in 0..3 {
        let mut cat = sandbox.command("cat");
        cat.arg(&input);
        direct.round(vec![drain(cat, bytes)?.0]);
        let words = ["execute", "--quiet", "--prompt-text", "pour it out", "--tool", "pour"];
        let (speed, memory) = drain(sandbox.llmctl(&words), bytes)?;
        through.round(vec![speed]);
        peak = peak.max(memory);
    }
    daemon.stop();
    let recorded = recorded_bytes(&sandbox.path("state/llmctl/operations"));
    if recorded != 3 * bytes {
        return Err(format!("{} bytes were written and {recorded} recorded", 3 * bytes));
    }
    let (speed, limit, (low, high)) = (through.median(), direct.median(), through.spread());
    let figure = format!("{} through the runner", mb(bytes as f64));
    let mut throughput = Row::number(&figure, format!("{speed:.0} MB/s"), "≥ 50 MB/s", None)
        .beside(format!("cat {limit:.0} MB/s"), format!("1/{:.0}", limit / speed));
    throughput.spread = format!("{low:.0} – {high:.0}");
    throughput.verdict = verdict(Some(speed >= SPEED), &through);
    Ok(vec![
        throughput,
        Row::number("… peak memory of the runner", mb(peak), "≤ 12 MB", Some(peak <= MEMORY)),
    ])
}

/// Lines such as a build writes: words, numbers, paths.
fn write_log(path: &Path, bytes: usize) -> std::io::Result<u64> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    let (mut written, mut number) = (0, 0_u64);
    while written < bytes {
        number += 1;
        let line = format!(
            "[{number:>9}] compiling src/module_{}/part_{}.rs: {} items in {} ms, nothing to report\n",
            number % 97,
            number % 13,
            number * 7 % 1009,
            number % 250
        );
        file.write_all(line.as_bytes())?;
        written += line.len();
    }
    file.flush()?;
    Ok(written as u64)
}

/// Reads everything a program writes; megabytes a second and the most memory it had.
fn drain(mut command: Command, expected: u64) -> Result<(f64, f64), String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let begun = Instant::now();
    let mut child = command.spawn().map_err(|e| format!("{command:?}: {e}"))?;
    let mut stdout = child.stdout.take().ok_or("no standard output")?;
    let (mut buffer, mut total, mut peak) = (vec![0; 256 * 1024], 0, 0.0);
    let mut looked = Instant::now();
    loop {
        let count = stdout.read(&mut buffer).map_err(|e| e.to_string())?;
        total += count as u64;
        if looked.elapsed() > Duration::from_millis(20) || total >= expected {
            looked = Instant::now();
            peak = peak_memory(&child).unwrap_or(peak);
        }
        if count == 0 {
            break;
        }
    }
    let elapsed = begun.elapsed();
    let output = child.wait_with_output().map_err(|e| e.to_string())?;
    if total != expected {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(format!("{command:?} wrote {total} of {expected} bytes: {said}"));
    }
    Ok((expected as f64 / 1e6 / elapsed.as_secs_f64(), peak))
}

/// The most resident memory a process has had; none once it has ended.
fn peak_memory(child: &Child) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok().map(|kb| kb * 1024.0)
}

/// Bytes of the recorded answers of all operations.
fn recorded_bytes(operations: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(operations) else { return 0 };
    let answers = entries.flatten().map(|entry| entry.path().join("output.txt"));
    answers.filter_map(|path| path.metadata().ok()).map(|meta| meta.len()).sum()
}
