//! Handle to all servers: who there is, and the verbs on them.
//!
//! What is known is read at once; a verb goes to the server's actor and is answered when its result is known.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::join_all;
use llmctl_proto::config::{McpConfig, McpServerConfig, nearest};
use llmctl_proto::mcp::{
    Desired, ReloadReport, Restart, ServerDetail, ServerState, ServerSummary, ServersSummary,
};
use llmctl_proto::paths::{Paths, make_private_dir};
use rustix::process::{Pid, set_child_subreaper};
use sha2::{Digest as _, Sha256};
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::actor::{Actor, Order, Orders, Touched, Trigger};
use super::deps::{Children, Shared};
use super::desired::Wishes;
use super::error::McpError;
use super::known::{Known, reason};
use super::leftovers;
use super::log::Log;
use super::usage::Sampler;
use crate::hub::Hub;
use crate::keep::{Pauses, caught};
use crate::settings::Live;
use crate::store::Store;

/// Orders that wait for one server.
const ORDERS: usize = 64;
/// All servers have to be gone by then when the daemon leaves.
const SHUTDOWN: Duration = Duration::from_secs(7);

/// The end of a server's error stream, and what follows.
#[derive(Debug)]
pub struct LogTail {
    /// Lines, oldest first, without secrets.
    pub lines: Vec<String>,
    /// Lines from here on; one that is too slow misses some and is told how many.
    pub follow: broadcast::Receiver<String>,
    /// The file that keeps more of them.
    pub path: PathBuf,
}

/// What the supervisor needs.
#[derive(Debug, Clone)]
pub struct McpDeps {
    /// Where events go.
    pub hub: Hub,
    /// Where ends and restarts are kept.
    pub store: Store,
    /// Directories.
    pub paths: Arc<Paths>,
    /// The configuration in force.
    pub settings: Live,
}

/// One server, as the handle sees it.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) known: Known,
}

impl Member {
    fn is(&self, name: &str) -> bool {
        self.known.lock().config.name == name
    }
}

#[derive(Debug)]
struct Inner {
    shared: Shared,
    paths: Arc<Paths>,
    settings: Live,
    tracker: TaskTracker,
    members: RwLock<Vec<Member>>,
    /// One reload after the other.
    reloading: tokio::sync::Mutex<()>,
    closing: AtomicBool,
}

/// Handle to all servers.
#[derive(Debug, Clone)]
pub struct Servers {
    inner: Arc<Inner>,
}

impl Servers {
    /// Starts the supervisor. What a former daemon has left is ended before anything is started.
    pub fn spawn(deps: McpDeps, tracker: &TaskTracker, shutdown: &CancellationToken) -> Self {
        let (state, records) = (deps.paths.state.join("mcp"), deps.paths.runtime.join("mcp"));
        for dir in [&state, &records] {
            if let Err(error) = make_private_dir(dir) {
                tracing::warn!(%error, "MCP servers cannot keep what they have to");
            }
        }
        // What a server leaves behind becomes a child of the daemon, and so is found and collected.
        let _ = set_child_subreaper(Pid::from_raw(1));
        let config = deps.settings.current().config.mcp.clone();
        let shared = Shared {
            hub: deps.hub,
            store: deps.store,
            wishes: Wishes::open(state.join("servers.json")),
            sampler: Sampler::default(),
            children: Children::default(),
            starts: Arc::new(Semaphore::new(config.settings.parallel_starts.max(1))),
            instance: instance(&deps.paths).into(),
            records: Arc::new(records),
            swept: CancellationToken::new(),
        };
        tracker.spawn(shared.sampler.clone().run(shutdown.clone()));
        // Beyond the token: servers that are being stopped leave processes too.
        drop(tokio::spawn(shared.children.clone().collect(CancellationToken::new())));
        let servers = Self {
            inner: Arc::new(Inner {
                shared,
                paths: deps.paths,
                settings: deps.settings,
                tracker: TaskTracker::new(),
                members: RwLock::default(),
                reloading: tokio::sync::Mutex::default(),
                closing: AtomicBool::new(false),
            }),
        };
        for server in config.servers {
            servers.add(server);
        }
        tracker.spawn(servers.clone().begin());
        servers
    }

    /// Ends what is left of a former daemon, and then lets everything begin.
    async fn begin(self) {
        let shared = self.inner.shared.clone();
        if let Ok(known) = shared.store.restarts().await {
            for member in self.members() {
                let name = member.known.config().name.clone();
                if let Some(history) = known.get(&name) {
                    let mut facts = member.known.lock();
                    facts.history.extend(history.iter().cloned());
                }
            }
        }
        let sweep = {
            let (records, instance) = (Arc::clone(&shared.records), Arc::clone(&shared.instance));
            tokio::task::spawn_blocking(move || leftovers::sweep(&records, &instance))
        };
        match sweep.await {
            Ok(0) => {}
            Ok(ended) => tracing::warn!(ended, "processes of MCP servers of a former daemon were ended"),
            Err(error) => tracing::error!(%error, "nobody looked for MCP servers of a former daemon"),
        }
        shared.swept.cancel();
    }

