//! `POST /api/operations/{id}/retry`: an operation's request again, as a new operation that runs by itself.
//!
//! The body may have `model`, `tool` and `prompt`; the text of a prompt is not kept, so that one which did not come from
//! a file, or whose file has changed, has to be given again. 202 has the new `operation_id`; 409 and 422 have what
//! `llmctl retry` said.

use std::path::Path;

use http::{Request, StatusCode};
use hyper::body::Incoming;
use llmctl_proto::state::Operation;
use serde_json::{Value, json};
use tokio::process::Command;

use super::reply::{self, Refused, Reply};
use super::serve::{Ctx, json_body};
use super::starts::{self, MAX_NAME, is_name};

/// What is asked for, as words of the command line and the text of the prompt.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    words: Vec<String>,
    prompt: String,
}

/// Begins it again.
pub(super) async fn retry(ctx: &Ctx, request: Request<Incoming>, operation: &Operation) -> Reply {
    let body = match json_body(request).await {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    match begin(ctx, &body, operation).await {
        Ok(reply) => reply,
        Err(reply) => *reply,
    }
}

async fn begin(ctx: &Ctx, body: &Value, operation: &Operation) -> Result<Reply, Refused> {
    let wanted = wanted(body)?;
    let command = command(starts::program()?, operation, wanted.words);
    let said = starts::start(ctx, command, wanted.prompt).await?;
    if said.code != Some(0) {
        return Ok(reply::json(said.status(), &said.refusal()));
    }
    let operation_id = &said.line()["operation_id"];
    Ok(reply::json(StatusCode::ACCEPTED, &json!({"success": true, "operation_id": operation_id})))
}

fn wanted(body: &Value) -> Result<Wanted, Refused> {
    let bad = |text: &str| Box::new(reply::bad("invalid_value", text));
    let mut words = Vec::new();
    for key in ["model", "tool"] {
        match &body[key] {
            Value::Null => {}
            Value::String(name) if is_name(name) => words.push(format!("--{key}={name}")),
            _ => return Err(bad(&format!("{key} must be a name of at most {MAX_NAME} bytes."))),
        }
    }
    let prompt = match &body["prompt"] {
        Value::Null => String::new(),
        Value::String(text) if !text.trim().is_empty() && !text.contains('\0') => text.clone(),
        _ => return Err(bad("prompt must be a text.")),
    };
    if !prompt.is_empty() {
        words.push("--prompt=-".to_owned());
    }
    Ok(Wanted { words, prompt })
}

fn command(mut command: Command, operation: &Operation, words: Vec<String>) -> Command {
    command.args(["retry", "--detach", "--json"]).args(words);
    command.arg("--").arg(operation.operation_id.to_string());
    // Its own directory is in its request; this one is for the configuration of a project.
    if let Some(dir) = operation.cwd.as_deref().map(Path::new).filter(|dir| dir.is_dir()) {
        command.current_dir(dir);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_becomes_whole_words() {
        let body = json!({"model": "a b", "tool": "-x; rm", "prompt": "again\n"});
        let asked = wanted(&body).expect("good");
        assert_eq!(asked.words, ["--model=a b", "--tool=-x; rm", "--prompt=-"]);
        assert_eq!(asked.prompt, "again\n");
        assert_eq!(wanted(&json!({"prompt": null})).expect("good"), Wanted::default());
        for bad in
            [json!({"model": 1}), json!({"tool": ""}), json!({"prompt": " "}), json!({"prompt": "a\u{0}b"})]
        {
            assert!(wanted(&bad).is_err(), "{bad}");
        }
    }
}
