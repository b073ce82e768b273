//! The gateway's life: ports, what it remembers, how many it serves, how it leaves.

mod common;

use common::socket::{connect, next, send, until, upgrade};
use common::{Answer, Stage, progress, stage};
use futures_util::future::join_all;
use llmctld::web::Gateway;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_gateway_leaves_its_port_at_once() {
    let stage = stage().await;
    let port = stage.addr.port();
    for _ in 0..50 {
        stage.gateway.stop().await;
        assert_eq!(stage.gateway.addr(), None);
        let (addr, already) = stage.gateway.start(None, Some(port)).await.expect("free again");
        assert_eq!((addr, already), (stage.addr, false));
    }
    stage.gateway.stop().await;
    let (other, _) = stage.gateway.start(None, Some(0)).await.expect("another port");
    assert!(TcpStream::connect(stage.addr).await.is_err(), "nobody listens at the old one");
    // The names of the new port are allowed, those of the old one are not.
    let at = async |host: std::net::SocketAddr| {
        let mut stream = TcpStream::connect(other).await.expect("connected");
        let head = format!("GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.expect("answered");
        Answer::parse(&bytes).status
    };
    assert_eq!((at(other).await, at(stage.addr).await), (200, 403));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_start_it_at_once_get_one() {
    let stage = stage().await;
    stage.gateway.stop().await;
    let starts = (0..8).map(|_| stage.gateway.start(None, Some(stage.addr.port())));
    let started = join_all(starts).await;
    let fresh = started.iter().filter(|start| start.as_ref().is_ok_and(|(_, already)| !already)).count();
    assert_eq!((started.iter().filter(|start| start.is_ok()).count(), fresh), (8, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_daemon_opens_what_was_open() {
    let stage = stage().await;
    let kept = || -> Value {
        let text = std::fs::read(stage.paths.gateway_file()).expect("kept");
        serde_json::from_slice(&text).expect("JSON")
    };
    let wanted = json!({"enabled": true, "host": "127.0.0.1", "port": stage.addr.port()});
    assert_eq!(kept(), wanted, "the port that was got");
    let old = stage.token();
    stage.gateway.close().await;
    let next = Gateway::new(stage.deps.clone());
    assert_ne!(stage.token(), old, "a new life, a new token");
    next.resume().await;
    assert_eq!(next.addr(), Some(stage.addr));
    next.stop().await;
    assert_eq!(kept()["enabled"], false);
    let last = Gateway::new(stage.deps.clone());
    last.resume().await;
    assert_eq!(last.addr(), None, "stopped means stopped");
    assert_eq!(last.start(None, None).await.expect("the last address").0, stage.addr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_daemons_end_says_goodbye() {
    let stage = stage().await;
    let mut ws = connect(&stage, "", true).await;
    until(&mut ws, |m| m["type"] == "snapshot").await;
    stage.shutdown.cancel();
    let bye = until(&mut ws, |m| m["type"] == "bye").await;
    assert!(bye["retry_after_ms"].is_u64(), "{bye}");
    assert_eq!(next(&mut ws).await, Err(1001));
}

/// Connections that have each been served and are kept open.
async fn crowd(stage: &Stage, count: usize) -> Vec<TcpStream> {
    let mut crowd = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(stage.addr).await.expect("connected");
        let head = format!("GET /health HTTP/1.1\r\nHost: {}\r\n\r\n", stage.addr);
        stream.write_all(head.as_bytes()).await.expect("sent");
        assert!(stream.read(&mut [0; 64]).await.expect("answered") > 0);
        crowd.push(stream);
    }
    crowd
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_sixty_four_connections_the_next_is_told() {
    let stage = stage().await;
    let crowd = crowd(&stage, 64).await;
    let answer = stage.send("GET", "/health", &[], "").await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "busy"));
    assert_eq!(answer.header("retry-after"), Some("1"));
    for name in ["content-security-policy", "x-content-type-options", "referrer-policy", "cache-control"] {
        assert!(answer.header(name).is_some(), "{name}");
    }
    drop(crowd);
    while stage.gateway.figures()[0] > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.send("GET", "/health", &[], "").await.status, 200, "room again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_fifty_sockets_the_next_is_told() {
    let stage = stage().await;
    let mut sockets = Vec::new();
    for _ in 0..50 {
        sockets.push(connect(&stage, "", true).await);
    }
    let stream = TcpStream::connect(stage.addr).await.expect("connected");
    let Err(tokio_tungstenite::tungstenite::Error::Http(refused)) = upgrade(&stage, stream, "", true).await
    else {
        panic!("refused")
    };
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["retry-after"]),
        (503, &"1".parse().expect("h"))
    );
    drop(sockets);
    while stage.gateway.figures()[1] > 0 {
        tokio::task::yield_now().await;
    }
    until(&mut connect(&stage, "", true).await, |m| m["type"] == "snapshot").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_does_not_end_is_answered_and_silence_is_not() {
    let stage = stage().await;
    let read = async |head: &str| {
        let mut stream = TcpStream::connect(stage.addr).await.expect("connected");
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.expect("closed");
        bytes
    };
    let (half, silent) = tokio::join!(read("GET / HTTP/1.1\r\nHost: "), read(""));
    let answer = Answer::parse(&half);
    assert_eq!((answer.status, answer.code().as_str()), (408, "timeout"));
    assert!(answer.header("content-security-policy").is_some());
    assert!(silent.is_empty(), "who asks nothing gets no answer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_gets_the_topics_it_names() {
    let stage = stage().await;
    let emitted = || {
        let data = json!({});
        llmctl_proto::event::Event::Other(llmctl_proto::event::OtherEvent {
            type_name: "deploy.finished".into(),
            data,
        })
    };
    let stream = TcpStream::connect(stage.addr).await.expect("connected");
    let mut ws = upgrade(&stage, stream, "?topics=tasks,daemon", true).await.expect("upgraded");
    until(&mut ws, |m| m["type"] == "snapshot").await;
    let (id, _) = stage.operation().await;
    stage.publish(emitted()).await;
    assert_eq!(next(&mut ws).await.expect("an event")["type"], "deploy.finished", "and no execution.start");
    send(&mut ws, json!({"type": "subscribe", "id": "s", "topics": ["operations", "dance"]})).await;
    assert_eq!(next(&mut ws).await.expect("a reply")["ok"], true);
    stage.publish(emitted()).await;
    stage.publish(progress(&id, 1)).await;
    assert_eq!(next(&mut ws).await.expect("an event")["type"], "execution.progress");
    send(&mut ws, json!({"type": "subscribe", "id": "s", "topics": "all"})).await;
    assert_eq!(next(&mut ws).await.expect("a reply")["code"], "missing_field");
}
