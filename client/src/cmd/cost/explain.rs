//! The arithmetic of one operation, line by line.

use llmctl_proto::event::CostRecorded;
use llmctl_proto::ledger::{CostLine, LedgerRow};
use llmctl_proto::money::PicoUsd;
use llmctl_proto::paths::Paths;

use super::{print, println, records};
use crate::cmd::show;
use crate::error::{CliError, Exit, Outcome};
use crate::term::one_line;

pub(super) async fn run(paths: &Paths, id: &str, json: bool) -> Outcome {
    let operation = show::known(paths, id).await?.operation;
    let records = records::of(paths, operation.operation_id.as_str()).await?;
    if json {
        let text = serde_json::to_string_pretty(&records).map_err(|e| CliError::failed(e.to_string()))?;
        println(&text)?;
        return Ok(Exit::Ok);
    }
    if records.is_empty() {
        let why =
            if operation.state.is_final() { "nothing of it was started" } else { "it has not ended yet" };
        println(&format!("{}: no cost is recorded; {why}", operation.operation_id))?;
        return Ok(Exit::Ok);
    }
    let mut lines = vec![operation.operation_id.to_string()];
    for record in &records {
        attempt(&mut lines, record);
    }
    lines.push(conclusion(&records));
    lines.push(String::new());
    print(&lines.join("\n"))?;
    Ok(Exit::Ok)
}

fn attempt(lines: &mut Vec<String>, record: &CostRecorded) {
    lines.push(format!(
        "\nattempt {}  {}  begun {}, recorded {}",
        record.attempt,
        one_line(&record.tool, 60),
        record.started_at,
        record.recorded_at
    ));
    record.rows.iter().for_each(|one| row(lines, one));
    if let Some(drift) = &record.drift {
        lines.push(format!(
            "  differs: we compute {}, the tool says {}",
            dollars(drift.ours_pico_usd),
            dollars(drift.theirs_pico_usd)
        ));
    }
}

fn row(lines: &mut Vec<String>, row: &LedgerRow) {
    let model = if row.model.is_empty() { "(model not named)" } else { &row.model };
    let provider = row.provider.as_deref().map(|name| format!(" of {name}")).unwrap_or_default();
    lines.push(format!("  {}{}", one_line(model, 80), one_line(&provider, 60)));
    let count = word(&row.usage_source);
    lines.push(format!("    tokens {count}, cost {} ({})", word(&row.basis), row.source));
    if let Some(id) = &row.price_row {
        let from = row.price_valid_from.map_or_else(|| "always".to_owned(), |from| from.to_string());
        lines.push(format!("    price row {}, in force since {from}", one_line(id, 160)));
    }
    if row.lines.is_empty() {
        let tokens = &row.tokens;
        lines.push(format!("    {} tokens, without an arithmetic of ours", tokens.total()));
    }
    row.lines.iter().for_each(|one| lines.push(line(one)));
    match (row.computed_pico_usd, row.cost_pico_usd) {
        (Some(ours), Some(cost)) if ours == cost => lines.push(format!("    sum {}", sum(cost))),
        (Some(ours), cost) => {
            lines.push(format!("    we compute {}", sum(ours)));
            lines.push(format!("    counted    {}", cost.map_or_else(|| "unknown".to_owned(), sum)));
        }
        (None, Some(cost)) => lines.push(format!("    counted {}", sum(cost))),
        (None, None) => {
            lines.push("    cost unknown: no price for this model, and nobody else said one".to_owned());
        }
    }
    if let Some(said) = row.reported_pico_usd {
        lines.push(format!("    the tool says {}", dollars(said)));
    }
}

fn line(line: &CostLine) -> String {
    let per_million = PicoUsd(line.price_pico_usd.saturating_mul(1_000_000));
    let unit = if line.class == "web_search" || line.class == "request" {
        format!("{} each", PicoUsd(line.price_pico_usd))
    } else {
        format!("${}/M", per_million.exact())
    };
    let tier =
        line.tier_above.map(|above| format!(", above {} input tokens", grouped(above))).unwrap_or_default();
    let factor = line.factor.as_ref().map(|factor| format!(" × {factor}")).unwrap_or_default();
    let derived = if line.derived { ", derived" } else { "" };
    format!(
        "    {:<15} {:>14} × {:>14} pico-USD{factor} = {:>20} pico-USD   ({unit}{tier}{derived})",
        line.class,
        grouped(line.count),
        grouped(line.price_pico_usd.unsigned_abs()),
        grouped(line.amount_pico_usd.unsigned_abs()),
    )
}

fn conclusion(records: &[CostRecorded]) -> String {
    let rows = || records.iter().flat_map(|record| &record.rows);
    let costs: Option<Vec<PicoUsd>> = rows().map(|row| row.cost_pico_usd).collect();
    match costs.and_then(|costs| PicoUsd::sum(costs).ok()) {
        Some(cost) => format!(
            "\ntotal {} pico-USD, rounded half to even to {} nano-USD = {}",
            grouped(cost.0.unsigned_abs()),
            grouped(cost.nano().unsigned_abs()),
            dollars(cost)
        ),
        None => "\ntotal unknown".to_owned(),
    }
}

fn sum(amount: PicoUsd) -> String {
    format!("{} pico-USD = {}", grouped(amount.0.unsigned_abs()), dollars(amount))
}

fn dollars(amount: PicoUsd) -> String {
    format!("${}", amount.exact())
}

fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Digits in groups of three: `4,574,400`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (4_574_400_000, "4,574,400,000")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn a_line_shows_every_factor() {
        let text = line(&CostLine {
            class: "cache_read".into(),
            count: 12_532,
            price_pico_usd: 200_000,
            tier_above: Some(200_000),
            factor: Some("1/2".into()),
            amount_pico_usd: 1_253_200_000,
            derived: true,
        });
        for part in
            ["12,532", "200,000 pico-USD × 1/2", "1,253,200,000", "$0.2/M", "above 200,000", "derived"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
