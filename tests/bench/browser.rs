//! An event from a runner's stream to a browser's WebSocket, by a stamp of the monotonic clock inside it.
//!
//! Published from a schedule, not after the last answer, so that waiting counts. The anchor is a socket server in
//! this process that passes the same texts on and does nothing else.

use std::net::TcpListener as StdListener;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use llmctl_proto::ids::OperationId;
use llmctl_proto::pb::Event;
use llmctl_tests::proc;
use llmctl_tests::run;
use llmctl_tests::sandbox::Sandbox;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use crate::daemon::{Daemon, PATIENCE, socket};
use crate::probe::millis;
use crate::samples::Samples;
use crate::table::{Against, Goal, Row, mb};
use crate::{Bench, wire};

/// Between two events: 1,000 a second.
const EVERY: Duration = Duration::from_millis(1);
const STAMP: &str = "\"stamp_ns\":";
/// How long the last events may take.
const LATE: Duration = Duration::from_secs(5);

pub(crate) type Browser = WebSocketStream<TcpStream>;

pub(crate) fn measure(bench: &Bench) -> Vec<Row> {
    try_measure(bench).unwrap_or_else(|why| vec![Row::failed("runner → browser", why)])
}

fn try_measure(bench: &Bench) -> Result<Vec<Row>, String> {
    let sandbox = Sandbox::new();
    let daemon = Daemon::start(bench, &sandbox)?;
    let port = free_port()?;
    let start = sandbox.llmctl(&["dashboard", "start", "--port", &port.to_string()]);
    let started = run::run(start, b"", PATIENCE);
    if started.code != Some(0) {
        return Err(started.stderr_text().trim().to_owned());
    }
    let token = std::fs::read_to_string(sandbox.path("run/llmctl/token")).map_err(|e| e.to_string())?;
    let (rounds, seconds) = (bench.pick(5, 3), bench.pick(2, 1));
    let events = seconds * 1000;
    let (mut bare, mut product) = (Samples::default(), Samples::default());
    let id = OperationId::new();
    let ticks = || proc::stat(daemon.pid()).map_or(0, |stat| stat.cpu_ticks);
    let (mut used, run) = (0, Run { epoch: Instant::now(), events, id: id.clone() });
    bench.runtime.block_on(async {
        let mut client = wire::connect(&socket(&sandbox)).await.map_err(|e| e.to_string())?;
        let (up, _answers) = wire::attach(&mut client, &id).await.map_err(|e| e.to_string())?;
        let mut browser = open(port, token.trim()).await?;
        for _ in 0..rounds {
            bare.round(run.bare().await?);
            let before = ticks();
            product.round(run.through(&up, &mut browser).await?);
            used += ticks() - before;
        }
        Ok::<(), String>(())
    })?;
    let memory = proc::rss_bytes(daemon.pid()).unwrap_or_default() as f64;
    daemon.stop();
    let total = rounds * events;
    let per_event = used as f64 * 1e6 / rustix::param::clock_ticks_per_second() as f64 / total as f64;
    let anchor = ("bare socket server", &bare);
    Ok(vec![
        Row::latency("runner → browser, 1,000 events/s", &product, anchor, Against::Added, Goal::Tail(5.0)),
        Row::number("… daemon processor time an event", format!("{per_event:.0} µs"), "", None),
        Row::number(
            &format!("… daemon memory after {total} events"),
            mb(memory),
            "≤ 20 MB",
            Some(memory <= 20e6),
        ),
    ])
}

pub(crate) fn free_port() -> Result<u16, String> {
    let listener = StdListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    Ok(listener.local_addr().map_err(|e| e.to_string())?.port())
}

/// A script's socket to the gateway, past its greeting.
pub(crate) async fn open(port: u16, token: &str) -> Result<Browser, String> {
    let addr = format!("127.0.0.1:{port}");
    let mut request = format!("ws://{addr}/ws").into_client_request().map_err(|e| e.to_string())?;
    let header = |text: String| HeaderValue::from_str(&text).map_err(|e| e.to_string());
    let headers = request.headers_mut();
    headers.insert("Authorization", header(format!("Bearer {token}"))?);
    headers.insert("Origin", header(format!("http://{addr}"))?);
    headers.insert("Sec-WebSocket-Protocol", HeaderValue::from_static("llmctl.v1"));
    let stream = TcpStream::connect(&addr).await.map_err(|e| e.to_string())?;
    let _ = stream.set_nodelay(true);
    let (mut browser, _) =
        tokio_tungstenite::client_async(request, stream).await.map_err(|e| e.to_string())?;
    loop {
        let text = next(&mut browser).await?;
        if text.contains("\"type\":\"snapshot\"") {
            return Ok(browser);
        }
    }
}

