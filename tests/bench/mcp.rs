//! Fifty supervised servers beside other supervisors with fifty copies of the same child.
//!
//! Rounds are interleaved: each contender is started, counted, watched, its children killed one by one, and ended,
//! then the next. Ours speaks with its servers and asks after their health; the others only hold processes.

use std::time::Duration;

use llmctl_tests::mcp::monotonic_ns;
use llmctl_tests::proc;
use llmctl_tests::wait::poll;
use rustix::process::Signal;

use crate::Bench;
use crate::daemon::PATIENCE;
use crate::samples::Samples;
use crate::supervisors::{ALL, Product, Supervision, starts, tell_missing};
use crate::table::{Against, Goal, Row, mb};

/// Children of each.
const COUNT: usize = 50;
/// Goals: memory of the supervisor in bytes, processor time in per cent of a core.
const MEMORY: f64 = 18e6;
const PROCESSOR: f64 = 0.1;
/// What starting needed is over after this.
const SETTLE: Duration = Duration::from_secs(3);
/// Whoever has asked for the servers' figures is taken to watch them for 15 s, and they are measured more often.
const UNWATCHED: Duration = Duration::from_secs(20);
/// Between two kills, longer than the restarts of those that answer at once.
const BETWEEN: Duration = Duration::from_millis(250);

/// A restart that takes longer was not meant to be quick, in milliseconds.
const THROTTLED: f64 = 500.0;

/// What was measured of one contender.
#[derive(Debug, Default)]
struct Figures {
    restart: Samples,
    start: Samples,
    ready: Samples,
    memory: Samples,
    processor: Samples,
}

pub(crate) fn measure(bench: &Bench) -> Vec<Row> {
    tell_missing();
    let wanted = if bench.quick { &ALL[..4] } else { &ALL };
    let contenders: Vec<Product> =
        wanted.iter().copied().filter(|product| product.program().is_some()).collect();
    let mut all: Vec<(Product, Figures)> = contenders.into_iter().map(|p| (p, Figures::default())).collect();
    let mut failed = Vec::new();
    for round in 0..bench.pick(3, 1) {
        all.retain_mut(|(product, figures)| {
            // A minute of doing nothing is watched once.
            let watch = if round == 0 { Duration::from_secs(bench.pick(60, 5)) } else { Duration::ZERO };
            let done = one_round(*product, figures, watch, bench.pick(15, 6));
            let why = done.as_ref().err().cloned();
            failed.extend(why.map(|why| Row::failed(&format!("{}: supervision", product.name()), why)));
            done.is_ok()
        });
    }
    let mut rows = rows(&all);
    rows.extend(failed);
    rows
}

/// Starts a contender, looks at it, kills some of its children, ends it.
fn one_round(product: Product, figures: &mut Figures, watch: Duration, kills: usize) -> Result<(), String> {
    let begun = monotonic_ns();
    let supervision = Supervision::start(product, COUNT)?;
    let last = starts(&supervision.sandbox).iter().map(|(at, _)| *at).max().unwrap_or(begun);
    figures.start.round(vec![(last - begun) as f64 / 1e6]);
    poll(PATIENCE, || (supervision.running()? >= COUNT).then_some(())).ok_or("not all servers run")?;
    figures.ready.round(vec![(monotonic_ns() - begun) as f64 / 1e6]);
    std::thread::sleep(SETTLE);
    figures.memory.round(vec![supervision.memory()]);
    if !watch.is_zero() {
        std::thread::sleep(UNWATCHED);
        let before = supervision.ticks();
        std::thread::sleep(watch);
        let ticks = (supervision.ticks() - before) as f64;
        let second = rustix::param::clock_ticks_per_second() as f64;
        figures.processor.round(vec![100.0 * ticks / second / watch.as_secs_f64()]);
    }
    figures.restart.round(restarts(&supervision, kills)?);
    supervision.stop();
    Ok(())
}

/// Kills children, each of them once; milliseconds from each kill to its successor's first instruction.
fn restarts(supervision: &Supervision, kills: usize) -> Result<Vec<f64>, String> {
    let mut values = Vec::new();
    let children = starts(&supervision.sandbox);
    for (_, pid) in children.iter().take(kills) {
        let known = starts(&supervision.sandbox).len();
        let child = proc::stat(*pid).ok_or_else(|| format!("child {pid} is gone before its kill"))?.identity;
        let begun = monotonic_ns();
        proc::signal(child, Signal::KILL);
        let next = poll(PATIENCE, || starts(&supervision.sandbox).get(known).copied());
        let (at, _) = next.ok_or("a child was not started again")?;
        let took = at.saturating_sub(begun) as f64 / 1e6;
        values.push(took);
        // Who waits by design is known after three of them.
        if took > THROTTLED && values.len() >= 3 {
            break;
        }
        std::thread::sleep(BETWEEN);
    }
    Ok(values)
}

fn rows(all: &[(Product, Figures)]) -> Vec<Row> {
    let find =
        |wanted: Product| all.iter().find(|(product, _)| *product == wanted).map(|(_, figures)| figures);
    let Some(limit) = find(Product::Limit) else { return Vec::new() };
    let mut rows = Vec::new();
    for (product, figures) in all {
        let ours = *product == Product::Llmctl;
        let name = format!("{}: kill -9 of a child → successor's first instruction", product.name());
        let goal = if ours { Goal::Median(5.0) } else { Goal::None };
        let anchor = (Product::Limit.name(), &limit.restart);
        rows.push(Row::latency(&name, &figures.restart, anchor, Against::Times, goal));
    }
    for (product, figures) in all {
        let name = format!("{}: {COUNT} children started", product.name());
        let anchor = (Product::Limit.name(), &limit.start);
        rows.push(Row::latency(&name, &figures.start, anchor, Against::Times, Goal::None));
    }
    let name = format!("llmctl: {COUNT} servers started, spoken with and listed");
    let anchor = (Product::Limit.name(), &limit.start);
    let ready = find(Product::Llmctl).map(|ours| &ours.ready);
    rows.extend(ready.map(|ready| Row::latency(&name, ready, anchor, Against::Times, Goal::None)));
    for (product, figures) in all {
        let (value, ours) = (figures.memory.median(), *product == Product::Llmctl);
        let (goal, met) = if ours { ("≤ 18 MB", Some(value <= MEMORY)) } else { ("", None) };
        let name = format!("{}: own memory with {COUNT} children", product.name());
        let base = limit.memory.median();
        let anchor = format!("{} {}", Product::Limit.name(), mb(base));
        rows.push(Row::number(&name, mb(value), goal, met).beside(anchor, format!("+{}", mb(value - base))));
    }
    for (product, figures) in all {
        let (value, ours) = (figures.processor.median(), *product == Product::Llmctl);
        let (goal, met) = if ours { ("≤ 0.1 %", Some(value <= PROCESSOR)) } else { ("", None) };
        let name = if ours {
            format!("llmctl: processor with {COUNT} servers, asked every 30 s")
        } else {
            format!("{}: processor with {COUNT} idle children", product.name())
        };
        let anchor = format!("{} {:.2} %", Product::Limit.name(), limit.processor.median());
        rows.push(Row::number(&name, format!("{value:.2} %"), goal, met).beside(anchor, String::new()));
    }
    rows
}
