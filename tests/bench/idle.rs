//! A daemon that has nothing to do, beside a runtime that only waits on a socket.

use std::process::Stdio;
use std::time::Duration;

use llmctl_tests::proc;
use llmctl_tests::sandbox::Sandbox;

use crate::daemon::Daemon;
use crate::table::{Row, mb};
use crate::{Bench, probe};

/// Resident memory goal, in bytes.
const MEMORY: f64 = 10e6;
/// How long processor time is counted.
const WATCH: Duration = Duration::from_secs(10);

pub(crate) fn measure(bench: &Bench) -> Vec<Row> {
    try_measure(bench).unwrap_or_else(|why| vec![Row::failed("idle daemon", why)])
}

fn try_measure(bench: &Bench) -> Result<Vec<Row>, String> {
    let sandbox = Sandbox::new();
    let daemon = Daemon::start(bench, &sandbox)?;
    let mut anchor = probe::listening_process(&sandbox.path("tmp/anchor.sock"));
    anchor.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut anchor = anchor.spawn().map_err(|e| e.to_string())?;
    let settle = Duration::from_secs(bench.pick(60, 5));
    std::thread::sleep(settle);
    let seen = look(daemon.pid(), anchor.id() as i32);
    let _ = anchor.kill();
    let _ = anchor.wait();
    daemon.stop();
    let (memory, bare, ticks, bare_ticks) = seen.ok_or("a process is gone")?;
    let after = settle.as_secs();
    Ok(vec![
        Row::number(&format!("idle memory after {after} s"), mb(memory), "≤ 10 MB", Some(memory <= MEMORY))
            .beside(format!("waiting runtime {}", mb(bare)), format!("+{}", mb(memory - bare))),
        Row::number("idle processor time in 10 s", format!("{ticks} ticks"), "0 ticks", Some(ticks == 0))
            .beside(format!("waiting runtime {bare_ticks} ticks"), String::new()),
    ])
}

/// Memory of both, and the ticks both use while they are watched.
fn look(daemon: i32, anchor: i32) -> Option<(f64, f64, u64, u64)> {
    let (memory, bare) = (proc::rss_bytes(daemon)? as f64, proc::rss_bytes(anchor)? as f64);
    let before = (proc::stat(daemon)?.cpu_ticks, proc::stat(anchor)?.cpu_ticks);
    std::thread::sleep(WATCH);
    let after = (proc::stat(daemon)?.cpu_ticks, proc::stat(anchor)?.cpu_ticks);
    Some((memory, bare, after.0 - before.0, after.1 - before.1))
}
