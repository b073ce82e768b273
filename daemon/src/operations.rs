//! The verbs on operations, as control and the gateway both offer them: find, stop, suspend.
//!
//! A verb returns only when the state it speaks of is true. A runner without a link is reached through the wish in
//! its operation's directory, so an operation started without a daemon can be stopped like any other.

use std::sync::Arc;
use std::time::Duration;

use llmctl_proto::event::{Event, Mode, RunState, StopBy, StopVia};
use llmctl_proto::ids::{OperationId, ResolveError, resolve};
use llmctl_proto::journal::Reader;
use llmctl_proto::opdir::{self, OperationDir, Wish};
use llmctl_proto::paths::Paths;
use llmctl_proto::process::Signal;
use llmctl_proto::state::{Operation, OperationState};

use crate::adopt::Adopter;
use crate::hub::{Directive, Hub, HubError, Publish, StopOrder};
use crate::store::{OperationQuery, Store, StoreError};

/// How long a suspended or resumed operation gets to say so.
const SUSPEND_WAIT: Duration = Duration::from_secs(5);
/// Between two looks at the journal of an operation without a link.
const LOOK: Duration = Duration::from_millis(20);

/// Why a verb did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct VerbError {
    /// Stable code, as in the HTTP interface.
    pub code: &'static str,
    /// A sentence.
    pub message: String,
    /// The operation as it is, when it was found.
    pub operation: Option<Box<Operation>>,
}

impl VerbError {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), operation: None }
    }

    fn of(code: &'static str, message: impl Into<String>, operation: Operation) -> Self {
        Self { code, message: message.into(), operation: Some(Box::new(operation)) }
    }
}

impl From<HubError> for VerbError {
    fn from(error: HubError) -> Self {
        Self::new("stopping", error.to_string())
    }
}

impl From<StoreError> for VerbError {
    fn from(error: StoreError) -> Self {
        Self::new("store_unavailable", error.to_string())
    }
}

impl From<ResolveError> for VerbError {
    fn from(error: ResolveError) -> Self {
        let code = match error {
            ResolveError::NotFound(_) => "operation_not_found",
            ResolveError::Ambiguous { .. } => "ambiguous_id",
        };
        Self::new(code, error.to_string())
    }
}

/// The verbs; cheap to clone.
#[derive(Debug, Clone)]
pub struct Operations {
    hub: Hub,
    store: Store,
    paths: Arc<Paths>,
    adopter: Adopter,
}

impl Operations {
    /// Ties the verbs to what they act on.
    pub fn new(hub: Hub, store: Store, paths: Arc<Paths>, adopter: Adopter) -> Self {
        Self { hub, store, paths, adopter }
    }

    /// Finds one operation, in the projection or in the store, by any unique prefix.
    ///
    /// # Errors
    /// None or several match, or the daemon is stopping.
    pub async fn get(&self, prefix: &str) -> Result<Arc<Operation>, VerbError> {
        self.adopter.first_look().await;
        match self.known(prefix).await {
            Err(error) if error.code == "operation_not_found" => {
                // One that has just begun, or runs without a link, may not have been looked at yet.
                let pending = opdir::pending(&self.paths);
                let Ok(id) = resolve(prefix, pending.iter()) else { return Err(error) };
                self.adopter.look_now(id).await;
                self.known(prefix).await
            }
            known => known,
        }
    }

    /// Ids of all operations that have not ended, those without a link included.
    ///
    /// # Errors
    /// The daemon is stopping.
    pub async fn running(&self) -> Result<Vec<OperationId>, VerbError> {
        self.adopter.look_at_all_now().await;
        let (known, _) = self.hub.list().await?;
        Ok(known.into_iter().filter(|o| !o.state.is_final()).map(|o| o.operation_id).collect())
    }

    async fn known(&self, prefix: &str) -> Result<Arc<Operation>, VerbError> {
        match self.hub.get(prefix).await? {
            Ok(operation) => Ok(operation),
            Err(error @ ResolveError::Ambiguous { .. }) => Err(error.into()),
            Err(error @ ResolveError::NotFound(_)) => {
                let bare = prefix.strip_prefix("exec-").unwrap_or(prefix);
                if bare.is_empty() {
                    return Err(error.into());
                }
                let query = OperationQuery {
                    prefix: Some(format!("exec-{bare}")),
                    limit: 9,
                    ..OperationQuery::default()
                };
                let mut found = self.store.operations(query).await?;
                match found.len() {
                    0 => Err(error.into()),
                    1 => Ok(Arc::new(found.swap_remove(0))),
                    count => Err(ResolveError::Ambiguous {
                        prefix: prefix.to_owned(),
                        count,
                        examples: found.iter().take(8).map(|o| o.operation_id.to_string()).collect(),
                    }
                    .into()),
                }
            }
        }
    }

