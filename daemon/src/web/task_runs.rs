//! `POST /api/tasks/{id}/run`: starts `llmctl task run --detach` for a card and answers when it is known to have begun,
//! or why it does not.
//!
//! The body may have `agent`, `model`, `max_cost` (US dollars) and `timeout_s`; `If-Match` is the version that was
//! seen. 202 has `operation_id` and the task; 404, 409, 412 and 422 have what the program said, 429 comes when eight are
//! being started, 504 when it is not known after 30 s. The program is never started through a shell.

use http::{Request, StatusCode};
use hyper::body::Incoming;
use llmctl_proto::task::Task;
use serde_json::{Value, json};
use tokio::process::Command;

use super::reply::{self, Refused, Reply};
use super::serve::Ctx;
use super::session::Caller;
use super::starts::{self, MAX_NAME, Said, is_name};
use super::task_edits::{Change, read, refused};
use super::tasks::tag;
use crate::board::{BoardError, Fields, Found};

/// Longest time limit, in seconds: a week.
const MAX_TIMEOUT_S: u64 = 7 * 86_400;

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
    let command = match starts::program() {
        Ok(program) => command(program, &found, &change, wanted),
        Err(reply) => return *reply,
    };
    match starts::start(ctx, command, String::new()).await {
        Ok(said) => answer(ctx, &found, &change, &said).await,
        Err(reply) => *reply,
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

fn command(mut command: Command, found: &Found, change: &Change, wanted: Vec<String>) -> Command {
    let place = &found.root.place;
    command.arg("task").arg("--root").arg(&place.root).args(["run", "--detach", "--json"]);
    command.args(wanted);
    if let Some(rev) = &change.rev {
        command.arg(format!("--rev={rev}"));
    }
    command.arg("--").arg(Task::new(&found.raw).id().value).current_dir(&place.project_dir);
    command
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
    let mut body = said.refusal();
    body["detail"] = json!({"task_id": Task::new(&found.raw).id().value});
    reply::json(said.status(), &body)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
