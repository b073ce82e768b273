//! What ended operations say of models, tools and agents: how often, how well, how fast, how dear. Pure.
//!
//! Percentiles are by nearest rank, so that each figure is one that was measured.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::admission::History;
use crate::state::{Operation, OperationState};

/// What statistics are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Model.
    Model,
    /// Tool.
    Tool,
    /// Agent.
    Agent,
}

/// Figures of one model, tool or agent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Stat {
    /// Which; none for operations without one.
    pub key: Option<String>,
    /// Operations that ended.
    pub operations: u64,
    /// Of which with a whole answer.
    pub complete: u64,
    /// Of which failed or lost.
    pub failed: u64,
    /// Of which stopped by somebody or refused by a budget; they say nothing of quality.
    pub stopped: u64,
    /// Complete among complete and failed, in thousandths; none without any.
    pub success_permille: Option<u32>,
    /// Duration of the complete ones, median, in milliseconds.
    pub duration_p50_ms: Option<u64>,
    /// Duration of the complete ones, 95th percentile, in milliseconds.
    pub duration_p95_ms: Option<u64>,
    /// Time to the first output, median, in milliseconds.
    pub first_output_p50_ms: Option<u64>,
    /// Output tokens a second over the running time of the complete ones, in thousandths.
    pub tokens_per_s_milli: Option<u64>,
    /// Tokens, all classes.
    pub tokens: u64,
    /// Known costs, in nano-dollars.
    pub cost_nano_usd: i64,
    /// Cost of one operation, among those whose cost is known, in nano-dollars.
    pub cost_each_nano_usd: Option<i64>,
    /// Operations whose cost nobody knows.
    pub cost_unknown: u64,
    /// Attempts beyond the first.
    pub retries: u64,
    /// Why it was chosen: code and count, the most frequent first.
    pub reasons: Vec<(String, u64)>,
}

/// Figures by model, tool or agent, the busiest first.
pub fn group<'a>(operations: impl IntoIterator<Item = &'a Operation>, by: By) -> Vec<Stat> {
    let mut groups: BTreeMap<Option<String>, Vec<&Operation>> = BTreeMap::new();
    for operation in operations {
        if !operation.state.is_final() {
            continue;
        }
        let key = match by {
            By::Model => operation.model.clone(),
            By::Tool => operation.tool.clone(),
            By::Agent => operation.agent.clone(),
        };
        groups.entry(key).or_default().push(operation);
    }
    let mut stats: Vec<Stat> = groups.into_iter().map(|(key, of)| stat(key, &of)).collect();
    stats.sort_by(|a, b| (b.operations, &a.key).cmp(&(a.operations, &b.key)));
    stats
}

fn stat(key: Option<String>, operations: &[&Operation]) -> Stat {
    let is = |operation: &&&Operation, state: OperationState| operation.state == state;
    let complete: Vec<&&Operation> = operations.iter().filter(|o| is(o, OperationState::Complete)).collect();
    let failed =
        operations.iter().filter(|o| is(o, OperationState::Error) || is(o, OperationState::Lost)).count()
            as u64;
    let judged = complete.len() as u64 + failed;
    let durations = sorted(complete.iter().map(|o| o.elapsed_ms));
    let first = sorted(complete.iter().filter_map(|o| o.first_output_ms));
    let (output, time) =
        complete.iter().filter(|o| o.spend.tokens.output > 0).fold((0_u128, 0_u128), |(output, time), o| {
            (output + u128::from(o.spend.tokens.output), time + u128::from(o.elapsed_ms))
        });
    let known: Vec<i64> = operations.iter().filter_map(|o| o.spend.cost_nano_usd).collect();
    let cost: i128 = known.iter().map(|cost| i128::from(*cost)).sum();
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for code in operations.iter().filter_map(|o| o.reason_code.as_deref()) {
        *reasons.entry(code).or_default() += 1;
    }
    let mut reasons: Vec<(String, u64)> =
        reasons.into_iter().map(|(code, count)| (code.to_owned(), count)).collect();
    reasons.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
    Stat {
        key,
        operations: operations.len() as u64,
        complete: complete.len() as u64,
        failed,
        stopped: operations.len() as u64 - judged,
        success_permille: (judged > 0)
            .then(|| u32::try_from(complete.len() as u64 * 1_000 / judged).unwrap_or(1_000)),
        duration_p50_ms: rank(&durations, 50),
        duration_p95_ms: rank(&durations, 95),
        first_output_p50_ms: rank(&first, 50),
        tokens_per_s_milli: (output * 1_000_000).checked_div(time).and_then(|rate| u64::try_from(rate).ok()),
        tokens: operations.iter().map(|o| o.spend.tokens.total()).fold(0, u64::saturating_add),
        cost_nano_usd: i64::try_from(cost).unwrap_or(i64::MAX),
        cost_each_nano_usd: (!known.is_empty())
            .then(|| i64::try_from(cost / known.len() as i128).unwrap_or(i64::MAX)),
        cost_unknown: (operations.len() - known.len()) as u64,
        retries: operations.iter().map(|o| o.attempts.len().saturating_sub(1) as u64).sum(),
        reasons,
    }
}

