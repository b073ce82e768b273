//! The gateway: the page, REST, WebSocket and event stream on loopback, for one user's browsers and scripts.
//!
//! One gate is passed before anything is routed (`gate`); sessions are `session`'s; everything else reads the hub,
//! the store and the operations' files. It can be started and stopped while the daemon runs.

mod assets;
mod costs;
mod events;
mod export;
mod feed;
mod files;
mod follow;
mod gate;
mod history;
mod holder;
mod listing;
mod mcp;
mod models;
mod operations;
mod recorded;
mod reply;
mod retries;
mod routes;
mod serve;
mod session;
mod socket;
mod starts;
mod stream;
mod system;
mod task_edits;
mod task_runs;
mod tasks;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use llmctl_proto::paths::{Paths, replace_file};
use llmctl_proto::time::UnixMs;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::board::Board;
use crate::hub::Hub;
use crate::mcp::Servers;
use crate::operations::Operations;
use crate::settings::Live;
use crate::store::Store;
use assets::Assets;
use session::Sessions;

/// Where the gateway listens unless told otherwise.
pub const DEFAULT_PORT: u16 = 8080;

/// What the gateway works with.
#[derive(Debug, Clone)]
pub struct WebDeps {
    /// Events and the projection.
    pub hub: Hub,
    /// History.
    pub store: Store,
    /// Verbs on operations.
    pub operations: Operations,
    /// Task files.
    pub board: Board,
    /// MCP servers.
    pub servers: Servers,
    /// Directories.
    pub paths: Arc<Paths>,
    /// All tasks.
    pub tracker: TaskTracker,
    /// End of the daemon.
    pub shutdown: CancellationToken,
    /// Build.
    pub version: &'static str,
    /// The configuration in force.
    pub settings: Live,
    /// A message to a browser that takes longer ends the connection; [`SEND_PATIENCE`].
    pub send_patience: Duration,
}

/// How long a browser may take for a message.
pub const SEND_PATIENCE: Duration = feed::SEND;

/// Why the gateway is not there.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// Another address than loopback.
    #[error("{0:?} is not a loopback address; the dashboard listens on 127.0.0.1 or ::1 only")]
    NotLoopback(String),
    /// Somebody has the port.
    #[error("port {port} of {host} is taken{holder}; choose another: llmctl dashboard start --port {next}")]
    Taken {
        /// Address.
        host: IpAddr,
        /// Port.
        port: u16,
        /// ` by NAME (pid N)`, when it could be found out.
        holder: String,
        /// A port that may be free.
        next: u16,
    },
    /// It runs elsewhere already.
    #[error("the dashboard already runs at http://{0}; stop it first: llmctl dashboard stop")]
    Elsewhere(SocketAddr),
    /// Anything else.
    #[error("cannot listen on {addr}: {source}")]
    Io {
        /// Address.
        addr: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// There are too many codes.
    #[error("{0}")]
    Code(&'static str),
}

/// Figures of the gateway.
#[derive(Debug, Default)]
pub(crate) struct WebStats {
    pub(crate) connections: AtomicUsize,
    pub(crate) turned_away: AtomicUsize,
    pub(crate) sockets: AtomicUsize,
    pub(crate) resyncs: AtomicU64,
    pub(crate) dropped_frames: AtomicU64,
    pub(crate) shed: AtomicU64,
    pub(crate) refused: AtomicU64,
}

/// The gateway's figures by name.
#[derive(Debug, Clone, Default, Serialize)]
pub struct GatewayFigures {
    /// Where it listens.
    pub http_addr: Option<String>,
    /// Browsers that are signed in.
    pub sessions: usize,
    /// Connections that are open.
    pub connections: usize,
    /// Connections there may be.
    pub connections_limit: usize,
    /// Sockets and event streams that are open.
    pub sockets: usize,
    /// Sockets and event streams there may be, together.
    pub sockets_limit: usize,
    /// Sockets and streams that were told to start over, since they fell behind.
    pub resyncs: u64,
    /// Frames that slow sockets missed.
    pub dropped_frames: u64,
    /// Sockets and streams that were closed since they did not read.
    pub shed: u64,
    /// Requests refused at the gate.
    pub refused: u64,
}

/// What every connection shares.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) deps: WebDeps,
    /// Short critical sections between requests that have nothing else in common.
    pub(crate) sessions: Mutex<Sessions>,
    pub(crate) stats: WebStats,
    pub(crate) assets: Assets,
    pub(crate) started: Instant,
    pub(crate) started_at: UnixMs,
    pub(crate) ledger_turns: costs::Turns,
    pub(crate) starts: starts::Starts,
    pub(crate) exports: export::Places,
    pub(crate) streams: stream::Streams,
}

