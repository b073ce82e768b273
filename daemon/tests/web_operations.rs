//! REST on operations and their files: lists against a naive list, ranges against the file, verbs and bad input.

mod common;

use common::{Answer, Stage, completed, progress, stage, started};
use llmctl_proto::event::{
    Candidate, Estimate, Event, Requested, RoutingDecision, Stream, ToolInvoked, ToolResponded, Verdict,
};
use llmctl_proto::ids::OperationId;
use serde_json::{Value, json};

async fn get(stage: &Stage, path: &str) -> Answer {
    stage.send("GET", path, &[stage.bearer()], "").await
}

async fn post(stage: &Stage, path: &str, body: &Value) -> Answer {
    let lines = [stage.bearer(), "Content-Type: application/json".to_owned()];
    stage.send("POST", path, &lines, &body.to_string()).await
}

fn next(answer: &Answer) -> Option<String> {
    let link = answer.header("link")?;
    Some(link.strip_prefix('<')?.split_once(">; rel=\"next\"")?.0.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_no_sense_is_refused_with_a_code() {
    let stage = stage().await;
    let (id, _) = stage.operation().await;
    for (path, status, code) in [
        ("/api/operations?limit=0", 400, "invalid_value"),
        ("/api/operations?limit=501", 400, "invalid_value"),
        ("/api/operations?state=dancing", 400, "invalid_value"),
        ("/api/operations?since=soon", 400, "invalid_value"),
        ("/api/operations?until=later", 400, "invalid_value"),
        ("/api/operations?after=..%2f..%2fx", 400, "invalid_value"),
        ("/api/operations/exec-none", 404, "operation_not_found"),
        ("/api/operations/..%2f..%2fetc%2fpasswd", 404, "operation_not_found"),
        ("/api/operations/exec-none/output", 404, "operation_not_found"),
        ("/api/operations/exec-none/dance", 404, "operation_not_found"),
        ("/api/events?after=x", 400, "invalid_value"),
        ("/api/events?limit=1001", 400, "invalid_value"),
    ] {
        let answer = get(&stage, path).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path}");
    }
    for (path, status, code) in [
        ("output?stream=both", 400, "invalid_value"),
        ("lines?from=-1", 400, "invalid_value"),
        ("lines?tail=x", 400, "invalid_value"),
        ("dance", 404, "not_found"),
        ("journal", 404, "not_found"),
        ("partial/output.txt", 404, "not_found"),
        ("partial/operation.json", 404, "not_found"),
        ("partial/..%2foperation.json", 404, "not_found"),
        ("partial/../../../etc/passwd", 404, "not_found"),
        ("stop", 405, "method_not_allowed"),
        ("budget", 405, "method_not_allowed"),
        ("queue", 405, "method_not_allowed"),
        ("events?limit=0", 400, "invalid_value"),
    ] {
        let answer = get(&stage, &format!("/api/operations/{id}/{path}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path}");
    }
    for body in [
        json!({"force": "yes"}),
        json!({"grace_ms": -1}),
        json!({"grace_ms": 600_001}),
        json!({"wait_ms": 60_001}),
        json!({"reason": 5}),
    ] {
        let answer = post(&stage, &format!("/api/operations/{id}/stop"), &body).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_value"), "{body}");
    }
    for (verb, body, code) in [
        ("budget", json!({}), "missing_field"),
        ("budget", json!({"max_cost_nano_usd": 0}), "invalid_value"),
        ("budget", json!({"max_cost_nano_usd": -1}), "invalid_value"),
        ("budget", json!({"max_cost_nano_usd": 0.5}), "invalid_value"),
        ("queue", json!({}), "missing_field"),
        ("queue", json!({"priority": null, "held": null}), "missing_field"),
        ("queue", json!({"priority": 101}), "invalid_value"),
        ("queue", json!({"held": "yes"}), "invalid_value"),
    ] {
        let answer = post(&stage, &format!("/api/operations/{id}/{verb}"), &body).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, code), "{verb} {body}");
    }
    let answer = post(&stage, "/api/operations/stop", &json!({})).await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "missing_field"));
    let after = stage.hub.get(id.as_str()).await.expect("hub").expect("known");
    assert_eq!(after.state.as_str(), "running", "none of them stopped it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verb_on_what_has_ended_says_so() {
    let stage = stage().await;
    let (id, _) = stage.operation().await;
    stage.publish(completed(&id)).await;
    let answer = post(&stage, &format!("/api/operations/{id}/stop"), &json!({})).await;
    assert_eq!((answer.status, answer.code().as_str()), (409, "operation_ended"));
    let body: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(body["detail"], json!({"operation_id": id, "state": "complete"}));
    let answer = post(&stage, &format!("/api/operations/{id}/pause"), &json!({})).await;
    assert_eq!((answer.status, answer.code().as_str()), (409, "operation_not_running"));
    let limit = json!({"max_cost_nano_usd": null});
    let answer = post(&stage, &format!("/api/operations/{id}/budget"), &limit).await;
    assert_eq!((answer.status, answer.code().as_str()), (409, "operation_ended"));
    let answer = post(&stage, &format!("/api/operations/{id}/queue"), &json!({"held": true})).await;
    assert_eq!((answer.status, answer.code().as_str()), (409, "wrong_state"));
    let answer = get(&stage, &format!("/api/operations/{id}/events")).await;
    let events: Vec<Value> = serde_json::from_str(&answer.body).expect("an array");
    let types: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(types, ["execution.start", "execution.complete"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_directives_of_stop_and_pause_reach_the_runner() {
    use llmctl_proto::event::{ExecutionProgress, RunState};
    use llmctld::hub::{Directive, StopOrder};
    let stage = stage().await;
    let (id, _) = stage.operation().await;
    let (link, mut directives) = tokio::sync::mpsc::channel(4);
    stage.hub.attach(id.clone(), 0, link).await.expect("attached");
    let progress = |state| ExecutionProgress { state, ..progress(&id, 0) };
    let runner = async {
        assert!(matches!(directives.recv().await, Some(Directive::Suspend(true))));
        stage.publish(progress(RunState::Paused)).await;
        assert!(matches!(directives.recv().await, Some(Directive::Suspend(false))));
        stage.publish(progress(RunState::Running)).await;
        let Some(Directive::Stop(order)) = directives.recv().await else { panic!("a stop") };
        stage.publish(completed(&id)).await;
        order
    };
    let caller = async {
        let mut states = Vec::new();
        for verb in ["pause", "resume", "stop"] {
            // Any unique prefix will do.
            let path = format!("/api/operations/{}/{verb}", &id.as_str()[5..15]);
            let answer = post(&stage, &path, &json!({"reason": "enough", "grace_ms": 250})).await;
            let body: Value = serde_json::from_str(&answer.body).expect("JSON");
            states.push((answer.status, body["state"].as_str().unwrap_or_default().to_owned()));
        }
        states
    };
    let (order, states) = tokio::join!(runner, caller);
    let wanted = StopOrder {
        by: "user".into(),
        via: "api".into(),
        reason: Some("enough".into()),
        force: false,
        grace_ms: Some(250),
    };
    assert_eq!(order, wanted);
    let states: Vec<(u16, &str)> = states.iter().map(|(status, state)| (*status, state.as_str())).collect();
    assert_eq!(states, [(200, "paused"), (200, "running"), (200, "complete")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_that_takes_longer_is_under_way() {
    let stage = stage().await;
    let (id, _) = stage.operation().await;
    let (link, mut directives) = tokio::sync::mpsc::channel(4);
    stage.hub.attach(id.clone(), 0, link).await.expect("attached");
    let answer = post(&stage, &format!("/api/operations/{id}/stop"), &json!({"wait_ms": 20})).await;
    let body: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!((answer.status, &body["operation_id"]), (202, &json!(id)));
    assert!(directives.recv().await.is_some());
    let answer = post(&stage, "/api/operations/stop", &json!({"all": true})).await;
    let body: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!((answer.status, &body["stopping"]), (202, &json!([id])));
    assert!(directives.recv().await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_by_range_is_the_file_while_it_grows_and_after() {
    let stage = stage().await;
    let (id, dir) = stage.operation().await;
    let path = dir.stream(Stream::Stdout);
    let output = format!("/api/operations/{id}/output");
    let range = async |wanted: &str| {
        stage.send("GET", &output, &[stage.bearer(), format!("Range: bytes={wanted}")], "").await
    };
    assert_eq!(get(&stage, &output).await.body, "", "nothing yet");
    let mut written = Vec::new();
    let mut read = Vec::new();
    for n in 0..40 {
        written.extend_from_slice(format!("{n}: é😀 {}\n", "x".repeat(n * 20)).as_bytes());
        std::fs::write(&path, &written).expect("written");
        // Steps of 1,000 bytes cut characters, lines and pieces anywhere.
        let answer = range(&format!("{}-{}", read.len(), read.len() + 999)).await;
        assert_eq!(answer.status, 206);
        assert_eq!(answer.header("x-output-complete"), Some("false"));
        read.extend_from_slice(&answer.bytes);
        assert_eq!(read, written[..read.len()]);
    }
    let (size, at_end) = (written.len(), format!("{}-", written.len()));
    let answer = range(&at_end).await;
    assert_eq!((answer.status, answer.bytes.len()), (206, 0), "at the end of one that runs");
    stage.publish(completed(&id)).await;
    let answer = range(&at_end).await;
    assert_eq!((answer.status, answer.code().as_str()), (416, "range_not_satisfiable"));
    assert_eq!(answer.header("content-range"), Some(format!("bytes */{size}").as_str()));
    while read.len() < size {
        let answer = range(&format!("{}-{}", read.len(), read.len() + 999)).await;
        assert_eq!(answer.header("x-output-complete"), Some("true"));
        read.extend_from_slice(&answer.bytes);
    }
    assert_eq!(read, written);
    let answer = range("-10").await;
    assert_eq!((answer.status, answer.bytes.as_slice()), (206, &written[size - 10..]));
    assert_eq!(
        answer.header("content-range"),
        Some(format!("bytes {}-{}/{size}", size - 10, size - 1).as_str())
    );
    assert_eq!(range("-0").await.status, 416);
    assert_eq!(range("5-3").await.bytes, written, "no range: everything");
    let head = stage.send("HEAD", &output, &[stage.bearer()], "").await;
    assert_eq!(head.header("content-length"), Some(size.to_string().as_str()));
    assert!(head.bytes.is_empty());
    assert_eq!(get(&stage, &format!("{output}?stream=stderr")).await.body, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_sent_whole_and_by_name_only() {
    let stage = stage().await;
    let (id, dir) = stage.operation().await;
    let large: Vec<u8> = (0..9_000_000u32).map(|n| (n / 7) as u8).collect();
    std::fs::write(dir.stream(Stream::Stdout), &large).expect("written");
    std::fs::write(dir.journal(), "{}\n").expect("written");
    let answer = get(&stage, &format!("/api/operations/{id}/output")).await;
    assert_eq!((answer.status, answer.bytes == large), (200, true));
    let answer = get(&stage, &format!("/api/operations/{id}/journal")).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "{}\n"));
    let answer = get(&stage, &format!("/api/operations/{id}/partial/output.txt")).await;
    assert_eq!((answer.status, answer.bytes == large), (200, true));
    let name = format!("attachment; filename=\"{id}-output.txt\"");
    assert_eq!(answer.header("content-disposition"), Some(name.as_str()));
    // A link that somebody planted leads nowhere, and no path is told.
    std::fs::remove_file(dir.journal()).expect("removed");
    std::os::unix::fs::symlink("/etc/hostname", dir.journal()).expect("linked");
    let answer = get(&stage, &format!("/api/operations/{id}/journal")).await;
    assert_eq!((answer.status, answer.code().as_str()), (500, "internal"));
    assert!(!answer.body.contains('/'), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_have_numbers_that_stay() {
    let stage = stage().await;
    let (id, dir) = stage.operation().await;
    let text = (0..1_000).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n");
    std::fs::write(dir.stream(Stream::Stdout), format!("{text}\nhalf")).expect("written");
    let lines = async |query: &str| -> Value {
        let answer = get(&stage, &format!("/api/operations/{id}/lines?{query}")).await;
        serde_json::from_str(&answer.body).expect("JSON")
    };
    let mut from = 0;
    let mut seen = Vec::new();
    while from < 1_000 {
        let found = lines(&format!("from={from}&limit=300")).await;
        seen.extend(found["lines"].as_array().expect("lines").clone());
        from = found["next"].as_u64().expect("a number");
    }
    assert_eq!(from, 1_000, "what is still being written is read again");
    for (n, line) in seen.iter().take(1_000).enumerate() {
        assert_eq!((line["n"].as_u64(), &line["text"]), (Some(n as u64), &json!(format!("line {n}"))));
    }
    let tail = lines("tail=2").await;
    assert_eq!((&tail["lines"][0]["n"], &tail["lines"][1]["text"]), (&json!(999), &json!("half")));
    assert_eq!(tail["complete"], false);
    stage.publish(completed(&id)).await;
    let rest = lines("from=1000").await;
    assert_eq!((&rest["lines"][0]["text"], &rest["next"]), (&json!("half"), &json!(1_001)));
    assert_eq!(rest["complete"], true);
}

fn decision(id: &OperationId) -> RoutingDecision {
    RoutingDecision {
        operation_id: id.clone(),
        attempt: 1,
        trigger: "submit".into(),
        requested: Requested::default(),
        selected: None,
        fallback_used: false,
        candidates: vec![Candidate {
            tool: "codex".into(),
            model: None,
            provider: None,
            source: "installed".into(),
            verdict: Verdict::Standby,
            reasons: Vec::new(),
            score: None,
            parts: None,
            estimate_nano_usd: None,
            reservation_nano_usd: None,
            context_window: None,
        }],
        omitted: 0,
        estimate: Estimate::default(),
        policy: None,
        budgets: Vec::new(),
        decided_us: 7,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_operation_has_its_decision_and_its_newest_calls_however_many_there_were() {
    let stage = stage().await;
    let id = OperationId::new();
    stage.publish(decision(&id)).await;
    stage.publish(started(&id)).await;
    for n in 0..1_500 {
        let call_id = format!("call-{n}");
        let call = ToolInvoked {
            operation_id: id.clone(),
            call_id: call_id.clone(),
            name: "Bash".into(),
            kind: "shell".into(),
            server_name: None,
            summary: format!("ls {n}"),
            input_bytes: 4,
        };
        stage.publish(call).await;
        if n < 1_499 {
            let result = ToolResponded {
                operation_id: id.clone(),
                call_id,
                ok: n % 2 == 0,
                duration_ms: n,
                output_bytes: 9,
                exit_code: Some(0),
            };
            stage.publish(result).await;
        }
    }
    let answer = get(&stage, &format!("/api/operations/{id}")).await;
    let body: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(body["routing"].as_array().map(Vec::len), Some(1), "the first fact of three thousand");
    assert_eq!(body["routing"][0]["candidates"][0]["tool"], "codex");
    let calls = body["calls"].as_array().expect("calls");
    assert_eq!(calls.len(), 200);
    assert_eq!((&calls[0]["summary"], &calls[0]["ok"]), (&json!("ls 1499"), &Value::Null), "still open");
    assert_eq!((&calls[1]["ok"], &calls[1]["duration_ms"]), (&json!(true), &json!(1_498)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stored_events_come_in_pages_and_an_old_cursor_is_told() {
    let stage = stage().await;
    for n in 0..600 {
        let id: OperationId = format!("exec-00{n:06}").parse().expect("an id");
        stage.publish(started(&id)).await;
        stage.publish(completed(&id)).await;
    }
    let all: Vec<Value> = {
        let mut all = Vec::new();
        let mut path = Some("/api/events?limit=170".to_owned());
        while let Some(at) = path {
            let answer = get(&stage, &at).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            all.extend(serde_json::from_str::<Vec<Value>>(&answer.body).expect("events"));
            path = next(&answer);
        }
        all
    };
    let seqs: Vec<u64> = all.iter().map(|e| e["seq"].as_u64().expect("seq")).collect();
    assert_eq!(seqs, (1..=1_200).collect::<Vec<_>>());
    let mut path = Some("/api/events?limit=500&types=execution.complete,daemon.".to_owned());
    let mut ends = Vec::new();
    while let Some(at) = path {
        let answer = get(&stage, &at).await;
        ends.extend(serde_json::from_str::<Vec<Value>>(&answer.body).expect("events"));
        path = next(&answer);
    }
    assert_eq!(ends.len(), 600, "the filter is kept over the pages");
    assert!(ends.iter().all(|e| e["type"] == "execution.complete"));
    let odd = get(&stage, "/api/events?limit=1&types=execution.,a%3E%26b%20c,").await;
    let link = next(&odd).expect("more");
    assert!(link.ends_with("&types=execution.,a%3E%26b%20c"), "{link}");
    let second: Value = serde_json::from_str(&get(&stage, &link).await.body).expect("events");
    assert_eq!(second[0]["seq"], 2);
    let epoch = stage.hub.epoch();
    let answer = get(&stage, &format!("/api/events?after={epoch}-1199")).await;
    assert_eq!(serde_json::from_str::<Vec<Value>>(&answer.body).expect("events").len(), 1);
    // Of a life that died before it had stored what its follower saw.
    let answer = get(&stage, "/api/events?after=00000001-600").await;
    assert_eq!((answer.status, answer.code().as_str()), (410, "cursor_too_old"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_add_up_and_health_has_two_forms() {
    let stage = stage().await;
    let (running, _) = stage.operation().await;
    let (ended, _) = stage.operation().await;
    let mut end = completed(&ended);
    end.spend.cost_nano_usd = Some(1_250_000_000);
    stage.publish(Event::from(end)).await;
    let body: Value = serde_json::from_str(&get(&stage, "/api/metrics").await.body).expect("JSON");
    assert_eq!((&body["running"], &body["total_operations"]), (&json!(1), &json!(2)));
    assert_eq!((&body["by_state"]["running"], &body["by_state"]["complete"]), (&json!(1), &json!(1)));
    assert_eq!((&body["total_cost"], &body["cost_nano_usd"]), (&json!(1.25), &json!(1_250_000_000)));
    let text = get(&stage, "/metrics").await.body;
    assert!(text.contains("llmctl_events_published_total 3\n"), "{text}");
    assert!(text.contains("llmctl_websocket_dropped_frames_total 0\n"), "{text}");
    let long: Value = serde_json::from_str(&get(&stage, "/health").await.body).expect("JSON");
    assert_eq!((&long["operations_running"], &long["version"]), (&json!(1), &json!("test")));
    let short: Value = serde_json::from_str(&stage.send("GET", "/health", &[], "").await.body).expect("JSON");
    let keys: Vec<&String> = short.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["service", "status", "timestamp"]);
    let snapshot: Value = serde_json::from_str(&get(&stage, "/api/snapshot").await.body).expect("JSON");
    assert_eq!(snapshot["seq"], 3);
    let listed = snapshot["state"]["operations"].as_array().expect("operations");
    assert!(listed.iter().any(|o| o["operation_id"] == json!(running)));
}
