//! The control plane: gRPC on a Unix socket that only its owner can reach.

mod attach;
mod follow;
mod ledger;
mod listener;
mod mcp;
mod operations;
mod service;
mod status;
mod tasks;

use std::io;

use llmctl_proto::pb::control_server::ControlServer;
use llmctl_proto::process::Identity;
use tokio::time::Duration;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

pub use listener::{Listener, bind};
pub use service::{ControlDeps, ControlService};
pub(crate) use tasks::status as tasks_status;

/// Longest message in either direction: an operation list of 500 rows stays far below.
const MAX_MESSAGE: usize = 4 * 1024 * 1024;
const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// Streams one client may have open.
const MAX_STREAMS: u32 = 64;
/// Longest wait for open calls at the end.
const DRAIN: Duration = Duration::from_secs(3);

/// Serves until the token is cancelled, then gives open calls a moment.
///
/// # Errors
/// The transport fails.
pub async fn serve(
    listener: Listener,
    service: ControlService,
    shutdown: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let service = ControlServer::new(service)
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_ANSWER);
    let serving = Server::builder().max_concurrent_streams(MAX_STREAMS).serve_with_incoming_shutdown(
        service,
        listener.incoming(),
        shutdown.clone().cancelled_owned(),
    );
    let overdue = async {
        shutdown.cancelled().await;
        // HTTP/2 waits for ever for a peer that says nothing.
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        served = serving => served,
        () = overdue => Ok(()),
    }
}

/// Whether a live daemon answers on the socket; a refused or missing one is stale.
///
/// # Errors
/// The probe itself failed, for example for want of permission.
pub async fn probe(path: &std::path::Path) -> io::Result<bool> {
    match tokio::net::UnixStream::connect(path).await {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// What a daemon writes into its lock file, for people and for clients that wait for its end.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct LockContent {
    /// Who holds it.
    pub daemon: Identity,
    /// Build.
    pub version: String,
    /// Protocol.
    pub protocol: u32,
}
