//! `llmctl models`: provider, window, price of today and who offers each; `update` takes a newer price table.

use std::collections::BTreeSet;

use llmctl_proto::config::{Config, discover};
use llmctl_proto::money::PicoUsd;
use llmctl_proto::paths::{Paths, make_private_dir, replace_file};
use llmctl_proto::price::{Catalogue, import};
use llmctl_proto::time::UnixMs;
use serde::Serialize;

use super::tools::{self, Seen};
use super::{print, println};
use crate::cli::config::{ConfigFlags, ModelsArgs, ModelsVerb};
use crate::config::{self, safe};
use crate::error::{CliError, Exit, Outcome};
use crate::route::family;
use crate::term::{Table, one_line};

/// Largest price table that is read: 32 MiB.
const MAX_BYTES: u64 = 32 * 1024 * 1024;

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    provider: String,
    context_window: Option<u64>,
    /// US dollars per million tokens today, as decimal text.
    input_per_million_usd: Option<String>,
    /// US dollars per million tokens today, as decimal text.
    output_per_million_usd: Option<String>,
    /// Which layer the price is from.
    price_from: Option<&'static str>,
    /// Tools that offer it and can be used now.
    offered_by: Vec<String>,
    usable: bool,
    /// Why it is not used, or should not be.
    reason: Option<String>,
    aliases: Vec<String>,
    note: Option<String>,
}

pub(super) async fn run(paths: &Paths, flags: &ConfigFlags, args: &ModelsArgs) -> Outcome {
    if let Some(ModelsVerb::Update { from }) = &args.verb {
        return update(paths, from);
    }
    let loaded = config::load(paths, flags)?;
    config::notice(&loaded);
    let rows = rows(&loaded.config, args).await;
    if args.json {
        let text = serde_json::to_string_pretty(&rows).map_err(|e| CliError::failed(e.to_string()))?;
        println(&text)?;
        return Ok(Exit::Ok);
    }
    if rows.is_empty() {
        println("no models here; `llmctl models --all` lists every one with a known price")?;
        return Ok(Exit::Ok);
    }
    let mut table =
        Table::new(&["MODEL", "PROVIDER", "WINDOW", "IN $/M", "OUT $/M", "OFFERED BY, OR WHY NOT"]);
    for row in &rows {
        let dash = |value: Option<&String>| value.cloned().unwrap_or_else(|| "-".to_owned());
        let last = row.reason.clone().unwrap_or_else(|| row.offered_by.join(", "));
        table.row(vec![
            one_line(&row.name, 60),
            one_line(&row.provider, 20),
            row.context_window.map_or_else(|| "-".to_owned(), |window| window.to_string()),
            dash(row.input_per_million_usd.as_ref()),
            dash(row.output_per_million_usd.as_ref()),
            one_line(&last, 80),
        ]);
    }
    print(&String::from_utf8_lossy(&safe(&table.render())))?;
    Ok(Exit::Ok)
}

/// Models of the configuration and of its tools; every known one if asked for; those of what can be used now if
/// nothing is configured.
async fn rows(config: &Config, args: &ModelsArgs) -> Vec<Row> {
    let machine = tools::machine(config).await;
    let now = UnixMs::now();
    let offered = config.tools.values().flat_map(|tool| tool.models.iter());
    let mut names: Vec<(String, Option<String>)> = Vec::new();
    let mut known = BTreeSet::new();
    for name in config.models.keys().chain(offered) {
        if known.insert(name.to_ascii_lowercase()) {
            names.push((name.clone(), None));
        }
    }
    let listed = args.all || args.filter.is_some() || names.is_empty();
    if listed {
        let usable: BTreeSet<&str> =
            machine.iter().filter(|seen| seen.usable).filter_map(|seen| seen.provider.as_deref()).collect();
        for model in config.prices.models() {
            let wanted = args.all || args.filter.is_some() || usable.contains(model.provider());
            let id = model.id();
            let own = config.models.contains_key(id.as_ref());
            if wanted && !own {
                names.push((id.into_owned(), Some(model.provider().to_owned())));
            }
        }
    }
    let fits = |row: &Row| {
        args.filter.as_ref().is_none_or(|filter| {
            let filter = filter.to_ascii_lowercase();
            row.name.to_ascii_lowercase().contains(&filter) || row.provider.to_ascii_lowercase() == filter
        })
    };
    names
        .iter()
        .map(|(name, seller)| row(name, seller.as_deref(), config, &machine, now))
        .filter(fits)
        .collect()
}

