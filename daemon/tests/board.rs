//! The board beside the hub: operations join their task's card when it is asked for.

mod common;

use std::path::Path;

use llmctl_proto::event::{ExecutionStarted, Mode, PromptInfo};
use llmctl_proto::ids::OperationId;
use llmctl_proto::time::UnixMs;
use llmctld::hub::Publish;

fn start(id: &OperationId, task_id: &str, project: &Path) -> Publish {
    let started = ExecutionStarted {
        operation_id: id.clone(),
        attempt: 1,
        tool: "tool".into(),
        model: Some("model".into()),
        provider: None,
        mode: Mode::Cli,
        agent: None,
        task_type: None,
        cwd: "/".into(),
        pid: Some(7),
        prompt: PromptInfo { bytes: 1, sha256: "0".into(), file: None },
        command: vec!["tool".into()],
        reservation_nano_usd: None,
        project: Some(project.display().to_string()),
        policy: None,
        task_id: Some(task_id.to_owned()),
        max_cost_nano_usd: None,
        retry_of: None,
        started_at: UnixMs(5),
    };
    Publish { client_seq: 1, ..Publish::own(started.into()) }
}

#[tokio::test]
async fn a_card_has_the_operations_that_work_for_it() {
    let stage = common::stage().await;
    let temp = tempfile::tempdir().expect("a directory");
    let project = temp.path().canonicalize().expect("there").join("shop");
    let dir = project.join("work/collaboration/assigned/x");
    std::fs::create_dir_all(&dir).expect("made");
    for id in ["one", "two"] {
        let text = format!("id: {id}\nstatus: in_progress\ntitle: T\nstarted_at: '2020-01-01T00:00:00Z'\n");
        std::fs::write(dir.join(format!("{id}.yaml")), text).expect("written");
    }
    assert_eq!(stage.deps.board.project_of(&project).await.as_deref(), Some("shop"));
    let lines = [stage.bearer()];
    let get = async |path: &str| {
        let answer = stage.send("GET", path, &lines, "").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let tag = answer.header("etag").unwrap_or_default().to_owned();
        (serde_json::from_str::<serde_json::Value>(&answer.body).expect("JSON"), tag)
    };
    let (board, tag) = get("/api/tasks?fields=card").await;
    let cards = board["assigned"]["x"].as_array().expect("cards");
    assert!(cards.iter().all(|card| card["operations"] == 0 && card["stalled"] == true), "{board}");
    let (here, elsewhere) = (OperationId::new(), OperationId::new());
    stage.hub.publish(start(&here, "one", &project)).await.expect("published");
    stage.hub.publish(start(&elsewhere, "two", Path::new("/other"))).await.expect("published");
    let (board, changed) = get("/api/tasks?fields=card").await;
    assert_ne!(tag, changed, "the running operation is news");
    let card = |id: &str| {
        let cards = board["assigned"]["x"].as_array().expect("cards");
        cards.iter().find(|card| card["id"] == id).expect("a card").clone()
    };
    assert_eq!((&card("one")["operations"], &card("one")["stalled"]), (&1.into(), &false.into()));
    assert_eq!(card("one")["running"][0]["operation_id"], here.as_str());
    assert_eq!(card("two")["operations"], 0, "another project's task of the same name");
    let (detail, _) = get("/api/tasks/one").await;
    assert_eq!(detail["_llmctl"]["operation_ids"][0], here.as_str());
}
