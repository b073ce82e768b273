//! Task files on a generated tree: the first scan, from a rename to a browser's frame, lists, and rest.
//!
//! Beside what the machine does alone: reading the same files, the rename itself, the shortest answer of the gateway.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use llmctl_tests::sandbox::Sandbox;
use llmctl_tests::{http, proc, run};
use serde_json::Value;

use crate::Bench;
use crate::browser::{free_port, next, open};
use crate::daemon::{Daemon, PATIENCE};
use crate::probe::millis;
use crate::samples::Samples;
use crate::table::{Against, Goal, Row, mb};

/// Files of a usual, a well filled and a large tree, and the bytes of each: the median of real ones, and short ones.
const FEW: (usize, usize) = (120, 2_120);
const FILES: (usize, usize) = (1_000, 2_120);
const MANY: (usize, usize) = (10_000, 420);
/// Between two renames; each is one event.
const EVERY: Duration = Duration::from_millis(30);

pub(crate) fn measure(bench: &Bench) -> Vec<Row> {
    let mut rows = Vec::new();
    for (tree, goal) in [(FILES, 150.0), (MANY, 400.0)] {
        rows.extend(cold(bench, tree, goal).unwrap_or_else(|why| vec![Row::failed("cold scan", why)]));
    }
    for (tree, goal) in [(FEW, 10.0), (FILES, 25.0)] {
        rows.extend(live(bench, tree, goal).unwrap_or_else(|why| vec![Row::failed("tasks", why)]));
    }
    rows
}

/// A generated tree: a third each in the lanes, ten agents.
fn tree(root: &Path, (files, bytes): (usize, usize)) -> std::io::Result<()> {
    let filler = "A line of plain text as a description has many of.\n";
    for n in 0..files {
        let dir = match n % 3 {
            0 => root.join("inbox"),
            1 => root.join(format!("assigned/agent-{}", n % 10)),
            _ => root.join(format!("done/agent-{}", n % 10)),
        };
        let status = ["new", "assigned", "done"][n % 3];
        let mut text = format!(
            "id: task-{n}\nagent: agent-{}\nstatus: {status}\npriority: high\ntitle: Task number {n}\n\
             created_at: '2026-02-01T10:00:00Z'\ndependencies:\n- task-{}\ndescription: |\n",
            n % 10,
            n / 2
        );
        while text.len() < bytes {
            let _ = write!(text, "  {filler}");
        }
        fs::create_dir_all(&dir)?;
        fs::write(dir.join(format!("task-{n}.yaml")), text)?;
    }
    Ok(())
}

/// An environment whose daemon watches such a tree.
fn stage(files: (usize, usize)) -> Result<(Sandbox, PathBuf), String> {
    let sandbox = Sandbox::new();
    let root = sandbox.project().join("work/collaboration");
    tree(&root, files).map_err(|e| e.to_string())?;
    sandbox.configure("tasks.yaml", &format!("tasks:\n  roots: ['{}']\n", root.display()));
    Ok((sandbox, root))
}

fn watcher(sandbox: &Sandbox) -> Value {
    let told = sandbox.run(&["daemon", "status", "--json"], PATIENCE);
    let status: Value = serde_json::from_str(&told.stdout_text()).unwrap_or_default();
    status["tasks"]["roots"][0].clone()
}

fn cold(bench: &Bench, size: (usize, usize), goal: f64) -> Result<Vec<Row>, String> {
    let (mut scans, mut reads, mut memory) = (Samples::default(), Samples::default(), 0.0);
    let (sandbox, root) = stage(size)?;
    for _ in 0..bench.pick(5, 3) {
        let begun = Instant::now();
        read_all(&root).map_err(|e| e.to_string())?;
        reads.round(vec![millis(begun.elapsed())]);
        let daemon = Daemon::start(bench, &sandbox)?;
        let begun = Instant::now();
        let first = loop {
            let root = watcher(&sandbox);
            if root["scans"].as_u64().unwrap_or(0) > 0 {
                break root;
            }
            if begun.elapsed() > PATIENCE {
                return Err("no scan".into());
            }
        };
        scans.round(vec![first["last_scan_us"].as_f64().unwrap_or_default() / 1_000.0]);
        memory = proc::rss_bytes(daemon.pid()).unwrap_or_default() as f64;
        daemon.stop();
    }
    let files = size.0;
    let figure = format!("cold scan of {files} task files");
    let anchor = ("reading them", &reads);
    Ok(vec![
        Row::latency(&figure, &scans, anchor, Against::Times, Goal::Median(goal)),
        Row::number(&format!("… daemon memory with {files} files"), mb(memory), "", None),
    ])
}

fn read_all(dir: &Path) -> std::io::Result<usize> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() {
            read_all(&entry.path())?
        } else {
            fs::read(entry.path())?.len()
        };
    }
    Ok(bytes)
}

