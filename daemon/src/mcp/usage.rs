//! Memory and processor of all servers' trees, measured for all of them in one look at the machine's processes.
//!
//! Each second while somebody looks at the servers, every 5 s where limits are set, else every 30 s; never while
//! no server runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use llmctl_proto::mcp::ServerUsage;
use llmctl_proto::process::Identity;
use llmctl_proto::time::UnixMs;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Between two looks while somebody watches.
const WATCHED: Duration = Duration::from_secs(1);
/// Between two looks where limits are set.
const LIMITED: Duration = Duration::from_secs(5);
/// Between two looks otherwise.
const USUAL: Duration = Duration::from_secs(30);
/// How long a question counts as watching.
const INTEREST: Duration = Duration::from_secs(15);
/// Shortest time between two looks: below it the processor's use means nothing.
const LEAST: Duration = Duration::from_millis(250);

/// What one look has shown of one server.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) usage: ServerUsage,
    /// The processes of its tree.
    pub(super) tree: Vec<Identity>,
}

#[derive(Debug)]
struct Root {
    limited: bool,
    samples: watch::Sender<Option<Sample>>,
}

#[derive(Debug, Default)]
struct Shared {
    roots: HashMap<u32, Root>,
    interest: Option<Instant>,
}

/// Handle to the sampler.
#[derive(Debug, Clone, Default)]
pub(super) struct Sampler {
    shared: Arc<Mutex<Shared>>,
    news: Arc<Notify>,
}

/// A server that is measured for as long as this lives.
#[derive(Debug)]
pub(super) struct Measured {
    sampler: Sampler,
    pid: u32,
    /// The newest sample.
    pub(super) samples: watch::Receiver<Option<Sample>>,
}

impl Drop for Measured {
    fn drop(&mut self) {
        self.sampler.lock().roots.remove(&self.pid);
    }
}

impl Sampler {
    /// Measures the tree below a process from now on.
    pub(super) fn measure(&self, pid: u32, limited: bool) -> Measured {
        let (samples, receiver) = watch::channel(None);
        self.lock().roots.insert(pid, Root { limited, samples });
        self.news.notify_one();
        Measured { sampler: self.clone(), pid, samples: receiver }
    }

    /// Somebody looks at the servers.
    pub(super) fn look(&self) {
        let mut shared = self.lock();
        let fresh = shared.interest.is_some_and(|at| at.elapsed() < WATCHED);
        shared.interest = Some(Instant::now());
        drop(shared);
        if !fresh {
            self.news.notify_one();
        }
    }

    /// Measures until the token is cancelled.
    pub(super) async fn run(self, shutdown: CancellationToken) {
        let mut machine: Option<Machine> = None;
        let mut last: Option<Instant> = None;
        loop {
            let due = self.pause().map(|pause| last.map_or_else(Instant::now, |at| at + pause));
            let wait = async {
                match due {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = wait => {}
                // The pause may be another one now.
                () = self.news.notified() => {
                    if due.is_none() || last.is_none_or(|at| at.elapsed() >= LEAST) { continue }
                    sleep_until(last.unwrap_or_else(Instant::now) + LEAST).await;
                    continue;
                }
                () = shutdown.cancelled() => return,
            }
            let roots: Vec<u32> = self.lock().roots.keys().copied().collect();
            if roots.is_empty() {
                // What is known of the machine's processes is not worth its memory without servers.
                machine = None;
                continue;
            }
            let Some(mut look) = machine.take().or_else(Machine::new) else { return };
            let measured = tokio::task::spawn_blocking(move || {
                let samples = look.measure(&roots);
                (look, samples)
            });
            let Ok((look, samples)) = measured.await else { continue };
            machine = Some(look);
            last = Some(Instant::now());
            let shared = self.lock();
            for (pid, sample) in samples {
                if let Some(root) = shared.roots.get(&pid) {
                    root.samples.send_replace(Some(sample));
                }
            }
        }
    }

    /// The time between two looks; none without servers.
    fn pause(&self) -> Option<Duration> {
        let shared = self.lock();
        if shared.roots.is_empty() {
            return None;
        }
        if shared.interest.is_some_and(|at| at.elapsed() < INTEREST) {
            return Some(WATCHED);
        }
        Some(if shared.roots.values().any(|root| root.limited) { LIMITED } else { USUAL })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The machine's processes as they were seen last.
struct Machine {
    system: System,
}

impl Machine {
    /// None where this system's processes cannot be looked at.
    fn new() -> Option<Self> {
        match System::new() {
            Ok(system) => Some(Self { system }),
            Err(error) => {
                tracing::warn!(%error, "what MCP servers use cannot be measured");
                None
            }
        }
    }

    fn measure(&mut self, roots: &[u32]) -> Vec<(u32, Sample)> {
        let what = ProcessRefreshKind::nothing().with_cpu().with_memory().without_tasks();
        self.system.refresh_processes_specifics(ProcessesToUpdate::All, true, what);
        let mut below: HashMap<Pid, Vec<Pid>> = HashMap::new();
        for (pid, process) in self.system.processes() {
            if let Some(parent) = process.parent() {
                below.entry(parent).or_default().push(*pid);
            }
        }
        let at = UnixMs::now();
        roots.iter().filter_map(|root| Some((*root, self.tree(*root, &below, at)?))).collect()
    }

    fn tree(&self, root: u32, below: &HashMap<Pid, Vec<Pid>>, at: UnixMs) -> Option<Sample> {
        let mut queue = vec![Pid::from_u32(root)];
        let mut usage = ServerUsage { at, cpu_percent: 0.0, rss_bytes: 0, processes: 0 };
        let mut tree = Vec::new();
        while let Some(pid) = queue.pop() {
            let Some(process) = self.system.process(pid) else { continue };
            usage.cpu_percent += process.cpu_usage();
            usage.rss_bytes += process.memory();
            usage.processes += 1;
            tree.extend(Identity::of(pid.as_u32()));
            queue.extend(below.get(&pid).into_iter().flatten());
            if tree.len() > 10_000 {
                break;
            }
        }
        (usage.processes > 0).then_some(Sample { usage, tree })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_tree_is_measured_while_somebody_looks() {
        let mut child =
            std::process::Command::new("sh").args(["-c", "sleep 60 & sleep 60"]).spawn().expect("sh");
        let (sampler, shutdown) = (Sampler::default(), CancellationToken::new());
        let running = tokio::spawn(sampler.clone().run(shutdown.clone()));
        let mut measured = sampler.measure(child.id(), false);
        sampler.look();
        let whole =
            |sample: &Option<Sample>| sample.as_ref().is_some_and(|sample| sample.usage.processes == 3);
        let seen = tokio::time::timeout(Duration::from_secs(30), measured.samples.wait_for(whole)).await;
        let sample = seen.expect("in time").expect("running").clone().expect("a sample");
        assert!(sample.usage.rss_bytes > 100_000 && sample.tree.len() == 3);
        shutdown.cancel();
        running.await.expect("ended");
        llmctl_proto::process::kill_all(&sample.tree);
        child.wait().expect("reaped");
    }
}
