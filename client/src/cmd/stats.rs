//! `llmctl stats`: how models, tools and agents do.

use llmctl_proto::paths::Paths;
use llmctl_proto::pb::ListOperationsRequest;
use llmctl_proto::state::Operation;
use llmctl_proto::stats::{By, Stat, group};
use llmctl_proto::time::UnixMs;

use super::{find, print, println};
use crate::cli::{self, StatsBy};
use crate::error::{CliError, Exit, Outcome};
use crate::link::{self, LinkError};
use crate::term::{Table, cost, duration, one_line, tokens};

/// Operations of one question.
const PAGE: u32 = 500;
/// Operations that are looked at; older ones are left out, and that is said.
const MOST: usize = 100_000;

pub(super) async fn run(paths: &Paths, args: cli::Stats) -> Outcome {
    let since = UnixMs::now().0 - i64::try_from(args.since.as_millis()).unwrap_or(i64::MAX);
    let operations = operations(paths, since).await?;
    let by = match args.by {
        StatsBy::Model => By::Model,
        StatsBy::Tool => By::Tool,
        StatsBy::Agent => By::Agent,
    };
    let stats = group(&operations, by);
    if args.json {
        let text = serde_json::to_string_pretty(&stats).map_err(|e| CliError::failed(e.to_string()))?;
        println(&text)?;
        return Ok(Exit::Ok);
    }
    if stats.is_empty() {
        println("no operation has ended in this time")?;
        return Ok(Exit::Ok);
    }
    print(&table(&stats, by))?;
    if operations.len() >= MOST {
        println(&format!("the newest {MOST} operations; older ones are left out"))?;
    }
    Ok(Exit::Ok)
}

async fn operations(paths: &Paths, since_ms: i64) -> Result<Vec<Operation>, CliError> {
    let mut client = match link::connect(paths).await {
        Ok(client) => client,
        Err(LinkError::NotRunning(_)) => {
            return Ok(find::newest(paths, MOST, |operation| operation.submitted_at.0 >= since_ms));
        }
        Err(error) => return Err(error.into()),
    };
    let mut found: Vec<Operation> = Vec::new();
    loop {
        let before = found.last().map(|last| last.operation_id.to_string()).unwrap_or_default();
        let request =
            ListOperationsRequest { since_ms, limit: PAGE, before, ..ListOperationsRequest::default() };
        let page = client.list_operations(request).await?.into_inner().operations;
        let whole = page.len() < PAGE as usize;
        found.extend(page.iter().filter_map(|json| serde_json::from_str(json).ok()));
        if whole || found.len() >= MOST {
            return Ok(found);
        }
    }
}

fn table(stats: &[Stat], by: By) -> String {
    let head = match by {
        By::Model => "MODEL",
        By::Tool => "TOOL",
        By::Agent => "AGENT",
    };
    let mut table = Table::new(&[
        head,
        "OPERATIONS",
        "SUCCESS",
        "P50",
        "P95",
        "FIRST OUTPUT",
        "TOKENS/S",
        "TOKENS",
        "COST",
        "EACH",
        "REASONS",
    ]);
    let time = |ms: Option<u64>| ms.map_or_else(|| "-".to_owned(), duration);
    for stat in stats {
        let success =
            stat.success_permille.map_or_else(|| "-".to_owned(), |p| format!("{}.{} %", p / 10, p % 10));
        let rate = stat
            .tokens_per_s_milli
            .map_or_else(|| "-".to_owned(), |rate| format!("{}.{}", rate / 1_000, rate % 1_000 / 100));
        let more = if stat.cost_unknown > 0 { "+" } else { "" };
        let reasons: Vec<String> =
            stat.reasons.iter().take(3).map(|(code, count)| format!("{code} {count}")).collect();
        table.row(vec![
            stat.key.as_deref().map_or_else(|| "-".to_owned(), |key| one_line(key, 40)),
            stat.operations.to_string(),
            success,
            time(stat.duration_p50_ms),
            time(stat.duration_p95_ms),
            time(stat.first_output_p50_ms),
            rate,
            tokens(stat.tokens),
            format!("{}{more}", cost(Some(stat.cost_nano_usd))),
            stat.cost_each_nano_usd.map_or_else(|| "unknown".to_owned(), |nano| cost(Some(nano))),
            one_line(&reasons.join(", "), 60),
        ]);
    }
    table.render()
}
