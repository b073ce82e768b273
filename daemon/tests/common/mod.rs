//! A gateway in this process, on a port of its own, and a client that says exactly what a test wants said.

// Each test binary uses its own part of this.
#![allow(dead_code, unreachable_pub)]

pub mod page;
pub mod socket;
pub mod stream;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use llmctl_proto::event::{
    Event, ExecutionCompleted, ExecutionOutput, ExecutionProgress, ExecutionStarted, Mode, Phase, PromptInfo,
    RunState, Spend, Stream,
};
use llmctl_proto::ids::OperationId;
use llmctl_proto::opdir::{FORMAT, OperationDir, OperationFile};
use llmctl_proto::paths::Paths;
use llmctl_proto::process::Identity;
use llmctl_proto::time::UnixMs;
use llmctld::adopt::{Adopter, Deps};
use llmctld::board::{Board, BoardDeps};
use llmctld::hub::{Hub, Publish, Rules};
use llmctld::mcp::{McpDeps, Servers};
use llmctld::operations::Operations;
use llmctld::settings::{Live, Settings};
use llmctld::store::Store;
use llmctld::web::{Gateway, SEND_PATIENCE, WebDeps};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub struct Stage {
    pub gateway: Gateway,
    /// For another gateway of the same daemon.
    pub deps: WebDeps,
    pub hub: Hub,
    pub store: Store,
    pub paths: Arc<Paths>,
    pub addr: SocketAddr,
    pub shutdown: CancellationToken,
    _dir: tempfile::TempDir,
}

pub async fn stage() -> Stage {
    stage_configured(SEND_PATIENCE, "").await
}

/// A stage whose gateway waits so long for a browser to read.
pub async fn stage_with(send_patience: Duration) -> Stage {
    stage_configured(send_patience, "").await
}

/// A stage whose user has a configuration, as one file; empty for none.
pub async fn stage_configured(send_patience: Duration, config: &str) -> Stage {
    let dir = tempfile::tempdir().expect("tempdir");
    let at = |name: &str| dir.path().join(name);
    let paths = Arc::new(Paths { state: at("s"), runtime: at("r"), config: at("c"), socket: at("r/x") });
    paths.ensure_runtime().expect("runtime");
    paths.ensure_state().expect("state");
    let (store, recovered, _) = Store::open(paths.database()).expect("store");
    let (tracker, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let hub = Hub::spawn(recovered, store.clone(), Rules::default(), &tracker);
    let deps = Deps {
        hub: hub.clone(),
        store: store.clone(),
        paths: Arc::clone(&paths),
        tracker: tracker.clone(),
        shutdown: shutdown.clone(),
    };
    let adopter = Adopter::spawn(deps, false);
    let operations = Operations::new(hub.clone(), store.clone(), Arc::clone(&paths), adopter);
    if !config.is_empty() {
        std::fs::create_dir_all(&paths.config).expect("mkdir");
        std::fs::write(paths.config.join("user.yaml"), config).expect("written");
    }
    let settings = Live::new(Arc::clone(&paths), Settings::read(&paths).expect("settings"));
    let mcp = McpDeps {
        hub: hub.clone(),
        store: store.clone(),
        paths: Arc::clone(&paths),
        settings: settings.clone(),
    };
    let servers = Servers::spawn(mcp, &tracker, &shutdown);
    let board = BoardDeps { hub: hub.clone(), paths: Arc::clone(&paths), settings: settings.clone() };
    let board = Board::spawn(board, &tracker, shutdown.clone());
    let deps = WebDeps {
        hub: hub.clone(),
        store: store.clone(),
        operations,
        board,
        servers,
        paths: Arc::clone(&paths),
        tracker,
        shutdown: shutdown.clone(),
        version: "test",
        settings,
        send_patience,
    };
    let gateway = Gateway::new(deps.clone());
    let (addr, already) = gateway.start(None, Some(0)).await.expect("started");
    assert!(!already);
    Stage { gateway, deps, hub, store, paths, addr, shutdown, _dir: dir }
}

impl Stage {
    pub fn token(&self) -> String {
        std::fs::read_to_string(self.paths.token()).expect("the token")
    }

    /// Name of the session's cookie on this port.
    pub fn cookie_name(&self) -> String {
        format!("llmctl_session_{}", self.addr.port())
    }

    /// A request with a right Host, and these further lines.
    pub async fn send(&self, method: &str, path: &str, lines: &[String], body: &str) -> Answer {
        let host = format!("Host: {}", self.addr);
        let lines: Vec<String> = std::iter::once(host).chain(lines.iter().cloned()).collect();
        self.send_raw(method, path, &lines, body).await
    }

    /// A request with exactly these lines.
    pub async fn send_raw(&self, method: &str, path: &str, lines: &[String], body: &str) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        for line in lines {
            head.push_str(line);
            head.push_str("\r\n");
        }
        if !body.is_empty() {
            let _ = write!(head, "Content-Length: {}\r\n", body.len());
        }
        let mut stream = TcpStream::connect(self.addr).await.expect("connected");
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.expect("sent");
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        Answer::parse(&bytes)
    }

    pub fn bearer(&self) -> String {
        format!("Authorization: Bearer {}", self.token())
    }

    pub fn origin(&self) -> String {
        format!("Origin: http://{}", self.addr)
    }

    /// Signs in and gives the cookie line.
    pub async fn sign_in(&self) -> String {
        let code = self.gateway.login_code().expect("a code");
        let answer = self.redeem(&code).await;
        assert_eq!(answer.status, 204, "{}", answer.body);
        let set = answer.header("set-cookie").expect("a cookie");
        format!("Cookie: {}", set.split(';').next().expect("name and value"))
    }

    pub async fn redeem(&self, code: &str) -> Answer {
        let lines = ["Content-Type: application/json".to_owned(), self.origin()];
        self.send("POST", "/auth", &lines, &format!("{{\"code\":\"{code}\"}}")).await
    }

    pub async fn publish(&self, event: impl Into<Event>) {
        let event = event.into();
        let data = event.data_json();
        let publish = Publish { data, ..Publish::own(event) };
        self.hub.publish(publish).await.expect("published");
    }

    /// An operation that runs in this process, with its directory.
    pub async fn operation(&self) -> (OperationId, OperationDir) {
        let id = OperationId::new();
        let dir = OperationDir::of(&self.paths, &id);
        dir.create(&OperationFile {
            format: FORMAT,
            operation_id: id.clone(),
            version: "test".into(),
            created_at: UnixMs::now(),
            runner: Identity::current(),
            tag: id.to_string(),
            tool: None,
            request: serde_json::Value::Null,
        })
        .expect("created");
        self.publish(started(&id)).await;
        (id, dir)
    }
}

