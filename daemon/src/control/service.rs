//! The verbs of `llmctl.v1.Control`.

use std::sync::Arc;

use llmctl_proto::admission::FactsQuery;
use llmctl_proto::config::Http;
use llmctl_proto::event::{Event, MAX_EVENT_BYTES, check_emittable};
use llmctl_proto::paths::Paths;
use llmctl_proto::pb::control_server::Control;
use llmctl_proto::pb::{
    AttachRequest, CallMcpToolRequest, CallMcpToolResponse, ChangeQueueRequest, ChangeQueueResponse,
    ControlMcpServerRequest, ControlMcpServerResponse, CreateLoginCodeRequest, CreateLoginCodeResponse,
    CreateTaskRequest, CreateTaskResponse, DiscoverMcpServerRequest, DiscoverMcpServerResponse,
    EditTaskRequest, EditTaskResponse, FollowEventsRequest, GetMcpHistoryRequest, GetMcpHistoryResponse,
    GetMcpServerRequest, GetMcpServerResponse, GetOperationRequest, GetOperationResponse, GetQueueRequest,
    GetQueueResponse, GetSharedFactsRequest, GetSharedFactsResponse, GetStatusRequest, GetStatusResponse,
    HelloRequest, HelloResponse, LintTasksRequest, LintTasksResponse, ListMcpServersRequest,
    ListMcpServersResponse, ListOperationsRequest, ListOperationsResponse, ListTasksRequest,
    ListTasksResponse, PublishEventRequest, PublishEventResponse, ReadLedgerRequest, ReadMcpLogRequest,
    ReloadConfigRequest, ReloadConfigResponse, ReloadMcpServersRequest, ReloadMcpServersResponse,
    SetOperationBudgetRequest, SetOperationBudgetResponse, ShowTaskRequest, ShowTaskResponse,
    ShutdownRequest, ShutdownResponse, StartGatewayRequest, StartGatewayResponse, StopGatewayRequest,
    StopGatewayResponse, StopOperationsRequest, StopOperationsResponse, SuspendOperationRequest,
    SuspendOperationResponse,
};
use llmctl_proto::time::UnixMs;
use llmctl_proto::{PROTOCOL, VERSION};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status, Streaming};

use super::{attach, follow, ledger, mcp, operations, tasks};
use crate::adopt::Adopter;
use crate::board::Board;
use crate::health::{self, Parts};
use crate::hub::{Hub, Publish};
use crate::mcp::Servers;
use crate::operations::Operations;
use crate::settings::Live;
use crate::store::Store;
use crate::web::Gateway;

/// What the verbs act on.
#[derive(Clone)]
pub struct ControlDeps {
    /// Events and the projection.
    pub hub: Hub,
    /// History.
    pub store: Store,
    /// Verbs on operations.
    pub operations: Operations,
    /// Task files.
    pub board: Board,
    /// MCP servers.
    pub servers: Servers,
    /// Operations without a link.
    pub adopter: Adopter,
    /// The web gateway.
    pub gateway: Gateway,
    /// Directories.
    pub paths: Arc<Paths>,
    /// All tasks.
    pub tracker: TaskTracker,
    /// End of the daemon.
    pub shutdown: CancellationToken,
    /// When the daemon became ready.
    pub started_at: UnixMs,
    /// The configuration in force.
    pub settings: Live,
}

impl ControlDeps {
    fn parts(&self) -> Parts<'_> {
        Parts {
            hub: &self.hub,
            store: &self.store,
            board: &self.board,
            servers: &self.servers,
            gateway: self.gateway.figures_now(),
            started_at: self.started_at,
            stopping: self.shutdown.is_cancelled(),
        }
    }
}

/// The gRPC service.
pub struct ControlService {
    deps: ControlDeps,
}

impl ControlService {
    /// Ties the service to what it acts on.
    pub fn new(deps: ControlDeps) -> Self {
        Self { deps }
    }

