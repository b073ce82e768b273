//! The WebSocket: exact after any break, exact output, hard limits.

mod common;

use common::page::{Page, last_seq};
use common::socket::{connect, next, send, until};
use common::{output, progress, stage, started};
use futures_util::SinkExt as _;
use llmctl_proto::ids::OperationId;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

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

/// A snapshot has no bound but the operations that are kept: it may be larger than any buffer of the connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_operations_reach_a_new_page() {
    let stage = stage().await;
    for _ in 0..3_000 {
        stage.publish(started(&OperationId::new())).await;
    }
    let mut ws = connect(&stage, "", true).await;
    assert_eq!(next(&mut ws).await.expect("hello")["type"], "hello");
    let snapshot = next(&mut ws).await.expect("snapshot");
    assert!(snapshot.to_string().len() > 2_000_000);
    let mut page = Page::default();
    page.take(&snapshot);
    page.assert_equal(&stage).await;
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
    let long = |bytes: usize| format!("\"{}\"", "x".repeat(bytes));
    for bad in ["[".to_owned(), "[1]".to_owned(), long(64 * 1024), long(65 * 1024), long(4 * 1024 * 1024)] {
        let mut ws = connect(&stage, "", true).await;
        let _ = ws.send(Message::text(bad)).await;
        let code = loop {
            if let Err(code) = next(&mut ws).await {
                break code;
            }
        };
        assert_eq!(code, 1008);
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
    assert_eq!(code, 1008, "also to whoever still writes");
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
