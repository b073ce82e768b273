//! Every row of the ledger for other programs: CSV as RFC 4180 has it, or JSON lines. Nothing is collected first.

use llmctl_proto::event::CostRecorded;
use llmctl_proto::ledger::LedgerRow;
use llmctl_proto::money::PicoUsd;
use llmctl_proto::paths::Paths;
use llmctl_proto::time::UnixMs;
use serde_json::json;

use super::{print, records, span, zone};
use crate::cli;
use crate::cli::config::ConfigFlags;
use crate::error::{Exit, Outcome};

const HEAD: [&str; 25] = [
    "recorded_at",
    "operation_id",
    "attempt",
    "tool",
    "provider",
    "model",
    "agent",
    "project",
    "task_type",
    "task_id",
    "policy",
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "output",
    "reasoning",
    "web_searches",
    "usage_source",
    "cost_pico_usd",
    "cost_usd",
    "basis",
    "source",
    "reported_pico_usd",
    "price_row",
];

pub(super) async fn run(paths: &Paths, flags: &ConfigFlags, asked: &cli::Span, csv: bool) -> Outcome {
    let zone = zone(paths, flags, asked.timezone.as_deref())?;
    let span = span(asked, &zone, UnixMs::now())?;
    if csv {
        print(&csv_line(HEAD.iter().map(|name| (*name).to_owned())))?;
    }
    records::each(paths, span, |record| {
        let text: String = record
            .rows
            .iter()
            .map(|row| if csv { csv_line(cells(&record, row)) } else { json_line(&record, row) })
            .collect();
        print(&text)
    })
    .await?;
    Ok(Exit::Ok)
}

fn cells(record: &CostRecorded, row: &LedgerRow) -> impl Iterator<Item = String> {
    let opt = |value: &Option<String>| value.clone().unwrap_or_default();
    let pico = |value: Option<PicoUsd>| value.map(|amount| amount.0.to_string()).unwrap_or_default();
    let word = |value: serde_json::Value| value.as_str().map(str::to_owned).unwrap_or_default();
    let t = &row.tokens;
    let counts =
        [t.input, t.cache_read, t.cache_write_5m, t.cache_write_1h, t.output, t.reasoning, t.web_searches];
    let names = [
        record.recorded_at.to_string(),
        record.operation_id.to_string(),
        record.attempt.to_string(),
        record.tool.clone(),
        row.provider.clone().or_else(|| record.provider.clone()).unwrap_or_default(),
        row.model.clone(),
        opt(&record.agent),
        opt(&record.project),
        opt(&record.task_type),
        opt(&record.task_id),
        opt(&record.policy),
    ];
    let money = [
        word(json!(row.usage_source)),
        pico(row.cost_pico_usd),
        row.cost_pico_usd.map(PicoUsd::exact).unwrap_or_default(),
        word(json!(row.basis)),
        row.source.clone(),
        pico(row.reported_pico_usd),
        opt(&row.price_row),
    ];
    names.into_iter().chain(counts.map(|count| count.to_string())).chain(money)
}

fn csv_line(cells: impl Iterator<Item = String>) -> String {
    let mut line = cells.map(|cell| quoted(&cell)).collect::<Vec<_>>().join(",");
    line.push_str("\r\n");
    line
}

/// Quotes where RFC 4180 wants it. A cell that a spreadsheet would take for a formula gets an apostrophe.
fn quoted(cell: &str) -> String {
    let guarded =
        if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.to_owned() };
    if guarded.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded
    }
}

fn json_line(record: &CostRecorded, row: &LedgerRow) -> String {
    let mut value = json!({
        "recorded_at": record.recorded_at,
        "operation_id": record.operation_id,
        "attempt": record.attempt,
        "tool": record.tool,
        "agent": record.agent,
        "project": record.project,
        "task_type": record.task_type,
        "task_id": record.task_id,
        "policy": record.policy,
        "started_at": record.started_at,
        "cost_usd": row.cost_pico_usd.map(PicoUsd::exact),
    });
    if let (Some(all), Ok(serde_json::Value::Object(own))) =
        (value.as_object_mut(), serde_json::to_value(row))
    {
        all.extend(own);
    }
    format!("{value}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_formulas_are_text() {
        for (cell, text) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("=1+1", "'=1+1"),
            ("@x,y", "\"'@x,y\""),
            ("two\nlines", "\"two\nlines\""),
        ] {
            assert_eq!(quoted(cell), text);
        }
    }
}