    /// Adds a server and starts its actor.
    fn add(&self, config: McpServerConfig) {
        let shared = self.inner.shared.clone();
        let (name, config) = (config.name.clone(), Arc::new(config));
        let log = Log::open(self.log_path(&name), self.log_bytes());
        let known = Known::new(Arc::clone(&config), Arc::new(log), VecDeque::new());
        let desired = shared.wishes.of(&name);
        {
            let mut facts = known.lock();
            facts.desired = desired;
            if desired == Desired::Stopped {
                facts.state = ServerState::Stopped;
            }
        }
        let starts = match desired {
            Desired::Configured => config.auto_start,
            Desired::Running => true,
            Desired::Stopped => false,
        };
        let (orders, inbox) = mpsc::channel(ORDERS);
        let first = starts.then_some(Trigger::AutoStart);
        self.inner.tracker.spawn(keep(name, shared, known.clone(), inbox, first));
        let mut members = self.inner.members.write().unwrap_or_else(PoisonError::into_inner);
        members.push(Member { orders, known });
    }

    fn log_path(&self, name: &str) -> PathBuf {
        let dir = self.inner.settings.current().config.mcp.settings.log_directory.clone();
        let dir = dir.unwrap_or_else(|| self.inner.paths.state.join("mcp"));
        let _ = make_private_dir(&dir);
        dir.join(format!("{}.log", file_name(name)))
    }

    fn log_bytes(&self) -> u64 {
        self.inner.settings.current().config.daemon.retention.server_log_mb << 20
    }

