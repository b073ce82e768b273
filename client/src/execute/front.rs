//! What the person or script in front of an operation sees: the answer on standard output, a status line and a
//! summary on standard error.
//!
//! Standard output is written by a thread of its own: a reader that does not read holds up the tool (that is what
//! a pipe is for) but never a stop.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Notify, mpsc};

use crate::term::{Safe, StatusLine};

/// Chunks that wait for standard output, each at most 64 KiB: 4 MiB.
const QUEUE: usize = 64;
const CHUNK: usize = 64 * 1024;

/// What goes to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// The answer as it arrives.
    Answer,
    /// Every event as a JSON line.
    Events,
    /// Nothing: a detached operation.
    Nothing,
}

/// The front of one operation.
#[derive(Debug)]
pub(super) struct Front {
    show: Show,
    quiet: bool,
    tx: Option<mpsc::Sender<Vec<u8>>>,
    writer: Option<std::thread::JoinHandle<()>>,
    broken: Arc<Broken>,
    status: StatusLine,
    safe: Option<Safe>,
    /// The cursor of a shared terminal stands at the start of a line.
    line_start: bool,
    shared_terminal: bool,
    backlog: Vec<u8>,
}

#[derive(Debug, Default)]
struct Broken {
    flag: AtomicBool,
    bell: Notify,
}

impl Front {
    /// Opens the front. `raw`: control characters of the answer reach a terminal as they are.
    pub(super) fn open(show: Show, quiet: bool, raw: bool) -> Self {
        let broken = Arc::new(Broken::default());
        let stdout_is_terminal = std::io::stdout().is_terminal();
        let (tx, writer) = if show == Show::Nothing {
            (None, None)
        } else {
            let (tx, rx) = mpsc::channel(QUEUE);
            let broken = Arc::clone(&broken);
            let thread =
                std::thread::Builder::new().name("stdout".into()).spawn(move || write_all(rx, &broken));
            (Some(tx), thread.ok())
        };
        Self {
            show,
            quiet,
            tx,
            writer,
            broken,
            status: StatusLine::new(!quiet && show == Show::Answer),
            safe: (show == Show::Answer && stdout_is_terminal && !raw).then(Safe::default),
            line_start: true,
            shared_terminal: stdout_is_terminal,
            backlog: Vec::new(),
        }
    }

    /// What goes to standard output.
    pub(super) fn show(&self) -> Show {
        self.show
    }

    /// Shows a piece of the answer.
    pub(super) fn answer(&mut self, bytes: &[u8]) {
        if self.show != Show::Answer || bytes.is_empty() {
            return;
        }
        if self.shared_terminal {
            self.status.clear();
        }
        match &mut self.safe {
            Some(safe) => {
                let mut clean = Vec::with_capacity(bytes.len());
                safe.push(bytes, &mut clean);
                self.line_start = clean.last().map_or(self.line_start, |b| *b == b'\n');
                self.write(&clean);
            }
            None => {
                self.line_start = bytes.last() == Some(&b'\n');
                self.write(bytes);
            }
        }
    }

    /// Writes bytes to standard output; what does not fit yet waits in the backlog.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.backlog.extend_from_slice(bytes);
        self.pump();
    }

    fn pump(&mut self) {
        let Some(tx) = &self.tx else {
            self.backlog.clear();
            return;
        };
        while !self.backlog.is_empty() {
            let Ok(place) = tx.try_reserve() else { return };
            let rest = self.backlog.split_off(self.backlog.len().min(CHUNK));
            place.send(std::mem::replace(&mut self.backlog, rest));
        }
    }

    /// Whether more may be read from the tool.
    pub(super) fn has_room(&self) -> bool {
        self.backlog.is_empty() || self.is_broken()
    }

    /// Bytes that wait for standard output beyond its queue.
    pub(super) fn backlog(&self) -> usize {
        if self.is_broken() { 0 } else { self.backlog.len() }
    }

    /// Waits until standard output takes more. Cancel safe.
    pub(super) async fn room(&mut self) {
        if let Some(tx) = &self.tx {
            drop(tx.reserve().await);
        }
        self.pump();
    }

    /// Whether whoever read standard output has gone.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.flag.load(Ordering::Acquire)
    }

    /// Resolves when whoever read standard output has gone.
    pub(super) fn broken(&self) -> impl Future<Output = ()> + use<> {
        let broken = Arc::clone(&self.broken);
        async move {
            while !broken.flag.load(Ordering::Acquire) {
                broken.bell.notified().await;
            }
        }
    }

    /// Shows the status line where it does not disturb the answer.
    pub(super) fn status(&mut self, text: &str) {
        if !self.shared_terminal || self.line_start {
            self.status.draw(text);
        }
    }

    /// Whether a status line is worth computing.
    pub(super) fn wants_status(&self) -> bool {
        self.status.enabled()
    }

    /// Says something on standard error, on a line of its own.
    pub(super) fn say(&mut self, text: &str) {
        self.status.clear();
        if !self.line_start && self.shared_terminal && std::io::stderr().is_terminal() {
            let _ = writeln!(std::io::stderr());
            self.line_start = true;
        }
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// Says something unless `--quiet`.
    pub(super) fn note(&mut self, text: &str) {
        if !self.quiet {
            self.say(text);
        }
    }

    /// Waits until standard output has taken everything; ends at once when its reader has gone.
    pub(super) async fn flush(&mut self) {
        self.status.clear();
        if let Some(mut safe) = self.safe.take() {
            let mut clean = Vec::new();
            safe.finish(&mut clean);
            self.write(&clean);
        }
        while !self.backlog.is_empty() && !self.is_broken() {
            self.room().await;
        }
        self.tx = None;
        if let Some(writer) = self.writer.take() {
            // The thread ends when the queue is empty or the reader has gone.
            let _ = tokio::task::spawn_blocking(move || writer.join()).await;
        }
    }
}

fn write_all(mut rx: mpsc::Receiver<Vec<u8>>, broken: &Broken) {
    let mut out = std::io::stdout().lock();
    while let Some(bytes) = rx.blocking_recv() {
        if out.write_all(&bytes).and_then(|()| out.flush()).is_err() {
            broken.flag.store(true, Ordering::Release);
            broken.bell.notify_waiters();
            broken.bell.notify_one();
            // Keep emptying the queue, so that nobody waits for room that never comes.
            while rx.blocking_recv().is_some() {}
            return;
        }
    }
}
