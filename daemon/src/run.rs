//! One daemon's life: lock, store, hub, socket, ready; then phases down under one deadline.

use std::fs::{File, TryLockError};
use std::io::{self, Seek as _, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use llmctl_proto::event::{DaemonStarted, DaemonStopping};
use llmctl_proto::paths::{Paths, PathsError, private_file, sync_dir};
use llmctl_proto::process::Identity;
use llmctl_proto::time::UnixMs;
use llmctl_proto::{PROTOCOL, VERSION};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::adopt::{Adopter, Deps};
use crate::board::{Board, BoardDeps};
use crate::control::{self, ControlDeps, ControlService, LockContent};
use crate::hub::{Hub, Publish};
use crate::mcp::{McpDeps, Servers};
use crate::operations::Operations;
use crate::retain;
use crate::settings::{Live, Settings};
use crate::store::{Store, StoreError};
use crate::web::{Gateway, SEND_PATIENCE, WebDeps};

/// Everything has to be over by then.
const DEADLINE: Duration = Duration::from_secs(10);
/// Between two looks at the lock of a daemon that leaves.
const LOOK: Duration = Duration::from_millis(20);

/// Why a daemon did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A directory cannot be used.
    #[error(transparent)]
    Paths(#[from] PathsError),
    /// Another daemon holds the lock or answers on the socket.
    #[error("llmctld is already running{0}; see `llmctl daemon status`")]
    AlreadyRunning(String),
    /// The lock file cannot be used.
    #[error("cannot lock {path}")]
    Lock {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The socket cannot be bound.
    #[error("cannot listen on {path}")]
    Bind {
        /// The socket.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Signals cannot be received.
    #[error("cannot receive signals")]
    Signals(#[source] io::Error),
}

/// The lock that makes a daemon the only one; released by the kernel whatever happens.
#[derive(Debug)]
struct Lock {
    _file: File,
}

fn lock(paths: &Paths) -> Result<Lock, StartError> {
    let path = paths.daemon_lock();
    let fail = |source| StartError::Lock { path: path.display().to_string(), source };
    let mut file =
        private_file().read(true).write(true).create(true).truncate(false).open(&path).map_err(fail)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let holder = holder(paths)
                .map(|h| format!(" (version {}, pid {})", h.version, h.daemon.pid))
                .unwrap_or_default();
            return Err(StartError::AlreadyRunning(holder));
        }
        Err(TryLockError::Error(source)) => return Err(fail(source)),
    }
    let content =
        LockContent { daemon: Identity::current(), version: VERSION.to_owned(), protocol: PROTOCOL };
    let write = || -> io::Result<()> {
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(serde_json::to_string(&content).map_err(io::Error::other)?.as_bytes())
    };
    let mut write = write;
    write().map_err(fail)?;
    Ok(Lock { _file: file })
}

fn holder(paths: &Paths) -> Option<LockContent> {
    serde_json::from_slice(&std::fs::read(paths.daemon_lock()).ok()?).ok()
}

/// Whether somebody answers on the socket, and goes on doing so.
async fn somebody_listens(paths: &Paths) -> io::Result<bool> {
    for _ in 0..10 {
        if !control::probe(&paths.socket).await? {
            return Ok(false);
        }
        tokio::time::sleep(LOOK).await;
    }
    control::probe(&paths.socket).await
}

/// Takes the lock. One that leaves has closed its socket and still holds the lock for a moment: whoever starts a
/// daemon just then gets one, and no error.
async fn lock_when_free(paths: &Paths) -> Result<Lock, StartError> {
    let until = tokio::time::Instant::now() + DEADLINE;
    loop {
        match lock(paths) {
            Err(held @ StartError::AlreadyRunning(_)) => {
                // The threads of a killed one may hold its files for a moment after its main thread has ended.
                let dying = holder(paths).is_some_and(|holder| !holder.daemon.is_alive());
                let answers = control::probe(&paths.socket).await.unwrap_or(true);
                if (answers && !dying) || tokio::time::Instant::now() >= until {
                    return Err(held);
                }
                tokio::time::sleep(LOOK).await;
            }
            other => return other,
        }
    }
}

/// Runs a daemon until it is told to stop. `ready` is called once it answers.
///
/// # Errors
/// It could not start; nothing was left behind.
pub async fn run(
    paths: Paths,
    settings: Settings,
    begun: Instant,
    ready: impl FnOnce(),
) -> Result<(), StartError> {
    paths.ensure_runtime()?;
    paths.ensure_state()?;
    let lock = lock_when_free(&paths).await?;
    let bind_error = |source| StartError::Bind { path: paths.socket.display().to_string(), source };
    if somebody_listens(&paths).await.map_err(bind_error)? {
        return Err(StartError::AlreadyRunning(format!(" and answers on {}", paths.socket.display())));
    }
    let mut signals = Signals::register().map_err(StartError::Signals)?;
    let (store, recovered, store_thread) = Store::open(paths.database())?;
    // A new database file has to be found after a power failure.
    let _ = sync_dir(&paths.state);
    let listener = control::bind(&paths.socket).map_err(bind_error)?;

    let paths = Arc::new(paths);
    let rules = settings.rules();
    let live = Live::new(Arc::clone(&paths), settings);
    let (tracker, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let hub_tracker = TaskTracker::new();
    let previous_end = recovered.previous_end;
    // A database that was damaged or is new says nothing of what the journals hold.
    let rebuild = recovered.rebuilt_from.is_some() || previous_end == "first";
    let hub = Hub::spawn(recovered, store.clone(), rules, &hub_tracker);
    let adopt = Deps {
        hub: hub.clone(),
        store: store.clone(),
        paths: Arc::clone(&paths),
        tracker: tracker.clone(),
        shutdown: shutdown.clone(),
    };
    let adopter = Adopter::spawn(adopt, rebuild);
    let operations = Operations::new(hub.clone(), store.clone(), Arc::clone(&paths), adopter.clone());
    let board_deps = BoardDeps { hub: hub.clone(), paths: Arc::clone(&paths), settings: live.clone() };
    let board = Board::spawn(board_deps, &tracker, shutdown.clone());
    board.watch_runs(Arc::clone(&paths), adopter.settled(), &tracker, shutdown.clone());
    let mcp_deps =
        McpDeps { hub: hub.clone(), store: store.clone(), paths: Arc::clone(&paths), settings: live.clone() };
    let servers = Servers::spawn(mcp_deps, &tracker, &shutdown);
    let gateway = Gateway::new(WebDeps {
        hub: hub.clone(),
        store: store.clone(),
        operations: operations.clone(),
        board: board.clone(),
        servers: servers.clone(),
        paths: Arc::clone(&paths),
        tracker: tracker.clone(),
        shutdown: shutdown.clone(),
        version: VERSION,
        settings: live.clone(),
        send_patience: SEND_PATIENCE,
    });
    let deps = ControlDeps {
        hub: hub.clone(),
        store: store.clone(),
        operations,
        board,
        servers: servers.clone(),
        adopter,
        gateway: gateway.clone(),
        paths: Arc::clone(&paths),
        tracker: tracker.clone(),
        shutdown: shutdown.clone(),
        started_at: UnixMs::now(),
        settings: live.clone(),
    };
    let socket = SocketFile::of(&paths.socket);
    let serving = tokio::spawn(control::serve(listener, ControlService::new(deps), shutdown.clone()));
    tracker.spawn(retain::run(store.clone(), paths.as_ref().clone(), live.subscribe(), shutdown.clone()));
    gateway.resume().await;
    announce(&hub, begun, previous_end).await;
    ready();
    tracing::info!(pid = std::process::id(), socket = %paths.socket.display(), version = VERSION, "ready");

    let reason = tokio::select! {
        reason = signals.next(&live, &hub, &servers) => reason,
        () = shutdown.cancelled() => "command",
    };
    let down = leave(reason, &hub, &store, &tracker, &hub_tracker, &shutdown, serving, &gateway, &servers);
    if tokio::time::timeout(DEADLINE, down).await.is_err() {
        tracing::warn!("not everything ended in time");
    }
    drop(hub);
    drop(store);
    socket.unlink();
    // The store's thread has answered its close; joining it is only tidiness.
    if store_thread.is_finished() {
        let _ = store_thread.join();
    }
    drop(lock);
    tracing::info!("ended");
    Ok(())
}

async fn announce(hub: &Hub, begun: Instant, previous_end: &str) {
    let started = DaemonStarted {
        version: VERSION.to_owned(),
        protocol: PROTOCOL,
        pid: std::process::id(),
        startup_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        previous_end: previous_end.to_owned(),
    };
    let _ = hub.publish(Publish::own(started.into())).await;
}

/// Phases: say so; stop accepting and tell runners and followers; drain; commit.
#[allow(clippy::too_many_arguments)]
async fn leave(
    reason: &str,
    hub: &Hub,
    store: &Store,
    tracker: &TaskTracker,
    hub_tracker: &TaskTracker,
    shutdown: &CancellationToken,
    serving: tokio::task::JoinHandle<Result<(), tonic::transport::Error>>,
    gateway: &Gateway,
    servers: &Servers,
) {
    let running = hub.list().await.map_or(0, |(o, _)| o.iter().filter(|o| !o.state.is_final()).count());
    tracing::info!(reason, operations = running, "stopping");
    let stopping = DaemonStopping {
        reason: reason.to_owned(),
        operations_running: u32::try_from(running).unwrap_or(u32::MAX),
    };
    let _ = hub.publish(Publish::own(stopping.into())).await;
    shutdown.cancel();
    gateway.close().await;
    tracker.close();
    let drained = async {
        let _ = serving.await;
        tracker.wait().await;
    };
    let drained = async {
        if tokio::time::timeout(Duration::from_secs(4), drained).await.is_err() {
            tracing::warn!("some connections did not end by themselves");
        }
    };
    tokio::join!(drained, servers.close());
    // Whatever the hub still holds goes to the store before the store is closed.
    let _ = hub.list().await;
    store.close().await;
    hub_tracker.close();
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    fn register() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self, live: &Live, hub: &Hub, servers: &Servers) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "signal",
                _ = self.interrupt.recv() => return "signal",
                // A terminal that closes is no reason to leave either.
                _ = self.hangup.recv() => {
                    if live.reload(hub).await.applied {
                        servers.reload().await;
                    }
                }
            }
        }
    }
}

/// The socket's file as we made it: only that one is removed at the end, never a successor's.
struct SocketFile {
    path: std::path::PathBuf,
    identity: Option<(u64, u64)>,
}

impl SocketFile {
    fn identity(path: &std::path::Path) -> Option<(u64, u64)> {
        use std::os::unix::fs::MetadataExt as _;
        std::fs::symlink_metadata(path).ok().map(|m| (m.dev(), m.ino()))
    }

    fn of(path: &std::path::Path) -> Self {
        Self { path: path.to_owned(), identity: Self::identity(path) }
    }

    fn unlink(&self) {
        if self.identity.is_some() && Self::identity(&self.path) == self.identity {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
