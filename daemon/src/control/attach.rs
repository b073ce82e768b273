//! The stream of one running operation: events up, acknowledgements and directives down.

use llmctl_proto::admission::Submission;
use llmctl_proto::event::{Event, ExecutionDetached, OtherEvent};
use llmctl_proto::ids::OperationId;
use llmctl_proto::opdir::OperationDir;
use llmctl_proto::pb::attach_request::Kind as Up;
use llmctl_proto::pb::attach_response::Kind as Down;
use llmctl_proto::pb::{
    Acknowledged, AdmissionDirective, AttachHello, AttachRequest, AttachResponse, Attached, BudgetDirective,
    Event as WireEvent, Leaving, StopDirective, SuspendDirective,
};
use llmctl_proto::state::OperationState;
use llmctl_proto::time::UnixMs;
use llmctl_proto::{PROTOCOL, VERSION};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::service::ControlDeps;
use crate::hub::{Directive, Publish};

/// Answers that wait for a runner; they are tiny and rare.
const DOWN: usize = 64;
/// Directives that wait for a runner.
const DIRECTIVES: usize = 64;
/// Longest payload of one event; a runner keeps its own far below.
const MAX_PAYLOAD: usize = 256 * 1024;

pub(super) type DownStream = ReceiverStream<Result<AttachResponse, Status>>;

/// Checks the greeting, registers the link and serves it until either side ends.
pub(super) async fn open(deps: ControlDeps, mut up: Streaming<AttachRequest>) -> Result<DownStream, Status> {
    let Some(AttachRequest { kind: Some(Up::Hello(hello)) }) = up.message().await? else {
        return Err(Status::invalid_argument("the first message of an attach stream must be its hello"));
    };
    let id = check(&hello)?;
    let (directives_tx, directives) = mpsc::channel(DIRECTIVES);
    // First the link, then the store's answer: what was taken in before is stored before the question is answered.
    let generation = deps.hub.attach(id.clone(), 0, directives_tx).await?;
    let stored = deps.store.watermark(id.clone()).await?;
    deps.hub.watermark(id.clone(), stored).await?;
    let (down, answers) = mpsc::channel(DOWN);
    send(&down, Down::Attached(Attached { durable_client_seq: stored })).await?;
    let (durable_tx, durable) = watch::channel(stored);
    let link = Link { deps: deps.clone(), id, generation, up, down, directives, durable_tx, durable };
    deps.tracker.spawn(link.run());
    Ok(ReceiverStream::new(answers))
}

fn check(hello: &AttachHello) -> Result<OperationId, Status> {
    if hello.protocol != PROTOCOL {
        return Err(Status::failed_precondition(format!(
            "llmctl {} speaks protocol {}, llmctld {VERSION} speaks {PROTOCOL}; run `llmctl daemon restart`",
            hello.version, hello.protocol
        )));
    }
    hello.operation_id.parse().map_err(|e| Status::invalid_argument(format!("{e}")))
}

async fn send(down: &mpsc::Sender<Result<AttachResponse, Status>>, kind: Down) -> Result<(), Status> {
    down.send(Ok(AttachResponse { kind: Some(kind) })).await.map_err(|_| Status::cancelled("runner has gone"))
}

struct Link {
    deps: ControlDeps,
    id: OperationId,
    generation: u64,
    up: Streaming<AttachRequest>,
    down: mpsc::Sender<Result<AttachResponse, Status>>,
    directives: mpsc::Receiver<Directive>,
    durable_tx: watch::Sender<u64>,
    durable: watch::Receiver<u64>,
}

impl Link {
    async fn run(mut self) {
        let leaving = self.deps.shutdown.clone();
        loop {
            let step = tokio::select! {
                () = leaving.cancelled() => {
                    let _ = send(&self.down, Down::Leaving(Leaving {})).await;
                    break;
                }
                message = self.up.message() => self.on_message(message).await,
                directive = self.directives.recv() => match directive {
                    Some(directive) => send(&self.down, directive_down(directive)).await.is_ok(),
                    // Another link of the same operation has taken this one's place.
                    None => false,
                },
                changed = self.durable.changed() => changed.is_ok() && self.acknowledge().await,
            };
            if !step {
                break;
            }
        }
        self.close().await;
    }

