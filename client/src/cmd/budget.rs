//! `llmctl budget`: how far each budget is used, and the cost limit of a running operation.

use llmctl_proto::admission::{FactsQuery, SharedFacts};
use llmctl_proto::config::LimitKind;
use llmctl_proto::money::show_nano;
use llmctl_proto::paths::Paths;
use llmctl_proto::pb::{GetSharedFactsRequest, SetOperationBudgetRequest};
use llmctl_proto::state::Operation;
use llmctl_proto::time::UnixMs;

use super::{print, println};
use crate::cli::config::ConfigFlags;
use crate::cli::{BudgetArgs, BudgetVerb, Limit};
use crate::config;
use crate::error::{CliError, Exit, Outcome};
use crate::link;
use crate::term::{Table, duration, one_line};

pub(super) async fn run(paths: &Paths, flags: &ConfigFlags, args: BudgetArgs) -> Outcome {
    match args.verb {
        None => show(paths, flags, args.policy.as_deref(), args.json).await,
        Some(BudgetVerb::Set { id, max_cost }) => set(paths, id, max_cost).await,
    }
}

async fn show(paths: &Paths, flags: &ConfigFlags, policy: Option<&str>, json: bool) -> Outcome {
    let loaded = config::load(paths, flags)?;
    config::notice(&loaded);
    let (_, policy) = loaded
        .config
        .policy(policy, None)
        .map_err(|name| CliError::usage(format!("unknown policy {name:?}")))?;
    let budgets = policy.budgets;
    let facts = facts(paths, FactsQuery { budgets, ..FactsQuery::default() }).await?;
    if json {
        println(&serde_json::to_string_pretty(&facts.budgets).unwrap_or_default())?;
        return Ok(Exit::Ok);
    }
    if facts.budgets.is_empty() {
        println("no budgets are configured")?;
        return Ok(Exit::Ok);
    }
    let now = UnixMs::now();
    let mut table =
        Table::new(&["BUDGET", "SPENT", "RESERVED", "LIMIT", "USED", "TYPE", "POLICY", "STARTS AGAIN"]);
    for budget in facts.budgets {
        let kind = if budget.kind == LimitKind::Hard { "hard" } else { "soft" };
        let again = budget.resets_at.map_or_else(
            || "-".to_owned(),
            |at| format!("in {}", duration(u64::try_from(at.0 - now.0).unwrap_or(0))),
        );
        table.row(vec![
            one_line(&budget.title(), 48),
            show_nano(budget.spent_nano_usd),
            show_nano(budget.reserved_nano_usd),
            show_nano(budget.limit_nano_usd),
            format!("{} %", budget.used_percent),
            kind.to_owned(),
            one_line(&budget.policy, 24),
            again,
        ]);
    }
    print(&table.render())?;
    Ok(Exit::Ok)
}

/// What the hub knows of budgets; it is started if need be, since nobody else has the sums.
async fn facts(paths: &Paths, query: FactsQuery) -> Result<SharedFacts, CliError> {
    let mut client = link::ensure_running(paths).await?;
    let query = serde_json::to_string(&query).map_err(|e| CliError::failed(e.to_string()))?;
    let answer = client.get_shared_facts(GetSharedFactsRequest { query }).await?.into_inner();
    serde_json::from_str(&answer.facts)
        .map_err(|e| CliError::failed("the daemon's answer cannot be read").caused_by(e))
}

async fn set(paths: &Paths, id: String, limit: Limit) -> Outcome {
    let mut client = link::connect(paths).await?;
    let request = SetOperationBudgetRequest { id, max_cost_nano_usd: limit.0 };
    let answer = client.set_operation_budget(request).await?.into_inner();
    let operation: Operation = serde_json::from_str(&answer.operation)
        .map_err(|e| CliError::failed("the daemon's answer cannot be read").caused_by(e))?;
    let limit = operation.max_cost_nano_usd.map_or_else(|| "no limit".to_owned(), show_nano);
    println(&format!("{}: at most {limit} ({})", operation.operation_id, operation.state.as_str()))?;
    Ok(Exit::Ok)
}