/// The next text within the time that is still reasonable.
pub(crate) async fn next(browser: &mut Browser) -> Result<String, String> {
    loop {
        match tokio::time::timeout(LATE, browser.next()).await {
            Ok(Some(Ok(Message::Text(text)))) => return Ok(text.to_string()),
            Ok(Some(Ok(Message::Close(frame)))) => return Err(format!("the socket was closed: {frame:?}")),
            Ok(Some(Ok(_))) => {}
            Ok(Some(Err(error))) => return Err(error.to_string()),
            Ok(None) => return Err("the socket ended".into()),
            Err(_) => return Err(format!("nothing came for {LATE:?}")),
        }
    }
}

/// What all rounds have in common.
struct Run {
    epoch: Instant,
    events: usize,
    id: OperationId,
}

impl Run {
    /// Latencies of one round through the daemon.
    async fn through(&self, up: &mpsc::Sender<Event>, browser: &mut Browser) -> Result<Vec<f64>, String> {
        let (up, send) = (up.clone(), move |text: String, up: &mpsc::Sender<Event>| {
            up.blocking_send(wire::event(0, "execution.progress", text)).is_ok()
        });
        self.publish(move |text| send(text, &up));
        self.receive(browser).await
    }

    /// Latencies of one round through a server that only passes on.
    async fn bare(&self) -> Result<Vec<f64>, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|e| e.to_string())?;
        let addr = listener.local_addr().map_err(|e| e.to_string())?;
        let (tx, mut rx) = mpsc::channel::<String>(1024);
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.ok()?;
            let _ = stream.set_nodelay(true);
            let mut socket = tokio_tungstenite::accept_async(stream).await.ok()?;
            while let Some(text) = rx.recv().await {
                socket.send(Message::Text(text.into())).await.ok()?;
            }
            socket.close(None).await.ok()
        });
        let stream = TcpStream::connect(addr).await.map_err(|e| e.to_string())?;
        let _ = stream.set_nodelay(true);
        let url = format!("ws://{addr}/");
        let (mut browser, _) =
            tokio_tungstenite::client_async(url, stream).await.map_err(|e| e.to_string())?;
        self.publish(move |text| tx.blocking_send(text).is_ok());
        let latencies = self.receive(&mut browser).await;
        drop(browser);
        let _ = server.await;
        latencies
    }

    /// Hands out stamped events by the schedule, on a thread of its own.
    fn publish(&self, mut send: impl FnMut(String) -> bool + Send + 'static) {
        let (epoch, events, id) = (self.epoch, self.events, self.id.clone());
        std::thread::spawn(move || {
            let begun = Instant::now();
            for number in 0..events {
                let due = begun + EVERY * number as u32;
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                // Stamped with the time it was due, so that a late start counts too.
                if !send(progress(&id, number, due.duration_since(epoch))) {
                    return;
                }
            }
        });
    }

    async fn receive(&self, browser: &mut Browser) -> Result<Vec<f64>, String> {
        let mut latencies = Vec::with_capacity(self.events);
        while latencies.len() < self.events {
            let text = next(browser).await?;
            let now = self.epoch.elapsed();
            if text.contains("\"resync\"") {
                return Err(format!("told to start over after {} events", latencies.len()));
            }
            let Some((number, stamp)) = read_stamp(&text) else { continue };
            if number != latencies.len() {
                return Err(format!("event {number} came instead of {}", latencies.len()));
            }
            latencies.push(millis(now.saturating_sub(stamp)));
        }
        Ok(latencies)
    }
}

/// A progress event with two fields more: its number and its stamp.
fn progress(id: &OperationId, number: usize, stamp: Duration) -> String {
    format!(
        r#"{{"operation_id":"{id}","state":"running","phase":"streaming","model":null,"tokens":{{"input":12,"output":{number}}},"usage_source":"estimated","cost_nano_usd":1200,"cost_basis":"computed","elapsed_ms":{number},"idle_ms":0,"stdout_bytes":{number},"stderr_bytes":0,"number":{number},"stamp_ns":{}}}"#,
        stamp.as_nanos()
    )
}

fn read_stamp(text: &str) -> Option<(usize, Duration)> {
    let digits = |key: &str| -> Option<u64> {
        let rest = &text[text.find(key)? + key.len()..];
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        rest[..end].parse().ok()
    };
    Some((digits("\"number\":")? as usize, Duration::from_nanos(digits(STAMP)?)))
}
