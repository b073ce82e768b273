//! The event stream: the socket's messages in the socket's order, exact after any cut, behind the same gate.

mod common;

use std::time::Duration;

use common::page::{Page, last_seq};
use common::socket::{connect, next, until};
use common::stream::{Events, open, open_on};
use common::{Answer, Stage, completed, output, progress, stage, stage_with};
use llmctl_proto::event::Stream;
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};

async fn follow_page(page: &mut Page, events: &mut Events, last: u64) {
    while page.seq < last {
        let message = events.must().await;
        page.take(&message);
        let placed = message["type"] != "hello";
        assert!(!placed || page.cursor == events.last_id, "the id is where it resumes: {message}");
    }
}

async fn post(stage: &Stage, hello: &Value, message: Value) -> Answer {
    let lines = ["Content-Type: application/json".to_owned(), stage.bearer()];
    let address = hello["requests"].as_str().expect("an address for requests");
    stage.send("POST", address, &lines, &message.to_string()).await
}

/// Asks over the stream and gives the reply.
async fn ask(stage: &Stage, events: &mut Events, hello: &Value, message: Value) -> Value {
    assert_eq!(post(stage, hello, message).await.status, 202);
    events.until(|m| m["type"] == "reply").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_cut_200_times_gives_the_state_that_an_unbroken_socket_gives() {
    let stage = stage().await;
    let (id, _) = stage.operation().await;
    let mut socket = connect(&stage, "", true).await;
    let (mut over_socket, mut over_stream) = (Page::default(), Page::default());
    let mut seed = 11u64;
    for round in 0..200u64 {
        // Half of them resume as a browser does by itself, half as the page does.
        let (query, lines) = match (round, round % 2) {
            (0, _) => (String::new(), Vec::new()),
            (_, 0) => {
                ("?after=00000001-1".to_owned(), vec![format!("Last-Event-ID: {}", over_stream.cursor)])
            }
            _ => (format!("?after={}", over_stream.cursor), Vec::new()),
        };
        let mut events = open(&stage, &query, &lines).await;
        let hello = events.must().await;
        assert_eq!(hello["resume"], if round == 0 { "snapshot" } else { "backlog" });
        for n in 0..50 {
            stage.publish(progress(&id, round * 50 + n)).await;
        }
        stage.hub.list().await.expect("all are numbered");
        over_socket.follow(&mut socket, last_seq(&stage)).await;
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // Leaves anywhere among them.
        let until = over_stream.seq.max(last_seq(&stage) - 50) + seed % 50;
        follow_page(&mut over_stream, &mut events, until.min(last_seq(&stage))).await;
    }
    let (epoch, seq) = over_stream.cursor.split_once('-').expect("a cursor");
    let mut events = open(&stage, &format!("?after={seq}&epoch={epoch}"), &[]).await;
    follow_page(&mut over_stream, &mut events, last_seq(&stage)).await;
    assert!(last_seq(&stage) > 10_000);
    assert_eq!(over_stream.state, over_socket.state);
    over_stream.assert_equal(&stage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_transports_say_the_same() {
    let stage = stage().await;
    let (id, _) = stage.operation().await;
    let mut socket = connect(&stage, "00000001-1", true).await;
    let mut events = open(&stage, "?after=00000001-1", &[]).await;
    assert_eq!(events.head.header("content-type"), Some("text/event-stream"));
    assert_eq!(events.head.header("cache-control"), Some("no-store, no-transform"));
    assert!(events.head.header("content-security-policy").is_some());
    for n in 0..100 {
        stage.publish(progress(&id, n)).await;
    }
    stage.publish(completed(&id)).await;
    for at in 0..104 {
        let mut left = next(&mut socket).await.expect("open");
        let mut right = events.must().await;
        if at == 0 {
            assert!(right.as_object_mut().expect("hello").remove("requests").is_some());
            for hello in [&mut left, &mut right] {
                hello["server_time"] = Value::Null;
            }
        }
        assert_eq!(left, right, "message {at}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_posted_and_answered_over_the_stream() {
    let stage = stage().await;
    let (id, dir) = stage.operation().await;
    let mut events = open(&stage, "?topics=costs", &[]).await;
    let hello = events.must().await;
    assert_eq!(events.must().await["type"], "snapshot");
    let reply = ask(&stage, &mut events, &hello, json!({"type": "dance", "id": "1"})).await;
    assert_eq!((&reply["reply_to"], &reply["code"]), (&json!("1"), &json!("unknown_type")));
    assert_eq!(post(&stage, &hello, json!({"type": "ping", "t": 5})).await.status, 202);
    assert_eq!(events.until(|m| m["type"] == "pong").await["t"], 5);
    std::fs::write(dir.stream(Stream::Stdout), "one\ntwo\n").expect("written");
    let follow = json!({"type": "follow_output", "id": "f", "operation_id": id, "from": 4});
    assert_eq!(ask(&stage, &mut events, &hello, follow).await["result"]["offset"], 4);
    assert_eq!(events.must().await["data"]["text"], "two\n");
    std::fs::write(dir.stream(Stream::Stdout), "one\ntwo\nthree\nfour\n").expect("written");
    stage.publish(output(&id, 8, "three\n")).await;
    assert_eq!(events.must().await["data"]["text"], "three\n");
    // The last piece is lost on the way, and the end makes it good; the end itself is a topic to be asked for.
    let wanted = json!({"type": "subscribe", "id": "s", "topics": ["operations"]});
    assert_eq!(ask(&stage, &mut events, &hello, wanted).await["ok"], true);
    stage.publish(completed(&id)).await;
    let piece = events.must().await;
    assert_eq!(piece["data"]["text"], "four\n");
    let end = events.must().await;
    assert_eq!(end["type"], "execution.complete");
    assert!(
        piece["seq"].as_u64() < end["seq"].as_u64(),
        "the end is no repetition of what was read before it"
    );
    assert_eq!(post(&stage, &json!({"requests": "/api/stream/0123"}), json!({})).await.status, 404);
    let lines = ["Content-Type: application/json".to_owned()];
    let address = hello["requests"].as_str().expect("an address");
    assert_eq!(stage.send("POST", address, &lines, "{}").await.status, 401);
    for method in ["POST", "HEAD", "DELETE"] {
        let lines = ["Content-Type: application/json".to_owned(), stage.bearer()];
        assert_eq!(stage.send(method, "/api/stream", &lines, "").await.status, 405, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gate_is_the_same() {
    let stage = stage().await;
    let refused = |lines: Vec<String>| {
        let stage = &stage;
        async move {
            let answer = stage.send_raw("GET", "/api/stream", &lines, "").await;
            (answer.status, answer.code())
        }
    };
    let host = format!("Host: {}", stage.addr);
    let (bearer, cookie) = (stage.bearer(), stage.sign_in().await);
    let case = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(refused(vec![host.clone()]).await, case(401, "session_required"));
    let wrong = "Authorization: Bearer 00".to_owned();
    assert_eq!(refused(vec![host.clone(), wrong]).await, case(401, "session_required"));
    let evil = "Host: evil.example".to_owned();
    assert_eq!(refused(vec![evil, bearer.clone()]).await, case(403, "host_not_allowed"));
    for line in ["Origin: http://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site"] {
        for proof in [&bearer, &cookie] {
            let lines = vec![host.clone(), proof.clone(), line.to_owned()];
            assert_eq!(refused(lines).await, case(403, "origin_not_allowed"), "{line}");
        }
    }
    // A browser names no origin for an event stream of its own page.
    let stream = TcpStream::connect(stage.addr).await.expect("connected");
    let lines = [cookie, "Sec-Fetch-Site: same-origin".to_owned()];
    let mut events = open_on(&stage, stream, "", &lines).await;
    let address = events.must().await["requests"].as_str().expect("an address").to_owned();
    let lines = [lines[0].clone(), "Content-Type: application/json".to_owned()];
    assert_eq!(stage.send("POST", &address, &lines, "{}").await.code(), "origin_not_allowed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_session_and_of_the_gateway_end_the_stream() {
    let stage = stage().await;
    let cookie = stage.sign_in().await;
    let stream = TcpStream::connect(stage.addr).await.expect("connected");
    let mut browser = open_on(&stage, stream, "", std::slice::from_ref(&cookie)).await;
    let mut script = open(&stage, "", &[]).await;
    browser.until(|m| m["type"] == "snapshot").await;
    script.until(|m| m["type"] == "snapshot").await;
    assert_eq!(stage.send("POST", "/logout", &[cookie, stage.origin()], "").await.status, 204);
    let bye = browser.must().await;
    assert_eq!((&bye["type"], &bye["code"]), (&json!("bye"), &json!(4001)));
    assert_eq!(browser.next().await, Ok(None));
    stage.gateway.stop().await;
    let bye = script.must().await;
    assert_eq!(
        (&bye["type"], &bye["code"], &bye["retry_after_ms"]),
        (&json!("bye"), &json!(1001), &json!(500))
    );
    assert_eq!(script.next().await, Ok(None), "a whole body");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_and_sockets_have_one_limit_and_who_leaves_makes_room() {
    let stage = stage().await;
    let mut streams = Vec::new();
    for _ in 0..49 {
        streams.push(open(&stage, "", &[]).await);
    }
    let mut socket = connect(&stage, "", true).await;
    until(&mut socket, |m| m["type"] == "snapshot").await;
    let answer = stage.send("GET", "/api/stream", &[stage.bearer()], "").await;
    assert_eq!((answer.status, answer.code()), (503, "busy".to_owned()));
    // Nothing is said to those that leave: that they are gone is noticed all the same.
    streams.truncate(10);
    while stage.gateway.figures()[1] > 11 {
        stage.send("GET", "/health", &[], "").await;
    }
    open(&stage, "", &[]).await.must().await;
}

/// A browser whose system takes little in when it does not read.
async fn narrow(stage: &Stage) -> Events {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4 * 1024).expect("a small buffer");
    let stream: TcpStream = socket.connect(stage.addr).await.expect("connected");
    open_on(stage, stream, "", &[stage.bearer()]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_falls_behind_starts_over_twice_and_then_goes() {
    // A busy machine may take long for a flood; this browser is slow, not gone.
    let stage = stage_with(Duration::from_secs(120)).await;
    let (id, _) = stage.operation().await;
    let mut slow = narrow(&stage).await;
    slow.until(|m| m["type"] == "snapshot").await;
    for round in 0..3 {
        for n in 0..30_000 {
            stage.publish(progress(&id, n)).await;
        }
        stage.hub.list().await.expect("all are numbered");
        let message = slow.until(|m| m["type"] == "resync" || m["type"] == "bye").await;
        if round == 2 {
            assert_eq!((&message["type"], &message["code"]), (&json!("bye"), &json!(4008)));
            assert_eq!(slow.next().await, Ok(None));
            break;
        }
        assert_eq!(message["reason"], "slow");
        let snapshot = slow.must().await;
        assert_eq!(snapshot["type"], "snapshot");
        stage.publish(progress(&id, 0)).await;
        let event = slow.must().await;
        assert!(event["seq"].as_u64() > snapshot["seq"].as_u64(), "what follows is newer");
    }
    let [_, _, resyncs, shed, ..] = stage.gateway.figures();
    assert_eq!((resyncs, shed), (3, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_at_all_is_cut_and_others_get_everything() {
    let stage = stage_with(Duration::from_secs(2)).await;
    let (id, _) = stage.operation().await;
    let mut stalled = narrow(&stage).await;
    stalled.until(|m| m["type"] == "snapshot").await;
    let mut reading = open(&stage, "", &[]).await;
    let mut seen = reading.until(|m| m["type"] == "snapshot").await["seq"].as_u64().expect("seq");
    let mut n = 0;
    // Connections: the one that reads, once the other's is cut. It still holds bytes that nobody takes.
    while stage.gateway.figures()[3] == 0 || stage.gateway.figures()[0] > 1 {
        for _ in 0..200 {
            n += 1;
            stage.publish(progress(&id, n)).await;
        }
        stage.hub.list().await.expect("all are numbered");
        while seen < stage.hub.stats.read().2 {
            let message = reading.must().await;
            assert_eq!(message["seq"].as_u64(), Some(seen + 1), "{message}");
            seen += 1;
        }
    }
    let [_, sockets, resyncs, shed, ..] = stage.gateway.figures();
    assert_eq!((sockets, resyncs, shed), (1, 0, 1));
    loop {
        match stalled.next().await {
            Ok(Some(message)) => assert_ne!(message["type"], "bye", "there was no room for it"),
            Ok(None) => panic!("what was cut is not taken for a whole"),
            Err(()) => break,
        }
    }
}

#[tokio::test]
async fn a_quiet_stream_shows_that_it_is_there() {
    let stage = stage().await;
    let (id, _) = stage.operation().await;
    let mut events = open(&stage, "", &[]).await;
    events.until(|m| m["type"] == "snapshot").await;
    for _ in 0..2 {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(20)).await;
        tokio::time::resume();
        let before = events.comments;
        stage.publish(progress(&id, 1)).await;
        events.must().await;
        while events.comments == before {
            stage.publish(progress(&id, 2)).await;
            events.must().await;
        }
    }
}
