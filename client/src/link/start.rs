//! Starting the daemon for whoever needs it first, and waiting for its end.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use llmctl_proto::paths::{Paths, private_file};
use llmctl_proto::pb::ShutdownRequest;
use llmctl_proto::process::{DETACHED_VARIABLE, Identity, TAG_VARIABLE};

use super::{Client, LinkError, connect, connect_any};

/// The daemon's own deadline for leaving, and a little.
const LEAVE: Duration = Duration::from_secs(12);

/// Finds the daemon's program: `$LLMCTLD`, beside this program, in `PATH`.
pub fn find_daemon() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("LLMCTLD").filter(|p| !p.is_empty()) {
        return Some(PathBuf::from(path));
    }
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("llmctld")));
    let in_path = std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).map(|dir| dir.join("llmctld")).collect::<Vec<_>>())
        .unwrap_or_default();
    beside.into_iter().chain(in_path).find(|path| path.is_file())
}

/// Connects, and starts the daemon when nobody answers. Callers that race start one daemon: the first takes the
/// start lock, the others wait for it and then find the daemon.
///
/// # Errors
/// The daemon cannot be found or does not start, or speaks another protocol.
pub async fn ensure_running(paths: &Paths) -> Result<Client, LinkError> {
    match connect(paths).await {
        Err(LinkError::NotRunning(_)) => {}
        other => return other,
    }
    paths.ensure_runtime()?;
    let _lock = start_lock(paths).await?;
    match connect(paths).await {
        Err(LinkError::NotRunning(_)) => {}
        other => return other,
    }
    let program = find_daemon().ok_or(LinkError::NoProgram)?;
    let output = tokio::process::Command::new(&program)
        .arg("--daemonize")
        // A tool's `llmctl emit` may be the first that needs it; it is no part of that operation.
        .env_remove(TAG_VARIABLE)
        .env(DETACHED_VARIABLE, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .await
        .map_err(|e| LinkError::Start(format!("{}: {e}", program.display())))?;
    let connected = connect(paths).await;
    if connected.is_err() && !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(LinkError::Start(said.trim().trim_start_matches("error: ").to_owned()));
    }
    connected
}

async fn start_lock(paths: &Paths) -> Result<File, LinkError> {
    let path = paths.start_lock();
    let lock = move || -> io::Result<File> {
        let file = private_file().write(true).create(true).truncate(false).open(&path)?;
        file.lock()?;
        Ok(file)
    };
    let locked = tokio::task::spawn_blocking(lock).await.map_err(io::Error::other).and_then(|locked| locked);
    locked.map_err(|source| LinkError::Io { path: paths.start_lock(), source })
}

/// Asks the daemon to leave and waits until its process has ended. False when none was running.
///
/// # Errors
/// It answers with an error, or does not leave in time.
pub async fn stop_and_wait(paths: &Paths) -> Result<bool, LinkError> {
    let mut client = match connect_any(&paths.socket).await {
        Ok(client) => client,
        Err(LinkError::NotRunning(_)) => return Ok(false),
        Err(error) => return Err(error),
    };
    // A daemon of another protocol can be stopped too: this verb never changes.
    let request = ShutdownRequest { reason: "llmctl daemon stop".into() };
    let answer = client.shutdown(request).await.map_err(|s| LinkError::Answer(s.message().to_owned()))?;
    let Some(daemon) = Identity::of(answer.into_inner().pid) else { return Ok(true) };
    let ended = async {
        while daemon.is_alive() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    match tokio::time::timeout(LEAVE, ended).await {
        Ok(()) => Ok(true),
        Err(_) => {
            Err(LinkError::Answer(format!("pid {} is still there after {} s", daemon.pid, LEAVE.as_secs())))
        }
    }
}
