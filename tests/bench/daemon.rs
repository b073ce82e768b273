//! The daemon under measurement, in an environment of its own.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use llmctl_tests::sandbox::Sandbox;
use rustix::process::{Pid, Signal, kill_process};

use crate::{Bench, wire};

/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A daemon in the foreground; killed when dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    /// From its start to its first answer.
    pub(crate) ready_in: Duration,
}

/// The control socket of an environment.
pub(crate) fn socket(sandbox: &Sandbox) -> PathBuf {
    sandbox.path("run/llmctl/llmctld.sock")
}

impl Daemon {
    /// Starts it and waits for its first answer.
    pub(crate) fn start(bench: &Bench, sandbox: &Sandbox) -> Result<Self, String> {
        let mut command = sandbox.llmctld::<&str>(&[]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let path = socket(sandbox);
        let begun = Instant::now();
        let child = command.spawn().map_err(|e| format!("llmctld: {e}"))?;
        let mut daemon = Self { child, ready_in: Duration::ZERO };
        while UnixStream::connect(&path).is_err() {
            if begun.elapsed() > PATIENCE {
                return Err("the daemon does not listen".into());
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        let first = async { wire::hello(&mut wire::connect(&path).await?).await };
        let pid = bench.runtime.block_on(first).map_err(|e| e.to_string())?;
        daemon.ready_in = begun.elapsed();
        if pid == daemon.child.id() { Ok(daemon) } else { Err(format!("process {pid} answers instead")) }
    }

    /// Process.
    pub(crate) fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Ends it in order.
    pub(crate) fn stop(mut self) {
        if let Some(pid) = Pid::from_raw(self.pid()) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.child.wait();
    }

    /// Ends it as a crash would.
    pub(crate) fn crash(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.child.try_wait().ok().flatten().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
