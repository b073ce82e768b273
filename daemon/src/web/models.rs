//! `GET /api/models`: which models are known here, what they cost today, and how they did.
//!
//! Figures are those of `llmctl stats --by model`, over the operations that the store has. It never asks a provider
//! and never looks for programs: what is installed is known to the command line, whose environment counts.

use std::collections::{BTreeMap, BTreeSet};

use http::{Request, StatusCode};
use hyper::body::Incoming;
use llmctl_proto::config::{Config, Model};
use llmctl_proto::money::PicoUsd;
use llmctl_proto::price::{AppliesTo, Catalogue, Class, Found, PriceRow, Rates, RowSource};
use llmctl_proto::state::Operation;
use llmctl_proto::stats::{By, Stat, group};
use llmctl_proto::time::UnixMs;
use serde_json::{Value, json};

use super::listing::moment;
use super::reply::{self, Reply};
use super::routes::query;
use super::serve::Ctx;
use crate::store::{OperationQuery, Store, StoreError};

/// Operations that are read at once.
const PAGE: usize = 500;
/// Operations that are looked at, the newest; older ones are left out, and that is said.
const MOST: usize = 20_000;
/// Pages without an operation of the time asked for, after which no older one is expected.
const EMPTY_PAGES: usize = 2;
/// Models of one answer.
const MAX_MODELS: usize = 1_000;
/// Models of the price table that a search adds.
const MAX_FOUND: usize = 200;

/// The models of the configuration, of its tools and of what ran; with `q`, those of the price table too.
pub(super) async fn models(ctx: &Ctx, request: &Request<Incoming>) -> Reply {
    let now = UnixMs::now();
    let since = match query(request, "since").pop() {
        None => None,
        Some(text) => match moment(&text, now) {
            Some(since) => Some(since),
            None => {
                let text = "since must be a time such as 2026-11-23T00:00:00Z, or an age such as 12h or 30d.";
                return reply::bad("invalid_value", text);
            }
        },
    };
    let search = query(request, "q").pop().map(|text| text.to_lowercase());
    let config = ctx.shared.deps.settings.current().config;
    let Some(_turn) = ctx.shared.ledger_turns.take().await else { return reply::not_found() };
    let (operations, truncated) = match operations(&ctx.shared.deps.store, since).await {
        Ok(read) => read,
        Err(error) => return reply::store_gone(error),
    };
    let work = move || Seen::of(&operations).answer(&config, search.as_deref(), since, now, truncated);
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => reply::json(StatusCode::OK, &answer),
        Err(_) => {
            let text = "The figures cannot be computed.";
            reply::error(StatusCode::INTERNAL_SERVER_ERROR, "internal", text, None)
        }
    }
}

/// Ended operations that were submitted since a time, and whether there were more than are looked at.
async fn operations(store: &Store, since: Option<UnixMs>) -> Result<(Vec<Operation>, bool), StoreError> {
    let (mut found, mut before, mut empty) = (Vec::new(), None, 0);
    loop {
        let query = OperationQuery { before, limit: PAGE, ..OperationQuery::default() };
        let page = store.operations(query).await?;
        let whole = page.len() < PAGE;
        before = page.last().map(|last| last.operation_id.clone());
        let count = found.len();
        let wanted = |o: &Operation| o.state.is_final() && since.is_none_or(|since| o.submitted_at >= since);
        let newer = page.iter().any(|o| since.is_none_or(|since| o.submitted_at >= since));
        found.extend(page.into_iter().filter(wanted).map(light));
        empty = if newer { 0 } else { empty + 1 };
        if found.len() >= MOST {
            found.truncate(MOST);
            return Ok((found, count < MOST && !whole));
        }
        if whole || empty == EMPTY_PAGES {
            return Ok((found, false));
        }
    }
}

/// An operation without what no figure is made of, so that many of them are small.
fn light(operation: Operation) -> Operation {
    Operation {
        command: Vec::new(),
        cwd: None,
        reason: None,
        prompt: None,
        error: None,
        partial: None,
        resume_command: None,
        ..operation
    }
}

/// What ran: figures by model, and what `stats` does not count.
#[derive(Default)]
struct Seen {
    stats: BTreeMap<Option<String>, Stat>,
    marks: BTreeMap<Option<String>, Marks>,
    ended: u64,
}

/// A model, none for what ran without one, and its seller where only the price table knows it.
type Named = (Option<String>, Option<String>);

#[derive(Default)]
struct Marks {
    provider: Option<String>,
    last_used: Option<UnixMs>,
    tools: BTreeMap<String, u64>,
    fallbacks_from: u64,
    fallbacks_to: u64,
}