/// Output tokens of complete operations by agent, tool and model, for estimates.
pub fn history<'a>(operations: impl IntoIterator<Item = &'a Operation>) -> Vec<History> {
    type Key<'k> = (Option<&'k str>, &'k str, Option<&'k str>);
    let mut groups: BTreeMap<Key<'_>, Vec<u64>> = BTreeMap::new();
    for operation in operations {
        let reported = operation.state == OperationState::Complete && operation.spend.tokens.output > 0;
        if let (Some(tool), true) = (operation.tool.as_deref(), reported) {
            let key = (operation.agent.as_deref(), tool, operation.model.as_deref());
            groups.entry(key).or_default().push(operation.spend.tokens.output);
        }
    }
    groups
        .into_iter()
        .map(|((agent, tool, model), outputs)| {
            let outputs = sorted(outputs.into_iter());
            History {
                agent: agent.map(str::to_owned),
                tool: tool.to_owned(),
                model: model.map(str::to_owned),
                count: u32::try_from(outputs.len()).unwrap_or(u32::MAX),
                output_p50: rank(&outputs, 50).unwrap_or(0),
                output_p90: rank(&outputs, 90).unwrap_or(0),
            }
        })
        .collect()
}

fn sorted(values: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values
}

/// The smallest value that so many percent do not exceed.
fn rank(sorted: &[u64], percent: usize) -> Option<u64> {
    let place = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(place - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Spend;
    use crate::time::UnixMs;
    use crate::usage::Usage;

    fn operation(n: u32, state: OperationState, elapsed_ms: u64, cost: Option<i64>) -> Operation {
        let tokens = Usage { input: 5, output: elapsed_ms / 10, ..Usage::default() };
        Operation {
            state,
            tool: Some("codex".into()),
            model: Some("gpt-5".into()),
            elapsed_ms,
            first_output_ms: Some(elapsed_ms / 2),
            spend: Spend { tokens, cost_nano_usd: cost, ..Spend::default() },
            reason_code: Some(if n.is_multiple_of(2) { "preferred" } else { "fallback" }.into()),
            ..Operation::new(format!("exec-{n}").parse().expect("an id"), UnixMs(0))
        }
    }

    #[test]
    fn figures_are_of_what_was_measured() {
        let mut operations: Vec<Operation> = (1..=20)
            .map(|n| operation(n, OperationState::Complete, u64::from(n) * 100, Some(1_000)))
            .collect();
        operations.push(operation(21, OperationState::Error, 1, None));
        operations.push(operation(22, OperationState::Stopped, 1, Some(0)));
        operations.push(operation(23, OperationState::Running, 1, Some(0)));
        let stats = group(&operations, By::Model);
        let stat = &stats[0];
        assert_eq!((stat.operations, stat.complete, stat.failed, stat.stopped), (22, 20, 1, 1));
        assert_eq!(stat.success_permille, Some(952));
        assert_eq!((stat.duration_p50_ms, stat.duration_p95_ms), (Some(1_000), Some(1_900)));
        assert_eq!(stat.first_output_p50_ms, Some(500));
        assert_eq!(stat.tokens_per_s_milli, Some(100_000));
        assert_eq!((stat.cost_nano_usd, stat.cost_unknown), (20_000, 1));
        assert_eq!(stat.reasons, [("fallback".to_owned(), 11), ("preferred".to_owned(), 11)]);
    }

    #[test]
    fn history_is_by_agent_tool_and_model() {
        let operations: Vec<Operation> =
            (1..=20).map(|n| operation(n, OperationState::Complete, u64::from(n) * 100, None)).collect();
        let history = history(&operations);
        assert_eq!(history.len(), 1);
        assert_eq!((history[0].count, history[0].output_p50, history[0].output_p90), (20, 100, 180));
    }

    #[test]
    fn nothing_gives_nothing() {
        assert!(group(&[], By::Tool).is_empty());
        assert_eq!(rank(&[], 50), None);
    }
}
