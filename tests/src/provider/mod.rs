//! A provider server on the loopback interface that speaks the real wire formats with known figures.
//!
//! Owns its thread, its runtime and the ledger of everything it served. The scenario of an answer is chosen by
//! words in the prompt (see [`scenario`]). It never listens beyond 127.0.0.1 and never asks for a valid key.

mod body;
pub mod ledger;
mod request;
pub mod scenario;
mod serve;
mod wire;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

pub use ledger::{End, Ledger, Served, ServedCall};
pub use request::Api;

/// How long a stop waits for answers that are still being sent; a stalled one is then cut.
const STOP_GRACE: Duration = Duration::from_millis(500);

/// A running fixture provider; it ends when this is dropped.
#[derive(Debug)]
pub struct Provider {
    addr: SocketAddr,
    ledger: Arc<Ledger>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Provider {
    /// Starts a provider on a free loopback port; it is listening when this returns.
    ///
    /// # Errors
    /// The port cannot be bound, or the thread or its runtime cannot be made.
    pub fn spawn() -> io::Result<Self> {
        Self::spawn_on(0)
    }

    /// Starts a provider on a loopback port; 0 picks a free one.
    ///
    /// # Errors
    /// As [`Provider::spawn`].
    pub fn spawn_on(port: u16) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let ledger = Arc::new(Ledger::default());
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&ledger);
        let thread = std::thread::Builder::new().name("fixture-provider".to_owned()).spawn(move || {
            runtime.block_on(accept(listener, served, stopped));
            // Stalled answers hold tasks that would never end by themselves.
            runtime.shutdown_background();
        })?;
        Ok(Self { addr, ledger, stop: Some(stop), thread: Some(thread) })
    }

    /// [`Provider::spawn`] for tests that are asynchronous anyway.
    ///
    /// # Errors
    /// As [`Provider::spawn`].
    #[expect(clippy::unused_async, reason = "awaited by callers so that starting may become asynchronous")]
    pub async fn start() -> io::Result<Self> {
        Self::spawn()
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:PORT`, without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Everything served so far, oldest first; open answers are in it with what they have sent.
    pub fn ledger(&self) -> Vec<Served> {
        self.ledger.all()
    }

    /// Stops listening, lets open answers end for half a second, cuts the rest, and waits for all of it.
    pub async fn stop(mut self) {
        // The thread is joined elsewhere, so that a runtime with one thread is not blocked by it.
        let _ = tokio::task::spawn_blocking(move || self.shut_down()).await;
    }

    fn shut_down(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.shut_down();
    }
}

/// Accepts connections until `stopped` resolves (by message or because the owner is gone).
async fn accept(listener: std::net::TcpListener, ledger: Arc<Ledger>, mut stopped: oneshot::Receiver<()>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve::connection(stream, Arc::clone(&ledger), graceful.watcher()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    let _ = tokio::time::timeout(STOP_GRACE, graceful.shutdown()).await;
    connections.abort_all();
    while connections.join_next().await.is_some() {}
}
