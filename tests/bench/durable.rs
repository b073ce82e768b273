//! Events that are acknowledged when they are on disk, beside one `fdatasync` of the same file system.

use std::path::Path;
use std::time::{Duration, Instant};

use llmctl_proto::pb::{FollowEventsRequest, GetStatusRequest, PublishEventRequest};
use llmctl_tests::sandbox::Sandbox;

use crate::daemon::{Daemon, socket};
use crate::probe::{SyncProbe, millis};
use crate::samples::Samples;
use crate::table::{Against, Goal, Row, verdict};
use crate::{Bench, wire};

const TYPE: &str = "bench.fact";
/// Publishers at once.
const PUBLISHERS: usize = 64;

pub(crate) fn measure(bench: &Bench) -> Vec<Row> {
    try_measure(bench).unwrap_or_else(|why| vec![Row::failed("durable publish", why)])
}

fn fact(number: usize) -> PublishEventRequest {
    // Together with its envelope some 250 bytes.
    let data = format!(r#"{{"number":{number},"text":"{}"}}"#, "x".repeat(120));
    PublishEventRequest { event: Some(wire::event(0, TYPE, data)) }
}

fn try_measure(bench: &Bench) -> Result<Vec<Row>, String> {
    let sandbox = Sandbox::new();
    let daemon = Daemon::start(bench, &sandbox)?;
    let socket = socket(&sandbox);
    let mut probe = SyncProbe::open(&sandbox.path("state/probe")).map_err(|e| e.to_string())?;
    let (rounds, one, each_of_many) = (bench.pick(5, 3), bench.pick(200, 60), bench.pick(100, 20));
    let (mut disk, mut pages) = (Samples::default(), Samples::default());
    let (mut single, mut group) = (Samples::default(), Samples::default());
    let mut commits = 0;
    for _ in 0..rounds {
        let (mut raw, mut twice, mut acknowledged) = (Vec::new(), Vec::new(), Vec::new());
        bench.runtime.block_on(async {
            let mut client = wire::connect(&socket).await.map_err(|e| e.to_string())?;
            for number in 0..one {
                raw.push(probe.once().map_err(|e| e.to_string())?);
                twice.push(probe.two_phases().map_err(|e| e.to_string())?);
                let begun = Instant::now();
                client.publish_event(fact(number)).await.map_err(|s| s.message().to_owned())?;
                acknowledged.push(millis(begun.elapsed()));
            }
            Ok::<(), String>(())
        })?;
        disk.round(raw);
        pages.round(twice);
        single.round(acknowledged);
        let before = bench.runtime.block_on(commits_so_far(&socket))?;
        let took = bench.runtime.block_on(publish_many(&socket, PUBLISHERS, each_of_many))?;
        commits += bench.runtime.block_on(commits_so_far(&socket))? - before;
        group.round(vec![(PUBLISHERS * each_of_many) as f64 / took.as_secs_f64()]);
    }
    let sent = rounds * (one + PUBLISHERS * each_of_many);
    let stored = bench.runtime.block_on(count(&socket))?;
    daemon.stop();
    if stored != sent {
        return Err(format!("{sent} facts were acknowledged and {stored} are stored"));
    }
    let (low, high) = group.spread();
    let per_sync = 1000.0 / disk.median();
    let mut many =
        Row::number("64 publishers, acknowledged", format!("{:.0} facts/s", group.median()), "", None)
            .beside(
                format!("fdatasync, one after the other {per_sync:.0}/s"),
                format!("{:.1}×", group.median() / per_sync),
            );
    many.spread = format!("{low:.0} – {high:.0}");
    many.verdict = verdict(None, &disk);
    let each = (rounds * PUBLISHERS * each_of_many) as f64 / commits.max(1) as f64;
    let figure = "publish → acknowledged";
    let (one_sync, two_syncs) = (("fdatasync of 256 bytes", &disk), ("11 pages, two fdatasyncs", &pages));
    Ok(vec![
        Row::latency(figure, &single, one_sync, Against::Times, Goal::Times(2.0)),
        Row::latency(figure, &single, two_syncs, Against::Times, Goal::None),
        many,
        Row::number("… facts in a commit", format!("{each:.1}"), "", None),
    ])
}

/// Publishes `each` facts from each of `publishers` connections; the time until all are acknowledged.
pub(crate) async fn publish_many(socket: &Path, publishers: usize, each: usize) -> Result<Duration, String> {
    let mut clients = Vec::new();
    for _ in 0..publishers {
        clients.push(wire::connect(socket).await.map_err(|e| e.to_string())?);
    }
    let begun = Instant::now();
    let tasks: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            tokio::spawn(async move {
                for number in 0..each {
                    client.publish_event(fact(number)).await.map_err(|s| s.message().to_owned())?;
                }
                Ok::<(), String>(())
            })
        })
        .collect();
    for task in tasks {
        task.await.map_err(|e| e.to_string())??;
    }
    Ok(begun.elapsed())
}

/// Commits of the daemon's store since its start.
async fn commits_so_far(socket: &Path) -> Result<u64, String> {
    let mut client = wire::connect(socket).await.map_err(|e| e.to_string())?;
    let answer = client.get_status(GetStatusRequest {}).await.map_err(|s| s.message().to_owned())?;
    let status: serde_json::Value =
        serde_json::from_str(&answer.into_inner().status).map_err(|e| e.to_string())?;
    status["store"]["commits"].as_u64().ok_or_else(|| "the status has no commits".to_owned())
}

/// Facts of ours that the store gives back.
async fn count(socket: &Path) -> Result<usize, String> {
    let text = |status: tonic::Status| status.message().to_owned();
    let mut client = wire::connect(socket).await.map_err(|e| e.to_string())?;
    let request = FollowEventsRequest {
        after: "0".into(),
        types: vec![TYPE.into()],
        stored_only: true,
        ..FollowEventsRequest::default()
    };
    let mut events = client.follow_events(request).await.map_err(text)?.into_inner();
    let mut seen = 0;
    while events.message().await.map_err(text)?.is_some() {
        seen += 1;
    }
    Ok(seen)
}
