//! The verbs on task files, over the board's picture and through its orders.

use std::path::{Path, PathBuf};

use llmctl_proto::ids::Cursor;
use llmctl_proto::pb::{
    CreateTaskRequest, CreateTaskResponse, EditTaskRequest, EditTaskResponse, LintTasksRequest,
    LintTasksResponse, ListTasksRequest, ListTasksResponse, ShowTaskRequest, ShowTaskResponse, TaskScope,
};
use llmctl_proto::task::{Lane, NewTask, RawTask, Task, by_urgency};
use tonic::{Code, Status};

use super::service::{ControlDeps, to_json};
use crate::board::{Act, Board, BoardError, Fields, RootView, Wish, findings, listed, unreadable, work};

/// The project that is meant; none for all.
async fn project(deps: &ControlDeps, scope: Option<TaskScope>) -> Result<Option<String>, Status> {
    let scope = scope.unwrap_or_default();
    if !scope.project.is_empty() {
        return Ok(Some(scope.project));
    }
    if scope.dir.is_empty() {
        return Ok(None);
    }
    let dir = PathBuf::from(&scope.dir);
    if !dir.is_absolute() {
        return Err(Status::invalid_argument("the directory must be a whole path"));
    }
    match deps.board.project_of(dir).await {
        Some(project) => Ok(Some(project)),
        None => Err(Status::not_found("there are no task files in this directory or above it")),
    }
}

pub(super) async fn list(deps: &ControlDeps, request: ListTasksRequest) -> Result<ListTasksResponse, Status> {
    let project = project(deps, request.scope).await?;
    deps.board.scanned().await;
    let cursor = Cursor { epoch: deps.hub.epoch(), seq: deps.hub.stats.read().2 };
    let all = deps.hub.task_work().await?;
    let view = deps.board.view();
    let answer = move || {
        let project = project.as_deref();
        let wanted = |raw: &RawTask| request.done || raw.lane != Lane::Done;
        let mut rows: Vec<(&RootView, &RawTask)> = view
            .of(project)
            .flat_map(|root| root.index.iter().map(move |(_, raw)| (root.as_ref(), raw.as_ref())))
            .filter(|(_, raw)| wanted(raw))
            .collect();
        rows.sort_by(|a, b| by_urgency(Task::new(a.1), Task::new(b.1)));
        let card = |(root, raw): &(&RootView, &RawTask)| {
            let sum = work::of(&all, Task::new(raw).id().value, root.project_dir());
            listed(root, raw, &sum, Fields::Card)
        };
        let (good, bad): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(_, raw)| raw.is_readable());
        ListTasksResponse {
            cards: good.iter().map(card).collect(),
            invalid: bad.iter().map(|(root, raw)| unreadable(root, raw).to_string()).collect(),
            cursor: cursor.to_string(),
            roots: view.of(project).map(|root| to_json(&root.line())).collect(),
        }
    };
    tokio::task::spawn_blocking(answer).await.map_err(|_| Status::internal("the list could not be made"))
}

pub(super) async fn show(deps: &ControlDeps, request: ShowTaskRequest) -> Result<ShowTaskResponse, Status> {
    let project = project(deps, request.scope).await?;
    let (_, task) = deps.board.show(&request.task, project.as_deref(), true).await?;
    Ok(ShowTaskResponse { task: task.to_string() })
}

pub(super) async fn edit(deps: &ControlDeps, request: EditTaskRequest) -> Result<EditTaskResponse, Status> {
    let project = project(deps, request.scope).await?;
    if request.force && request.force_reason.trim().is_empty() {
        return Err(Status::invalid_argument("force needs a reason"));
    }
    let claims = request.verb == "claim";
    if request.task.is_empty() && !claims {
        return Err(Status::invalid_argument("no task is named"));
    }
    let wish = Wish {
        verb: request.verb,
        agent: request.agent,
        text: request.text,
        key: request.key,
        artefacts: request.artefacts,
        to_inbox: request.to_inbox,
        force: request.force,
    };
    let act = Act::Verb {
        target: request.task,
        prefix: true,
        verb: wish.verb().map_err(BoardError::from)?,
        rev: Some(request.rev).filter(|rev| !rev.is_empty()),
        force: request.force.then_some(request.force_reason),
        cost: None,
    };
    let actor = Some(request.actor.as_str()).filter(|actor| !actor.is_empty()).unwrap_or("cli");
    let carried = deps.board.carry_out(project.as_deref(), act, actor).await?;
    let card = deps.board.listed(&carried, Fields::Card).await?;
    let done = carried.done.as_ref();
    let unchanged = done.is_some_and(|done| done.lines.is_empty() && done.old_rev == done.rev);
    Ok(EditTaskResponse {
        card,
        path: carried.raw.path.clone(),
        old_rev: done.map(|done| done.old_rev.clone()).unwrap_or_default(),
        rev: carried.raw.rev(),
        unchanged,
        window: done.is_some_and(|done| done.window),
        project: carried.project,
    })
}

pub(super) async fn create(
    deps: &ControlDeps,
    request: CreateTaskRequest,
) -> Result<CreateTaskResponse, Status> {
    let project = project(deps, request.scope).await?;
    let given = |text: String| Some(text).filter(|text| !text.trim().is_empty());
    let new = NewTask {
        title: request.title,
        agent: given(request.agent),
        priority: given(request.priority),
        description: given(request.description),
        created_by: given(request.created_by),
        assign: request.assign,
        template: None,
    };
    let carried = deps.board.carry_out(project.as_deref(), Act::Create(new), "cli").await?;
    let card = deps.board.listed(&carried, Fields::Card).await?;
    Ok(CreateTaskResponse { card, path: carried.raw.path.clone(), project: carried.project })
}

pub(super) async fn lint(deps: &ControlDeps, request: LintTasksRequest) -> Result<LintTasksResponse, Status> {
    let project = project(deps, request.scope).await?;
    let view = deps.board.scanned().await;
    let findings = tokio::task::spawn_blocking(move || findings(&view, project.as_deref()));
    let findings = findings.await.map_err(|_| Status::internal("the findings could not be made"))?;
    Ok(LintTasksResponse { findings: findings.iter().map(ToString::to_string).collect() })
}

impl From<BoardError> for Status {
    fn from(error: BoardError) -> Self {
        let code = match error.code() {
            "task_not_found" => Code::NotFound,
            "ambiguous_id" | "invalid_value" | "missing_field" => Code::InvalidArgument,
            "conflict" => Code::Aborted,
            "busy" | "stopping" => Code::Unavailable,
            "write_failed" | "internal" => Code::Internal,
            _ => Code::FailedPrecondition,
        };
        Self::new(code, error.to_string())
    }
}

/// Figures of the board for the daemon's status.
pub(crate) fn status(board: &Board) -> serde_json::Value {
    let view = board.view();
    serde_json::json!({
        "state": if view.is_healthy() { "ok" } else { "degraded" },
        "counts": view.counts(None),
        "roots": view.roots.iter().map(|root| root.line()).collect::<Vec<_>>(),
    })
}

/// An operation names its project when it asks for a place.
pub(super) fn learn(deps: &ControlDeps, project: Option<&str>) {
    if let Some(project) = project.map(Path::new).filter(|project| project.is_absolute()) {
        deps.board.named(project);
    }
}
