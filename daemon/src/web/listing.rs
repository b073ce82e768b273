//! `GET /api/operations`: the projection and the store as one list that stays stable while it grows.

mod filter;
mod newest;
mod ranked;

use http::Request;
use http::header::{HeaderValue, LINK};
use hyper::body::Incoming;
use llmctl_proto::state::Operation;

use self::filter::Filter;
pub(super) use self::filter::moment;
use self::newest::Newest;
use self::ranked::Ranked;
use super::reply::{self, Reply};
use super::routes::{limit, query};
use super::serve::Ctx;
use crate::store::{Figure, Place, StoreError};

/// Rows that are asked from the store at once, at first and at most; facts are committed in between.
const FIRST_ROWS: usize = 32;
const MAX_ROWS_AT_ONCE: usize = 256;
/// Rows one request looks at; a page may be short, its link goes on behind them.
const MAX_ROWS: usize = 20_000;

type Refused = Box<Reply>;

/// A list in its order, as far as it is read.
enum List<'a> {
    Newest(Newest<'a>),
    Ranked(Ranked<'a>),
}

impl List<'_> {
    /// The next operation and the `after` of what follows it.
    async fn next(&mut self) -> Result<Option<(String, Operation)>, StoreError> {
        Ok(match self {
            Self::Newest(list) => list.next().await?.map(|op| (op.operation_id.to_string(), op)),
            Self::Ranked(list) => list.next().await?.map(|(place, op)| (ranked::written(&place), op)),
        })
    }
}

/// By which figure, and the word for it.
fn sort(request: &Request<Incoming>) -> Result<Option<(Figure, &'static str)>, Refused> {
    match query(request, "sort").pop().as_deref() {
        None | Some("started") => Ok(None),
        Some("cost") => Ok(Some((Figure::Cost, "cost"))),
        Some("duration") => Ok(Some((Figure::Duration, "duration"))),
        Some("tokens") => Ok(Some((Figure::Tokens, "tokens"))),
        Some(_) => {
            let text = "sort must be started, cost, duration or tokens; each begins with the greatest.";
            Err(Box::new(reply::bad("invalid_value", text)))
        }
    }
}

/// The place that a page begins behind.
fn after<T>(request: &Request<Incoming>, read: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Refused> {
    let Some(text) = query(request, "after").pop() else { return Ok(None) };
    read(&text).map(Some).ok_or_else(|| {
        Box::new(reply::bad("invalid_value", "after must be as a page's link of the same order has it."))
    })
}

/// One page, and the link to the next.
pub(super) async fn list(ctx: &Ctx, request: &Request<Incoming>) -> Reply {
    match page(ctx, request).await {
        Ok(reply) => reply,
        Err(refused) => *refused,
    }
}

async fn page(ctx: &Ctx, request: &Request<Incoming>) -> Result<Reply, Refused> {
    let (limit, filter, sort) = (limit(request, 50, 500)?, Filter::of(request)?, sort(request)?);
    let (mut behind, mut ranked_behind): (_, Option<Place>) = (None, None);
    match sort {
        None => behind = after(request, |text| text.parse().ok())?,
        Some(_) => ranked_behind = after(request, ranked::read)?,
    }
    let deps = &ctx.shared.deps;
    let (known, _) = deps.hub.list().await.map_err(|error| Box::new(reply::stopping(error)))?;
    let mut list = match sort {
        None => List::Newest(Newest::new(known, behind.as_ref(), &deps.store)),
        Some((figure, _)) => List::Ranked(Ranked::new(known, figure, ranked_behind, &deps.store)),
    };
    let (mut page, mut last, mut looked_at) = (Vec::new(), None, 0);
    let more = loop {
        if page.len() == limit || looked_at >= MAX_ROWS {
            break true;
        }
        let next = list.next().await.map_err(|error| Box::new(reply::store_gone(error)))?;
        let Some((cursor, operation)) = next else { break false };
        last = Some(cursor);
        looked_at += 1;
        if filter.wants(&operation) {
            page.push(operation);
        }
    };
    let mut reply = reply::ok(&page);
    if let (true, Some(last)) = (more, last) {
        let sort = sort.map_or(String::new(), |(_, word)| format!("&sort={word}"));
        let parameters = filter.parameters(request);
        let next = format!("</api/operations?limit={limit}&after={last}{sort}{parameters}>; rel=\"next\"");
        if let Ok(next) = HeaderValue::from_str(&next) {
            reply.headers_mut().insert(LINK, next);
        }
    }
    Ok(reply)
}