    async fn on_message(&mut self, message: Result<Option<AttachRequest>, Status>) -> bool {
        match message {
            Ok(Some(AttachRequest { kind: Some(Up::Event(event)) })) => match self.publish(event).await {
                Ok(()) => true,
                Err(status) => {
                    tracing::warn!(operation.id = %self.id, error = status.message(), "link closed");
                    let _ = self.down.send(Err(status)).await;
                    false
                }
            },
            Ok(Some(AttachRequest { kind: Some(Up::Submit(submit)) })) => {
                match self.submit(&submit.submission).await {
                    Ok(()) => true,
                    Err(status) => {
                        tracing::warn!(operation.id = %self.id, error = status.message(), "link closed");
                        let _ = self.down.send(Err(status)).await;
                        false
                    }
                }
            }
            Ok(Some(_)) => true,
            Ok(None) | Err(_) => false,
        }
    }

    async fn publish(&self, wire: WireEvent) -> Result<(), Status> {
        if wire.data.len() > MAX_PAYLOAD {
            return Err(Status::invalid_argument(format!("event of {} bytes", wire.data.len())));
        }
        let event = match Event::parse(&wire.r#type, &wire.data) {
            Ok(event) => event,
            // A payload of another version is kept as it is rather than lost.
            Err(error) => Event::Other(OtherEvent {
                type_name: wire.r#type.clone(),
                data: serde_json::from_str(&wire.data)
                    .map_err(|_| Status::invalid_argument(error.to_string()))?,
            }),
        };
        if event.operation_id().is_some_and(|id| *id != self.id) {
            return Err(Status::permission_denied("an event of another operation"));
        }
        let publish = Publish {
            at: UnixMs(wire.at_ms),
            event,
            data: wire.data,
            client_seq: wire.client_seq,
            durable: Some(self.durable_tx.clone()),
            done: None,
        };
        Ok(self.deps.hub.publish(publish).await?)
    }

    async fn submit(&self, text: &str) -> Result<(), Status> {
        if text.len() > MAX_PAYLOAD {
            return Err(Status::invalid_argument(format!("submission of {} bytes", text.len())));
        }
        let submission: Submission =
            serde_json::from_str(text).map_err(|e| Status::invalid_argument(format!("submission: {e}")))?;
        if submission.operation_id != self.id {
            return Err(Status::permission_denied("a submission of another operation"));
        }
        super::tasks::learn(&self.deps, submission.project.as_deref());
        Ok(self.deps.hub.submit(submission).await?)
    }

    async fn acknowledge(&mut self) -> bool {
        let durable_client_seq = *self.durable.borrow_and_update();
        send(&self.down, Down::Acknowledged(Acknowledged { durable_client_seq })).await.is_ok()
    }

    async fn close(self) {
        self.deps.hub.detach(self.id.clone(), self.generation).await;
        if self.deps.shutdown.is_cancelled() {
            return;
        }
        let operation = match self.deps.hub.get(self.id.as_str()).await {
            Ok(Ok(operation)) => operation,
            // It left before it had said anything: its journal has it all.
            Ok(Err(_)) => return self.deps.adopter.link_lost(self.id).await,
            Err(_) => return,
        };
        if operation.state.is_final() {
            // Everything it had to say is stored: its end is committed at once.
            let dir = OperationDir::of(&self.deps.paths, &self.id);
            if self.deps.store.watermark(self.id.clone()).await.is_ok() {
                dir.settle();
            }
            // One that was killed just now may have left a card behind.
            self.deps.adopter.settled().notify_one();
            return;
        }
        if operation.state != OperationState::Detached {
            let event = ExecutionDetached { operation_id: self.id.clone(), reason: "link_lost".into() };
            let _ = self.deps.hub.publish(Publish::own(event.into())).await;
        }
        self.deps.adopter.link_lost(self.id).await;
    }
}

fn directive_down(directive: Directive) -> Down {
    match directive {
        Directive::Stop(order) => Down::Stop(StopDirective {
            by: order.by,
            via: order.via,
            reason: order.reason.unwrap_or_default(),
            force: order.force,
            grace_ms: order.grace_ms.unwrap_or_default(),
        }),
        Directive::Suspend(suspend) => Down::Suspend(SuspendDirective { suspend }),
        Directive::Admission(admission) => Down::Admission(AdmissionDirective {
            // Names, numbers and times always serialise.
            admission: serde_json::to_string(&admission).unwrap_or_default(),
        }),
        Directive::Budget(limit) => Down::Budget(BudgetDirective { max_cost_nano_usd: limit }),
    }
}
