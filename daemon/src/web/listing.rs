//! `GET /api/operations`: the projection first, then the store, as one list that stays stable while it grows.
//!
//! A page ends at an operation's id, and ids sort by time: operations that start meanwhile are newer than every
//! page that follows, so none is shown twice and none is left out.

use std::collections::VecDeque;
use std::fmt::Write as _;

use http::Request;
use http::header::{HeaderValue, LINK};
use hyper::body::Incoming;
use llmctl_proto::ids::OperationId;
use llmctl_proto::state::{ENDED_KEPT, Operation, OperationState};
use llmctl_proto::time::UnixMs;
use serde_json::Value;

use super::reply::{self, Reply};
use super::routes::{limit, percent_encode, query};
use super::serve::Ctx;
use crate::store::{OperationQuery, Store, StoreError};

/// Rows that are asked from the store at once, at first and at most; facts are committed in between.
const FIRST_ROWS: usize = 32;
const MAX_ROWS_AT_ONCE: usize = 256;
/// Rows one request looks at; a page may be short, its link goes on behind them.
const MAX_ROWS: usize = 20_000;

type Refused = Box<Reply>;

#[derive(Debug, Default)]
struct Filter {
    states: Vec<String>,
    tools: Vec<String>,
    models: Vec<String>,
    agents: Vec<String>,
    since: Option<UnixMs>,
    until: Option<UnixMs>,
    text: Option<String>,
}

impl Filter {
    fn of(request: &Request<Incoming>) -> Result<Self, Refused> {
        let states = query(request, "state");
        let known = |state: &String| serde_json::from_value::<OperationState>(state.as_str().into()).is_ok();
        if let Some(state) = states.iter().find(|state| !known(state)) {
            let text = format!("There is no state {state:?}.");
            return Err(Box::new(reply::bad("invalid_value", &text)));
        }
        let time = |name: &str| match query(request, name).pop() {
            None => Ok(None),
            Some(text) => moment(&text, UnixMs::now()).map(Some).ok_or_else(|| {
                let text = format!(
                    "{name} must be a time such as 2026-11-23T00:00:00Z, or an age such as 30m, 12h or 7d."
                );
                Box::new(reply::bad("invalid_value", &text))
            }),
        };
        let (since, until) = (time("since")?, time("until")?);
        Ok(Self {
            states,
            tools: query(request, "tool"),
            models: query(request, "model"),
            agents: query(request, "agent"),
            since,
            until,
            text: query(request, "q").pop().map(|text| text.to_lowercase()),
        })
    }

    fn wants(&self, operation: &Operation) -> bool {
        let is = |wanted: &[String], value: Option<&str>| {
            wanted.is_empty() || value.is_some_and(|value| wanted.iter().any(|w| w == value))
        };
        is(&self.states, Some(operation.state.as_str()))
            && is(&self.tools, operation.tool.as_deref())
            && is(&self.models, operation.model.as_deref())
            && is(&self.agents, operation.agent.as_deref())
            && self.since.is_none_or(|since| operation.submitted_at >= since)
            && self.until.is_none_or(|until| operation.submitted_at < until)
            && self.text.as_deref().is_none_or(|text| mentions(operation, text))
    }

    /// The parameters that ask for the same again.
    fn parameters(&self, request: &Request<Incoming>) -> String {
        let mut text = String::new();
        let lists = [
            ("state", &self.states),
            ("tool", &self.tools),
            ("model", &self.models),
            ("agent", &self.agents),
        ];
        for (name, values) in lists {
            for value in values {
                let _ = write!(text, "&{name}={}", percent_encode(value));
            }
        }
        // An age is counted from each request; the time it meant for the first page holds for all.
        for (name, time) in [("since", self.since), ("until", self.until)] {
            if let Some(time) = time {
                let _ = write!(text, "&{name}={}", percent_encode(&time.to_string()));
            }
        }
        if let Some(value) = query(request, "q").last() {
            let _ = write!(text, "&q={}", percent_encode(value));
        }
        text
    }
}

fn mentions(operation: &Operation, text: &str) -> bool {
    let has = |value: &str| value.to_lowercase().contains(text);
    has(operation.operation_id.as_str())
        || operation.agent.as_deref().is_some_and(has)
        || operation.error.as_ref().is_some_and(|error| has(&error.message) || has(&error.class))
}

/// A time, or how long ago it was.
pub(super) fn moment(text: &str, now: UnixMs) -> Option<UnixMs> {
    if let Ok(time) = serde_json::from_value(Value::String(text.to_owned())) {
        return Some(time);
    }
    let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit_ms: i64 = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let count: u32 = count.parse().ok()?;
    Some(UnixMs(now.0.saturating_sub(i64::from(count).saturating_mul(unit_ms))))
}