    fn check_protocol(request: &HelloRequest) -> Result<(), Status> {
        if request.protocol == PROTOCOL {
            return Ok(());
        }
        let older = if request.protocol < PROTOCOL { "llmctl" } else { "llmctld" };
        Err(Status::failed_precondition(format!(
            "llmctl {} speaks protocol {}, llmctld {VERSION} speaks protocol {PROTOCOL}: {older} is older. Install both \
             from one build, then run `llmctl daemon restart`; running operations go on meanwhile",
            request.version, request.protocol
        )))
    }
}

/// Names, numbers and times always serialise.
pub(super) fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn to_value(path: &std::path::Path) -> serde_json::Value {
    path.to_string_lossy().into_owned().into()
}

#[tonic::async_trait]
impl Control for ControlService {
    type AttachStream = attach::DownStream;
    type FollowEventsStream = follow::EventStream;
    type ReadLedgerStream = ledger::RecordStream;

    async fn hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloResponse>, Status> {
        Self::check_protocol(request.get_ref())?;
        Ok(Response::new(HelloResponse {
            protocol: PROTOCOL,
            version: VERSION.to_owned(),
            pid: std::process::id(),
            epoch: self.deps.hub.epoch().to_string(),
            http_addr: self.deps.gateway.addr().map(|a| a.to_string()).unwrap_or_default(),
        }))
    }

    async fn attach(
        &self,
        request: Request<Streaming<AttachRequest>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        attach::open(self.deps.clone(), request.into_inner()).await.map(Response::new)
    }