fn row(name: &str, seller: Option<&str>, config: &Config, machine: &[Seen], now: UnixMs) -> Row {
    let own = config.models.get(name);
    let provider = seller.map(str::to_owned).or_else(|| own.map(|model| model.provider.clone()));
    let provider = provider.filter(|provider| !provider.is_empty());
    let price = config.prices.lookup(name, provider.as_deref(), now);
    let provider = provider.or_else(|| price.and_then(|row| row.provider.clone())).unwrap_or_default();
    let dollars =
        |price: Option<PicoUsd>| price.map(|price| PicoUsd(price.0.saturating_mul(1_000_000)).exact());
    let offers = |seen: &&Seen| {
        if seen.models.is_empty() {
            seen.provider.as_deref() == Some(provider.as_str())
                && family(name).is_none_or(|of| of == provider)
        } else {
            seen.models.iter().any(|model| model == name)
        }
    };
    let all: Vec<&Seen> = machine.iter().filter(offers).collect();
    let offered_by: Vec<String> =
        all.iter().filter(|seen| seen.usable).map(|seen| seen.name.clone()).collect();
    let reason = own.and_then(|model| {
        let next = model.superseded_by.as_ref().map(|next| format!("; use {next}")).unwrap_or_default();
        match (&model.broken, model.retired, model.deprecated) {
            (Some(why), ..) => Some(why.clone()),
            (None, true, _) => {
                let date = model.retired_date.as_ref().map(|date| format!(" {date}")).unwrap_or_default();
                Some(format!("retired{date}{next}"))
            }
            (None, false, true) => Some(format!("deprecated{next}")),
            _ => None,
        }
    });
    let reason = reason.or_else(|| match (offered_by.is_empty(), all.as_slice()) {
        (false, _) => None,
        (true, []) => Some("no tool offers it".to_owned()),
        (true, [first, ..]) => {
            let why = first.reason.as_ref().map(|reason| reason.text.as_str()).unwrap_or_default();
            Some(format!("{}: {why}", first.name))
        }
    });
    let stopped = own.is_some_and(|model| model.retired || model.broken.is_some());
    Row {
        name: name.to_owned(),
        context_window: own.and_then(|model| model.context_window).or_else(|| {
            config.prices.context_window(name, Some(&provider).filter(|p| !p.is_empty()).map(String::as_str))
        }),
        input_per_million_usd: price.and_then(|row| dollars(row.rates.input)),
        output_per_million_usd: price.and_then(|row| dollars(row.rates.output)),
        price_from: price.map(|row| row.source.as_str()),
        usable: !offered_by.is_empty() && !stopped,
        offered_by,
        reason,
        aliases: own.map(|model| model.aliases.clone()).unwrap_or_default(),
        note: own.and_then(|model| model.note.clone()),
        provider,
    }
}

/// Takes a price table: read whole, compared with the one before, put in place at once or not at all.
fn update(paths: &Paths, from: &std::path::Path) -> Outcome {
    let name = from.display();
    let cannot = |e: std::io::Error| CliError::usage(format!("cannot read {name}")).caused_by(e);
    if std::fs::metadata(from).map_err(cannot)?.len() > MAX_BYTES {
        return Err(CliError::usage(format!("{name} is larger than 32 MiB")));
    }
    let bytes = std::fs::read(from).map_err(cannot)?;
    let new = import::parse(&bytes).map_err(|e| {
        CliError::usage(format!("{name} is no price table; nothing was changed")).caused_by(e)
    })?;
    let old = discover::imported_prices(paths).and_then(Result::ok);
    let change = Change::between(old.as_ref().unwrap_or_else(|| Catalogue::embedded()), &new);
    make_private_dir(&paths.state).map_err(|e| CliError::failed("cannot make the directory").caused_by(e))?;
    let place = discover::imported_prices_file(paths);
    replace_file(&place, &bytes)
        .map_err(|e| CliError::failed(format!("cannot write {}", place.display())).caused_by(e))?;
    println(&change.to_string())?;
    Ok(Exit::Ok)
}

/// What a new price table changes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Change {
    models: usize,
    new: usize,
    gone: usize,
    changed: Vec<String>,
}

impl Change {
    fn between(old: &Catalogue, new: &Catalogue) -> Self {
        let now = UnixMs::now();
        let mut change = Self::default();
        for model in new.models() {
            change.models += 1;
            let id = model.id();
            match old.find(&id, Some(model.provider())).filter(|before| before.id() == id) {
                None => change.new += 1,
                Some(before) => {
                    let rates = |row: Option<&llmctl_proto::price::PriceRow>| row.map(|row| row.rates);
                    if rates(before.row_at(now)) != rates(model.row_at(now)) {
                        change.changed.push(format!("{}/{id}", model.provider()));
                    }
                }
            }
        }
        let left = |model: &llmctl_proto::price::CatalogueModel<'_>| {
            new.find(&model.id(), Some(model.provider())).is_none()
        };
        change.gone = old.models().filter(left).count();
        change
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { models, new, gone, changed } = self;
        write!(
            f,
            "{models} models: {new} new, {gone} no longer listed (the built-in table still has them), {} with another \
             price today",
            changed.len()
        )?;
        for name in changed.iter().take(20) {
            write!(f, "\n  {}", one_line(name, 100))?;
        }
        match changed.len().saturating_sub(20) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}
