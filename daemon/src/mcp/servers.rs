//! Handle to all servers: who there is, and the verbs on them.
//!
//! What is known is read at once; a verb goes to the server's actor and is answered when its result is known.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use llmctl_proto::config::{McpConfig, McpServerConfig, nearest};
use llmctl_proto::mcp::{
    CallAnswer, Desired, ReloadReport, Restart, ServerDetail, ServerState, ServerSummary,
};
use llmctl_proto::paths::{Paths, make_private_dir};
use rustix::process::{Pid, set_child_subreaper};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::actor::{Actor, Order, Orders, Reply, Touched, Trigger};
use super::deps::{Children, Shared};
use super::desired::Wishes;
use super::error::McpError;
use super::known::{Known, millis, reason};
use super::leftovers;
use super::log::Log;
use super::session::SessionError;
use super::usage::Sampler;
use crate::hub::Hub;
use crate::keep::{Pauses, caught};
use crate::settings::Live;
use crate::store::Store;

/// Orders that wait for one server.
const ORDERS: usize = 64;
/// Text of a call's answer beside the whole result, in bytes.
const ANSWER_TEXT: usize = 1024 * 1024;
/// What a verb may take beyond the times that are configured.
const BEYOND: Duration = Duration::from_secs(2);
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

#[derive(Debug, Clone)]
struct Member {
    orders: mpsc::Sender<Order>,
    known: Known,
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
        tracker.spawn(servers.clone().follow_settings(shutdown.clone()));
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

    /// Takes each configuration that comes into force.
    async fn follow_settings(self, shutdown: CancellationToken) {
        let mut settings = self.inner.settings.subscribe();
        settings.mark_unchanged();
        loop {
            tokio::select! {
                changed = settings.changed() => if changed.is_err() { return },
                () = shutdown.cancelled() => return,
            }
            let config = settings.borrow_and_update().config.mcp.clone();
            self.reload(config).await;
        }
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
        u64::from(self.inner.settings.current().config.daemon.retention.server_log_mb) << 20
    }

