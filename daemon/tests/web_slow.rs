//! Browsers that read too slowly, and outputs that are followed through what was missed.

mod common;

use std::fmt::Write as _;
use std::time::Duration;

use common::socket::{Ws, connect, next, send, until, upgrade};
use common::{Stage, completed, output, progress, stage, stage_with};
use llmctl_proto::event::Stream;
use llmctl_proto::ids::OperationId;
use llmctl_proto::opdir::OperationDir;
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};

/// More frames than a socket may be behind, and more than the system's buffers hold of a small window.
const FLOOD: u64 = 30_000;
/// A busy machine may take long for a flood; these browsers are slow, not gone.
const PATIENT: Duration = Duration::from_secs(120);

/// A browser whose system takes little in when it does not read.
async fn narrow(stage: &Stage) -> Ws {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4 * 1024).expect("a small buffer");
    let stream: TcpStream = socket.connect(stage.addr).await.expect("connected");
    upgrade(stage, stream, "", true).await.expect("upgraded")
}

async fn flood(stage: &Stage, id: &OperationId) {
    for n in 0..FLOOD {
        stage.publish(progress(id, n)).await;
    }
    stage.hub.list().await.expect("all are numbered");
}

/// Reads until a message of a type, or the close code.
async fn read_to(ws: &mut Ws, kind: &str) -> Result<Value, u16> {
    loop {
        let message = next(ws).await?;
        if message["type"] == kind {
            return Ok(message);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_falls_behind_starts_over_twice_and_then_goes() {
    let stage = stage_with(PATIENT).await;
    let (id, _) = stage.operation().await;
    let mut slow = narrow(&stage).await;
    until(&mut slow, |m| m["type"] == "snapshot").await;
    for _ in 0..2 {
        flood(&stage, &id).await;
        let resync = read_to(&mut slow, "resync").await.expect("told to start over");
        assert_eq!(resync["reason"], "slow");
        assert!(resync["missed"].as_u64().is_some_and(|missed| missed > 0), "{resync}");
        let snapshot = next(&mut slow).await.expect("at once");
        assert_eq!(snapshot["type"], "snapshot");
        let event = until(&mut slow, |m| m["type"] == "execution.progress" || m["type"] == "pong");
        stage.publish(progress(&id, 0)).await;
        assert!(event.await["seq"].as_u64() > snapshot["seq"].as_u64(), "what follows is newer");
    }
    flood(&stage, &id).await;
    assert_eq!(read_to(&mut slow, "resync").await.err(), Some(4008));
    let [_, _, resyncs, shed, _, dropped] = stage.gateway.figures();
    assert_eq!((resyncs, shed), (3, 1));
    assert!(dropped > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_at_all_goes_and_others_get_everything() {
    let stage = stage().await;
    let (id, _) = stage.operation().await;
    let mut stalled = narrow(&stage).await;
    let mut reading = connect(&stage, "", true).await;
    until(&mut stalled, |m| m["type"] == "snapshot").await;
    let mut seen = until(&mut reading, |m| m["type"] == "snapshot").await["seq"].as_u64().expect("seq");
    // Frames come all the time; the stalled one is let go after the 10 s that a send may take.
    let mut n = 0;
    while stage.gateway.figures()[3] == 0 {
        for _ in 0..500 {
            n += 1;
            stage.publish(progress(&id, n)).await;
        }
        stage.hub.list().await.expect("all are numbered");
        while seen < stage.hub.stats.read().2 {
            let message = next(&mut reading).await.expect("never told to start over");
            assert_eq!(message["seq"].as_u64(), Some(seen + 1), "{message}");
            seen += 1;
        }
    }
    let [_, _, resyncs, shed, ..] = stage.gateway.figures();
    assert_eq!((resyncs, shed), (0, 1));
    drop(stalled);
}

/// Writes pieces to an operation's output and publishes them.
async fn write(stage: &Stage, id: &OperationId, dir: &OperationDir, written: &mut String, pieces: usize) {
    for n in 0..pieces {
        let piece = format!("piece {n} é😀\n");
        let offset = written.len() as u64;
        written.push_str(&piece);
        if n + 1 == pieces {
            std::fs::write(dir.stream(Stream::Stdout), &*written).expect("written");
        }
        stage.publish(output(id, offset, &piece)).await;
    }
}

async fn follow(ws: &mut Ws, id: &OperationId, from: Value) -> Value {
    send(ws, json!({"type": "follow_output", "id": "f", "operation_id": id, "from": from})).await;
    until(ws, |m| m["type"] == "reply").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_missed_the_end_still_gets_the_whole_output() {
    let stage = stage_with(PATIENT).await;
    let (id, dir) = stage.operation().await;
    let (other, _) = stage.operation().await;
    let mut slow = narrow(&stage).await;
    assert_eq!(follow(&mut slow, &id, json!(0)).await["result"]["offset"], 0);
    let mut written = String::new();
    write(&stage, &id, &dir, &mut written, 10).await;
    // The rest of the output and its operation's end are among the frames that were missed; the last
    // character is not whole, and no more of it will ever come.
    flood(&stage, &other).await;
    write(&stage, &id, &dir, &mut written, 2_000).await;
    let mut recorded = written.clone().into_bytes();
    recorded.push(0xc3);
    std::fs::write(dir.stream(Stream::Stdout), &recorded).expect("written");
    stage.publish(completed(&id)).await;
    flood(&stage, &other).await;
    let (mut text, mut bytes) = (String::new(), 0);
    while bytes < recorded.len() as u64 {
        let message = next(&mut slow).await.expect("still open");
        if message["type"] == "execution.output" {
            assert_eq!(message["data"]["offset"].as_u64(), Some(bytes), "no gap and no repeat");
            bytes += message["data"]["bytes"].as_u64().expect("bytes");
            text.push_str(message["data"]["text"].as_str().expect("text"));
        }
    }
    assert_eq!(text, format!("{written}\u{fffd}"));
    assert!(stage.gateway.figures()[2] > 0, "it was told to start over on the way");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outputs_of_ended_operations_take_no_place() {
    let stage = stage().await;
    let (id, dir) = stage.operation().await;
    std::fs::write(dir.stream(Stream::Stdout), "all of it").expect("written");
    stage.publish(completed(&id)).await;
    let mut ws = connect(&stage, "", true).await;
    for _ in 0..10 {
        assert_eq!(follow(&mut ws, &id, json!(4)).await["result"]["offset"], 4);
        let piece = until(&mut ws, |m| m["type"] == "execution.output").await;
        assert_eq!((&piece["data"]["offset"], &piece["data"]["text"]), (&json!(4), &json!("of it")));
    }
    let mut running = Vec::new();
    let mut ws = connect(&stage, "", true).await;
    for _ in 0..8 {
        running.push(stage.operation().await.0);
        assert_eq!(follow(&mut ws, &running[running.len() - 1], json!("tail")).await["ok"], true);
    }
    let (ninth, _) = stage.operation().await;
    assert_eq!(follow(&mut ws, &ninth, json!("tail")).await["code"], "busy");
    stage.publish(completed(&running[0])).await;
    until(&mut ws, |m| m["type"] == "execution.complete").await;
    assert_eq!(follow(&mut ws, &ninth, json!("tail")).await["ok"], true, "an end makes room");
    for bad in [json!(-1), json!(1.5), json!("head"), json!([])] {
        assert_eq!(follow(&mut ws, &ninth, bad).await["code"], "invalid_value");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_that_outruns_its_follower_is_read_from_the_file() {
    let stage = stage().await;
    let (id, dir) = stage.operation().await;
    let mut ws = connect(&stage, "", true).await;
    follow(&mut ws, &id, json!(0)).await;
    // One frame for 20 MB of output: its bytes are all in the file, in pieces of at most 16 KiB.
    let mut written = String::new();
    for n in 0..1_000_000 {
        let _ = writeln!(written, "line {n} of plenty");
    }
    std::fs::write(dir.stream(Stream::Stdout), &written).expect("written");
    let last = written.len() as u64 - 5;
    stage.publish(output(&id, last, &written[last as usize..])).await;
    let mut text = String::new();
    while text.len() < written.len() {
        let piece = until(&mut ws, |m| m["type"] == "execution.output").await;
        assert_eq!(piece["data"]["offset"].as_u64(), Some(text.len() as u64));
        let part = piece["data"]["text"].as_str().expect("text");
        assert!(part.len() <= 16 * 1024);
        text.push_str(part);
    }
    assert!(text == written);
}
