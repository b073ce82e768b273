//! A real language model on the loopback interface: SmolLM2 behind `tests/tools/smol-server.mjs`.
//!
//! Owns the server's process, which ends when this is dropped. Text differs from machine to machine, so tests
//! compare what the server sent with what was recorded, never with a sentence.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use crate::tools;

/// A running model server.
#[derive(Debug)]
pub struct LocalModel {
    addr: SocketAddr,
    child: Child,
}

impl LocalModel {
    /// Starts the server on a free port; it answers when this returns (1–3 s).
    ///
    /// # Panics
    /// Node, the server or the model is missing, or the server ends before it listens.
    #[track_caller]
    pub fn start() -> Self {
        let mut command = Command::new("node");
        command.arg(tools::model_server()).arg("0").arg(tools::model());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start node: {error}"));
        let mut first = String::new();
        if let Some(stdout) = child.stdout.take() {
            let _ = BufReader::new(stdout).read_line(&mut first);
        }
        let Some(addr) = first.trim().strip_prefix("listening ").and_then(|text| text.parse().ok()) else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the model server did not start; run `tests/tools/install.sh model` and try again");
        };
        Self { addr, child }
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }
}

impl Drop for LocalModel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