    /// Stops an operation and waits for its end. Repeated calls join the first.
    ///
    /// # Errors
    /// Not found, ended already, its runner cannot be reached, or it did not end within `wait`.
    pub async fn stop(
        &self,
        id: &OperationId,
        order: StopOrder,
        wait: Duration,
    ) -> Result<Operation, VerbError> {
        let operation = self.get(id.as_str()).await?;
        if operation.state.is_final() {
            let text = format!("operation {id} has already ended ({})", operation.state.as_str());
            return Err(VerbError::of("operation_ended", text, operation.as_ref().clone()));
        }
        let ended = self.hub.wait_for(id.clone(), Box::new(|operation| operation.state.is_final()));
        if self.hub.direct(id.clone(), Directive::Stop(order.clone())).await? {
            // A runner that was suspended at its terminal hears nothing until it goes on.
            let runner = OperationDir::of(&self.paths, id).read().ok().map(|file| file.runner);
            drop(runner.map(|runner| runner.signal(Signal::CONT)));
        } else {
            let wish = Wish::Stop {
                by: StopBy::User,
                via: via_of(&order.via),
                reason: order.reason,
                force: order.force,
                grace_ms: order.grace_ms,
            };
            self.lay_down(id, &wish).await?;
        }
        match tokio::time::timeout(wait, ended).await {
            Ok(operation) => Ok(operation?),
            Err(_) => {
                let operation = self.get(id.as_str()).await?;
                let text = format!(
                    "operation {id} is still {} after {} s",
                    operation.state.as_str(),
                    wait.as_secs()
                );
                Err(VerbError::of("timeout", text, operation.as_ref().clone()))
            }
        }
    }

    /// Suspends or resumes an operation's process group and waits until it is so.
    ///
    /// # Errors
    /// Not found, not running, not possible for its kind, or it did not happen in time.
    pub async fn suspend(&self, id: &OperationId, suspend: bool) -> Result<Operation, VerbError> {
        let operation = self.get(id.as_str()).await?;
        if operation.state == OperationState::Queued {
            return self.change_queue(id, None, Some(suspend)).await;
        }
        let wanted: fn(OperationState) -> bool = if suspend {
            |state| state == OperationState::Paused || state.is_final()
        } else {
            |state| state != OperationState::Paused
        };
        let runs = matches!(
            operation.state,
            OperationState::Running | OperationState::Paused | OperationState::Detached
        );
        if !runs {
            let text = format!("operation {id} is {}, not running", operation.state.as_str());
            return Err(VerbError::of("operation_not_running", text, operation.as_ref().clone()));
        }
        if operation.mode == Some(Mode::Http) {
            let text = format!("operation {id} is a provider's answer, which cannot be suspended");
            return Err(VerbError::of("not_pausable", text, operation.as_ref().clone()));
        }
        let done = self.hub.wait_for(id.clone(), Box::new(move |operation| wanted(operation.state)));
        if !self.hub.direct(id.clone(), Directive::Suspend(suspend)).await? {
            self.lay_down(id, if suspend { &Wish::Pause } else { &Wish::Resume }).await?;
            // Without a link the runner's journal alone says that it follows.
            let told = self.publish_suspension(id, suspend);
            if tokio::time::timeout(SUSPEND_WAIT, told).await.is_ok_and(|told| told.is_err()) {
                return Err(HubError::Stopping.into());
            }
        }
        match tokio::time::timeout(SUSPEND_WAIT, done).await {
            Ok(operation) => Ok(operation?),
            Err(_) => {
                let text = format!("operation {id} did not follow within {} s", SUSPEND_WAIT.as_secs());
                Err(VerbError::of("timeout", text, operation.as_ref().clone()))
            }
        }
    }

