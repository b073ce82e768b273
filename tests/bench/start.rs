//! From the start of the daemon to its first answer: on an empty directory, and after a crash with a history.

use llmctl_tests::sandbox::Sandbox;

use crate::daemon::{Daemon, socket};
use crate::durable::publish_many;
use crate::probe::{bare_process, millis, run_ms};
use crate::samples::Samples;
use crate::table::{Against, Goal, Row};
use crate::{Bench, daemon};

pub(crate) fn measure(bench: &Bench) -> Vec<Row> {
    try_measure(bench).unwrap_or_else(|why| vec![Row::failed("start of the daemon", why)])
}

fn try_measure(bench: &Bench) -> Result<Vec<Row>, String> {
    let facts = bench.pick(20_000, 2_000);
    let history = Sandbox::new();
    let mut crashed = Daemon::start(bench, &history)?;
    bench.runtime.block_on(publish_many(&daemon::socket(&history), 32, facts / 32))?;
    let (mut bare, mut first, mut again) = (Samples::default(), Samples::default(), Samples::default());
    for _ in 0..bench.pick(5, 3) {
        for samples in [&mut bare, &mut first, &mut again] {
            samples.begin_round();
        }
        for _ in 0..bench.pick(10, 4) {
            bare.push(run_ms(bare_process())?);
            let sandbox = Sandbox::new();
            let started = Daemon::start(bench, &sandbox)?;
            first.push(millis(started.ready_in));
            started.stop();
            crashed.crash();
            debug_assert!(socket(&history).exists(), "a crash leaves the socket behind");
            crashed = Daemon::start(bench, &history)?;
            again.push(millis(crashed.ready_in));
        }
    }
    crashed.stop();
    let anchor = ("start and end of a process", &bare);
    let after = format!("start after kill -9, {facts} stored facts");
    Ok(vec![
        Row::latency("first start → first answer", &first, anchor, Against::Added, Goal::Median(30.0)),
        Row::latency(&after, &again, anchor, Against::Added, Goal::Median(100.0)),
    ])
}
