//! The lines of an export: what is read from the store, page by page, and how it is written as JSON or CSV.
//!
//! CSV is RFC 4180 with a header row; its cells are `csv`'s. What the store has is never changed here.

use bytes::Bytes;
use llmctl_proto::event::CostRecorded;
use llmctl_proto::ids::OperationId;
use llmctl_proto::time::UnixMs;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Span;
use super::csv::{Cells, cost_cells, event_cells, operation_cells};
use crate::store::{EventQuery, LedgerQuery, OperationQuery, Store, StoreError};

/// Records that are read at once.
const PAGE: usize = 256;

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Operations,
    Costs,
    Events,
}

impl Kind {
    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Operations, Self::Costs, Self::Events].into_iter().find(|kind| kind.as_str() == name)
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Operations => "operations",
            Self::Costs => "costs",
            Self::Events => "events",
        }
    }

    /// The first line of CSV.
    pub(super) fn header(self) -> &'static str {
        match self {
            Self::Operations => {
                "operation_id,state,tool,model,provider,agent,task_type,task_id,project,policy,submitted_at,\
                 started_at,ended_at,elapsed_ms,first_output_ms,attempts,input,cache_read,cache_write_5m,\
                 cache_write_1h,output,reasoning,web_searches,tokens,cost_nano_usd,cost_usd,cost_basis,\
                 reported_cost_nano_usd,exit_code,error_class,reason_code\r\n"
            }
            Self::Costs => {
                "recorded_at,started_at,operation_id,attempt,tool,provider,model,agent,project,task_type,task_id,\
                 policy,input,cache_read,cache_write_5m,cache_write_1h,output,reasoning,web_searches,tokens,\
                 usage_source,basis,source,price_row,cost_pico_usd,cost_usd,reported_pico_usd\r\n"
            }
            Self::Events => "at,epoch,seq,type,operation_id,data\r\n",
        }
    }
}

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Jsonl,
    Json,
    Csv,
}

impl Format {
    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Jsonl, Self::Json, Self::Csv].into_iter().find(|format| format.as_str() == name)
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Json => "json",
            Self::Csv => "csv",
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Jsonl => "application/x-ndjson",
            Self::Json => "application/json; charset=utf-8",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        }
    }
}

/// Where the next page begins.
enum At {
    Operations(Option<OperationId>),
    Costs(Option<(UnixMs, String, u32)>),
    Events(u64),
    /// There is nothing more to read.
    End,
}

/// Reads the store page by page and writes what it reads.
pub(super) struct Source {
    store: Store,
    kind: Kind,
    format: Format,
    span: Span,
    at: At,
    begun: bool,
    rows: u64,
}

impl Source {
    pub(super) fn new(store: Store, kind: Kind, format: Format, span: Span) -> Self {
        let at = match kind {
            Kind::Operations => At::Operations(None),
            Kind::Costs => At::Costs(None),
            Kind::Events => At::Events(0),
        };
        Self { store, kind, format, span, at, begun: false, rows: 0 }
    }

    /// The next piece of the file; none after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        let mut text = String::new();
        if !std::mem::replace(&mut self.begun, true) {
            match self.format {
                Format::Csv => text.push_str(self.kind.header()),
                Format::Json => text.push('['),
                Format::Jsonl => {}
            }
        }
        // A page of which nothing is wanted makes no piece.
        while !matches!(self.at, At::End) {
            self.page(&mut text).await?;
            if matches!(self.at, At::End) && self.format == Format::Json {
                text.push_str("\n]\n");
            }
            if !text.is_empty() {
                break;
            }
        }
        Ok((!text.is_empty()).then(|| text.into()))
    }

    async fn page(&mut self, text: &mut String) -> Result<(), StoreError> {
        let (from, to) = self.span;
        let within = |at: UnixMs| from.is_none_or(|from| from <= at) && to.is_none_or(|to| at < to);
        match std::mem::replace(&mut self.at, At::End) {
            At::Operations(before) => {
                let query = OperationQuery { before, limit: PAGE, ..OperationQuery::default() };
                let page = self.store.operations(query).await?;
                let last = page.last().filter(|_| page.len() == PAGE).map(|last| last.operation_id.clone());
                for operation in page.iter().filter(|operation| within(operation.submitted_at)) {
                    self.put(text, operation, |cells| operation_cells(cells, operation));
                }
                self.at = last.map_or(At::End, |last| At::Operations(Some(last)));
            }
            At::Costs(after) => {
                let query = LedgerQuery { from, to, after, limit: PAGE, ..LedgerQuery::default() };
                let page = self.store.ledger(query).await?;
                let key = |r: &CostRecorded| (r.recorded_at, r.operation_id.to_string(), r.attempt);
                let last = page.last().filter(|_| page.len() == PAGE).map(key);
                for record in &page {
                    if self.format == Format::Csv {
                        for row in &record.rows {
                            self.put(text, row, |cells| cost_cells(cells, record, row));
                        }
                    } else {
                        self.put(text, record, |_| {});
                    }
                }
                self.at = last.map_or(At::End, |last| At::Costs(Some(last)));
            }
            At::Events(after) => {
                let page =
                    self.store.events(EventQuery { after, limit: PAGE, ..EventQuery::default() }).await?;
                let mut last = after;
                for json in &page {
                    // What cannot be read is passed over.
                    let Ok(event) = serde_json::from_str::<Stored<'_>>(json) else { continue };
                    last = last.max(event.seq);
                    if within(event.at) {
                        self.put(text, &event.line(json), |cells| event_cells(cells, &event));
                    }
                }
                let more = page.len() == PAGE && last > after;
                self.at = if more { At::Events(last) } else { At::End };
            }
            At::End => {}
        }
        Ok(())
    }

    fn put(&mut self, text: &mut String, value: &impl Serialize, cells: impl FnOnce(&mut Cells<'_>)) {
        let json = |text: &mut String| text.push_str(&serde_json::to_string(value).unwrap_or_default());
        match self.format {
            Format::Csv => {
                cells(&mut Cells::new(text));
                text.push_str("\r\n");
            }
            Format::Jsonl => {
                json(text);
                text.push('\n');
            }
            Format::Json => {
                text.push_str(if self.rows == 0 { "\n" } else { ",\n" });
                json(text);
            }
        }
        self.rows += 1;
    }
}

/// A stored event: what is looked at, and the rest as it is.
#[derive(Deserialize)]
pub(super) struct Stored<'a> {
    pub(super) epoch: String,
    pub(super) seq: u64,
    pub(super) at: UnixMs,
    #[serde(rename = "type")]
    pub(super) type_name: String,
    #[serde(borrow)]
    pub(super) data: &'a RawValue,
}

impl Stored<'_> {
    /// The envelope as it was stored.
    fn line(&self, json: &str) -> Value {
        serde_json::from_str(json).unwrap_or_else(|_| Value::from(self.seq))
    }
}