impl Shared {
    pub(crate) fn sessions(&self) -> std::sync::MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn figures(&self, addr: Option<SocketAddr>) -> GatewayFigures {
        use std::sync::atomic::Ordering::Relaxed;
        GatewayFigures {
            http_addr: addr.map(|addr| addr.to_string()),
            sessions: self.sessions().open(Instant::now()),
            connections: self.stats.connections.load(Relaxed),
            connections_limit: serve::MAX_CONNECTIONS,
            sockets: self.stats.sockets.load(Relaxed),
            sockets_limit: feed::MAX_FEEDS,
            resyncs: self.stats.resyncs.load(Relaxed),
            dropped_frames: self.stats.dropped_frames.load(Relaxed),
            shed: self.stats.shed.load(Relaxed),
            refused: self.stats.refused.load(Relaxed),
        }
    }
}

#[derive(Debug)]
struct Running {
    addr: SocketAddr,
    cancel: CancellationToken,
    /// Ends when the listener is closed.
    accepting: JoinHandle<()>,
}

/// Handle to the gateway.
#[derive(Debug, Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
    running: Arc<Mutex<Option<Running>>>,
    /// Held by whoever starts or stops, so that two do not both find it stopped.
    changing: Arc<tokio::sync::Mutex<()>>,
}

/// What the gateway was last told; kept so that a restarted daemon opens it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Wanted {
    enabled: bool,
    host: IpAddr,
    port: u16,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { enabled: false, host: IpAddr::V4(Ipv4Addr::LOCALHOST), port: DEFAULT_PORT }
    }
}

impl Gateway {
    /// A gateway that does not listen yet. Writes the token for scripts.
    pub fn new(deps: WebDeps) -> Self {
        let shared = Shared {
            sessions: Mutex::new(Sessions::new(&deps.paths)),
            deps,
            stats: WebStats::default(),
            assets: Assets::from_env(),
            started: Instant::now(),
            started_at: UnixMs::now(),
            ledger_turns: costs::Turns::default(),
            starts: starts::Starts::default(),
            exports: export::Places::default(),
            streams: stream::Streams::default(),
        };
        Self { shared: Arc::new(shared), running: Arc::default(), changing: Arc::default() }
    }

    /// Where it listens.
    pub fn addr(&self) -> Option<SocketAddr> {
        self.running().as_ref().map(|running| running.addr)
    }

    /// Connections and sockets open, sockets told to start over, sockets shed, requests refused at the gate,
    /// frames that slow sockets missed.
    pub fn figures(&self) -> [u64; 6] {
        use std::sync::atomic::Ordering::Relaxed;
        let stats = &self.shared.stats;
        [
            stats.connections.load(Relaxed) as u64,
            stats.sockets.load(Relaxed) as u64,
            stats.resyncs.load(Relaxed),
            stats.shed.load(Relaxed),
            stats.refused.load(Relaxed),
            stats.dropped_frames.load(Relaxed),
        ]
    }

    /// Where it listens, and its figures by name.
    pub fn figures_now(&self) -> GatewayFigures {
        self.shared.figures(self.addr())
    }

    /// Starts listening; tells the address and whether it did so already. Without a host or port the last ones
    /// are taken, or 127.0.0.1:8080.
    ///
    /// # Errors
    /// Not loopback, taken, or running elsewhere.
    pub async fn start(
        &self,
        host: Option<String>,
        port: Option<u16>,
    ) -> Result<(SocketAddr, bool), GatewayError> {
        let _changing = self.changing.lock().await;
        let last = self.wanted();
        let host = host.map_or(Ok(last.host), |host| loopback(&host))?;
        let wanted = Wanted { enabled: true, host, port: port.unwrap_or(last.port) };
        if let Some(addr) = self.addr() {
            let same = port.is_none_or(|port| port == addr.port()) && host == addr.ip();
            return if same { Ok((addr, true)) } else { Err(GatewayError::Elsewhere(addr)) };
        }
        let addr = self.listen(&wanted).await?;
        // The port that was got, not the 0 that was asked for: open pages find the next daemon there.
        self.keep(&Wanted { port: addr.port(), ..wanted });
        Ok((addr, false))
    }

