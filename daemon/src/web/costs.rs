//! What was spent: sums of the ledger, the arithmetic of one operation, budgets.

use std::collections::VecDeque;
use std::sync::Arc;

use http::{Request, StatusCode};
use hyper::body::Incoming;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use llmctl_proto::event::{CostRecorded, CostUpdate};
use llmctl_proto::ledger::report::{By, Sum, period_starts};
use llmctl_proto::ledger::{Bucket, Line, Table, cost_of};
use llmctl_proto::money::PicoUsd;
use llmctl_proto::state::Operation;
use llmctl_proto::time::UnixMs;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};

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
/// Rows without a cost that are named, the newest; all are counted.
const MAX_UNKNOWN: usize = 100;
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

impl Turns {
    /// Waits for a turn, which ends when it is dropped.
    pub(super) async fn take(&self) -> Option<SemaphorePermit<'_>> {
        self.0.acquire().await.ok()
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
    fn read(request: &Request<Incoming>, configured: &str, now: UnixMs) -> Result<Self, String> {
        let one = |name: &str| query(request, name).pop();
        let zone = zone(one("timezone").as_deref().unwrap_or(configured))?;
        let bucket = one("bucket").unwrap_or_else(|| "all".to_owned());
        let by = one("by").unwrap_or_else(|| "model".to_owned());
        let (from, to) = match one("range") {
            Some(name) => (range(&name, &zone, now)?, None),
            None => (moment(one("from"), "from", &zone)?, moment(one("to"), "to", &zone)?),
        };
        Ok(Self {
            from,
            to,
            bucket: Bucket::named(&bucket).ok_or("bucket must be hour, day, month or all.")?,
            by: By::named(&by).ok_or_else(|| {
                let names: Vec<&str> = By::ALL.iter().map(|by| by.as_str()).collect();
                format!("by must be one of {}.", names.join(", "))
            })?,
            zone,
        })
    }
}

/// A zone by its name; nothing is UTC.
pub(super) fn zone(name: &str) -> Result<TimeZone, String> {
    match name {
        "" => Ok(TimeZone::UTC),
        name => TimeZone::get(name).map_err(|_| format!("timezone: {name:?} is not known.")),
    }
}

/// The first moment of a span that ends now, on the clocks of a zone.
fn range(name: &str, zone: &TimeZone, now: UnixMs) -> Result<Option<UnixMs>, String> {
    let [day, week, month] = period_starts(zone, now).ok_or("There is no such date.")?;
    match name {
        "today" => Ok(Some(day)),
        "week" => Ok(Some(week)),
        "month" => Ok(Some(month)),
        "total" => Ok(None),
        _ => Err("range must be today, week, month or total.".to_owned()),
    }
}

/// A time as RFC 3339, in milliseconds since 1970, or a date, which is its first moment in the zone.
pub(super) fn moment(text: Option<String>, name: &str, zone: &TimeZone) -> Result<Option<UnixMs>, String> {
    let Some(text) = text else { return Ok(None) };
    let ms = || text.parse::<i64>().ok();
    let time = || Some(text.parse::<Timestamp>().ok()?.as_millisecond());
    let date = || {
        let date = text.parse::<Date>().ok().filter(|_| text.len() == "2026-11-23".len())?;
        Some(date.to_zoned(zone.clone()).ok()?.start_of_day().ok()?.timestamp().as_millisecond())
    };
    ms().or_else(time).or_else(date).map(|ms| Some(UnixMs(ms))).ok_or_else(|| {
        format!("{name} must be a time such as 2026-11-23T00:00:00Z, or a date such as 2026-11-23.")
    })
}

/// Sums of the ledger while it is read.
struct Sums {
    table: Table,
    /// The same over all time, beside sums by spans of it.
    groups: Option<Table>,
    total: Sum,
    /// Rows whose cost nobody knows, the newest, oldest first.
    unknown: VecDeque<Value>,
}

impl Sums {
    fn new(asked: &Asked) -> Self {
        let table = |bucket| Table::new(bucket, asked.by, asked.zone.clone());
        Self {
            table: table(asked.bucket),
            groups: (asked.bucket != Bucket::All).then(|| table(Bucket::All)),
            total: Sum::default(),
            unknown: VecDeque::new(),
        }
    }

