//! The same over HTTP: the state in an answer is the state in the next list, and errors say what they are.

use llmctl_tests::gateway::Gateway;
use llmctl_tests::http::{self, Answer};
use llmctl_tests::proc;
use llmctl_tests::rack::{Rack, fake, with};
use llmctl_tests::stage::SOON;
use serde_json::json;

/// What a script knows of the daemon.
struct Door(Gateway);

impl Door {
    fn open(rack: &Rack) -> Self {
        Self(Gateway::open(&rack.stage.sandbox))
    }

    fn ask(&self, method: &str, path: &str) -> Answer {
        self.0.request(method, path, &[("content-type", "application/json")], "")
    }

    fn server(&self, verb: &str, name: &str) -> Answer {
        self.ask("POST", &format!("/api/mcp/server/{name}/{verb}"))
    }

    /// State and process of a server in the list.
    fn listed(&self, name: &str) -> (String, Option<i64>) {
        let answer = self.0.get("/api/mcp/servers");
        let servers = answer["servers"].as_array().expect("a list").clone();
        let server = servers.into_iter().find(|server| server["name"] == name).expect("it is listed");
        (server["state"].as_str().unwrap_or_default().to_owned(), server["pid"].as_i64())
    }
}

#[test]
fn an_answer_comes_after_the_fact_and_is_what_the_list_says() {
    let rack = Rack::new(&[]);
    let (file, note) = rack.note("starts");
    rack.configure(&[("one", fake(&["--starts", &note]))], &json!({}));
    let door = Door::open(&rack);
    for verb in ["start", "start", "restart", "stop", "stop", "start"] {
        let answer = door.server(verb, "one");
        let body = answer.json();
        assert_eq!((answer.status, &body["status"]), (200, &json!("ok")), "{verb}: {}", answer.text());
        let expected = if verb == "stop" { "stopped" } else { "running" };
        assert_eq!(body["server"]["state"], expected, "{verb}: {body:#}");
        let (state, pid) = door.listed("one");
        assert_eq!((state.as_str(), pid), (expected, body["server"]["pid"].as_i64()), "{verb}");
        assert_eq!(pid.and_then(|pid| proc::stat(pid as i32)).is_some(), verb != "stop");
        rack.look();
    }
    assert_eq!(rack.starts(&file).len(), 3, "start of what runs and stop of what is stopped do nothing");
    let types: Vec<String> = rack
        .events("one", "mcp.server.")
        .iter()
        .filter_map(|event| event["type"].as_str()?.strip_prefix("mcp.server.").map(str::to_owned))
        .filter(|kind| kind != "health_check" && kind != "usage")
        .collect();
    let order = "starting started restarting stopped starting started stopped starting started";
    let other = "starting started stopped restarting starting started stopped starting started";
    assert!([order, other].contains(&types.join(" ").as_str()), "{types:?}");
    rack.stop("one");
    rack.assert_none_left();
}

#[test]
fn errors_are_told_apart() {
    let dies = with(
        fake(&["--crash-at-start", "9", "--stderr", "error: the cupboard is bare"]),
        &json!({"max_restart_attempts": 1}),
    );
    let silent =
        with(fake(&["--never-answer"]), &json!({"startup_timeout_seconds": 2, "max_restart_attempts": 1}));
    let rack = Rack::new(&[("dies", dies), ("silent", silent), ("good", fake(&[]))]);
    let door = Door::open(&rack);
    let unknown = door.server("start", "nobody");
    assert_eq!(
        (unknown.status, unknown.json()["code"].clone()),
        (404, json!("server_not_found")),
        "{}",
        unknown.text()
    );
    let died = door.server("start", "dies");
    assert!(
        died.status == 500 && died.text().contains("the cupboard is bare"),
        "{} {}",
        died.status,
        died.text()
    );
    let late = door.server("start", "silent");
    assert!([500, 504].contains(&late.status), "{} {}", late.status, late.text());
    rack.wait_event("silent", "mcp.server.failed", 0);
    let early = door.ask("POST", "/api/mcp/server/good/discover");
    assert_eq!((early.status, early.json()["code"].clone()), (409, json!("wrong_state")), "{}", early.text());
    assert_eq!(early.json()["error"], json!("MCP server \"good\" is manual"));
    assert!(early.json()["hint"].as_str().is_some_and(|hint| hint.contains("start")), "{}", early.text());
    assert_eq!(door.server("start", "good").status, 200);
    let found = door.ask("GET", "/api/mcp/server/good/discover");
    let tools = found.json()["tools"].as_array().map_or(0, Vec::len);
    assert_eq!((found.status, tools), (200, 8), "{}", found.text());
    assert_eq!(door.ask("GET", "/api/mcp/server/good").json()["name"], "good");
    let log = door.ask("GET", "/api/mcp/server/dies/log?tail=20");
    assert!(
        log.status == 200 && log.text().contains("the cupboard is bare"),
        "{} {}",
        log.status,
        log.text()
    );
    assert_eq!(door.ask("GET", "/api/mcp/server/dies/restarts").status, 200);
    assert_eq!(door.ask("DELETE", "/api/mcp/server/good").status, 405);
    let stranger =
        http::request(door.0.addr, "POST", "/api/mcp/server/good/stop", &[], b"", SOON).expect("an answer");
    assert_eq!(stranger.finish().status, 401);
    assert_eq!(door.listed("good").0, "running");
    rack.stop("good");
    rack.assert_none_left();
}