    async fn publish_event(
        &self,
        request: Request<PublishEventRequest>,
    ) -> Result<Response<PublishEventResponse>, Status> {
        let wire = request.into_inner().event.ok_or_else(|| Status::invalid_argument("no event given"))?;
        check_emittable(&wire.r#type).map_err(Status::invalid_argument)?;
        if wire.data.len() > MAX_EVENT_BYTES {
            return Err(Status::invalid_argument(format!(
                "the payload has {} bytes, at most {MAX_EVENT_BYTES} are allowed",
                wire.data.len()
            )));
        }
        let event =
            Event::parse(&wire.r#type, &wire.data).map_err(|e| Status::invalid_argument(e.to_string()))?;
        let publish = Publish { at: UnixMs(wire.at_ms), data: event.data_json(), ..Publish::own(event) };
        let cursor = self.deps.hub.publish_durably(publish).await?;
        Ok(Response::new(PublishEventResponse { cursor: cursor.to_string() }))
    }

    async fn list_operations(
        &self,
        request: Request<ListOperationsRequest>,
    ) -> Result<Response<ListOperationsResponse>, Status> {
        operations::list(&self.deps, request.into_inner()).await.map(Response::new)
    }

    async fn get_operation(
        &self,
        request: Request<GetOperationRequest>,
    ) -> Result<Response<GetOperationResponse>, Status> {
        operations::get(&self.deps, request.into_inner()).await.map(Response::new)
    }

    async fn stop_operations(
        &self,
        request: Request<StopOperationsRequest>,
    ) -> Result<Response<StopOperationsResponse>, Status> {
        operations::stop(&self.deps, request.into_inner()).await.map(Response::new)
    }

    async fn suspend_operation(
        &self,
        request: Request<SuspendOperationRequest>,
    ) -> Result<Response<SuspendOperationResponse>, Status> {
        let request = request.into_inner();
        let operation = self.deps.operations.get(&request.id).await?;
        let operation = self.deps.operations.suspend(&operation.operation_id, request.suspend).await?;
        Ok(Response::new(SuspendOperationResponse { operation: to_json(&operation) }))
    }

    async fn follow_events(
        &self,
        request: Request<FollowEventsRequest>,
    ) -> Result<Response<Self::FollowEventsStream>, Status> {
        follow::open(self.deps.clone(), request.into_inner()).await.map(Response::new)
    }

    async fn get_status(&self, _: Request<GetStatusRequest>) -> Result<Response<GetStatusResponse>, Status> {
        let mut status = health::status(&self.deps.parts()).await?;
        // For the owner of the socket; browsers are told no path.
        status["socket"] = to_value(&self.deps.paths.socket);
        status["state_dir"] = to_value(&self.deps.paths.state);
        Ok(Response::new(GetStatusResponse { status: status.to_string() }))
    }

    async fn shutdown(
        &self,
        request: Request<ShutdownRequest>,
    ) -> Result<Response<ShutdownResponse>, Status> {
        tracing::info!(reason = request.get_ref().reason, "asked to stop");
        self.deps.shutdown.cancel();
        Ok(Response::new(ShutdownResponse { pid: std::process::id() }))
    }

    async fn start_gateway(
        &self,
        request: Request<StartGatewayRequest>,
    ) -> Result<Response<StartGatewayResponse>, Status> {
        let request = request.into_inner();
        let configured = self.deps.settings.current().config.daemon.http.clone();
        if !configured.enabled {
            return Err(Status::failed_precondition(
                "the dashboard is switched off (daemon.http.enabled: false)",
            ));
        }
        // The gateway has an address of its own unless somebody names one.
        let other = Some(configured.host).filter(|host| *host != Http::default().host);
        let host = Some(request.host).filter(|h| !h.is_empty()).or(other);
        let port = match request.port {
            0 => configured.port,
            port => Some(
                u16::try_from(port).map_err(|_| Status::invalid_argument(format!("no such port: {port}")))?,
            ),
        };
        let (addr, already_running) = self.deps.gateway.start(host, port).await?;
        Ok(Response::new(StartGatewayResponse { http_addr: addr.to_string(), already_running }))
    }

    async fn stop_gateway(
        &self,
        _: Request<StopGatewayRequest>,
    ) -> Result<Response<StopGatewayResponse>, Status> {
        let was_running = self.deps.gateway.addr().is_some();
        self.deps.gateway.stop().await;
        Ok(Response::new(StopGatewayResponse { was_running }))
    }

    async fn get_shared_facts(
        &self,
        request: Request<GetSharedFactsRequest>,
    ) -> Result<Response<GetSharedFactsResponse>, Status> {
        let query: FactsQuery = serde_json::from_str(&request.get_ref().query)
            .map_err(|e| Status::invalid_argument(format!("query: {e}")))?;
        let facts = self.deps.hub.facts(query).await?;
        Ok(Response::new(GetSharedFactsResponse { facts: to_json(&facts) }))
    }

    async fn get_queue(&self, _: Request<GetQueueRequest>) -> Result<Response<GetQueueResponse>, Status> {
        let rows = self.deps.hub.queue().await?;
        Ok(Response::new(GetQueueResponse { rows: rows.iter().map(to_json).collect() }))
    }

    async fn change_queue(
        &self,
        request: Request<ChangeQueueRequest>,
    ) -> Result<Response<ChangeQueueResponse>, Status> {
        let request = request.into_inner();
        if request.priority.is_some_and(|priority| !(-100..=100).contains(&priority)) {
            return Err(Status::invalid_argument("a priority is a whole number from -100 to 100"));
        }
        let operation = self.deps.operations.get(&request.id).await?;
        let id = &operation.operation_id;
        let operation = self.deps.operations.change_queue(id, request.priority, request.held).await?;
        Ok(Response::new(ChangeQueueResponse { operation: to_json(&operation) }))
    }

    async fn set_operation_budget(
        &self,
        request: Request<SetOperationBudgetRequest>,
    ) -> Result<Response<SetOperationBudgetResponse>, Status> {
        let request = request.into_inner();
        if request.max_cost_nano_usd.is_some_and(|limit| limit <= 0) {
            return Err(Status::invalid_argument("a limit must be more than zero"));
        }
        let operation = self.deps.operations.get(&request.id).await?;
        let id = &operation.operation_id;
        let operation = self.deps.operations.set_budget(id, request.max_cost_nano_usd).await?;
        Ok(Response::new(SetOperationBudgetResponse { operation: to_json(&operation) }))
    }

    async fn reload_config(
        &self,
        _: Request<ReloadConfigRequest>,
    ) -> Result<Response<ReloadConfigResponse>, Status> {
        let result = self.deps.settings.reload(&self.deps.hub).await;
        if result.applied {
            self.deps.servers.reload().await;
        }
        let result = serde_json::to_string(&result).unwrap_or_default();
        Ok(Response::new(ReloadConfigResponse { result }))
    }

    async fn read_ledger(
        &self,
        request: Request<ReadLedgerRequest>,
    ) -> Result<Response<Self::ReadLedgerStream>, Status> {
        ledger::open(self.deps.clone(), &request.into_inner()).map(Response::new)
    }

    async fn list_tasks(
        &self,
        request: Request<ListTasksRequest>,
    ) -> Result<Response<ListTasksResponse>, Status> {
        tasks::list(&self.deps, request.into_inner()).await.map(Response::new)
    }

    async fn show_task(
        &self,
        request: Request<ShowTaskRequest>,
    ) -> Result<Response<ShowTaskResponse>, Status> {
        tasks::show(&self.deps, request.into_inner()).await.map(Response::new)
    }

    async fn edit_task(
        &self,
        request: Request<EditTaskRequest>,
    ) -> Result<Response<EditTaskResponse>, Status> {
        tasks::edit(&self.deps, request.into_inner()).await.map(Response::new)
    }

    async fn create_task(
        &self,
        request: Request<CreateTaskRequest>,
    ) -> Result<Response<CreateTaskResponse>, Status> {
        tasks::create(&self.deps, request.into_inner()).await.map(Response::new)
    }

    async fn lint_tasks(
        &self,
        request: Request<LintTasksRequest>,
    ) -> Result<Response<LintTasksResponse>, Status> {
        tasks::lint(&self.deps, request.into_inner()).await.map(Response::new)
    }

    async fn list_mcp_servers(
        &self,
        request: Request<ListMcpServersRequest>,
    ) -> Result<Response<ListMcpServersResponse>, Status> {
        let _ = request;
        Ok(Response::new(mcp::list(&self.deps)))
    }

    async fn get_mcp_server(
        &self,
        request: Request<GetMcpServerRequest>,
    ) -> Result<Response<GetMcpServerResponse>, Status> {
        Ok(Response::new(mcp::get(&self.deps, request.get_ref())?))
    }

    async fn control_mcp_server(
        &self,
        request: Request<ControlMcpServerRequest>,
    ) -> Result<Response<ControlMcpServerResponse>, Status> {
        Ok(Response::new(mcp::control(&self.deps, request.into_inner()).await?))
    }

    async fn discover_mcp_server(
        &self,
        request: Request<DiscoverMcpServerRequest>,
    ) -> Result<Response<DiscoverMcpServerResponse>, Status> {
        Ok(Response::new(mcp::discover(&self.deps, request.into_inner()).await?))
    }

    async fn call_mcp_tool(
        &self,
        request: Request<CallMcpToolRequest>,
    ) -> Result<Response<CallMcpToolResponse>, Status> {
        Ok(Response::new(mcp::call(&self.deps, request.into_inner()).await?))
    }

    type ReadMcpLogStream = mcp::LogStream;

    async fn read_mcp_log(
        &self,
        request: Request<ReadMcpLogRequest>,
    ) -> Result<Response<Self::ReadMcpLogStream>, Status> {
        Ok(Response::new(mcp::log(&self.deps, request.get_ref())?))
    }

    async fn get_mcp_history(
        &self,
        request: Request<GetMcpHistoryRequest>,
    ) -> Result<Response<GetMcpHistoryResponse>, Status> {
        Ok(Response::new(mcp::history(&self.deps, request.get_ref())?))
    }

    async fn reload_mcp_servers(
        &self,
        request: Request<ReloadMcpServersRequest>,
    ) -> Result<Response<ReloadMcpServersResponse>, Status> {
        let _ = request;
        Ok(Response::new(mcp::reload(&self.deps).await?))
    }

    async fn create_login_code(
        &self,
        _: Request<CreateLoginCodeRequest>,
    ) -> Result<Response<CreateLoginCodeResponse>, Status> {
        let addr = self.deps.gateway.addr();
        let addr = addr.ok_or_else(|| {
            Status::failed_precondition(
                "the dashboard is not running; start it with `llmctl dashboard start`",
            )
        })?;
        let code = self.deps.gateway.login_code()?;
        Ok(Response::new(CreateLoginCodeResponse { code, http_addr: addr.to_string(), valid_s: 60 }))
    }
}
