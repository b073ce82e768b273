//! A decision among fifty candidates, as the program itself takes its time: without gathering, in a fresh process.

use std::fmt::Write as _;

use llmctl_tests::sandbox::Sandbox;

use crate::Bench;
use crate::samples::Samples;
use crate::table::Row;

/// Tools of the configuration; each offers every model.
const TOOLS: usize = 10;
/// Models.
const MODELS: usize = 5;
/// What a decision may take, in microseconds.
const GOAL_US: f64 = 200.0;

pub(crate) fn measure(bench: &Bench) -> Vec<Row> {
    vec![try_measure(bench).unwrap_or_else(|why| Row::failed("a routing decision", why))]
}

fn try_measure(bench: &Bench) -> Result<Row, String> {
    let sandbox = Sandbox::new();
    configure(&sandbox);
    let (mut samples, mut candidates) = (Samples::default(), 0);
    for _ in 0..bench.pick(5, 3) {
        samples.begin_round();
        for _ in 0..bench.pick(40, 12) {
            let (us, count) = decide(&sandbox)?;
            samples.push(us);
            candidates = count;
        }
    }
    let median = samples.median();
    let (low, high) = samples.spread();
    let figure = format!("a routing decision, {candidates} candidates");
    let row = Row::number(&figure, format!("{median:.0} µs"), "≤ 200 µs", Some(median <= GOAL_US));
    Ok(Row {
        tail: format!("{:.0} µs / {:.0} µs", samples.typical(99.0), samples.percentile(100.0)),
        spread: format!("{low:.0} µs – {high:.0} µs"),
        ..row
    })
}

/// Every tool with every model, and an agent whose chain names them all: half the tools are there.
fn configure(sandbox: &Sandbox) {
    let models: Vec<String> = (0..MODELS).map(|model| format!("model-{model}")).collect();
    let (mut tools, mut listed, mut chain) = ("tools:\n".to_owned(), "models:\n".to_owned(), String::new());
    for (at, model) in models.iter().enumerate() {
        let _ = writeln!(
            listed,
            "  {model}:\n    provider: example\n    context_window: 200000\n    \
             cost_per_1k_tokens: {{input: 0.00{at}5, output: 0.0{at}5}}"
        );
    }
    for tool in 0..TOOLS {
        let _ = writeln!(
            tools,
            "  tool-{tool}:\n    binary: program-{tool}\n    command_template: '{{binary}} {{prompt_file}}'\n    \
             models: [{}]",
            models.join(", ")
        );
        for model in &models {
            let _ = writeln!(chain, "      - tool-{tool}:{model}");
        }
        if tool % 2 == 1 {
            sandbox.script(&format!("program-{tool}"), "cat");
        }
    }
    let agents = format!(
        "agents:\n  all:\n    preferred_tool: tool-0\n    preferred_model: model-0\n    fallback_chain:\n{chain}"
    );
    for (name, text) in [("tools", tools), ("models", listed), ("agents", agents)] {
        sandbox.write(&format!("../config/llmctl/{name}.yaml"), text);
    }
}

/// Microseconds of one decision, and how many candidates it had.
fn decide(sandbox: &Sandbox) -> Result<(f64, usize), String> {
    let words = ["route", "--no-daemon", "--json", "--agent", "all", "--input-tokens", "3000"];
    let done = sandbox.llmctl(&words).output().map_err(|e| e.to_string())?;
    let answer: serde_json::Value = serde_json::from_slice(&done.stdout)
        .map_err(|_| String::from_utf8_lossy(&done.stderr).into_owned())?;
    let us = answer["decided_us"].as_f64().ok_or("no time in the answer")?;
    Ok((us, answer["candidates"].as_array().map_or(0, Vec::len)))
}
