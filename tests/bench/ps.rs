//! `llmctl ps` as a whole process, beside an empty process and a bare client.

use llmctl_proto::ids::OperationId;
use llmctl_tests::sandbox::Sandbox;

use crate::daemon::{Daemon, socket};
use crate::probe::{bare_process, hello_process, run_ms};
use crate::samples::Samples;
use crate::table::{Against, Goal, Row};
use crate::{Bench, wire};

/// Operations in the list.
const OPERATIONS: usize = 20;

pub(crate) fn measure(bench: &Bench) -> Vec<Row> {
    try_measure(bench).unwrap_or_else(|why| vec![Row::failed("llmctl ps", why)])
}

fn try_measure(bench: &Bench) -> Result<Vec<Row>, String> {
    let sandbox = Sandbox::new();
    let daemon = Daemon::start(bench, &sandbox)?;
    let socket = socket(&sandbox);
    bench.runtime.block_on(fill(&socket)).map_err(|e| e.to_string())?;
    let (mut bare, mut client, mut ps) = (Samples::default(), Samples::default(), Samples::default());
    for _ in 0..bench.pick(5, 3) {
        for samples in [&mut bare, &mut client, &mut ps] {
            samples.begin_round();
        }
        for _ in 0..bench.pick(40, 12) {
            bare.push(run_ms(bare_process())?);
            client.push(run_ms(hello_process(&socket))?);
            ps.push(run_ms(sandbox.llmctl(&["ps"]))?);
        }
    }
    daemon.stop();
    Ok(vec![
        Row::latency(
            "llmctl ps, 20 operations",
            &ps,
            ("/bin/true", &bare),
            Against::Added,
            Goal::Median(10.0),
        ),
        Row::latency(
            "llmctl ps, 20 operations",
            &ps,
            ("tonic client, one call", &client),
            Against::Times,
            Goal::None,
        ),
    ])
}

/// Operations that have ended.
async fn fill(socket: &std::path::Path) -> std::io::Result<()> {
    for _ in 0..OPERATIONS {
        let (mut client, id) = (wire::connect(socket).await?, OperationId::new());
        let (up, mut answers) = wire::attach(&mut client, &id).await?;
        let data = format!(
            r#"{{"operation_id":"{id}","attempt":1,"class":"exit_code","message":"none","retryable":false,"duration_ms":9,"stdout_bytes":0,"stderr_bytes":0}}"#
        );
        let sent = up.send(wire::event(1, "execution.error", data)).await;
        sent.map_err(std::io::Error::other)?;
        drop(up);
        while answers.message().await.map_err(std::io::Error::other)?.is_some() {}
    }
    Ok(())
}
