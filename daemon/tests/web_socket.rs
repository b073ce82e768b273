//! The WebSocket: exact after any break, exact output, hard limits.

mod common;

use common::{Stage, output, stage};
use futures_util::{SinkExt as _, StreamExt as _};
use llmctl_proto::event::{Envelope, ExecutionProgress, Phase, RunState, Spend};
use llmctl_proto::ids::OperationId;
use llmctl_proto::state::{Operation, State};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

type Ws = WebSocketStream<TcpStream>;

async fn connect(stage: &Stage, after: &str, protocol: bool) -> Ws {
    let query = if after.is_empty() { String::new() } else { format!("?after={after}") };
    let mut request = format!("ws://{}/ws{query}", stage.addr).into_client_request().expect("a request");
    let headers = request.headers_mut();
    headers.insert("authorization", format!("Bearer {}", stage.token()).parse().expect("header"));
    if protocol {
        headers.insert("sec-websocket-protocol", "llmctl.v1".parse().expect("header"));
    }
    let stream = TcpStream::connect(stage.addr).await.expect("connected");
    tokio_tungstenite::client_async(request, stream).await.expect("upgraded").0
}

/// The next JSON message; the close code when there is none.
async fn next(ws: &mut Ws) -> Result<Value, u16> {
    loop {
        match ws.next().await {
            Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).expect("JSON")),
            Some(Ok(Message::Close(frame))) => return Err(frame.map_or(1005, |frame| frame.code.into())),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Err(1006),
        }
    }
}

async fn until(ws: &mut Ws, wanted: impl Fn(&Value) -> bool) -> Value {
    loop {
        let message = next(ws).await.expect("still open");
        if wanted(&message) {
            return message;
        }
    }
}

async fn send(ws: &mut Ws, message: Value) {
    ws.send(Message::text(message.to_string())).await.expect("sent");
}

fn progress(id: &OperationId, n: u64) -> ExecutionProgress {
    ExecutionProgress {
        operation_id: id.clone(),
        state: RunState::Running,
        phase: Phase::Streaming,
        model: None,
        spend: Spend::default(),
        elapsed_ms: n,
        idle_ms: 0,
        stdout_bytes: n,
        stderr_bytes: 0,
    }
}

/// What a page makes of the messages.
#[derive(Default)]
struct Page {
    state: State,
    cursor: String,
    seq: u64,
}

impl Page {
    fn take(&mut self, message: &Value) {
        let kind = message["type"].as_str().unwrap_or_default();
        if kind == "snapshot" {
            let operations: Vec<Operation> =
                serde_json::from_value(message["state"]["operations"].clone()).expect("operations");
            let totals = serde_json::from_value(message["state"]["totals"].clone()).expect("totals");
            self.state = State::restore(operations, totals);
            self.seq = message["seq"].as_u64().expect("seq");
            self.cursor = format!("{}-{}", message["epoch"].as_str().unwrap_or_default(), self.seq);
        } else if kind.contains('.') {
            let envelope = Envelope::from_json(&message.to_string()).expect("an envelope");
            assert!(envelope.cursor.seq > self.seq, "applied twice: {}", envelope.cursor);
            self.state.apply(&envelope);
            self.seq = envelope.cursor.seq;
            self.cursor = envelope.cursor.to_string();
        }
    }

    async fn follow(&mut self, ws: &mut Ws, last: u64) {
        while self.seq < last {
            let message = next(ws).await.expect("still open");
            self.take(&message);
        }
    }

    async fn assert_equal(&self, stage: &Stage) {
        let (operations, totals) = stage.hub.list().await.expect("listed");
        let mine: Vec<Operation> = self.state.newest_first().cloned().collect();
        assert_eq!(mine, operations);
        assert_eq!(self.state.totals, totals);
    }
}

