//! `POST /api/tasks/{id}/run`: starts `llmctl task run --detach` for a card and answers when it is known to have begun,
//! or why it does not.
//!
//! The body may have `agent`, `model`, `max_cost` (US dollars) and `timeout_s`; `If-Match` is the version that was
//! seen. 202 has `operation_id` and the task; 404, 409, 412 and 422 have what the program said, 429 comes when eight are
//! being started, 504 when it is not known after 30 s. The program is never started through a shell.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, StatusCode};
use hyper::body::Incoming;
use llmctl_proto::process::{DETACHED_VARIABLE, TAG_VARIABLE};
use llmctl_proto::task::Task;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::sync::{Semaphore, oneshot};

use super::reply::{self, Reply};
use super::serve::Ctx;
use super::session::Caller;
use super::task_edits::{Change, read, refused};
use super::tasks::{failed, tag};
use crate::board::{BoardError, Fields, Found};

/// Starts at once.
const MAX_STARTS: usize = 8;
/// How long an answer waits for a start.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes kept of what the program says; the rest is read and dropped.
const MAX_SAID: usize = 16 * 1024;
/// Longest name of an agent or model, in bytes.
const MAX_NAME: usize = 200;
/// Longest time limit, in seconds: a week.
const MAX_TIMEOUT_S: u64 = 7 * 86_400;

type Refused = Box<Reply>;

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
struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Starts a card's operation.
pub(super) async fn run(ctx: &Ctx, request: Request<Incoming>, caller: Option<Caller>, id: &str) -> Reply {
    let (change, body) = match read(request, caller.as_ref()).await {
        Ok(read) => read,
        Err(reply) => return *reply,
    };
    let wanted = match flags(&body) {
        Ok(wanted) => wanted,
        Err(reply) => return *reply,
    };
    let found = match find(ctx, &change, id).await {
        Ok(found) => found,
        Err(error) => return refused(&error, &change),
    };
    let Ok(place) = Arc::clone(&ctx.shared.starts.0).try_acquire_owned() else {
        let text = format!("{MAX_STARTS} tasks are being started already; try again in a moment.");
        return reply::error(StatusCode::TOO_MANY_REQUESTS, "too_many_starts", &text, None);
    };
    let Some(program) = program() else {
        let text = "llmctl is neither beside the daemon nor in its PATH.";
        return reply::error(StatusCode::INTERNAL_SERVER_ERROR, "internal", text, None);
    };
    let command = command(&program, &found, &change, wanted);
    let (tell, said) = oneshot::channel();
    let leaving = ctx.shared.deps.shutdown.clone();
    // Apart from the request: whoever asked may go, and the program is waited for all the same.
    ctx.shared.deps.tracker.spawn(async move {
        tokio::select! {
            () = leaving.cancelled() => {}
            said = start(command) => drop(tell.send(said)),
        }
        drop(place);
    });
    match tokio::time::timeout(PATIENCE, said).await {
        Ok(Ok(Ok(said))) => answer(ctx, &found, &change, &said).await,
        Ok(Ok(Err(error))) => {
            tracing::warn!(error = %error, program = %program.display(), "llmctl cannot be started");
            let text = format!("llmctl cannot be started: {}.", error.kind());
            reply::error(StatusCode::INTERNAL_SERVER_ERROR, "internal", &text, None)
        }
        Ok(Err(_)) => failed(&BoardError::Stopping),
        Err(_) => {
            let text = "It is not known after 30 s whether the task has begun; it may still do so.";
            reply::error(StatusCode::GATEWAY_TIMEOUT, "timeout", text, Some("look at the board"))
        }
    }
}

/// The card, if it is the version that was seen. The program looks again under the lock of the tree.
async fn find(ctx: &Ctx, change: &Change, id: &str) -> Result<Found, BoardError> {
    let board = &ctx.shared.deps.board;
    let found = board.scanned().await.find(id, change.project.as_deref(), false)?;
    if let Some(seen) = &change.rev {
        let raw = board.reread(&found).await?.raw;
        let current = raw.rev();
        if current != *seen {
            let (path, keys) = (raw.path.clone(), Vec::new());
            return Err(BoardError::Changed { path, seen: seen.clone(), current, keys });
        }
    }
    Ok(found)
}

/// What a body asks for, as words of the command line.
fn flags(body: &Value) -> Result<Vec<String>, Refused> {
    let bad = |text: String| Box::new(reply::bad("invalid_value", &text));
    let mut words = Vec::new();
    for key in ["agent", "model"] {
        match &body[key] {
            Value::Null => {}
            Value::String(name) if is_name(name) => words.push(format!("--{key}={name}")),
            _ => return Err(bad(format!("{key} must be a name of at most {MAX_NAME} bytes."))),
        }
    }
    match &body["max_cost"] {
        Value::Null => {}
        Value::Number(dollars) => words.push(format!("--max-cost={dollars}")),
        Value::String(dollars) if is_name(dollars) => words.push(format!("--max-cost={dollars}")),
        _ => return Err(bad("max_cost must be US dollars, such as 0.50.".to_owned())),
    }
    match &body["timeout_s"] {
        Value::Null => {}
        value => match value.as_u64() {
            Some(seconds @ 1..=MAX_TIMEOUT_S) => words.push(format!("--timeout={seconds}s")),
            _ => return Err(bad(format!("timeout_s must be a number from 1 to {MAX_TIMEOUT_S}."))),
        },
    }
    Ok(words)
}

