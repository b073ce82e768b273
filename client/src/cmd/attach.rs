//! `llmctl attach`: looks at a running operation as if it had been started here. Ctrl-C only stops looking.

use std::io::Write as _;

use llmctl_proto::event::Stream;
use llmctl_proto::paths::Paths;
use llmctl_proto::state::OperationState;

use super::{find, logs};
use crate::cli;
use crate::error::{CliError, Exit, Outcome};
use crate::term::{cost, duration, tokens};

pub(super) async fn run(paths: &Paths, args: &cli::Attach) -> Outcome {
    let dir = find::directory(paths, &args.id)?;
    let mut ending = logs::Ending::new(&dir);
    logs::follow_file(&dir.stream(Stream::Stdout), 0, move || ending.reached()).await?;
    let operation =
        find::fold(&dir).ok_or_else(|| CliError::failed(format!("operation {} has no journal", dir.id)))?;
    let _ = writeln!(
        std::io::stderr(),
        "{}  {} tokens  {}  {}  {}",
        operation.state.as_str(),
        tokens(operation.spend.tokens.total()),
        cost(operation.spend.cost_nano_usd),
        duration(operation.elapsed_ms),
        dir.id
    );
    Ok(match operation.state {
        OperationState::Complete => Exit::Ok,
        OperationState::Stopped => Exit::StoppedByUser,
        _ => Exit::Failed,
    })
}