impl Seen {
    /// Counts operations, newest first.
    fn of(operations: &[Operation]) -> Self {
        let mut seen = Self { ended: operations.len() as u64, ..Self::default() };
        for operation in operations {
            let mark = seen.marks.entry(operation.model.clone()).or_default();
            if mark.provider.is_none() {
                mark.provider.clone_from(&operation.provider);
            }
            let used = operation.ended_at.or(operation.started_at).unwrap_or(operation.submitted_at);
            mark.last_used = mark.last_used.max(Some(used));
            if let Some(tool) = &operation.tool {
                *mark.tools.entry(tool.clone()).or_default() += 1;
            }
            for pair in operation.attempts.windows(2).filter(|pair| pair[0].model != pair[1].model) {
                seen.marks.entry(pair[0].model.clone()).or_default().fallbacks_from += 1;
                seen.marks.entry(pair[1].model.clone()).or_default().fallbacks_to += 1;
            }
        }
        seen.stats = group(operations, By::Model).into_iter().map(|stat| (stat.key.clone(), stat)).collect();
        seen
    }

    fn answer(
        &self,
        config: &Config,
        search: Option<&str>,
        since: Option<UnixMs>,
        now: UnixMs,
        truncated: bool,
    ) -> Value {
        let (names, mut omitted) = self.names(config, search);
        omitted += names.len().saturating_sub(MAX_MODELS);
        let models: Vec<Value> = names
            .iter()
            .take(MAX_MODELS)
            .map(|(name, seller)| self.model(name.as_deref(), seller.as_deref(), config, now))
            .collect();
        let catalogue =
            config.prices.imported().map_or_else(|| Catalogue::embedded().origin(), |t| t.origin());
        json!({
            "since": since,
            "now": now,
            "operations": self.ended,
            "truncated": truncated,
            "price_table": catalogue,
            "omitted": omitted,
            "models": models,
        })
    }

    /// Every model that is told of, the busiest first; and how many that a search found are left out.
    fn names(&self, config: &Config, search: Option<&str>) -> (Vec<Named>, usize) {
        let fits = |name: &str| search.is_none_or(|text| name.to_lowercase().contains(text));
        let mut used: Vec<&Option<String>> = self.marks.keys().collect();
        let count = |key: &Option<String>| self.stats.get(key).map_or(0, |stat| stat.operations);
        used.sort_by(|a, b| (count(b), *a).cmp(&(count(a), *b)));
        let mut known = BTreeSet::new();
        let mut names = Vec::new();
        for name in used {
            known.insert(name.as_deref().unwrap_or_default().to_lowercase());
            if name.as_deref().map_or(search.is_none(), fits) {
                names.push((name.clone(), None));
            }
        }
        let offered = config.tools.values().flat_map(|tool| tool.models.iter());
        for name in config.models.keys().chain(offered) {
            if known.insert(name.to_lowercase()) && fits(name) {
                names.push((Some(name.clone()), None));
            }
        }
        if search.is_none() {
            return (names, 0);
        }
        let found = config.prices.models().filter(|model| fits(&model.id()));
        let found = found.filter(|model| !known.contains(&model.id().to_lowercase()));
        let mut left_out = 0;
        for (n, model) in found.enumerate() {
            if n < MAX_FOUND {
                names.push((Some(model.id().into_owned()), Some(model.provider().to_owned())));
            } else {
                left_out += 1;
            }
        }
        (names, left_out)
    }

    fn model(&self, name: Option<&str>, seller: Option<&str>, config: &Config, now: UnixMs) -> Value {
        let key = name.map(str::to_owned);
        let (stat, mark) = (self.stats.get(&key), self.marks.get(&key));
        let own = name.and_then(|name| config.models.get(name));
        let asked = seller
            .or_else(|| mark.and_then(|mark| mark.provider.as_deref()))
            .or_else(|| own.map(|model| model.provider.as_str()))
            .filter(|provider| !provider.is_empty());
        let found = name.map_or(Found::Unknown, |name| config.prices.find(name, asked, now));
        let listed = name.and_then(|name| config.prices.model(name, asked));
        let said = |of: fn(&Model) -> bool| own.is_some_and(of);
        json!({
            "model": name,
            "provider": asked.or_else(|| found.row().and_then(|row| row.provider.as_deref())),
            "configured": own.is_some(),
            "aliases": own.map(|model| &model.aliases),
            "context_window": own.and_then(|model| model.context_window)
                .or_else(|| listed.and_then(|model| model.context_window())),
            "deprecated": said(|model| model.deprecated) || listed.is_some_and(|model| model.deprecated()),
            "superseded_by": own.and_then(|model| model.superseded_by.as_ref()),
            "retired": said(|model| model.retired),
            "broken": own.and_then(|model| model.broken.as_ref()),
            "note": own.and_then(|model| model.note.as_ref()),
            "price": found.row().map(|row| price(row, config)),
            "price_missing": match found {
                Found::Row(_) => None,
                Found::Gap => Some("no_row_today"),
                Found::Unknown => Some("unknown_model"),
            },
            "offered_by": offered_by(name, config, mark),
            "stats": stat.map(|stat| self.figures(stat, mark)),
            "reasons": stat.map_or(&[][..], |stat| &stat.reasons).iter()
                .map(|(code, count)| json!({"code": code, "count": count}))
                .collect::<Vec<Value>>(),
            "last_used_at": mark.and_then(|mark| mark.last_used),
        })
    }

