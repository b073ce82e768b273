//! `GET /api/events?order=newest` and `?before=CURSOR`: stored facts from the newest backwards, in pages.
//!
//! For readers that begin at the end, such as the page. Those that catch up read forwards (`history`). Looks at a
//! bounded number of facts for each request, so a filter that finds little gives short pages.

use std::fmt::Write as _;

use http::header::{HeaderValue, LINK};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use llmctl_proto::ids::{Cursor, OperationId};

use super::history::{Head, MAX_BYTES, MAX_ROWS, ROWS, matches, types};
use super::reply::{self, Reply};
use super::routes::{limit, percent_encode, query};
use super::serve::Ctx;
use crate::store::{EventQuery, Store, StoreError};

/// Longest text that is searched for, in bytes.
const MAX_TEXT: usize = 200;

/// Whether a request reads backwards.
pub(super) fn wanted(request: &Request<Incoming>) -> bool {
    !query(request, "before").is_empty() || query(request, "order").iter().any(|order| order == "newest")
}

/// What is asked for.
struct Asked {
    before: Option<Cursor>,
    types: Vec<String>,
    operation: Option<OperationId>,
    /// In lower case.
    text: Option<String>,
    limit: usize,
}

impl Asked {
    fn read(request: &Request<Incoming>) -> Result<Self, Box<Reply>> {
        let bad = |text: &str| Box::new(reply::bad("invalid_value", text));
        let before = query(request, "before").pop().map(|text| text.parse()).transpose();
        let operation = query(request, "operation").pop().map(|text| text.parse()).transpose();
        let text = query(request, "q").pop();
        if text.as_ref().is_some_and(|text| text.len() > MAX_TEXT) {
            return Err(bad("q has at most 200 bytes."));
        }
        Ok(Self {
            before: before.map_err(|error: String| bad(&error))?,
            types: types(request),
            operation: operation.map_err(|_| bad("operation must be the whole id of an operation."))?,
            text: text.map(|text| text.to_lowercase()),
            limit: limit(request, 200, 1_000)?,
        })
    }

    fn wants(&self, head: &Head, json: &str) -> bool {
        matches(&self.types, &head.type_name)
            && self.text.as_ref().is_none_or(|text| json.to_lowercase().contains(text.as_str()))
    }

    /// The address of what is older than a cursor.
    fn next(&self, before: Cursor) -> String {
        let mut link = format!("/api/events?limit={}&before={before}", self.limit);
        if !self.types.is_empty() {
            let names: Vec<String> = self.types.iter().map(|name| percent_encode(name)).collect();
            let _ = write!(link, "&types={}", names.join(","));
        }
        if let Some(operation) = &self.operation {
            let _ = write!(link, "&operation={operation}");
        }
        if let Some(text) = &self.text {
            let _ = write!(link, "&q={}", percent_encode(text));
        }
        link
    }
}

/// The facts before a cursor, or the newest; newest first.
pub(super) async fn backwards(ctx: &Ctx, request: &Request<Incoming>) -> Reply {
    let asked = match Asked::read(request) {
        Ok(asked) => asked,
        Err(reply) => return *reply,
    };
    let deps = &ctx.shared.deps;
    let until = match asked.before {
        None => Ok(Some(u64::MAX)),
        Some(before) if before.epoch == deps.hub.epoch() => Ok(Some(before.seq.saturating_sub(1))),
        Some(before) => last_before(&deps.store, before).await,
    };
    let page = match until {
        Ok(Some(until)) => page(&deps.store, until, &asked).await,
        Ok(None) => {
            let text = "What was before this cursor is no longer kept, or was never stored.";
            let hint = Some("GET /api/events?order=newest");
            return reply::error(StatusCode::GONE, "cursor_too_old", text, hint);
        }
        Err(error) => Err(error),
    };
    match page {
        Ok((events, next)) => answer(&asked, &events, next),
        Err(error) => reply::store_gone(error),
    }
}

/// The last number a page before a cursor of an earlier life may hold. What that daemon numbered and never stored
/// has left its numbers to the next one, so its own newest fact up to the cursor is where the page begins.
async fn last_before(store: &Store, before: Cursor) -> Result<Option<u64>, StoreError> {
    let (mut until, mut looked_at) = (before.seq, 0);
    while until > 0 && looked_at < MAX_ROWS {
        let (rows, more) = facts(store, until, None).await?;
        looked_at += rows.len();
        for (cursor, _, _) in &rows {
            if cursor.epoch == before.epoch {
                return Ok(Some(cursor.seq.min(before.seq - 1)));
            }
        }
        match rows.last() {
            Some((oldest, _, _)) if more => until = oldest.seq.saturating_sub(1),
            _ => return Ok(None),
        }
    }
    Ok(None)
}

type Rows = Vec<(Cursor, Head, String)>;

/// Facts up to a number, newest first, and whether there may be more; what cannot be read is left out.
async fn facts(
    store: &Store,
    until: u64,
    operation_id: Option<OperationId>,
) -> Result<(Rows, bool), StoreError> {
    let query =
        EventQuery { until: Some(until), limit: ROWS, newest: true, operation_id, ..EventQuery::default() };
    let rows = store.events(query).await?;
    let more = rows.len() == ROWS;
    let read = |json: String| {
        let head: Head = serde_json::from_str(&json).ok()?;
        Some((head.cursor()?, head, json))
    };
    Ok((rows.into_iter().rev().filter_map(read).collect(), more))
}

/// One page, and the oldest fact that was looked at when there may be more before it.
async fn page(
    store: &Store,
    mut until: u64,
    asked: &Asked,
) -> Result<(Vec<String>, Option<Cursor>), StoreError> {
    let (mut events, mut bytes, mut looked_at) = (Vec::new(), 0, 0);
    let mut last = None;
    while until > 0 {
        let (rows, more) = facts(store, until, asked.operation.clone()).await?;
        let more = more && !rows.is_empty();
        looked_at += rows.len();
        for (cursor, head, json) in rows {
            if events.len() == asked.limit || bytes >= MAX_BYTES {
                return Ok((events, last));
            }
            last = Some(cursor);
            until = cursor.seq.saturating_sub(1);
            if asked.wants(&head, &json) {
                bytes += json.len();
                events.push(json);
            }
        }
        if !more {
            break;
        }
        if looked_at >= MAX_ROWS {
            return Ok((events, last));
        }
    }
    Ok((events, None))
}

fn answer(asked: &Asked, events: &[String], next: Option<Cursor>) -> Reply {
    // The events are JSON already.
    let body = format!("[{}]", events.join(","));
    let mut reply = reply::bytes(StatusCode::OK, "application/json; charset=utf-8", body);
    let link = next.map(|next| format!("<{}>; rel=\"next\"", asked.next(next)));
    if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
        reply.headers_mut().insert(LINK, link);
    }
    reply
}
