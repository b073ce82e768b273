//! What was spent: sums of the ledger, the arithmetic of one operation, budgets.

use std::sync::Arc;

use http::{Request, StatusCode};
use hyper::body::Incoming;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use llmctl_proto::ledger::report::{By, Sum};
use llmctl_proto::ledger::{Bucket, Table, cost_of};
use llmctl_proto::money::PicoUsd;
use llmctl_proto::state::Operation;
use llmctl_proto::time::UnixMs;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::reply::{self, Reply};
use super::routes::query;
use super::serve::Ctx;
use crate::store::LedgerQuery;

/// Records that are read at once.
const PAGE: usize = 500;
/// Lines of one answer.
const MAX_LINES: usize = 10_000;
/// Attempts of one operation that are told.
const MAX_ATTEMPTS: usize = 1_000;
/// Answers over the ledger that are worked on at once.
const AT_ONCE: usize = 2;

/// Who may read the ledger now; the rest wait for their turn.
#[derive(Debug, Clone)]
pub(crate) struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

/// What is asked for.
struct Asked {
    from: Option<UnixMs>,
    to: Option<UnixMs>,
    bucket: Bucket,
    by: By,
    zone: TimeZone,
}

impl Asked {
    fn read(request: &Request<Incoming>, configured: &str) -> Result<Self, String> {
        let one = |name: &str| query(request, name).pop();
        let zone = one("timezone").unwrap_or_else(|| configured.to_owned());
        let zone = match zone.as_str() {
            "" => TimeZone::UTC,
            name => TimeZone::get(name).map_err(|_| format!("timezone: {name:?} is not known."))?,
        };
        let bucket = one("bucket").unwrap_or_else(|| "all".to_owned());
        let by = one("by").unwrap_or_else(|| "model".to_owned());
        Ok(Self {
            from: moment(one("from"), "from")?,
            to: moment(one("to"), "to")?,
            bucket: Bucket::named(&bucket).ok_or("bucket must be hour, day, month or all.")?,
            by: By::named(&by).ok_or_else(|| {
                let names: Vec<&str> = By::ALL.iter().map(|by| by.as_str()).collect();
                format!("by must be one of {}.", names.join(", "))
            })?,
            zone,
        })
    }
}

/// A time as RFC 3339, or in milliseconds since 1970.
fn moment(text: Option<String>, name: &str) -> Result<Option<UnixMs>, String> {
    let Some(text) = text else { return Ok(None) };
    let ms = text.parse::<i64>().ok().or_else(|| Some(text.parse::<Timestamp>().ok()?.as_millisecond()));
    ms.map(|ms| Some(UnixMs(ms)))
        .ok_or_else(|| format!("{name} must be a time such as 2026-11-23T00:00:00Z."))
}

/// `GET /api/costs`: sums by time and by something else; they add up to the total.
pub(super) async fn costs(ctx: &Ctx, request: &Request<Incoming>) -> Reply {
    let deps = &ctx.shared.deps;
    let configured = match deps.hub.overview().await {
        Ok(overview) => overview.timezone,
        Err(error) => return reply::stopping(error),
    };
    let asked = match Asked::read(request, &configured) {
        Ok(asked) => asked,
        Err(text) => return reply::bad("invalid_value", &text),
    };
    let Ok(_turn) = ctx.shared.ledger_turns.0.acquire().await else { return reply::not_found() };
    let (mut table, mut total) = (Table::new(asked.bucket, asked.by, asked.zone.clone()), Sum::default());
    let mut query = LedgerQuery { from: asked.from, to: asked.to, limit: PAGE, ..LedgerQuery::default() };
    loop {
        let page = match deps.store.ledger(query.clone()).await {
            Ok(page) => page,
            Err(error) => return reply::store_gone(error),
        };
        for record in &page {
            table.add(record);
            total.add_record(record);
        }
        if table.len() > MAX_LINES {
            let text = "More than 10,000 sums: ask for a shorter time, a larger bucket or another grouping.";
            return reply::bad("too_many", text);
        }
        let Some(last) = page.last().filter(|_| page.len() == PAGE) else { break };
        query.after = Some((last.recorded_at, last.operation_id.to_string(), last.attempt));
    }
    let rows: Vec<Value> = table
        .into_lines()
        .into_iter()
        .map(|line| {
            let mut row = line.sum.to_json();
            row["bucket"] = json!(line.bucket);
            row["key"] = json!(line.key);
            row["cost_nano_usd"] = json!(line.cost_nano_usd);
            row
        })
        .collect();
    let timezone = asked.zone.iana_name().unwrap_or("UTC");
    reply::json(StatusCode::OK, &json!({"rows": rows, "total": total.to_json(), "timezone": timezone}))
}

/// `GET /api/operations/{id}/cost`: every attempt with its rows and their arithmetic.
pub(super) async fn explain(ctx: &Ctx, operation: &Operation) -> Reply {
    let query = LedgerQuery {
        operation_id: Some(operation.operation_id.clone()),
        limit: MAX_ATTEMPTS,
        ..LedgerQuery::default()
    };
    let attempts = match ctx.shared.deps.store.ledger(query).await {
        Ok(attempts) => attempts,
        Err(error) => return reply::store_gone(error),
    };
    let sum: i128 = attempts.iter().map(|record| i128::from(cost_of(record).0)).sum();
    let sum = PicoUsd::from_sum(sum).unwrap_or(PicoUsd(i64::MAX));
    let unknown = attempts.iter().flat_map(|record| &record.rows).any(|row| row.cost_pico_usd.is_none());
    let body = json!({
        "operation_id": operation.operation_id,
        "attempts": attempts,
        "cost_pico_usd": sum,
        "cost_nano_usd": sum.nano(),
        "unknown": unknown,
    });
    reply::json(StatusCode::OK, &body)
}

/// `GET /api/budgets`: how far the budgets of the default policy are used.
pub(super) async fn budgets(ctx: &Ctx) -> Reply {
    match ctx.shared.deps.hub.overview().await {
        Ok(overview) => reply::json(StatusCode::OK, &overview.budgets),
        Err(error) => reply::stopping(error),
    }
}
