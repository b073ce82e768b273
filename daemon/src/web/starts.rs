//! Starts `llmctl` for a request of the page and waits until it says that an operation has begun, or why none does.
//!
//! At most eight at once; what they say is kept up to 16 KiB; no answer is waited for longer than 30 s. The program is
//! never started through a shell, and not ended when whoever asked goes away.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use llmctl_proto::process::{DETACHED_VARIABLE, TAG_VARIABLE};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::sync::{Semaphore, oneshot};

use super::reply::{self, Refused};
use super::serve::Ctx;
use super::tasks::failed;
use crate::board::BoardError;

/// Starts at once.
const MAX_STARTS: usize = 8;
/// How long an answer waits for a start.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes kept of what the program says; the rest is read and dropped.
const MAX_SAID: usize = 16 * 1024;
/// Longest name of an agent, model or tool, in bytes.
pub(super) const MAX_NAME: usize = 200;

/// Places for programs that are being started.
#[derive(Debug)]
pub(crate) struct Starts(Arc<Semaphore>);

impl Default for Starts {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_STARTS)))
    }
}

/// How a program ended, and the first 16 KiB of what it said.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    stderr: String,
}

impl Said {
    /// The line of JSON that `--detach --json` prints.
    pub(super) fn line(&self) -> Value {
        serde_json::from_str(self.stdout.trim()).unwrap_or_default()
    }

    /// What the exit code stands for.
    pub(super) const fn status(&self) -> StatusCode {
        self.meaning().0
    }

    const fn meaning(&self) -> (StatusCode, &'static str) {
        match self.code {
            Some(1) => (StatusCode::CONFLICT, "not_started"),
            Some(2) => (StatusCode::BAD_REQUEST, "invalid_value"),
            Some(5) => (StatusCode::UNPROCESSABLE_ENTITY, "budget_refused"),
            Some(6) => (StatusCode::UNPROCESSABLE_ENTITY, "no_candidate"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    /// What the program said, as an error of the API.
    pub(super) fn refusal(&self) -> Value {
        let (message, hints) = words(&self.stderr);
        let mut body = json!({"error": message, "code": self.meaning().1, "hints": hints});
        if let Some(hint) = hints.first() {
            body["hint"] = hint.as_str().into();
        }
        body
    }
}

/// Whether it can be the name of an agent, model or tool.
pub(super) fn is_name(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= MAX_NAME && !text.chars().any(char::is_control)
}

/// The `llmctl` beside this program, else the first in `PATH`.
pub(super) fn program() -> Result<Command, Refused> {
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("llmctl")));
    let dirs = std::env::var_os("PATH");
    let in_path = dirs.iter().flat_map(std::env::split_paths).filter(|dir| dir.is_absolute());
    let mut all = beside.into_iter().chain(in_path.map(|dir| dir.join("llmctl")));
    let found: Option<PathBuf> = all.find(|path| path.is_file());
    found.map(Command::new).ok_or_else(|| {
        let text = "llmctl is neither beside the daemon nor in its PATH.";
        Box::new(reply::error(StatusCode::INTERNAL_SERVER_ERROR, "internal", text, None))
    })
}

/// Starts it with `input` on its standard input, and waits for what it says.
pub(super) async fn start(ctx: &Ctx, mut command: Command, input: String) -> Result<Said, Refused> {
    let Ok(place) = Arc::clone(&ctx.shared.starts.0).try_acquire_owned() else {
        let text = format!("{MAX_STARTS} operations are being started already; try again in a moment.");
        return Err(Box::new(reply::error(StatusCode::TOO_MANY_REQUESTS, "too_many_starts", &text, None)));
    };
    command
        .env_remove(TAG_VARIABLE)
        .env(DETACHED_VARIABLE, "1")
        // No signal to the daemon's group ends it; the runner that it starts makes a session of its own.
        .process_group(0)
        .stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let program = command.as_std().get_program().to_owned();
    let (tell, said) = oneshot::channel();
    let leaving = ctx.shared.deps.shutdown.clone();
    // Apart from the request: whoever asked may go, and the program is waited for all the same.
    ctx.shared.deps.tracker.spawn(async move {
        tokio::select! {
            () = leaving.cancelled() => {}
            said = run(command, input) => drop(tell.send(said)),
        }
        drop(place);
    });
    match tokio::time::timeout(PATIENCE, said).await {
        Ok(Ok(Ok(said))) => Ok(said),
        Ok(Ok(Err(error))) => {
            tracing::warn!(error = %error, program = %program.display(), "llmctl cannot be started");
            let text = format!("llmctl cannot be started: {}.", error.kind());
            Err(Box::new(reply::error(StatusCode::INTERNAL_SERVER_ERROR, "internal", &text, None)))
        }
        Ok(Err(_)) => Err(Box::new(failed(&BoardError::Stopping))),
        Err(_) => {
            let text = "It is not known after 30 s whether the operation has begun; it may still do so.";
            let hint = Some("look at the operations");
            Err(Box::new(reply::error(StatusCode::GATEWAY_TIMEOUT, "timeout", text, hint)))
        }
    }
}

async fn run(mut command: Command, input: String) -> std::io::Result<Said> {
    let mut child = command.spawn()?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let give = async move {
        if let Some(mut stdin) = stdin {
            // A program that does not read it says why itself.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
    };
    let ((), stdout, stderr, status) = tokio::join!(give, bounded(stdout), bounded(stderr), child.wait());
    Ok(Said { code: status?.code(), stdout, stderr })
}

/// Everything that comes, of which the first 16 KiB are kept.
async fn bounded(from: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut from) = from else { return String::new() };
    let (mut kept, mut chunk) = (Vec::new(), vec![0; 4 * 1024]);
    while let Ok(read @ 1..) = from.read(&mut chunk).await {
        let room = MAX_SAID - kept.len();
        kept.extend_from_slice(&chunk[..read.min(room)]);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// The message of an error as the command line prints it, and its hints. Notices before it are left out.
fn words(stderr: &str) -> (String, Vec<String>) {
    let lines: Vec<&str> = stderr.trim().lines().collect();
    let from = lines.iter().rposition(|line| line.starts_with("error: ")).unwrap_or(0);
    let (mut message, mut hints) = (Vec::new(), Vec::new());
    for line in &lines[from..] {
        match line.strip_prefix("  hint: ") {
            Some(hint) => hints.push(hint.to_owned()),
            None => message.push(line.strip_prefix("error: ").unwrap_or(line)),
        }
    }
    let message = message.join("\n");
    (if message.is_empty() { "llmctl did not say why it does not begin".to_owned() } else { message }, hints)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_taken_apart() {
        let said = "warning: a\nerror: no way\n  tool  why\n  caused by: this\n  hint: do\n  hint: or\n";
        let (message, hints) = words(said);
        assert_eq!(message, "no way\n  tool  why\n  caused by: this");
        assert_eq!(hints, ["do", "or"]);
        assert!(words("").0.contains("did not say"));
    }

    #[tokio::test]
    async fn what_is_said_is_bounded_and_read_to_its_end() {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "head -c 200000 /dev/zero | tr '\\0' x >&2; echo out; exit 6"]);
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let said = run(shell, "x".repeat(200_000)).await.expect("started");
        assert_eq!((said.code, said.stdout.as_str(), said.stderr.len()), (Some(6), "out\n", MAX_SAID));
    }
}