    fn members(&self) -> Vec<Member> {
        self.inner.members.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn member(&self, name: &str) -> Result<Member, McpError> {
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

    /// One server in full, from what is known.
    ///
    /// # Errors
    /// None has this name.
    pub fn detail(&self, name: &str) -> Result<ServerDetail, McpError> {
        self.inner.shared.sampler.look();
        Ok(self.member(name)?.known.detail())
    }

    /// Starts a server, and answers when it is ready or has failed. One that runs is left alone. `by` is who wants
    /// it: `cli`, `http`.
    ///
    /// # Errors
    /// It is not ready; whether it is started again by itself is said.
    pub async fn start(
        &self,
        name: &str,
        by: &str,
        within: Option<Duration>,
    ) -> Result<ServerSummary, McpError> {
        let member = self.member(name)?;
        let config = member.known.config();
        let within = within.unwrap_or(config.startup_timeout + BEYOND);
        self.verb(&member, within, "start", |reply| Order::Start { by: by.to_owned(), reply }).await
    }

    /// Stops a server, and answers when no process of it is left. It stays stopped.
    ///
    /// # Errors
    /// It is not stopped in time; it is still being stopped then.
    pub async fn stop(
        &self,
        name: &str,
        _by: &str,
        within: Option<Duration>,
    ) -> Result<ServerSummary, McpError> {
        let member = self.member(name)?;
        let within = within.unwrap_or(member.known.config().shutdown_timeout + BEYOND);
        self.verb(&member, within, "stop", |reply| Order::Stop { reply }).await
    }

    /// Stops and starts a server, whatever state it is in.
    ///
    /// # Errors
    /// It is not ready.
    pub async fn restart(
        &self,
        name: &str,
        by: &str,
        within: Option<Duration>,
    ) -> Result<ServerSummary, McpError> {
        let member = self.member(name)?;
        let config = member.known.config();
        let within = within.unwrap_or(config.shutdown_timeout + config.startup_timeout + BEYOND);
        self.verb(&member, within, "restart", |reply| Order::Restart { by: by.to_owned(), reply }).await
    }

    async fn verb(
        &self,
        member: &Member,
        within: Duration,
        word: &str,
        order: impl FnOnce(Reply) -> Order,
    ) -> Result<ServerSummary, McpError> {
        if self.inner.closing.load(Ordering::Relaxed) {
            return Err(McpError::Stopping);
        }
        let (reply, answer) = oneshot::channel();
        let carried = async {
            member.orders.send(order(reply)).await.map_err(|_| McpError::Stopping)?;
            answer.await.map_err(|_| McpError::Stopping)?
        };
        timeout(within, carried).await.unwrap_or_else(|_| {
            let name = member.known.config().name.clone();
            let message = format!(
                "no result of the {word} within {:.1} s; it is {} now and goes on",
                within.as_secs_f64(),
                member.known.state().name()
            );
            Err(McpError::Timeout { name, message })
        })
    }

    /// Asks a server again for what it offers.
    ///
    /// # Errors
    /// It is not open, or does not answer.
    pub async fn discover(&self, name: &str) -> Result<ServerDetail, McpError> {
        let member = self.member(name)?;
        let (reply, answer) = oneshot::channel();
        let asked = async {
            member.orders.send(Order::Discover { reply }).await.map_err(|_| McpError::Stopping)?;
            answer.await.map_err(|_| McpError::Stopping)?
        };
        let within = member.known.config().request_timeout + BEYOND;
        let late = |_| McpError::Timeout { name: name.to_owned(), message: "no list in time".to_owned() };
        timeout(within, asked).await.map_err(late)??;
        Ok(member.known.detail())
    }

    /// Calls a tool. `within` is by default the server's request timeout.
    ///
    /// # Errors
    /// It is not open, the tool is not there or may not be called, or there is no answer. A tool that fails gives
    /// an answer that says so.
    pub async fn call(
        &self,
        name: &str,
        tool: &str,
        args: Value,
        within: Option<Duration>,
    ) -> Result<CallAnswer, McpError> {
        let member = self.member(name)?;
        if !(args.is_object() || args.is_null()) {
            return Err(McpError::Invalid("the arguments of a tool must be an object".to_owned()));
        }
        let (open, config, offer, state) = {
            let facts = member.known.lock();
            (facts.open.clone(), Arc::clone(&facts.config), Arc::clone(&facts.offer), facts.state)
        };
        let Some(open) = open else {
            let hint = format!("start it with `llmctl mcp start {name}`");
            return Err(McpError::WrongState { name: name.to_owned(), state, hint });
        };
        let bad = |message: String| McpError::BadTool { name: name.to_owned(), message };
        if config.allowed_tools.as_ref().is_some_and(|allowed| !allowed.iter().any(|one| one == tool)) {
            return Err(bad(format!("may not be asked for {tool:?}: its `tools` do not name it")));
        }
        let known = offer.tools.iter().any(|one| one.name == tool);
        if !known && offer.problems.is_empty() {
            let near = nearest(tool, offer.tools.iter().map(|one| one.name.as_str()));
            let near = near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
            return Err(bad(format!("has no tool {tool:?}{near}")));
        }
        let begun = Instant::now();
        let within = within.unwrap_or(config.request_timeout);
        let counted = Counted::begin(&open.calls);
        let answer = tokio::select! {
            answer = open.session.call_tool(tool, args, within) => answer,
            () = open.over.cancelled() => Err(SessionError::Closed),
        };
        drop(counted);
        let duration_ms = millis(begun.elapsed());
        let clean = |text: &str| reason(open.redactor.redact_str(text));
        let error = match &answer {
            Ok(answer) if answer.is_error => Some(clean(&answer.text(512))),
            Ok(_) => None,
            Err(error) => Some(clean(&error.to_string())),
        };
        member.known.lock().calls.note(tool, duration_ms, error.clone());
        match answer {
            Ok(answer) => Ok(CallAnswer {
                is_error: answer.is_error,
                text: answer.text(ANSWER_TEXT),
                result: answer.result,
                duration_ms,
            }),
            Err(SessionError::Timeout { .. }) => Err(McpError::Timeout {
                name: name.to_owned(),
                message: format!("no answer of {tool:?} within {:.1} s", within.as_secs_f64()),
            }),
            Err(SessionError::Closed) => Err(McpError::Failed {
                name: name.to_owned(),
                cause: "call".to_owned(),
                message: format!("it ended during the call of {tool:?}"),
                stderr_tail: String::new(),
            }),
            Err(_) => Err(McpError::Failed {
                name: name.to_owned(),
                cause: "call".to_owned(),
                message: format!("{tool:?}: {}", error.unwrap_or_default()),
                stderr_tail: String::new(),
            }),
        }
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

    /// Takes another configuration; only servers whose entry changed are touched. Answers when all of them are
    /// stopped or told to start.
    pub async fn reload(&self, config: McpConfig) -> ReloadReport {
        let _one = self.inner.reloading.lock().await;
        let mut report = ReloadReport::default();
        if self.inner.closing.load(Ordering::Relaxed) {
            return report;
        }
        let old = self.members();
        let mut waits = Vec::new();
        for member in &old {
            let name = member.known.config().name.clone();
            if !config.servers.iter().any(|server| server.name == name) {
                waits.push(end(member.clone(), "config"));
                report.removed.push(name);
            }
        }
        futures_util::future::join_all(waits).await;
        let order: Vec<String> = config.servers.iter().map(|server| server.name.clone()).collect();
        for server in config.servers {
            let Some(member) = old.iter().find(|member| member.is(&server.name)) else {
                report.added.push(server.name.clone());
                self.add(server);
                continue;
            };
            if *member.known.config() == server {
                report.unchanged += 1;
                continue;
            }
            let name = server.name.clone();
            let (done, touched) = oneshot::channel();
            let _ = member.orders.send(Order::Configure { config: Arc::new(server), done }).await;
            match touched.await {
                Ok(Touched::Restarted) => report.restarted.push(name),
                Ok(Touched::Updated) | Err(_) => report.updated.push(name),
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
            futures_util::future::join_all(ends).await;
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

/// Keeps one actor at work. After a panic its process is gone, and it begins anew.
async fn keep(name: String, shared: Shared, known: Known, mut orders: Orders, first: Option<Trigger>) {
    let mut pauses = Pauses::default();
    let mut first = first;
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

/// A call that is counted for as long as it lives.
struct Counted<'a>(&'a std::sync::atomic::AtomicUsize);

impl<'a> Counted<'a> {
    fn begin(calls: &'a std::sync::atomic::AtomicUsize) -> Self {
        calls.fetch_add(1, Ordering::Relaxed);
        Self(calls)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
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
