//! What an operation cost whose runner died before it could say so: as its journal last had it. Pure.

use llmctl_proto::event::{CostRecorded, Spend};
use llmctl_proto::ledger::LedgerRow;
use llmctl_proto::money::PicoUsd;
use llmctl_proto::state::Operation;
use llmctl_proto::time::UnixMs;
use llmctl_proto::usage::{Usage, UsageSource};

/// The record of the attempt that was under way; none when nothing ran, or its runner had recorded it.
pub(super) fn cost(operation: &Operation, records: &[CostRecorded], now: UnixMs) -> Option<CostRecorded> {
    let started_at = operation.started_at?;
    if records.iter().any(|record| record.attempt == operation.attempt) {
        return None;
    }
    let spend = &operation.spend;
    let row = LedgerRow {
        model: operation.model.clone().unwrap_or_default(),
        provider: operation.provider.clone(),
        tokens: rest(spend, records),
        usage_source: match spend.usage_source {
            UsageSource::Reported => UsageSource::Partial,
            other => other,
        },
        cost_pico_usd: rest_of_cost(spend, records),
        basis: spend.cost_basis,
        source: "last_seen".to_owned(),
        ..LedgerRow::default()
    };
    let cost_nano_usd = row.cost_pico_usd.map(PicoUsd::nano);
    Some(CostRecorded {
        operation_id: operation.operation_id.clone(),
        attempt: operation.attempt,
        tool: operation.tool.clone().unwrap_or_default(),
        provider: operation.provider.clone(),
        agent: operation.agent.clone(),
        project: operation.project.clone(),
        task_type: operation.task_type.clone(),
        task_id: operation.task_id.clone(),
        policy: operation.policy.clone(),
        started_at,
        recorded_at: now,
        rows: vec![row],
        cost_nano_usd,
        drift: None,
    })
}

/// Tokens that no earlier attempt has recorded.
fn rest(spend: &Spend, records: &[CostRecorded]) -> Usage {
    let before = records
        .iter()
        .flat_map(|record| &record.rows)
        .fold(Usage::default(), |sum, row| sum.plus(&row.tokens));
    spend.tokens.minus(&before)
}

fn rest_of_cost(spend: &Spend, records: &[CostRecorded]) -> Option<PicoUsd> {
    let before: Option<i64> = records.iter().map(|record| record.cost_nano_usd).sum();
    PicoUsd::from_nano(spend.cost_nano_usd?.saturating_sub(before?).max(0)).ok()
}

#[cfg(test)]
mod tests {
    use llmctl_proto::event::CostBasis;

    use super::*;

    fn operation() -> Operation {
        let id = "exec-1".parse().expect("an id");
        let tokens = Usage { input: 100, output: 30, ..Usage::default() };
        Operation {
            started_at: Some(UnixMs(5)),
            attempt: 2,
            tool: Some("codex".into()),
            spend: Spend {
                tokens,
                usage_source: UsageSource::Estimated,
                cost_nano_usd: Some(900),
                cost_basis: CostBasis::Computed,
                reported_cost_nano_usd: None,
            },
            ..Operation::new(id, UnixMs(1))
        }
    }

    #[test]
    fn only_what_no_attempt_recorded_is_counted() {
        let operation = operation();
        let all = cost(&operation, &[], UnixMs(9)).expect("it ran");
        assert_eq!(all.cost_nano_usd, Some(900));
        let first = CostRecorded {
            attempt: 1,
            cost_nano_usd: Some(300),
            rows: vec![LedgerRow { tokens: Usage { input: 40, ..Usage::default() }, ..LedgerRow::default() }],
            ..all
        };
        let second = cost(&operation, std::slice::from_ref(&first), UnixMs(9)).expect("the second ran too");
        assert_eq!(second.cost_nano_usd, Some(600));
        assert_eq!(second.rows[0].tokens, Usage { input: 60, output: 30, ..Usage::default() });
        let recorded = CostRecorded { attempt: 2, ..first };
        assert_eq!(cost(&operation, &[recorded], UnixMs(9)), None);
    }
}
