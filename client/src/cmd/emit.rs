//! `llmctl emit`: publishes an event of the user's own.

use std::io::Read as _;

use llmctl_proto::event::{MAX_EVENT_BYTES, check_emittable};
use llmctl_proto::paths::Paths;
use llmctl_proto::pb::{Event, PublishEventRequest};
use llmctl_proto::time::UnixMs;

use super::println;
use crate::cli;
use crate::error::{CliError, Exit, Outcome};
use crate::link;

pub(super) async fn run(paths: &Paths, args: cli::Emit) -> Outcome {
    check_emittable(&args.event_type).map_err(CliError::usage)?;
    let data = if args.data == "-" { read_stdin()? } else { args.data };
    let value: serde_json::Value = serde_json::from_str(&data).map_err(|e| {
        CliError::usage("the payload is not valid JSON").caused_by(e).hint("quote it: '{\"key\":\"value\"}'")
    })?;
    if !value.is_object() {
        return Err(CliError::usage("the payload must be a JSON object").hint("for example '{\"ok\":true}'"));
    }
    let mut client = link::ensure_running(paths).await?;
    let event = Event { client_seq: 0, at_ms: UnixMs::now().0, r#type: args.event_type, data };
    let answer = client.publish_event(PublishEventRequest { event: Some(event) }).await?;
    println(&answer.into_inner().cursor)?;
    Ok(Exit::Ok)
}

fn read_stdin() -> Result<String, CliError> {
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(MAX_EVENT_BYTES as u64 + 1)
        .read_to_string(&mut text)
        .map_err(|e| CliError::usage("cannot read the payload from standard input").caused_by(e))?;
    Ok(text)
}
