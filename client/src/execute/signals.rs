//! Signals of a runner. Handling them here also gives the tool their default meaning: what a process handles is
//! reset in the programs it starts, even if it was itself started with signals ignored.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// SIGINT, SIGTERM or SIGHUP: stop; the number.
    Stop(i32),
    /// SIGUSR1: a wish was laid down in the operation's directory.
    Look,
}

/// The signals a runner listens to.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    look: Signal,
}

impl Signals {
    /// Registers the handlers.
    ///
    /// # Errors
    /// The system refuses.
    pub(super) fn register() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            look: signal(SignalKind::user_defined1())?,
        })
    }

    /// The next signal. Cancel safe.
    pub(super) async fn next(&mut self) -> Heard {
        tokio::select! {
            _ = self.interrupt.recv() => Heard::Stop(SignalKind::interrupt().as_raw_value()),
            _ = self.terminate.recv() => Heard::Stop(SignalKind::terminate().as_raw_value()),
            _ = self.hangup.recv() => Heard::Stop(SignalKind::hangup().as_raw_value()),
            _ = self.look.recv() => Heard::Look,
        }
    }
}
