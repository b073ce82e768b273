//! From the checked tree to typed values. What is wrong was reported by the checks; here it reads as absent.

mod entries;
mod mcp;
mod policies;
mod prices;
mod sections;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::diagnostic::Diagnostic;
use super::layers::Layered;
use super::node::{Map, Node, Value};
use super::{Config, Table};
use crate::money::PicoUsd;
use crate::price;
use crate::time::UnixMs;

pub(super) use entries::pair as entry_pair;
pub(super) use policies::read as policies;

/// What reading needs beside the tree.
pub(super) struct Reading<'a> {
    /// Places.
    pub(super) layered: &'a Layered,
    /// For prices.
    pub(super) now: UnixMs,
    /// Prices that the user imported.
    pub(super) imported: Option<Arc<price::Catalogue>>,
    /// The user's home directory.
    pub(super) home: Option<&'a Path>,
    /// The project whose files are read.
    pub(super) project: Option<&'a Path>,
}

/// Reads everything; findings on prices are appended, since only reading them shows whether they fit together.
pub(super) fn config(reading: &Reading<'_>, findings: &mut Vec<Diagnostic>) -> Config {
    let tree = &reading.layered.tree;
    let keeps_prompts = tree.at_path(&["telemetry", "privacy_level"]).and_then(Node::text) == Some("full");
    let mut policies = policies::read(tree, reading.layered);
    let default_policy = text(tree, "default_policy").unwrap_or_else(|| "default".to_owned());
    if keeps_prompts {
        sections::keep_prompts(tree, &mut policies, &default_policy);
    }
    let mut config = Config {
        mcp: mcp::read(reading),
        agents: table(tree, "agents", entries::agent),
        tools: table(tree, "tools", entries::tool),
        models: table(tree, "models", entries::model),
        providers: table(tree, "providers", entries::provider),
        policies,
        default_policy,
        cost_optimization: sections::cost_optimization(tree),
        rate_limiting: sections::rate_limiting(tree),
        routing: sections::routing(tree),
        daemon: sections::daemon(tree),
        prices: prices::read(reading, findings),
    };
    complete(&mut config);
    config
}

/// Fills what a model's entry leaves out and a price table knows.
fn complete(config: &mut Config) {
    for (name, model) in &mut config.models {
        if model.provider.is_empty() {
            let listed = config.prices.model(name, None);
            model.provider = listed.map(|listed| listed.provider().to_owned()).unwrap_or_default();
        }
        if model.context_window.is_none() && !model.retired {
            let provider = Some(model.provider.as_str()).filter(|provider| !provider.is_empty());
            model.context_window = config.prices.context_window(name, provider);
        }
    }
}

fn table<T>(tree: &Node, section: &str, read: fn(&Node) -> T) -> Table<T> {
    let entries = tree.get(section).and_then(Node::map).into_iter().flatten();
    entries
        .filter(|(_, entry)| entry.node.value != Value::Null)
        .map(|(name, entry)| (name.clone(), read(&entry.node)))
        .collect()
}

fn text(node: &Node, key: &str) -> Option<String> {
    node.get(key)?.text().map(str::to_owned)
}

fn texts(node: &Node, key: &str) -> Vec<String> {
    node.get(key).map(Node::texts).unwrap_or_default()
}

fn truth(node: &Node, key: &str, default: bool) -> bool {
    node.get(key).and_then(Node::bool).unwrap_or(default)
}

fn number<T: TryFrom<u64>>(node: &Node, key: &str) -> Option<T> {
    node.get(key)?.integer().and_then(|number| T::try_from(number).ok())
}

fn money(node: &Node, key: &str) -> Option<PicoUsd> {
    amount(node.get(key)?, 9)
}

fn amount(node: &Node, decimals: u32) -> Option<PicoUsd> {
    super::check::exact(&node.decimal()?, decimals).ok().filter(|amount| amount.0 >= 0)
}

fn entries_of<'a>(node: &'a Node, key: &str) -> impl Iterator<Item = (&'a String, &'a Node)> {
    let map: Option<&Map> = node.get(key).and_then(Node::map);
    map.into_iter().flatten().map(|(name, entry)| (name, &entry.node))
}

fn text_map(node: &Node, key: &str) -> BTreeMap<String, String> {
    entries_of(node, key).filter_map(|(name, node)| Some((name.clone(), node.text()?.to_owned()))).collect()
}

fn number_map<T: TryFrom<u64>>(node: &Node, key: &str) -> BTreeMap<String, T> {
    let read = |node: &Node| node.integer().and_then(|number| T::try_from(number).ok());
    entries_of(node, key).filter_map(|(name, node)| Some((name.clone(), read(node)?))).collect()
}

/// A date (its first moment in UTC) or an RFC 3339 time.
pub(super) fn moment(text: &str) -> Option<UnixMs> {
    if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
        return Some(UnixMs(stamp.as_millisecond()));
    }
    // Jiff reads a longer text as its date too; here only the date itself is one.
    let date = Some(text).filter(|text| text.len() == 10)?.parse::<jiff::civil::Date>().ok()?;
    Some(UnixMs(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond()))
}
