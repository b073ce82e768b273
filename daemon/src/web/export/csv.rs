//! The cells of CSV lines. Money is an integer and, beside it, a decimal text. A text that a spreadsheet would take for
//! a formula gets a leading `'`. Reads nothing.

use std::fmt::{Display, Write as _};

use llmctl_proto::event::CostRecorded;
use llmctl_proto::ledger::LedgerRow;
use llmctl_proto::money::PicoUsd;
use llmctl_proto::state::Operation;
use llmctl_proto::usage::Usage;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::rows::Stored;

/// The cells of one line of CSV.
pub(super) struct Cells<'a> {
    text: &'a mut String,
    first: bool,
}

impl<'a> Cells<'a> {
    /// A line that is added to a text.
    pub(super) fn new(text: &'a mut String) -> Self {
        Self { text, first: true }
    }

    fn next(&mut self) -> &mut String {
        if !std::mem::take(&mut self.first) {
            self.text.push(',');
        }
        self.text
    }

    /// A number, or nothing.
    fn number(&mut self, value: Option<impl Display>) -> &mut Self {
        let text = self.next();
        if let Some(value) = value {
            // Writing to a string cannot fail.
            let _ = write!(text, "{value}");
        }
        self
    }

    /// A text of whatever content.
    fn words(&mut self, value: Option<&str>) -> &mut Self {
        let text = self.next();
        let Some(value) = value else { return self };
        let formula = value.starts_with(['=', '+', '-', '@', '\t', '\r']);
        if formula || value.contains([',', '"', '\n', '\r']) {
            text.push('"');
            text.push_str(if formula { "'" } else { "" });
            text.push_str(&value.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(value);
        }
        self
    }

    /// A plain enum as its name in JSON.
    fn name(&mut self, value: &impl Serialize) -> &mut Self {
        let name = serde_json::to_value(value).ok();
        self.words(name.as_ref().and_then(Value::as_str))
    }

    fn tokens(&mut self, tokens: &Usage) -> &mut Self {
        let Usage { input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, web_searches } =
            *tokens;
        let classes = [
            input,
            cache_read,
            cache_write_5m,
            cache_write_1h,
            output,
            reasoning,
            web_searches,
            tokens.total(),
        ];
        classes.into_iter().fold(self, |cells, count| cells.number(Some(count)))
    }
}

pub(super) fn operation_cells(cells: &mut Cells<'_>, o: &Operation) {
    let cost = o.spend.cost_nano_usd;
    cells
        .words(Some(o.operation_id.as_str()))
        .words(Some(o.state.as_str()))
        .words(o.tool.as_deref())
        .words(o.model.as_deref())
        .words(o.provider.as_deref())
        .words(o.agent.as_deref())
        .words(o.task_type.as_deref())
        .words(o.task_id.as_deref())
        .words(o.project.as_deref())
        .words(o.policy.as_deref())
        .number(Some(o.submitted_at))
        .number(o.started_at)
        .number(o.ended_at)
        .number(Some(o.elapsed_ms))
        .number(o.first_output_ms)
        .number(Some(o.attempt))
        .tokens(&o.spend.tokens)
        .number(cost)
        .number(cost.and_then(|nano| PicoUsd::from_nano(nano).ok()).map(PicoUsd::exact))
        .name(&o.spend.cost_basis)
        .number(o.spend.reported_cost_nano_usd)
        .number(o.exit_code)
        .words(o.error.as_ref().map(|error| error.class.as_str()))
        .words(o.reason_code.as_deref());
}

pub(super) fn cost_cells(cells: &mut Cells<'_>, record: &CostRecorded, row: &LedgerRow) {
    cells
        .number(Some(record.recorded_at))
        .number(Some(record.started_at))
        .words(Some(record.operation_id.as_str()))
        .number(Some(record.attempt))
        .words(Some(&record.tool))
        .words(row.provider.as_deref().or(record.provider.as_deref()))
        .words(Some(&row.model))
        .words(record.agent.as_deref())
        .words(record.project.as_deref())
        .words(record.task_type.as_deref())
        .words(record.task_id.as_deref())
        .words(record.policy.as_deref())
        .tokens(&row.tokens)
        .name(&row.usage_source)
        .name(&row.basis)
        .words(Some(&row.source))
        .words(row.price_row.as_deref())
        .number(row.cost_pico_usd.map(|cost| cost.0))
        .number(row.cost_pico_usd.map(PicoUsd::exact))
        .number(row.reported_pico_usd.map(|cost| cost.0));
}

pub(super) fn event_cells(cells: &mut Cells<'_>, event: &Stored<'_>) {
    #[derive(Deserialize)]
    struct Of {
        operation_id: Option<String>,
    }
    let of = serde_json::from_str::<Of>(event.data.get()).ok().and_then(|of| of.operation_id);
    cells
        .number(Some(event.at))
        .words(Some(&event.epoch))
        .number(Some(event.seq))
        .words(Some(&event.type_name))
        .words(of.as_deref())
        .words(Some(event.data.get()));
}

#[cfg(test)]
mod tests {
    use llmctl_proto::time::UnixMs;

    use super::super::rows::Kind;
    use super::*;

    fn line(act: impl FnOnce(&mut Cells<'_>)) -> String {
        let mut text = String::new();
        act(&mut Cells::new(&mut text));
        text
    }

    #[test]
    fn what_a_spreadsheet_would_compute_is_text() {
        let cell = |text: &str| {
            line(|cells| {
                cells.words(Some(text));
            })
        };
        assert_eq!(cell("plain"), "plain");
        assert_eq!(cell("a,b"), "\"a,b\"");
        assert_eq!(cell("say \"x\"\n"), "\"say \"\"x\"\"\n\"");
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(cell(formula), format!("\"'{formula}\""));
        }
    }

    #[test]
    fn a_header_names_every_cell() {
        let record: CostRecorded = serde_json::from_value(serde_json::json!({
            "operation_id": "exec-a", "attempt": 1, "tool": "t", "started_at": "2026-11-23T00:00:00Z",
            "recorded_at": "2026-11-23T00:00:00Z", "rows": [],
        }))
        .expect("a record");
        let operation = Operation::new("exec-a".parse().expect("an id"), UnixMs(0));
        let cells = |text: String| text.split(',').count();
        let header = |kind: Kind| cells(kind.header().to_owned());
        let row = LedgerRow::default();
        assert_eq!(cells(line(|c| operation_cells(c, &operation))), header(Kind::Operations));
        assert_eq!(cells(line(|c| cost_cells(c, &record, &row))), header(Kind::Costs));
    }
}