fn last_seq(stage: &Stage) -> u64 {
    stage.hub.stats.read().2
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_breaks_200_times_ends_in_the_same_state() {
    let stage = stage().await;
    let (id, _) = stage.operation().await;
    let mut page = Page::default();
    let mut seed = 7u64;
    for round in 0..200 {
        let mut ws = connect(&stage, &page.cursor, true).await;
        let hello = next(&mut ws).await.expect("hello");
        assert_eq!(hello["type"], "hello");
        assert_eq!(hello["resume"], if round == 0 { "snapshot" } else { "backlog" });
        for n in 0..50 {
            stage.publish(progress(&id, round * 50 + n)).await;
        }
        stage.hub.list().await.expect("all are numbered");
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // Leaves anywhere among them.
        let until = page.seq.max(last_seq(&stage) - 50) + seed % 50;
        page.follow(&mut ws, until.min(last_seq(&stage))).await;
    }
    let mut ws = connect(&stage, &page.cursor, true).await;
    page.follow(&mut ws, last_seq(&stage)).await;
    page.assert_equal(&stage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_of_another_life_starts_over() {
    let stage = stage().await;
    stage.operation().await;
    let mut ws = connect(&stage, "00000001-1", true).await;
    assert_eq!(next(&mut ws).await.expect("hello")["resume"], "snapshot");
    let resync = next(&mut ws).await.expect("resync");
    assert_eq!((&resync["type"], &resync["reason"]), (&json!("resync"), &json!("epoch")));
    let mut page = Page::default();
    page.take(&next(&mut ws).await.expect("snapshot"));
    page.assert_equal(&stage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_that_does_not_read_goes_and_others_get_everything() {
    let stage = stage().await;
    let (id, _) = stage.operation().await;
    let stalled = connect(&stage, "", true).await;
    let mut reading = connect(&stage, "", true).await;
    let mut page = Page::default();
    for n in 0..60_000u64 {
        stage.publish(progress(&id, n)).await;
        if n % 500 == 499 {
            page.follow(&mut reading, last_seq(&stage)).await;
        }
    }
    page.follow(&mut reading, last_seq(&stage)).await;
    page.assert_equal(&stage).await;
    let [_, sockets, ..] = stage.gateway.figures();
    assert!(sockets <= 2);
    drop(stalled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followed_output_is_the_file() {
    let stage = stage().await;
    let (id, dir) = stage.operation().await;
    let path = dir.stream(llmctl_proto::event::Stream::Stdout);
    let pieces: Vec<String> = (0..4_000).map(|n| format!("line {n} é😀\n")).collect();
    let starts = [json!(0), json!(14), json!("tail")];
    let mut sockets = Vec::new();
    let mut written = String::new();
    for (at, piece) in pieces.iter().enumerate() {
        let offset = written.len() as u64;
        written.push_str(piece);
        std::fs::write(&path, &written).expect("written");
        if at % 1_300 == 100 && sockets.len() < starts.len() {
            let mut ws = connect(&stage, "", true).await;
            let from = &starts[sockets.len()];
            send(&mut ws, json!({"type": "follow_output", "id": "f", "operation_id": id, "from": from}))
                .await;
            let reply = until(&mut ws, |m| m["type"] == "reply").await;
            sockets.push((ws, reply["result"]["offset"].as_u64().expect("offset") as usize, String::new()));
        }
        match at % 10 {
            // Lost on the way: the next one makes it good.
            3 => {}
            // Twice.
            7 => {
                stage.publish(output(&id, offset, piece)).await;
                stage.publish(output(&id, offset, piece)).await;
            }
            _ => stage.publish(output(&id, offset, piece)).await,
        }
    }
    for (ws, offset, text) in &mut sockets {
        while text.len() < written.len() - *offset {
            let message = until(ws, |m| m["type"] == "execution.output").await;
            let at = message["data"]["offset"].as_u64().expect("offset") as usize;
            assert_eq!(at, *offset + text.len(), "no gap and no repeat");
            text.push_str(message["data"]["text"].as_str().expect("text"));
        }
        assert_eq!(*text, written[*offset..]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_of_the_link() {
    let stage = stage().await;
    let mut ws = connect(&stage, "", false).await;
    assert_eq!(next(&mut ws).await, Err(4003));
    let mut ws = connect(&stage, "", true).await;
    send(&mut ws, json!({"type": "dance", "id": "1"})).await;
    let reply = until(&mut ws, |m| m["type"] == "reply").await;
    assert_eq!((&reply["reply_to"], &reply["code"]), (&json!("1"), &json!("unknown_type")));
    send(&mut ws, json!({"type": "ping", "t": 5})).await;
    assert_eq!(until(&mut ws, |m| m["type"] == "pong").await["t"], 5);
    send(&mut ws, json!({"type": "stop_operation", "id": "2", "operation_id": "exec-none"})).await;
    assert_eq!(until(&mut ws, |m| m["type"] == "reply").await["code"], "operation_not_found");
    for bad in ["[".to_owned(), "[1]".to_owned(), format!("\"{}\"", "x".repeat(65 * 1024))] {
        let mut ws = connect(&stage, "", true).await;
        let _ = ws.send(Message::text(bad)).await;
        let code = loop {
            if let Err(code) = next(&mut ws).await {
                break code;
            }
        };
        assert!(code == 1008 || code == 1006, "{code}");
    }
    let mut ws = connect(&stage, "", true).await;
    for n in 0..400 {
        if ws.send(Message::text(json!({"type": "ping", "t": n}).to_string())).await.is_err() {
            break;
        }
    }
    let code = loop {
        if let Err(code) = next(&mut ws).await {
            break code;
        }
    };
    // Whoever still writes may find the connection reset before it reads why.
    assert!(code == 1008 || code == 1006, "{code}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_session_and_of_the_gateway_end_the_socket() {
    let stage = stage().await;
    let cookie = stage.sign_in().await;
    let mut request = format!("ws://{}/ws", stage.addr).into_client_request().expect("a request");
    let headers = request.headers_mut();
    let value = cookie.strip_prefix("Cookie: ").expect("a cookie").to_owned();
    headers.insert("cookie", value.parse().expect("header"));
    headers.insert("origin", format!("http://{}", stage.addr).parse().expect("header"));
    headers.insert("sec-websocket-protocol", "llmctl.v1".parse().expect("header"));
    let stream = TcpStream::connect(stage.addr).await.expect("connected");
    let mut browser = tokio_tungstenite::client_async(request, stream).await.expect("upgraded").0;
    let mut script = connect(&stage, "", true).await;
    until(&mut browser, |m| m["type"] == "snapshot").await;
    until(&mut script, |m| m["type"] == "snapshot").await;
    assert_eq!(stage.send("POST", "/logout", &[cookie, stage.origin()], "").await.status, 204);
    assert_eq!(next(&mut browser).await, Err(4001));
    stage.gateway.stop().await;
    assert_eq!(next(&mut script).await.expect("bye")["type"], "bye");
    assert_eq!(next(&mut script).await, Err(1001));
}
