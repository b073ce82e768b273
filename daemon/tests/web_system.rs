//! The daemon about itself, its configuration, and its events from the newest backwards.

mod common;

use std::collections::BTreeSet;

use common::{completed, stage, stage_configured, started};
use llmctl_proto::event::{Event, WatcherStarted};
use llmctl_proto::ids::OperationId;
use llmctld::hub::Publish;
use llmctld::web::SEND_PATIENCE;
use serde_json::Value;

async fn get(stage: &common::Stage, path: &str) -> (common::Answer, Value) {
    let answer = stage.send("GET", path, &[stage.bearer()], "").await;
    let value = serde_json::from_str(&answer.body).unwrap_or_default();
    (answer, value)
}

/// The address of the next page.
fn next(answer: &common::Answer) -> Option<String> {
    let link = answer.header("link")?;
    Some(link.strip_prefix('<')?.split_once('>')?.0.to_owned())
}

/// Publishes facts; they are on disk when it returns.
async fn facts(stage: &common::Stage, count: u32) {
    for files in 0..count {
        let event: Event = WatcherStarted { project: format!("p{files}"), files }.into();
        stage.hub.publish_durably(Publish::own(event)).await.expect("stored");
    }
}

fn projects(events: &Value) -> Vec<String> {
    let events = events.as_array().expect("a list");
    events.iter().map(|e| e["data"]["project"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_read_backwards_in_pages_that_miss_and_repeat_nothing() {
    let stage = stage().await;
    facts(&stage, 25).await;
    let (mut path, mut seen) = ("/api/events?order=newest&limit=10".to_owned(), Vec::new());
    loop {
        let (answer, page) = get(&stage, &path).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        seen.extend(projects(&page));
        // What happens meanwhile is newer than every page that follows.
        if seen.len() == 10 {
            let event: Event = WatcherStarted { project: "late".into(), files: 0 }.into();
            stage.hub.publish_durably(Publish::own(event)).await.expect("stored");
        }
        match next(&answer) {
            Some(next) => path = next,
            None => break,
        }
    }
    let expected: Vec<String> = (0..25).rev().map(|n| format!("p{n}")).collect();
    assert_eq!(seen, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_backwards_are_filtered_by_type_operation_and_text() {
    let stage = stage().await;
    let id = OperationId::new();
    stage.publish(started(&id)).await;
    facts(&stage, 3).await;
    stage.hub.publish_durably(Publish::own(completed(&id).into())).await.expect("stored");
    let types = |events: &Value| -> Vec<String> {
        let events = events.as_array().expect("a list");
        events.iter().map(|e| e["type"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let (_, group) = get(&stage, "/api/events?order=newest&types=execution.").await;
    assert_eq!(types(&group), ["execution.complete", "execution.start"]);
    let (_, of) =
        get(&stage, &format!("/api/events?order=newest&operation={id}&types=execution.start")).await;
    assert_eq!(types(&of), ["execution.start"]);
    let (_, text) = get(&stage, "/api/events?order=newest&q=%22P1%22").await;
    assert_eq!(projects(&text), ["p1"]);
    let (answer, _) =
        get(&stage, &format!("/api/events?order=newest&q=p&limit=1&types=watcher.&operation={id}")).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "[]"));
    for wrong in ["before=x", "operation=x", "order=newest&limit=0"] {
        let wrong = if wrong.contains("before") || wrong.contains("order") {
            format!("/api/events?{wrong}")
        } else {
            format!("/api/events?order=newest&{wrong}")
        };
        let (answer, _) = get(&stage, &wrong).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_value"), "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_of_a_life_that_left_nothing_is_gone() {
    let stage = stage().await;
    facts(&stage, 3).await;
    let (answer, _) = get(&stage, "/api/events?before=00000000-2").await;
    assert_eq!((answer.status, answer.code().as_str()), (410, "cursor_too_old"));
    let (_, newest) = get(&stage, "/api/events?order=newest&limit=1").await;
    let (epoch, seq) = (newest[0]["epoch"].as_str().expect("epoch"), newest[0]["seq"].as_u64().expect("seq"));
    // Beyond what is stored: pieces of output and progress have numbers and are no facts.
    let (answer, page) = get(&stage, &format!("/api/events?before={epoch}-{}", seq + 100)).await;
    assert_eq!((answer.status, projects(&page)), (200, vec!["p2".into(), "p1".into(), "p0".into()]));
    let (answer, page) = get(&stage, &format!("/api/events?before={epoch}-1")).await;
    assert_eq!((answer.status, page), (200, serde_json::json!([])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_daemon_tells_how_it_is_and_no_path() {
    let stage = stage().await;
    facts(&stage, 2).await;
    let (answer, system) = get(&stage, "/api/system").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(system["status"], "healthy", "{system}");
    assert_eq!(system["pid"], std::process::id());
    assert_eq!(system["epoch"], stage.hub.epoch().to_string());
    assert_eq!(system["http_addr"], stage.addr.to_string());
    assert!(system["memory_bytes"].as_u64().is_some_and(|bytes| bytes > 1_000_000));
    assert!(system["store"]["size_bytes"].as_u64().is_some_and(|bytes| bytes > 0));
    for queue in system["queues"].as_array().expect("queues") {
        let (depth, limit) = (queue["depth"].as_u64(), queue["limit"].as_u64());
        assert!(depth <= limit && limit > Some(0) && queue["name"].is_string(), "{queue}");
    }
    assert!(system["gateway"]["connections"].as_u64() <= system["gateway"]["connections_limit"].as_u64());
    let _cookie = stage.sign_in().await;
    assert_eq!(get(&stage, "/api/system").await.1["gateway"]["sessions"], 1);
    assert!(!answer.body.contains(&stage.paths.state.display().to_string()));
    let (answer, _) = get(&stage, "/api/system/more").await;
    assert_eq!(answer.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_configuration_has_origins_and_defaults_and_no_secret() {
    let key = "sk-ant-api03-Zk4qT9wXb2LmN7vPc1RdYs8EaHu3GfJi6KoQxW5VtBnM0CzDySrPlEgAhUjIkOw";
    let text = format!(
        "daemon: {{retention: {{events_days: 3}}}}\nmcp_servers:\n  git:\n    command: [mcp-git, --token, {key}]\n    \
         env: {{HOME_OF: plain-value, KEY: '${{GIT_KEY}}'}}\n"
    );
    let stage = stage_configured(SEND_PATIENCE, &text).await;
    let (answer, config) = get(&stage, "/api/config").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let values = config["values"].as_array().expect("values");
    let one = |path: &str| {
        values.iter().find(|value| value["path"] == path).unwrap_or_else(|| panic!("{path}: {config}"))
    };
    let days = one("daemon.retention.events_days");
    assert_eq!((days["value"].as_str(), days["origin"]["layer"].as_str()), (Some("3"), Some("user")));
    assert!(days["origin"]["name"].as_str().is_some_and(|name| name.ends_with("user.yaml")));
    assert_eq!(days["origin"]["line"], 1);
    assert!(days["about"].as_str().is_some_and(|about| !about.is_empty()));
    let host = one("daemon.http.host");
    assert_eq!(
        (host["value"].as_str(), host["origin"]["name"].as_str()),
        (Some("127.0.0.1"), Some("default"))
    );
    assert_eq!(one("mcp_servers.git.env.HOME_OF")["value"], "(hidden)");
    assert_eq!(one("mcp_servers.git.env.KEY")["value"], "${GIT_KEY}");
    let command = one("mcp_servers.git.command")["value"].as_str().expect("text");
    assert!(command.starts_with("[mcp-git, --token, "), "{command}");
    assert!(!answer.body.contains(key) && !answer.body.contains("plain-value"), "{}", answer.body);
    assert_eq!(config["files"], 1);
    let paths: BTreeSet<&str> = values.iter().filter_map(|value| value["path"].as_str()).collect();
    assert_eq!(paths.len(), values.len(), "no path twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_configuration_shows_defaults_alone() {
    let stage = stage().await;
    let (_, config) = get(&stage, "/api/config").await;
    let values = config["values"].as_array().expect("values");
    assert!(values.len() > 20 && values.iter().all(|value| value["origin"]["layer"] != "user"), "{config}");
}