    fn add(&mut self, record: &CostRecorded) {
        self.table.add(record);
        if let Some(groups) = &mut self.groups {
            groups.add(record);
        }
        self.total.add_record(record);
        for row in record.rows.iter().filter(|row| row.cost_pico_usd.is_none()) {
            if self.unknown.len() == MAX_UNKNOWN {
                self.unknown.pop_front();
            }
            self.unknown.push_back(json!({
                "operation_id": record.operation_id,
                "attempt": record.attempt,
                "tool": record.tool,
                "model": Some(&row.model).filter(|model| !model.is_empty()),
                "provider": row.provider.as_ref().or(record.provider.as_ref()),
                "agent": record.agent,
                "tokens_total": row.tokens.total(),
                "recorded_at": record.recorded_at,
            }));
        }
    }

    /// Lines of the larger table so far.
    fn len(&self) -> usize {
        self.table.len().max(self.groups.as_ref().map_or(0, Table::len))
    }
}

/// `GET /api/costs`: sums by time and by something else; they add up to the total.
pub(super) async fn costs(ctx: &Ctx, request: &Request<Incoming>) -> Reply {
    let deps = &ctx.shared.deps;
    let overview = match deps.hub.overview().await {
        Ok(overview) => overview,
        Err(error) => return reply::stopping(error),
    };
    let asked = match Asked::read(request, &overview.timezone, UnixMs::now()) {
        Ok(asked) => asked,
        Err(text) => return reply::bad("invalid_value", &text),
    };
    let Some(_turn) = ctx.shared.ledger_turns.take().await else { return reply::not_found() };
    let mut sums = Sums::new(&asked);
    let mut query = LedgerQuery { from: asked.from, to: asked.to, limit: PAGE, ..LedgerQuery::default() };
    loop {
        let page = match deps.store.ledger(query.clone()).await {
            Ok(page) => page,
            Err(error) => return reply::store_gone(error),
        };
        for record in &page {
            sums.add(record);
        }
        if sums.len() > MAX_LINES {
            let text = "More than 10,000 sums: ask for a shorter time, a larger bucket or another grouping.";
            return reply::bad("too_many", text);
        }
        let Some(last) = page.last().filter(|_| page.len() == PAGE) else { break };
        query.after = Some((last.recorded_at, last.operation_id.to_string(), last.attempt));
    }
    reply::json(StatusCode::OK, &answer(&asked, sums, &overview))
}

fn answer(asked: &Asked, sums: Sums, overview: &CostUpdate) -> Value {
    let mut answer = json!({
        "rows": lines(sums.table),
        "total": sums.total.to_json(),
        "timezone": asked.zone.iana_name().unwrap_or("UTC"),
        "from": asked.from,
        "to": asked.to,
        "unknown_rows": sums.unknown,
        "now": {
            "today_nano_usd": overview.today_nano_usd,
            "month_nano_usd": overview.month_nano_usd,
            "total_nano_usd": overview.total_nano_usd,
            "reserved_nano_usd": overview.reserved_nano_usd,
            "live_nano_usd": overview.live_nano_usd,
            "timezone": overview.timezone,
        },
    });
    if let Some(groups) = sums.groups {
        answer["groups"] = lines(groups);
    }
    answer
}

fn lines(table: Table) -> Value {
    let row = |line: Line| {
        let mut row = line.sum.to_json();
        row["bucket"] = json!(line.bucket);
        row["key"] = json!(line.key);
        row["cost_nano_usd"] = json!(line.cost_nano_usd);
        row
    };
    table.into_lines().into_iter().map(row).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_begin_in_the_zone() {
        let zone = zone("Europe/Zurich").expect("a zone");
        let at =
            |text: &str| moment(Some(text.to_owned()), "from", &zone).expect("a time").map(|t| t.to_string());
        assert_eq!(at("2026-11-23").as_deref(), Some("2026-11-22T23:00:00.000Z"));
        assert_eq!(at("2026-11-23T00:00:00Z").as_deref(), Some("2026-11-23T00:00:00.000Z"));
        assert_eq!(at("1795393919133").as_deref(), Some("2026-11-23T00:31:59.133Z"));
        for bad in ["yesterday", "2026-13-01", "2026-11-23T25:00", ""] {
            assert!(moment(Some(bad.to_owned()), "from", &zone).is_err(), "{bad}");
        }
    }

    #[test]
    fn ranges_end_now() {
        let now = UnixMs(1_795_393_919_133);
        let from = |name: &str| range(name, &TimeZone::UTC, now).expect("a range").map(|t| t.to_string());
        assert_eq!(from("today").as_deref(), Some("2026-11-23T00:00:00.000Z"));
        assert_eq!(from("week").as_deref(), Some("2026-11-23T00:00:00.000Z"));
        assert_eq!(from("month").as_deref(), Some("2026-11-01T00:00:00.000Z"));
        assert_eq!(from("total"), None);
        assert!(range("year", &TimeZone::UTC, now).is_err());
    }
}