    /// Changes the place of a queued operation, and waits until it is so.
    ///
    /// # Errors
    /// Not found, not queued, or its runner does not follow.
    pub async fn change_queue(
        &self,
        id: &OperationId,
        priority: Option<i32>,
        held: Option<bool>,
    ) -> Result<Operation, VerbError> {
        let operation = self.get(id.as_str()).await?;
        let done = move |operation: &Operation| match &operation.queue {
            Some(place) => {
                priority.is_none_or(|wanted| place.priority == wanted)
                    && held.is_none_or(|wanted| place.held == wanted)
            }
            // It has left the queue: started or ended.
            None => operation.state != OperationState::Submitted,
        };
        let follows = self.hub.wait_for(id.clone(), Box::new(done));
        if !self.hub.change_queue(id.clone(), priority, held).await? {
            let text = format!("operation {id} is {}, not queued", operation.state.as_str());
            return Err(VerbError::of("wrong_state", text, operation.as_ref().clone()));
        }
        self.in_time(id, follows).await
    }

    /// Changes the cost limit of an operation that has not ended, and waits until its runner has it.
    ///
    /// # Errors
    /// Not found, ended, shared budgets do not carry it, or its runner cannot be reached.
    pub async fn set_budget(&self, id: &OperationId, limit: Option<i64>) -> Result<Operation, VerbError> {
        let operation = self.get(id.as_str()).await?;
        if operation.state.is_final() {
            let text = format!("operation {id} has already ended ({})", operation.state.as_str());
            return Err(VerbError::of("operation_ended", text, operation.as_ref().clone()));
        }
        let done =
            move |operation: &Operation| operation.max_cost_nano_usd == limit || operation.state.is_final();
        let follows = self.hub.wait_for(id.clone(), Box::new(done));
        match self.hub.set_budget(id.clone(), limit).await? {
            Ok(true) => self.in_time(id, follows).await,
            Ok(false) => {
                let text = format!("the runner of operation {id} cannot be reached");
                Err(VerbError::of("runner_gone", text, operation.as_ref().clone()))
            }
            Err(refusal) => {
                Err(VerbError::of("budget_refused", refusal.sentence(), operation.as_ref().clone()))
            }
        }
    }

    async fn in_time(
        &self,
        id: &OperationId,
        follows: impl Future<Output = Result<Operation, HubError>>,
    ) -> Result<Operation, VerbError> {
        match tokio::time::timeout(SUSPEND_WAIT, follows).await {
            Ok(operation) => Ok(operation?),
            Err(_) => {
                let operation = self.get(id.as_str()).await?;
                let text = format!("operation {id} did not follow within {} s", SUSPEND_WAIT.as_secs());
                Err(VerbError::of("timeout", text, operation.as_ref().clone()))
            }
        }
    }

    /// Waits until an operation's journal says that it is suspended, or not, and publishes what it says.
    async fn publish_suspension(&self, id: &OperationId, suspend: bool) -> Result<(), HubError> {
        let path = OperationDir::of(&self.paths, id).journal();
        loop {
            let journal = path.clone();
            let entries =
                tokio::task::spawn_blocking(move || Reader::entries(&journal)).await.unwrap_or_default();
            let progress = entries.into_iter().rev().find_map(|entry| match entry.event() {
                Ok(Event::ExecutionProgress(progress)) => Some((entry, progress)),
                _ => None,
            });
            if let Some((entry, progress)) = progress
                && (progress.state == RunState::Paused) == suspend
            {
                return self.hub.publish(Publish { at: entry.at, ..Publish::own(progress.into()) }).await;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Tells a runner without a link, through its operation's directory and SIGUSR1.
    async fn lay_down(&self, id: &OperationId, wish: &Wish) -> Result<(), VerbError> {
        let dir = OperationDir::of(&self.paths, id);
        let runner = dir.read().ok().map(|file| file.runner);
        let told = runner.filter(llmctl_proto::process::Identity::is_alive).is_some_and(|runner| {
            dir.write_wish(wish).is_ok()
                && runner.signal(Signal::USR1).is_ok()
                // A suspended runner hears nothing until it goes on.
                && runner.signal(Signal::CONT).is_ok()
        });
        if told {
            return Ok(());
        }
        // Its runner is gone: what it left is taken in now, and its tool is ended.
        self.adopter.look_now(id.clone()).await;
        let operation = self.get(id.as_str()).await?;
        if operation.state.is_final() {
            return Ok(());
        }
        let text = format!("the runner of operation {id} cannot be reached");
        Err(VerbError::of("runner_gone", text, operation.as_ref().clone()))
    }
}

fn via_of(text: &str) -> StopVia {
    match text {
        "page" => StopVia::Page,
        "api" => StopVia::Api,
        "terminal" => StopVia::Terminal,
        _ => StopVia::Cli,
    }
}