fn is_name(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= MAX_NAME && !text.chars().any(char::is_control)
}

/// The `llmctl` beside this program, else the first in `PATH`.
fn program() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("llmctl")));
    let dirs = std::env::var_os("PATH");
    let in_path = dirs.iter().flat_map(std::env::split_paths).filter(|dir| dir.is_absolute());
    beside.into_iter().chain(in_path.map(|dir| dir.join("llmctl"))).find(|path| path.is_file())
}

fn command(program: &Path, found: &Found, change: &Change, wanted: Vec<String>) -> Command {
    let place = &found.root.place;
    let mut command = Command::new(program);
    command.arg("task").arg("--root").arg(&place.root).args(["run", "--detach", "--json"]);
    command.args(wanted);
    if let Some(rev) = &change.rev {
        command.arg(format!("--rev={rev}"));
    }
    command
        .arg("--")
        .arg(Task::new(&found.raw).id().value)
        .current_dir(&place.project_dir)
        .env_remove(TAG_VARIABLE)
        .env(DETACHED_VARIABLE, "1")
        // No signal to the daemon's group ends it; the runner that it starts makes a session of its own.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

async fn start(mut command: Command) -> std::io::Result<Said> {
    let mut child = command.spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (stdout, stderr, status) = tokio::join!(bounded(stdout), bounded(stderr), child.wait());
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

async fn answer(ctx: &Ctx, found: &Found, change: &Change, said: &Said) -> Reply {
    if said.code != Some(0) {
        return not_begun(ctx, found, change, said).await;
    }
    let line: Value = serde_json::from_str(said.stdout.trim()).unwrap_or_default();
    let board = &ctx.shared.deps.board;
    let mut body = json!({"success": true, "operation_id": line["operation_id"], "task": null});
    // A task that is done in no time may be anywhere; its operation has begun all the same.
    let Ok(now) = board.reread(found).await else { return reply::json(StatusCode::ACCEPTED, &body) };
    if let Ok(listed) = board.listed(&now, Fields::All).await {
        body["task"] = serde_json::from_str(&listed).unwrap_or_default();
    }
    let mut reply = reply::json(StatusCode::ACCEPTED, &body);
    tag(&mut reply, &format!("\"{}\"", now.raw.rev()));
    reply
}

/// What the program said, with the status that its exit code stands for.
async fn not_begun(ctx: &Ctx, found: &Found, change: &Change, said: &Said) -> Reply {
    if let (Some(1), Some(seen)) = (said.code, &change.rev)
        && let Ok(now) = ctx.shared.deps.board.reread(found).await
        && now.raw.rev() != *seen
    {
        let (path, current) = (now.raw.path.clone(), now.raw.rev());
        let error = BoardError::Changed { path, seen: seen.clone(), current, keys: Vec::new() };
        return refused(&error, change);
    }
    let (status, code) = match said.code {
        Some(1) => (StatusCode::CONFLICT, "not_started"),
        Some(2) => (StatusCode::BAD_REQUEST, "invalid_value"),
        Some(5) => (StatusCode::UNPROCESSABLE_ENTITY, "budget_refused"),
        Some(6) => (StatusCode::UNPROCESSABLE_ENTITY, "no_candidate"),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    };
    let (message, hints) = words(&said.stderr);
    let mut body = json!({"error": message, "code": code, "hints": hints});
    if let Some(hint) = hints.first() {
        body["hint"] = hint.as_str().into();
    }
    body["detail"] = json!({"task_id": Task::new(&found.raw).id().value});
    reply::json(status, &body)
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

    #[test]
    fn a_body_becomes_whole_words() {
        let body = json!({"agent": "-x; rm", "model": "a b", "max_cost": 0.5, "timeout_s": 90});
        let words = flags(&body).expect("good");
        assert_eq!(words, ["--agent=-x; rm", "--model=a b", "--max-cost=0.5", "--timeout=90s"]);
        for bad in [
            json!({"agent": 7}),
            json!({"agent": "a\u{0}b"}),
            json!({"model": "x".repeat(201)}),
            json!({"max_cost": [1]}),
            json!({"timeout_s": 0}),
            json!({"timeout_s": 1.5}),
        ] {
            assert!(flags(&bad).is_err(), "{bad}");
        }
        assert!(flags(&json!({})).expect("nothing is asked").is_empty());
    }

    #[tokio::test]
    async fn what_is_said_is_bounded_and_read_to_its_end() {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "head -c 200000 /dev/zero | tr '\\0' x >&2; echo out; exit 6"]);
        shell.stdout(Stdio::piped()).stderr(Stdio::piped());
        let said = start(shell).await.expect("started");
        assert_eq!((said.code, said.stdout.as_str(), said.stderr.len()), (Some(6), "out\n", MAX_SAID));
    }
}