/// Operations newest first: those of the projection, and between and behind them those that only the store has.
struct Merged<'a> {
    known: VecDeque<Operation>,
    store: &'a Store,
    rows: VecDeque<Operation>,
    /// Where the next rows begin; none when the store has no more, or nothing that the projection lacks.
    before: Option<OperationId>,
    at_once: usize,
    looked_at: usize,
}

impl<'a> Merged<'a> {
    /// `known` is the whole projection, newest first.
    fn new(known: Vec<Operation>, after: Option<&OperationId>, store: &'a Store) -> Self {
        // The store has what the projection lacks only when the projection is full, and then only behind its
        // newest `ENDED_KEPT`: it drops nothing that is newer than so many others. What is behind them is mixed,
        // since an operation that still runs may be older than thousands that have ended.
        let floor = known.get(ENDED_KEPT - 1).map(|operation| operation.operation_id.clone());
        let before = floor.map(|floor| after.cloned().into_iter().fold(floor, OperationId::min));
        let wanted = |operation: &Operation| after.is_none_or(|after| operation.operation_id < *after);
        Self {
            known: known.into_iter().filter(wanted).collect(),
            store,
            rows: VecDeque::new(),
            before,
            at_once: FIRST_ROWS,
            looked_at: 0,
        }
    }

    async fn next(&mut self) -> Result<Option<Operation>, StoreError> {
        loop {
            if self.rows.is_empty() && self.must_read() {
                self.read().await?;
                continue;
            }
            self.looked_at += 1;
            let (known, row) = (self.known.front(), self.rows.front());
            return Ok(match (known, row) {
                (Some(known), Some(row)) if row.operation_id == known.operation_id => {
                    // The projection's is the newer.
                    self.rows.pop_front();
                    self.known.pop_front()
                }
                (Some(known), Some(row)) if row.operation_id > known.operation_id => self.rows.pop_front(),
                (Some(_), _) => self.known.pop_front(),
                (None, _) => self.rows.pop_front(),
            });
        }
    }

    /// Whether the store may have something newer than the next of the projection.
    fn must_read(&self) -> bool {
        match (&self.before, self.known.front()) {
            (None, _) => false,
            (Some(before), Some(known)) => known.operation_id < *before,
            (Some(_), None) => true,
        }
    }

    async fn read(&mut self) -> Result<(), StoreError> {
        let before = self.before.take();
        let query = OperationQuery { before, limit: self.at_once, ..OperationQuery::default() };
        self.at_once = (self.at_once * 2).min(MAX_ROWS_AT_ONCE);
        self.rows = self.store.operations(query).await?.into();
        self.before = self.rows.back().map(|last| last.operation_id.clone());
        Ok(())
    }
}

/// The list, as one page and the link to the next.
pub(super) async fn list(ctx: &Ctx, request: &Request<Incoming>) -> Reply {
    let asked = limit(request, 50, 500).and_then(|limit| Ok((limit, Filter::of(request)?, after(request)?)));
    let (limit, filter, after) = match asked {
        Ok(asked) => asked,
        Err(reply) => return *reply,
    };
    let known = match ctx.shared.deps.hub.list().await {
        Ok((known, _)) => known,
        Err(error) => return reply::stopping(error),
    };
    let mut merged = Merged::new(known, after.as_ref(), &ctx.shared.deps.store);
    let mut page = Vec::new();
    let mut last: Option<OperationId> = None;
    let more = loop {
        if page.len() == limit || merged.looked_at >= MAX_ROWS {
            break true;
        }
        match merged.next().await {
            Ok(Some(operation)) => {
                last = Some(operation.operation_id.clone());
                if filter.wants(&operation) {
                    page.push(operation);
                }
            }
            Ok(None) => break false,
            Err(error) => return reply::store_gone(error),
        }
    };
    let mut reply = reply::ok(&page);
    if let (true, Some(last)) = (more, last) {
        let parameters = filter.parameters(request);
        let next = format!("</api/operations?limit={limit}&after={last}{parameters}>; rel=\"next\"");
        if let Ok(next) = HeaderValue::from_str(&next) {
            reply.headers_mut().insert(LINK, next);
        }
    }
    reply
}

fn after(request: &Request<Incoming>) -> Result<Option<OperationId>, Refused> {
    let Some(text) = query(request, "after").pop() else { return Ok(None) };
    text.parse().map(Some).map_err(|_| {
        Box::new(reply::bad(
            "invalid_value",
            "after must be the id of an operation, as a page's link has it.",
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let now = UnixMs(10_000_000_000);
        assert_eq!(moment("2026-11-23T00:31:59.133Z", now), Some(UnixMs(1_795_393_919_133)));
        assert_eq!(moment("90s", now), Some(UnixMs(10_000_000_000 - 90_000)));
        assert_eq!(moment("30d", now), Some(UnixMs(10_000_000_000 - 30 * 86_400_000)));
        for bad in ["", "d", "yesterday", "1w", "-1d", "5é", "99999999999d"] {
            assert_eq!(moment(bad, now), None, "{bad}");
        }
    }
}
