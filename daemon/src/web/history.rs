//! `GET /api/events`: stored facts after a cursor, in pages.

use http::header::{HeaderValue, LINK};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use llmctl_proto::ids::Cursor;
use serde::Deserialize;

use super::reply::{self, Reply};
use super::routes::{limit, percent_encode, query};
use super::serve::Ctx;
use crate::store::{EventQuery, Store, StoreError};

/// Events asked from the store at once; facts are committed in between.
pub(super) const ROWS: usize = 256;
/// Events one request looks at; a page may be short, its link goes on behind them.
pub(super) const MAX_ROWS: usize = 20_000;
/// Bytes of one page.
pub(super) const MAX_BYTES: usize = 8 * 1024 * 1024;

/// What a page needs to know of a stored event; the rest is passed on as it is.
#[derive(Deserialize)]
pub(super) struct Head {
    epoch: String,
    seq: u64,
    #[serde(rename = "type")]
    pub(super) type_name: String,
}

impl Head {
    pub(super) fn cursor(&self) -> Option<Cursor> {
        Some(Cursor { epoch: self.epoch.parse().ok()?, seq: self.seq })
    }
}

/// Whether a list of exact names and groups (`execution.`) asks for it; an empty list asks for all.
pub(super) fn matches(types: &[String], name: &str) -> bool {
    types.is_empty() || types.iter().any(|t| t == name || (t.ends_with('.') && name.starts_with(t.as_str())))
}

/// The types that a request asks for.
pub(super) fn types(request: &Request<Incoming>) -> Vec<String> {
    let lists = query(request, "types");
    let names = lists.iter().flat_map(|list| list.split(','));
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The facts after a cursor.
pub(super) async fn events(ctx: &Ctx, request: &Request<Incoming>) -> Reply {
    let after = match query(request, "after").pop() {
        None => None,
        Some(text) if text == "0" => None,
        Some(text) => match text.parse::<Cursor>() {
            Ok(cursor) => Some(cursor),
            Err(error) => return reply::bad("invalid_value", &error),
        },
    };
    let limit = match limit(request, 1_000, 1_000) {
        Ok(limit) => limit,
        Err(reply) => return *reply,
    };
    let types = types(request);
    let store = &ctx.shared.deps.store;
    match reaches_back(store, after).await {
        Ok(true) => {}
        Ok(false) => {
            let text = "What followed this cursor is no longer kept, or was never stored.";
            return reply::error(StatusCode::GONE, "cursor_too_old", text, Some("GET /api/snapshot"));
        }
        Err(error) => return reply::store_gone(error),
    }
    match page(store, after, &types, limit).await {
        Ok(page) => page.reply(&types, limit),
        Err(error) => reply::store_gone(error),
    }
}

/// Whether the facts after a cursor are those that its reader has not seen.
///
/// The newest fact up to the cursor must be of the cursor's own life: if it was pruned, so may be what followed,
/// and if it is of another life, the daemon that drew the cursor died before it had stored everything.
async fn reaches_back(store: &Store, after: Option<Cursor>) -> Result<bool, StoreError> {
    let Some(after) = after.filter(|after| after.seq > 0) else { return Ok(true) };
    let query = EventQuery { until: Some(after.seq), newest: true, limit: 1, ..EventQuery::default() };
    let found = store.events(query).await?;
    let newest = found.first().and_then(|json| serde_json::from_str::<Head>(json).ok()?.cursor());
    Ok(newest.is_some_and(|newest| newest.epoch == after.epoch))
}

struct Page {
    events: Vec<String>,
    /// The last event that was looked at, when there may be more behind it.
    next: Option<Cursor>,
}

async fn page(
    store: &Store,
    after: Option<Cursor>,
    types: &[String],
    limit: usize,
) -> Result<Page, StoreError> {
    let mut page = Page { events: Vec::new(), next: after };
    let (mut bytes, mut looked_at) = (0, 0);
    loop {
        let after = page.next.map_or(0, |next| next.seq);
        let rows = store.events(EventQuery { after, limit: ROWS, ..EventQuery::default() }).await?;
        let last = rows.len() < ROWS;
        looked_at += rows.len();
        for json in rows {
            if page.events.len() == limit || bytes >= MAX_BYTES {
                return Ok(page);
            }
            // What cannot be read is passed over; it must not lead back to the beginning.
            let Ok(head) = serde_json::from_str::<Head>(&json) else { continue };
            let Some(cursor) = head.cursor() else { continue };
            page.next = Some(cursor);
            if matches(types, &head.type_name) {
                bytes += json.len();
                page.events.push(json);
            }
        }
        if last || page.next.map_or(0, |next| next.seq) == after {
            page.next = None;
            return Ok(page);
        }
        if looked_at >= MAX_ROWS {
            return Ok(page);
        }
    }
}

impl Page {
    fn reply(&self, types: &[String], limit: usize) -> Reply {
        // The events are JSON already.
        let body = format!("[{}]", self.events.join(","));
        let mut reply = reply::bytes(StatusCode::OK, "application/json; charset=utf-8", body);
        if let Some(next) = self.next {
            let names: Vec<String> = types.iter().map(|name| percent_encode(name)).collect();
            let types = if names.is_empty() { String::new() } else { format!("&types={}", names.join(",")) };
            let link = format!("</api/events?limit={limit}&after={next}{types}>; rel=\"next\"");
            if let Ok(link) = HeaderValue::from_str(&link) {
                reply.headers_mut().insert(LINK, link);
            }
        }
        reply
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_names() {
        let types = |list: &[&str]| list.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        assert!(matches(&[], "a.b"));
        assert!(matches(&types(&["a."]), "a.b"));
        assert!(matches(&types(&["x.y", "a.b"]), "a.b"));
        assert!(!matches(&types(&["a"]), "a.b"));
        assert!(!matches(&types(&["a.bc"]), "a.b"));
    }
}