pub fn started(id: &OperationId) -> ExecutionStarted {
    ExecutionStarted {
        operation_id: id.clone(),
        attempt: 1,
        tool: "claude-code".into(),
        model: Some("claude-opus-5-5".into()),
        provider: Some("anthropic".into()),
        mode: Mode::Cli,
        agent: None,
        task_type: None,
        cwd: "/".into(),
        pid: None,
        prompt: PromptInfo { bytes: 1, sha256: String::new(), file: None },
        command: Vec::new(),
        max_cost_nano_usd: None,
        reservation_nano_usd: None,
        project: None,
        policy: None,
        task_id: None,
        retry_of: None,
        started_at: UnixMs::now(),
    }
}

pub fn output(id: &OperationId, offset: u64, text: &str) -> ExecutionOutput {
    ExecutionOutput {
        operation_id: id.clone(),
        stream: Stream::Stdout,
        offset,
        text: text.to_owned(),
        bytes: text.len() as u64,
    }
}

pub fn progress(id: &OperationId, n: u64) -> ExecutionProgress {
    ExecutionProgress {
        operation_id: id.clone(),
        state: RunState::Running,
        phase: Phase::Streaming,
        model: None,
        spend: Spend::default(),
        elapsed_ms: n,
        idle_ms: 0,
        stdout_bytes: n,
        stderr_bytes: 0,
    }
}

pub fn completed(id: &OperationId) -> ExecutionCompleted {
    ExecutionCompleted {
        operation_id: id.clone(),
        exit_code: Some(0),
        model: None,
        duration_ms: 5,
        first_output_ms: None,
        spend: Spend::default(),
        stdout_bytes: 0,
        stderr_bytes: 0,
        calls: 0,
        session_id: None,
        resume_command: None,
    }
}

pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    /// As text; broken bytes replaced.
    pub body: String,
    /// As it came.
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(bytes.len());
        let head = String::from_utf8_lossy(&bytes[..end]);
        let bytes = bytes.get(end + 4..).unwrap_or_default().to_vec();
        let mut lines = head.lines();
        let status =
            lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|s| s.parse().ok()).unwrap_or(0);
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Self { status, headers, body: String::from_utf8_lossy(&bytes).into_owned(), bytes }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub fn code(&self) -> String {
        let value: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        value["code"].as_str().unwrap_or_default().to_owned()
    }
}