fn live(bench: &Bench, size: (usize, usize), goal: f64) -> Result<Vec<Row>, String> {
    let (sandbox, root) = stage(size)?;
    let daemon = Daemon::start(bench, &sandbox)?;
    let port = free_port()?;
    let started =
        run::run(sandbox.llmctl(&["dashboard", "start", "--port", &port.to_string()]), b"", PATIENCE);
    if started.code != Some(0) {
        return Err(started.stderr_text().trim().to_owned());
    }
    let token = fs::read_to_string(sandbox.path("run/llmctl/token")).map_err(|e| e.to_string())?;
    let gateway = Gateway { addr: SocketAddr::from(([127, 0, 0, 1], port)), token: token.trim().to_owned() };
    gateway.get("/api/tasks", &[])?;
    let mut rows = vec![renames(bench, &gateway, &root, size.0, goal)?];
    if size != FILES {
        daemon.stop();
        return Ok(rows);
    }
    rows.extend(lists(bench, &gateway)?);
    let watch = Duration::from_secs(bench.pick(10, 3));
    let before = proc::cpu_ms(daemon.pid()).unwrap_or_default();
    std::thread::sleep(watch);
    let used = proc::cpu_ms(daemon.pid()).unwrap_or_default() - before;
    let percent = used as f64 / millis(watch) * 100.0;
    rows.push(Row::number(
        "processor at rest, 1,000 files watched",
        format!("{percent:.1} %"),
        "≤ 0.1 %",
        Some(percent <= 0.1),
    ));
    daemon.stop();
    Ok(rows)
}

/// From just before a rename until its frame is read.
fn renames(bench: &Bench, gateway: &Gateway, root: &Path, files: usize, goal: f64) -> Result<Row, String> {
    let (mut frames, mut bare) = (Samples::default(), Samples::default());
    let port = gateway.addr.port();
    bench.runtime.block_on(async {
        let mut browser = open(port, &gateway.token).await?;
        // One task goes from one agent to another and back.
        let mut at = [1, 4].map(|agent| root.join(format!("assigned/agent-{agent}/task-1.yaml")));
        for _ in 0..bench.pick(5, 3) {
            frames.begin_round();
            bare.begin_round();
            for _ in 0..bench.pick(60, 25) {
                tokio::time::sleep(EVERY).await;
                let begun = Instant::now();
                fs::rename(&at[0], &at[1]).map_err(|e| e.to_string())?;
                bare.push(millis(begun.elapsed()));
                at.reverse();
                let frame = loop {
                    let frame = next(&mut browser).await?;
                    if frame.contains("\"task.") {
                        break frame;
                    }
                };
                if !frame.contains("\"task.assigned\"") {
                    return Err(format!("another event came: {frame}"));
                }
                frames.push(millis(begun.elapsed()));
            }
        }
        Ok::<(), String>(())
    })?;
    let anchor = ("the rename", &bare);
    let figure = format!("rename of a task → browser, {files} files");
    Ok(Row::latency(&figure, &frames, anchor, Against::Added, Goal::Tail(goal)))
}

fn lists(bench: &Bench, gateway: &Gateway) -> Result<Vec<Row>, String> {
    let tag = gateway.get("/api/tasks", &[])?.header("etag").unwrap_or_default().to_owned();
    let (mut base, mut known) = (Samples::default(), Samples::default());
    let mut of = vec![Samples::default(); 3];
    let paths = ["/api/tasks", "/api/tasks?fields=card&include_done=false", "/api/stats"];
    for _ in 0..bench.pick(5, 3) {
        for samples in of.iter_mut().chain([&mut base, &mut known]) {
            samples.begin_round();
        }
        for _ in 0..bench.pick(40, 10) {
            base.push(gateway.time("/health", &[])?);
            known.push(gateway.time("/api/tasks", &[("if-none-match", &tag)])?);
            for (path, samples) in paths.iter().zip(&mut of) {
                samples.push(gateway.time(path, &[])?);
            }
        }
    }
    let anchor = ("/health", &base);
    let goals = [2.0, 2.0, 0.5].map(Goal::Added);
    let mut rows: Vec<Row> = paths
        .iter()
        .zip(&of)
        .zip(goals)
        .map(|((path, samples), goal)| {
            Row::latency(&format!("GET {path}, 1,000 files"), samples, anchor, Against::Added, goal)
        })
        .collect();
    rows.push(Row::latency("… when nothing changed", &known, anchor, Against::Added, Goal::Added(0.3)));
    Ok(rows)
}

struct Gateway {
    addr: SocketAddr,
    token: String,
}

impl Gateway {
    fn get(&self, path: &str, headers: &[(&str, &str)]) -> Result<http::Answer, String> {
        let bearer = format!("Bearer {}", self.token);
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend_from_slice(headers);
        let answer = http::request(self.addr, "GET", path, &all, b"", PATIENCE).map_err(|e| e.to_string())?;
        let answer = answer.finish();
        if matches!(answer.status, 200 | 304) {
            Ok(answer)
        } else {
            Err(format!("{path}: {}", answer.status))
        }
    }

    fn time(&self, path: &str, headers: &[(&str, &str)]) -> Result<f64, String> {
        let begun = Instant::now();
        self.get(path, headers)?;
        Ok(millis(begun.elapsed()))
    }
}