    /// Opens the gateway again if it was open when the last daemon ended.
    pub async fn resume(&self) {
        let _changing = self.changing.lock().await;
        let wanted = self.wanted();
        if wanted.enabled
            && let Err(error) = self.listen(&wanted).await
        {
            tracing::warn!(error = %error, "dashboard not reopened");
        }
    }

    async fn listen(&self, wanted: &Wanted) -> Result<SocketAddr, GatewayError> {
        let addr = SocketAddr::new(wanted.host, wanted.port);
        let listener = match TcpListener::bind(addr).await {
            Ok(listener) => listener,
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => return Err(taken(addr).await),
            Err(source) => return Err(GatewayError::Io { addr, source }),
        };
        let bound = listener.local_addr().map_err(|source| GatewayError::Io { addr, source })?;
        let cancel = self.shared.deps.shutdown.child_token();
        let accept = serve::accept(listener, bound, Arc::clone(&self.shared), cancel.clone());
        let accepting = self.shared.deps.tracker.spawn(accept);
        *self.running() = Some(Running { addr: bound, cancel, accepting });
        tracing::info!(addr = %bound, "dashboard started");
        Ok(bound)
    }

    /// Stops listening and closes all connections; stays so after a restart.
    pub async fn stop(&self) {
        let _changing = self.changing.lock().await;
        self.end().await;
        self.keep(&Wanted { enabled: false, ..self.wanted() });
    }

    /// Closes for the daemon's end: what was wanted stays wanted.
    pub async fn close(&self) {
        let _changing = self.changing.lock().await;
        self.end().await;
    }

    /// Returns when the listener is closed: whoever asked may bind the port next.
    async fn end(&self) {
        let running = self.running().take();
        if let Some(Running { addr, cancel, accepting }) = running {
            cancel.cancel();
            // An accept task that panicked has dropped its listener too.
            let _ = accepting.await;
            tracing::info!(%addr, "dashboard stopped");
        }
    }

    /// A one-time code for a browser.
    ///
    /// # Errors
    /// Four are open already, or there are no random numbers.
    pub fn login_code(&self) -> Result<String, GatewayError> {
        self.shared.sessions().new_code(Instant::now()).map_err(GatewayError::Code)
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wanted(&self) -> Wanted {
        let text = std::fs::read(self.shared.deps.paths.gateway_file()).ok();
        text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    fn keep(&self, wanted: &Wanted) {
        let path = self.shared.deps.paths.gateway_file();
        let written = serde_json::to_vec(wanted)
            .map_err(std::io::Error::other)
            .and_then(|text| replace_file(&path, &text));
        if let Err(error) = written {
            tracing::warn!(error = %error, path = %path.display(), "the dashboard's address is not kept");
        }
    }
}

async fn taken(addr: SocketAddr) -> GatewayError {
    // Walking /proc may take a while on a full machine.
    let holder = tokio::task::spawn_blocking(move || holder::describe(addr)).await.unwrap_or_default();
    let next = addr.port().checked_add(1).unwrap_or(DEFAULT_PORT);
    GatewayError::Taken { host: addr.ip(), port: addr.port(), holder, next }
}

fn loopback(host: &str) -> Result<IpAddr, GatewayError> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let ip = match bare {
        "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        "::1" => IpAddr::V6(Ipv6Addr::LOCALHOST),
        other => other.parse().map_err(|_| GatewayError::NotLoopback(host.to_owned()))?,
    };
    if ip.is_loopback() { Ok(ip) } else { Err(GatewayError::NotLoopback(host.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_listened_on() {
        for good in ["127.0.0.1", "localhost", "::1", "[::1]", "127.0.0.2"] {
            assert!(loopback(good).is_ok(), "{good}");
        }
        for bad in ["0.0.0.0", "::", "192.168.1.2", "::ffff:127.0.0.1", "[::1", "127.1", "example.org", ""] {
            assert!(loopback(bad).is_err(), "{bad}");
        }
    }
}
