//! The HTTP gateway of a sandbox's daemon, asked as a program with the token asks it.

use std::net::SocketAddr;
use std::process::Command;

use serde_json::Value;

use crate::http::{self, Answer};
use crate::run;
use crate::sandbox::Sandbox;
use crate::stage::LONG;

/// An open gateway.
#[derive(Debug)]
pub struct Gateway {
    /// Where it listens.
    pub addr: SocketAddr,
    token: String,
}

impl Gateway {
    /// Opens the gateway of the sandbox's daemon, which is started where none runs.
    #[track_caller]
    pub fn open(sandbox: &Sandbox) -> Self {
        Self::by(sandbox, sandbox.llmctl(&["dashboard"]))
    }

    /// The same by a `dashboard` command of one's own, whose environment the daemon gets.
    #[track_caller]
    pub fn by(sandbox: &Sandbox, mut dashboard: Command) -> Self {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = taken.local_addr().expect("bound");
        drop(taken);
        dashboard.args(["start", "--port", &addr.port().to_string()]);
        run::run(dashboard, b"", LONG).expect_code(0);
        let token = std::fs::read_to_string(sandbox.path("run/llmctl/token")).expect("the token");
        Self { addr, token: token.trim().to_owned() }
    }

    /// Asks; a body is sent as JSON. Later headers of the same name win.
    #[track_caller]
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let mut all = vec![("authorization", bearer.as_str())];
        if !body.is_empty() {
            all.push(("content-type", "application/json"));
        }
        all.extend_from_slice(headers);
        let reading = http::request(self.addr, method, path, &all, body.as_bytes(), LONG);
        reading.unwrap_or_else(|error| panic!("{method} {path}: {error}")).finish()
    }

    /// What a path answers with success.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        let answer = self.request("GET", path, &[], "");
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }
}
