//! The socket: made 0600, taken over only when stale, every peer's uid checked before a byte is read.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::unfold;
use interprocess::local_socket::tokio::{Listener as LocalListener, Stream as LocalStream};
use interprocess::local_socket::traits::StreamCommon as _;
use interprocess::local_socket::traits::tokio::Listener as _;
use interprocess::local_socket::{GenericFilePath, ListenerOptions, ToFsName as _};
use interprocess::os::unix::local_socket::ListenerOptionsExt as _;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

/// Wait after a failed accept: out of descriptors is no reason to spin.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// A bound control socket; unlinked when dropped.
#[derive(Debug)]
pub struct Listener {
    inner: LocalListener,
    path: PathBuf,
    uid: u32,
}

/// Binds the socket. The caller holds the daemon's lock and has proved that nobody answers on the path.
///
/// # Errors
/// The path cannot be bound.
pub fn bind(path: &Path) -> io::Result<Listener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let name = path.to_fs_name::<GenericFilePath>()?;
    let inner = ListenerOptions::new().name(name).mode(0o600).create_tokio()?;
    Ok(Listener { inner, path: path.to_owned(), uid: rustix::process::geteuid().as_raw() })
}

impl Listener {
    /// Connections of this user (or root), one after the other.
    pub(super) fn incoming(self) -> impl Stream<Item = io::Result<Connection>> {
        unfold(self, |listener| async move {
            loop {
                match listener.inner.accept().await {
                    Ok(stream) => match allowed(&stream, listener.uid) {
                        Ok(()) => return Some((Ok(Connection { stream }), listener)),
                        Err(uid) => tracing::warn!(peer.uid = ?uid, "connection of another user refused"),
                    },
                    Err(error) => {
                        tracing::warn!(error = %error, path = %listener.path.display(), "accept failed");
                        tokio::time::sleep(ACCEPT_BACKOFF).await;
                    }
                }
            }
        })
    }
}

fn allowed(stream: &LocalStream, uid: u32) -> Result<(), Option<u32>> {
    match stream.peer_creds().map_err(|_| None)?.euid() {
        Some(peer) if peer == uid || peer == 0 => Ok(()),
        other => Err(other),
    }
}

/// One accepted connection.
#[derive(Debug)]
pub(super) struct Connection {
    stream: LocalStream,
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
