//! A long history of what was spent: the report over it, and a daemon that starts on it.

use std::time::{Duration, Instant};

use llmctl_proto::event::{CostRecorded, Event, ExecutionCompleted, Spend};
use llmctl_proto::ids::OperationId;
use llmctl_proto::journal::Writer;
use llmctl_proto::opdir::{FORMAT, OperationDir, OperationFile};
use llmctl_proto::paths::Paths;
use llmctl_proto::process::Identity;
use llmctl_proto::time::UnixMs;
use llmctl_tests::sandbox::Sandbox;
use serde_json::{Value, json};

use crate::Bench;
use crate::daemon::Daemon;
use crate::probe::millis;
use crate::samples::Samples;
use crate::table::Row;

/// Attempts of each operation that is made up.
const ATTEMPTS: u32 = 100;
/// Pico-dollars of each attempt.
const AMOUNT: i64 = 1_234_567;
/// Days the history goes back.
const DAYS: i64 = 60;
/// Longest wait for the journals to be read.
const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) fn measure(bench: &Bench) -> Vec<Row> {
    try_measure(bench).unwrap_or_else(|why| vec![Row::failed("a long ledger", why)])
}

fn try_measure(bench: &Bench) -> Result<Vec<Row>, String> {
    let operations = bench.pick(1_000, 100);
    let records = u64::from(ATTEMPTS) * operations;
    let sandbox = Sandbox::new();
    for number in 0..operations {
        write(&sandbox, number, operations).map_err(|e| e.to_string())?;
    }
    let mut daemon = Daemon::start(bench, &sandbox)?;
    let begun = Instant::now();
    while rows(&sandbox)? != records {
        if begun.elapsed() > PATIENCE {
            return Err(format!("{} of {records} attempts were read", rows(&sandbox)?));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let (mut report, mut alone, mut start) = (Samples::default(), Samples::default(), Samples::default());
    for _ in 0..bench.pick(5, 3) {
        for samples in [&mut report, &mut alone, &mut start] {
            samples.begin_round();
        }
        for _ in 0..bench.pick(3, 2) {
            report.push(timed(&sandbox, &["cost", "--by", "model"])?);
            daemon.crash();
            alone.push(timed(&sandbox, &["cost", "--by", "model"])?);
            daemon = Daemon::start(bench, &sandbox)?;
            start.push(millis(daemon.ready_in));
        }
    }
    daemon.stop();
    let row = |what: &str, samples: &Samples| {
        let (low, high) = samples.spread();
        let figure = format!("{what}, {records} attempts");
        let row = Row::number(&figure, format!("{:.0} ms", samples.median()), "", None);
        Row { spread: format!("{low:.0} ms – {high:.0} ms"), ..row }
    };
    Ok(vec![
        row("cost --by model", &report),
        row("the same from the journals, without a daemon", &alone),
        row("start after kill -9", &start),
    ])
}

/// Writes the directory of an operation that ended long ago.
fn write(sandbox: &Sandbox, number: u64, of: u64) -> std::io::Result<()> {
    let now = UnixMs::now();
    let back = DAYS * 86_400_000 / i64::try_from(of).unwrap_or(1) * i64::try_from(number).unwrap_or(0);
    let at = UnixMs(now.0 - DAYS * 86_400_000 + back);
    let paths = Paths {
        state: sandbox.path("state/llmctl"),
        runtime: sandbox.path("run/llmctl"),
        config: sandbox.path("config/llmctl"),
        socket: sandbox.path("run/llmctl/llmctld.sock"),
    };
    paths.ensure_state().map_err(std::io::Error::other)?;
    let id = OperationId::new();
    let dir = OperationDir::of(&paths, &id);
    dir.create(&OperationFile {
        format: FORMAT,
        operation_id: id.clone(),
        version: llmctl_proto::VERSION.to_owned(),
        created_at: at,
        runner: Identity { pid: 1, start_time: 0, boot_id: String::new() },
        tag: id.to_string(),
        tool: None,
        request: Value::Null,
    })?;
    let mut journal = Writer::create(&dir.journal())?;
    for attempt in 1..=ATTEMPTS {
        let moment = UnixMs(at.0 + i64::from(attempt));
        journal.append(moment, &Event::from(record(&id, attempt, moment)));
    }
    let end = Event::from(ExecutionCompleted {
        operation_id: id,
        exit_code: Some(0),
        model: None,
        duration_ms: 1,
        first_output_ms: None,
        spend: Spend::default(),
        stdout_bytes: 0,
        stderr_bytes: 0,
        calls: 0,
        session_id: None,
        resume_command: None,
    });
    journal.append(at, &end);
    journal.sync()?;
    dir.settle();
    Ok(())
}

fn record(id: &OperationId, attempt: u32, at: UnixMs) -> CostRecorded {
    let model = format!("model-{}", attempt % 7);
    let line = json!({"class": "output", "count": 1_000, "price_pico_usd": AMOUNT / 1_000});
    let row = json!({"model": model, "provider": "example", "usage_source": "reported", "basis": "computed",
        "tokens": {"input": 10, "output": 1_000}, "cost_pico_usd": AMOUNT, "source": "catalogue",
        "price_row": "example/model@1", "lines": [line.clone(), line]});
    let record = json!({"operation_id": id, "attempt": attempt, "tool": "example", "provider": "example",
        "agent": null, "project": "/project", "task_type": null, "task_id": null, "policy": "default",
        "started_at": at, "recorded_at": at, "rows": [row], "cost_nano_usd": AMOUNT / 1_000, "drift": null});
    serde_json::from_value(record).expect("a record of the ledger")
}

/// Rows that the daemon's ledger holds.
fn rows(sandbox: &Sandbox) -> Result<u64, String> {
    let done = sandbox.run(&["cost", "--json"], PATIENCE);
    let report: Value = serde_json::from_str(&done.stdout_text()).map_err(|e| e.to_string())?;
    let periods = report["periods"].as_array().ok_or("a report without periods")?;
    periods.last().and_then(|total| total["rows"].as_u64()).ok_or_else(|| report.to_string())
}

fn timed(sandbox: &Sandbox, words: &[&str]) -> Result<f64, String> {
    let begun = Instant::now();
    let done = sandbox.run(words, PATIENCE);
    if done.code == Some(0) { Ok(millis(begun.elapsed())) } else { Err(done.stderr_text()) }
}