    fn members(&self) -> Vec<Member> {
        self.inner.members.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn is_closing(&self) -> bool {
        self.inner.closing.load(Ordering::Relaxed)
    }

    pub(super) fn member(&self, name: &str) -> Result<Member, McpError> {
        let members = self.members();
        if let Some(member) = members.iter().find(|member| member.is(name)) {
            return Ok(member.clone());
        }
        let names: Vec<String> = members.iter().map(|member| member.known.config().name.clone()).collect();
        let near = nearest(name, names.iter().map(String::as_str)).map(str::to_owned);
        Err(McpError::Unknown { name: name.to_owned(), near })
    }

    /// All servers, in the order of the configuration.
    pub fn list(&self) -> Vec<ServerSummary> {
        self.inner.shared.sampler.look();
        self.members().iter().map(|member| member.known.summary()).collect()
    }

    /// Sums over all servers; nobody counts as looking at them.
    pub fn sums(&self) -> ServersSummary {
        let all: Vec<ServerSummary> = self.members().iter().map(|member| member.known.summary()).collect();
        ServersSummary::of(&all)
    }

    /// One server in full, from what is known.
    ///
    /// # Errors
    /// None has this name.
    pub fn detail(&self, name: &str) -> Result<ServerDetail, McpError> {
        self.inner.shared.sampler.look();
        Ok(self.member(name)?.known.detail())
    }

    /// The last lines of a server's error stream, and a receiver of the next ones.
    ///
    /// # Errors
    /// None has this name.
    pub fn log(&self, name: &str, tail: usize) -> Result<LogTail, McpError> {
        let log = Arc::clone(&self.member(name)?.known.log);
        // First, so that no line is lost in between; one may come twice.
        let follow = log.follow();
        Ok(LogTail { lines: log.tail(tail), follow, path: log.path().to_owned() })
    }

    /// Ends and restarts of a server, newest first.
    ///
    /// # Errors
    /// None has this name.
    pub fn history(&self, name: &str) -> Result<Vec<Restart>, McpError> {
        Ok(self.member(name)?.known.history())
    }

    /// Takes the configuration in force; only servers whose entry changed are touched. Answers when all of them are
    /// stopped or told to start.
    pub async fn reload(&self) -> ReloadReport {
        let _one = self.inner.reloading.lock().await;
        let mut report = ReloadReport::default();
        if self.inner.closing.load(Ordering::Relaxed) {
            return report;
        }
        let config: McpConfig = self.inner.settings.current().config.mcp.clone();
        let old = self.members();
        let order: Vec<String> = config.servers.iter().map(|server| server.name.clone()).collect();
        let mut ends = Vec::new();
        for member in &old {
            let name = member.known.config().name.clone();
            if !order.contains(&name) {
                ends.push(end(member.clone(), "config"));
                report.removed.push(name);
            }
        }
        let mut changes = Vec::new();
        for server in config.servers {
            match old.iter().find(|member| member.is(&server.name)) {
                None => {
                    report.added.push(server.name.clone());
                    self.add(server);
                }
                Some(member) if *member.known.config() == server => report.unchanged += 1,
                Some(member) => changes.push(configure(member.clone(), server)),
            }
        }
        // One that takes its time to end keeps nobody else waiting.
        let (changed, _) = tokio::join!(join_all(changes), join_all(ends));
        for (name, touched) in changed {
            match touched {
                Some(Touched::Restarted) => report.restarted.push(name),
                Some(Touched::Updated) | None => report.updated.push(name),
            }
        }
        let place = |member: &Member| {
            let name = &member.known.lock().config.name;
            order.iter().position(|known| known == name)
        };
        let mut members = self.inner.members.write().unwrap_or_else(PoisonError::into_inner);
        members.retain(|member| place(member).is_some());
        members.sort_by_key(place);
        report
    }

    /// Stops all servers and waits until they are gone, or killed.
    pub async fn close(&self) {
        self.inner.closing.store(true, Ordering::Relaxed);
        let ends = self.members().into_iter().map(|member| end(member, "shutdown"));
        let all = async {
            join_all(ends).await;
            self.inner.tracker.close();
            self.inner.tracker.wait().await;
        };
        if timeout(SHUTDOWN, all).await.is_err() {
            tracing::warn!("MCP servers did not end in time and are killed");
            let (records, instance) =
                (Arc::clone(&self.inner.shared.records), Arc::clone(&self.inner.shared.instance));
            let _ = tokio::task::spawn_blocking(move || leftovers::sweep(&records, &instance)).await;
        }
    }
}

/// Ends a server for good.
async fn end(member: Member, reason: &'static str) {
    let (done, ended) = oneshot::channel();
    if member.orders.send(Order::End { reason, done }).await.is_ok() {
        let _ = ended.await;
    }
}

/// Gives a server another configuration.
async fn configure(member: Member, server: McpServerConfig) -> (String, Option<Touched>) {
    let name = server.name.clone();
    let (done, touched) = oneshot::channel();
    let _ = member.orders.send(Order::Configure { config: Arc::new(server), done }).await;
    (name, touched.await.ok())
}

/// Keeps one actor at work. After a panic its process is gone, and it begins anew.
async fn keep(name: String, shared: Shared, known: Known, mut orders: Orders, first: Option<Trigger>) {
    let mut pauses = Pauses::default();
    let mut first = first;
    let log = Arc::clone(&known.log);
    let _ = tokio::task::spawn_blocking(move || log.recall()).await;
    loop {
        let begun = Instant::now();
        let actor = Actor::new(name.clone(), shared.clone(), known.clone());
        let Err(cause) = caught(actor.run(&mut orders, first.take())).await else { return };
        tracing::error!(cause, server = name, "the supervisor of an MCP server failed and begins again");
        let runs = {
            let mut facts = known.lock();
            let runs = !matches!(
                facts.state,
                ServerState::Stopped | ServerState::Manual | ServerState::Stopping | ServerState::Failed
            );
            facts.state = ServerState::Failed;
            facts.open = None;
            facts.ready_since = None;
            facts.pid = None;
            facts.last_error = Some(reason(format!("its supervisor failed: {cause}")));
            runs
        };
        tokio::time::sleep(pauses.after(begun.elapsed())).await;
        first = runs.then_some(Trigger::Restart);
    }
}

/// Names the servers of this daemon over its restarts, and no other daemon's.
fn instance(paths: &Paths) -> String {
    let mut hash = Sha256::new();
    for dir in [&paths.state, &paths.runtime] {
        let whole = dir.canonicalize().unwrap_or_else(|_| dir.clone());
        hash.update(whole.as_os_str().as_encoded_bytes());
        hash.update([0]);
    }
    hex(&hash.finalize()[..12])
}

/// A name as that of a file: what is unusual in it is replaced, and then its hash keeps it apart from others.
fn file_name(name: &str) -> String {
    let usual = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !name.is_empty() && name.len() <= 64 && name.chars().all(usual) {
        return name.to_owned();
    }
    let clean: String = name.chars().map(|c| if usual(c) { c } else { '_' }).take(48).collect();
    format!("server-{clean}.{}", hex(&Sha256::digest(name.as_bytes())[..6]))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_safely_and_apart() {
        assert_eq!(file_name("git-hub_2"), "git-hub_2");
        let odd = ["../x", "..", "a/b", "a b", "", "ä", ".hidden"];
        let names: Vec<String> = odd.iter().map(|name| file_name(name)).collect();
        assert!(names.iter().all(|name| !name.contains('/') && !name.starts_with('.')), "{names:?}");
        let mut apart = names.clone();
        apart.sort();
        apart.dedup();
        assert_eq!(apart.len(), odd.len());
        assert!(file_name(&"x".repeat(500)).len() < 80);
    }
}
