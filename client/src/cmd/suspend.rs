//! `llmctl pause` and `llmctl resume`.

use std::time::Duration;

use llmctl_proto::event::Mode;
use llmctl_proto::opdir::Wish;
use llmctl_proto::paths::Paths;
use llmctl_proto::pb::SuspendOperationRequest;
use llmctl_proto::state::{Operation, OperationState};

use super::{find, println, stop};
use crate::error::{CliError, Exit, Outcome};
use crate::link::{self, LinkError};

/// How long a runner gets to follow.
const WAIT: Duration = Duration::from_secs(6);

pub(super) async fn run(paths: &Paths, id: &str, suspend: bool) -> Outcome {
    let operation = match link::connect(paths).await {
        Ok(mut client) => {
            let request = SuspendOperationRequest { id: id.to_owned(), suspend };
            let answer = client.suspend_operation(request).await?.into_inner();
            serde_json::from_str::<Operation>(&answer.operation)
                .map_err(|e| CliError::failed("the daemon's answer cannot be read").caused_by(e))?
        }
        Err(LinkError::NotRunning(_)) => without_daemon(paths, id, suspend).await?,
        Err(error) => return Err(error.into()),
    };
    println(&format!("{} {}", operation.operation_id, operation.state.as_str()))?;
    Ok(Exit::Ok)
}

async fn without_daemon(paths: &Paths, id: &str, suspend: bool) -> Result<Operation, CliError> {
    let dir = find::directory(paths, id)?;
    let file = dir
        .read()
        .map_err(|e| CliError::failed(format!("operation {} cannot be read", dir.id)).caused_by(e))?;
    let operation = find::fold(&dir).filter(|o| !o.state.is_final());
    let Some(operation) = operation else {
        return Err(CliError::failed(format!("operation {} is not running", dir.id)));
    };
    if operation.mode == Some(Mode::Http) {
        return Err(CliError::failed(format!(
            "operation {} is a provider's answer and cannot be suspended",
            dir.id
        )));
    }
    let wish = if suspend { Wish::Pause } else { Wish::Resume };
    stop::tell(&dir, &wish, &file.runner).map_err(|e| {
        CliError::failed(format!("the runner of operation {} cannot be told", dir.id)).caused_by(e)
    })?;
    // Progress is journalled when the state changes, so the journal says when it is so.
    let wanted = if suspend { OperationState::Paused } else { OperationState::Running };
    let followed = async {
        loop {
            if let Some(operation) = find::fold(&dir)
                && (operation.state == wanted || operation.state.is_final())
            {
                return operation;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let in_time = tokio::time::timeout(WAIT, followed).await;
    in_time.map_err(|_| {
        CliError::failed(format!("operation {} did not follow within {} s", dir.id, WAIT.as_secs()))
    })
}
