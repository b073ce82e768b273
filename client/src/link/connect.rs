//! One gRPC channel over the Unix socket.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use interprocess::local_socket::tokio::Stream;
use interprocess::local_socket::traits::tokio::Stream as _;
use interprocess::local_socket::{GenericFilePath, ToFsName as _};
use llmctl_proto::paths::Paths;
use llmctl_proto::pb::control_client::ControlClient;
use llmctl_proto::pb::{HelloRequest, HelloResponse};
use llmctl_proto::{PROTOCOL, VERSION};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use super::LinkError;

/// A client of the control plane.
pub type Client = ControlClient<Channel>;

/// A daemon that does not shake hands within this time is stuck.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// A connection that ends before the handshake is tried again so often, after this time.
const CLOSING_TRIES: u32 = 10;
const CLOSING_WAIT: Duration = Duration::from_millis(25);
/// Largest answer; the daemon's own limit.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

async fn open(path: PathBuf) -> io::Result<TokioIo<Stream>> {
    let name = path.to_fs_name::<GenericFilePath>()?;
    Stream::connect(name).await.map(TokioIo::new)
}

/// Connects without a handshake.
///
/// # Errors
/// Nobody listens, or the socket cannot be used.
pub async fn connect_any(path: &Path) -> Result<Client, LinkError> {
    // The first connection is made here, so that its error is the operating system's and not the channel's.
    let first = open(path.to_owned()).await.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => LinkError::NotRunning(path.to_owned()),
        _ => LinkError::Io { path: path.to_owned(), source },
    })?;
    let mut first = Some(first);
    let path_again = path.to_owned();
    let connector = service_fn(move |_| {
        let (first, path) = (first.take(), path_again.clone());
        async move {
            match first {
                Some(stream) => Ok(stream),
                None => open(path).await,
            }
        }
    });
    let channel = Endpoint::from_static("http://llmctld.local")
        .connect_with_connector(connector)
        .await
        .map_err(|e| LinkError::Io { path: path.to_owned(), source: io::Error::other(e) })?;
    Ok(ControlClient::new(channel).max_decoding_message_size(MAX_ANSWER))
}

/// Shakes hands.
///
/// # Errors
/// Another protocol, no answer in time, or an error.
pub async fn handshake(client: &mut Client) -> Result<HelloResponse, LinkError> {
    let request = HelloRequest { protocol: PROTOCOL, version: VERSION.to_owned() };
    match tokio::time::timeout(HANDSHAKE, client.hello(request)).await {
        Ok(Ok(answer)) => Ok(answer.into_inner()),
        Ok(Err(status)) if status.code() == Code::FailedPrecondition => {
            Err(LinkError::Protocol(status.message().to_owned()))
        }
        // An answer of the daemon's own is none of these: this is the transport speaking.
        Ok(Err(status)) if matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled) => {
            Err(LinkError::Closed(status.message().to_owned()))
        }
        Ok(Err(status)) => Err(LinkError::Answer(status.message().to_owned())),
        Err(_) => Err(LinkError::Answer(format!("nothing within {} s", HANDSHAKE.as_secs()))),
    }
}

/// Connects and shakes hands.
///
/// # Errors
/// Nobody listens, another protocol, or no answer.
pub async fn connect(paths: &Paths) -> Result<Client, LinkError> {
    let mut tries = 0;
    loop {
        match connect_once(paths).await {
            // A daemon that leaves or was just killed lets its socket go a moment later.
            Err(LinkError::Closed(_) | LinkError::Io { .. }) if tries < CLOSING_TRIES => tries += 1,
            other => return other,
        }
        tokio::time::sleep(CLOSING_WAIT).await;
    }
}

async fn connect_once(paths: &Paths) -> Result<Client, LinkError> {
    let mut client = connect_any(&paths.socket).await?;
    handshake(&mut client).await?;
    Ok(client)
}
