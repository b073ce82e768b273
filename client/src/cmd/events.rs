//! `llmctl events`: the event log, past and live, as JSON lines.

use std::io::Write as _;

use llmctl_proto::ids::Cursor;
use llmctl_proto::paths::Paths;
use llmctl_proto::pb::FollowEventsRequest;

use super::println;
use crate::cli;
use crate::error::{CliError, Exit, Outcome};
use crate::link;

/// Stored events printed when nothing else is asked for.
const LAST: u32 = 20;

pub(super) async fn run(paths: &Paths, args: cli::Events) -> Outcome {
    if let Some(after) = args.after.as_deref().filter(|after| *after != "0") {
        after.parse::<Cursor>().map_err(CliError::usage)?;
    }
    let last = match (args.last, &args.after, args.follow) {
        (Some(last), _, _) => last,
        (None, None, false) => LAST,
        (None, _, _) => 0,
    };
    let mut client = link::ensure_running(paths).await?;
    let request = FollowEventsRequest {
        after: args.after.unwrap_or_default(),
        types: args.types,
        operation_id: args.operation.unwrap_or_default(),
        stored_only: !args.follow,
        last,
        output: args.output,
    };
    let mut stream = client.follow_events(request).await?.into_inner();
    while let Some(answer) = stream.message().await? {
        if answer.missed > 0 {
            let _ =
                writeln!(std::io::stderr(), "note: {} live events were missed; facts follow", answer.missed);
        }
        if !answer.event.is_empty() {
            println(&answer.event)?;
        }
    }
    Ok(Exit::Ok)
}
