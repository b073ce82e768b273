//! `llmctl retry`: an operation's request again, as a new operation.

use llmctl_proto::paths::Paths;

use super::execute::{Run, start};
use super::find;
use crate::cli;
use crate::error::{CliError, Outcome};
use crate::execute::prompt::{Prompt, Source};
use crate::execute::request::ExecuteRequest;

pub(super) async fn run(paths: &Paths, args: cli::Retry) -> Outcome {
    let dir = find::directory(paths, &args.id)?;
    let file = dir
        .read()
        .map_err(|e| CliError::failed(format!("operation {} cannot be read", dir.id)).caused_by(e))?;
    if file.runner.is_alive() {
        return Err(CliError::failed(format!("operation {} is still running", dir.id))
            .hint(format!("stop it first: llmctl stop {}", dir.id)));
    }
    let before: ExecuteRequest = serde_json::from_value(file.request).map_err(|e| {
        CliError::failed(format!("the request of operation {} cannot be read", dir.id)).caused_by(e)
    })?;
    let prompt = prompt(&before, args.prompt.as_deref())?;
    let request = ExecuteRequest {
        model: args.model.or(before.model),
        tool: args.tool.or(before.tool),
        retry_of: Some(dir.id.clone()),
        prompt_file: prompt.file.clone(),
        prompt_sha256: prompt.info().sha256,
        ..ExecuteRequest { model: None, tool: None, ..before }
    };
    let run = Run {
        detach: args.detach,
        json: args.json,
        quiet: args.quiet,
        raw: false,
        no_daemon: args.no_daemon,
    };
    start(paths, request, prompt, run).await
}

/// Prompts are not kept: the file is read again, or the user gives the text again.
fn prompt(before: &ExecuteRequest, given: Option<&str>) -> Result<Prompt, CliError> {
    if let Some(value) = given {
        return Source::parse(value)?.read();
    }
    let Some(path) = &before.prompt_file else {
        return Err(CliError::usage("its prompt did not come from a file, and prompts are not kept")
            .hint("give it again with --prompt"));
    };
    let prompt = Source::File(path.clone()).read()?;
    if prompt.info().sha256 == before.prompt_sha256 {
        return Ok(prompt);
    }
    Err(CliError::usage(format!("{} has changed since", path.display()))
        .hint(format!("to run it as it is now: --prompt {}", path.display())))
}