    fn figures(&self, stat: &Stat, mark: Option<&Marks>) -> Value {
        json!({
            "operations": stat.operations,
            "selected_permille": (stat.operations * 1_000).checked_div(self.ended),
            "complete": stat.complete,
            "failed": stat.failed,
            "stopped": stat.stopped,
            "success_permille": stat.success_permille,
            "p50_ms": stat.duration_p50_ms,
            "p95_ms": stat.duration_p95_ms,
            "first_output_p50_ms": stat.first_output_p50_ms,
            "tokens_per_s_milli": stat.tokens_per_s_milli,
            "tokens": stat.tokens,
            "cost_nano_usd": stat.cost_nano_usd,
            "cost_each_nano_usd": stat.cost_each_nano_usd,
            "cost_unknown": stat.cost_unknown,
            "retries": stat.retries,
            "fallbacks_from": mark.map_or(0, |mark| mark.fallbacks_from),
            "fallbacks_to": mark.map_or(0, |mark| mark.fallbacks_to),
        })
    }
}

/// Tools that the configuration lists the model with, and those that ran it.
fn offered_by(name: Option<&str>, config: &Config, mark: Option<&Marks>) -> Vec<Value> {
    let mut tools: BTreeMap<&str, (bool, u64)> = BTreeMap::new();
    for (tool, entry) in &config.tools {
        if entry.models.iter().any(|model| Some(model.as_str()) == name) {
            tools.entry(tool).or_default().0 = true;
        }
    }
    for (tool, count) in mark.iter().flat_map(|mark| &mark.tools) {
        tools.entry(tool).or_default().1 = *count;
    }
    let against = |tool: &str| {
        let tool = config.tools.get(tool)?;
        let mark = if tool.retired { Some("retired") } else { tool.deprecated.then_some("deprecated") };
        tool.broken.clone().or_else(|| mark.map(str::to_owned))
    };
    tools
        .into_iter()
        .map(|(tool, (configured, operations))| {
            json!({
                "tool": tool,
                "configured": configured,
                "operations": operations,
                "reason": against(tool),
            })
        })
        .collect()
}

/// A price row as displays get it: integers of pico-dollars for a token, or for a call.
fn price(row: &PriceRow, config: &Config) -> Value {
    let table = match row.source {
        RowSource::Override => None,
        RowSource::Imported => config.prices.imported().map(|table| table.origin()),
        RowSource::Catalogue => Some(Catalogue::embedded().origin()),
    };
    let tiers: Vec<Value> = row
        .tiers
        .iter()
        .map(|tier| {
            json!({
                "above_input_tokens": tier.above_input_tokens,
                "applies_to": if tier.applies_to == AppliesTo::Request { "request" } else { "excess" },
                "rates": rates(&tier.rates),
            })
        })
        .collect();
    json!({
        "id": row.id(),
        "source": row.source.as_str(),
        "table": table,
        "provider": row.provider,
        "model": row.model,
        "valid_from": row.valid_from,
        "valid_to": row.valid_to,
        "hours": row.daily.map(|hours| json!({"start_ms": hours.start_ms, "end_ms": hours.end_ms})),
        "rates": rates(&row.rates),
        "tiers": tiers,
        "web_search_pico_usd": row.per_use.web_search.map(|price| price.0),
        "request_pico_usd": row.per_use.request.map(|price| price.0),
        "modes": row.modes.iter().map(|mode| mode.name.as_str()).collect::<Vec<_>>(),
        "note": row.note,
    })
}

fn rates(rates: &Rates) -> Value {
    let price = |class: Class| rates.get(class).map(|PicoUsd(pico)| pico);
    Class::TOKENS
        .into_iter()
        .map(|class| (format!("{}_pico_usd", class.as_str()), json!(price(class))))
        .collect()
}
