//! `llmctl mcp import`: servers that other programs have configured, shown first, then written.

use std::collections::BTreeMap;

use llmctl_proto::paths::Paths;
use llmctl_proto::task::NewValue;
use serde_json::Value as Json;

use super::change::{ask, harmless, hider, write};
use super::files::{Files, server_of};
use super::found::{Source, sources};
use super::kept::Kept;
use super::report;
use crate::cli::mcp_config::McpImport;
use crate::cmd::print;
use crate::error::{CliError, Exit, Outcome};
use crate::mcp::import::server::to_json;
use crate::mcp::import::{Choice, Chosen, Found, choose};

/// What becomes of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is added.
    Added,
    /// It takes the place of another.
    Replaced,
    /// It is there already.
    There,
    /// Another of the same name is there, and stays.
    Differs,
    /// It cannot be written; the reason.
    Refused(String),
}

/// A server, and what becomes of it.
pub(super) struct Planned {
    /// It.
    pub(super) chosen: Chosen,
    /// What becomes of it.
    pub(super) fate: Fate,
    /// Variables and headers whose values go into files, with these.
    pub(super) secrets: Vec<(String, std::path::PathBuf)>,
    value: NewValue,
    kept: Kept,
}

pub(super) async fn run(paths: &Paths, args: &McpImport) -> Outcome {
    let sources = sources(args)?;
    let offered: Vec<(usize, Found)> = sources
        .iter()
        .enumerate()
        .flat_map(|(at, source)| source.servers.iter().flatten().map(move |found| (at, found.clone())))
        .collect();
    let (chosen, unknown) = choose(&offered, Choice { only: &args.only, prefix: &args.prefix });
    if let Some(name) = unknown.first() {
        let names: Vec<&str> = offered.iter().map(|(_, found)| found.name.as_str()).collect();
        let error = CliError::usage(harmless(&format!("no server `{name}` was found")));
        return Err(error.hint(harmless(&format!("there are: {}", names.join(", ")))));
    }
    let mut files = Files::read(paths)?;
    let mut planned = plan(paths, args, &sources, chosen, &files);
    build(&mut files, &mut planned)?;
    let mut kept = Kept::new(paths);
    for plan in planned.iter().filter(|plan| plan.fate.writes()) {
        kept.absorb(&plan.kept);
    }
    let diff = files.diff(&hider(&kept));
    let told = report::Import { args, sources: &sources, planned: &planned, diff: &diff };
    if !args.json {
        print(&told.text())?;
    }
    let goes = files.changed() && !args.dry_run;
    if !goes || !(args.yes || !args.json && ask("Write this?")?) {
        if args.json {
            print(&told.json(None)?)?;
        }
        return match goes {
            false => Ok(Exit::Ok),
            true if args.json => Err(CliError::usage("nothing was written").hint("add --yes, or --dry-run")),
            true => Err(CliError::failed("nothing was written")),
        };
    }
    let written = write(paths, &files, &kept).await?;
    if args.json {
        print(&told.json(Some(&written))?)?;
    } else {
        print(&harmless(&written.to_text()))?;
    }
    Ok(Exit::Ok)
}

impl Fate {
    /// Something is written for it.
    fn writes(&self) -> bool {
        matches!(self, Self::Added | Self::Replaced)
    }
}

/// Compares each server with what is there.
fn plan(
    paths: &Paths,
    args: &McpImport,
    sources: &[Source],
    chosen: Vec<Chosen>,
    files: &Files,
) -> Vec<Planned> {
    // One after another, so that no two get the same file for different values.
    let mut all = Kept::new(paths);
    let each = |chosen: Chosen| {
        let mut kept = all.clone();
        let mut secrets = Vec::new();
        // A file of a project may come from anybody: what it names does not start by itself.
        let own = sources.get(chosen.source).is_some_and(|source| !source.foreign);
        let auto_start = args.auto_start && own && chosen.server.enabled;
        let value = chosen.server.to_value(auto_start, &mut |variable, secret| {
            let path = kept.place(&chosen.name, variable, secret);
            secrets.push((variable.to_owned(), path.clone()));
            path
        });
        let fate = match files.server(&chosen.name) {
            None => Fate::Added,
            Some(there) if without_start(there.clone()) == without_start(to_json(&value)) => Fate::There,
            Some(_) if args.replace => Fate::Replaced,
            Some(_) => Fate::Differs,
        };
        if fate.writes() {
            all.absorb(&kept);
        }
        Planned { chosen, fate, secrets, value, kept }
    };
    chosen.into_iter().map(each).collect()
}

/// Whether a server starts by itself is the user's to say, and makes no other server of it.
fn without_start(mut server: Json) -> Json {
    if let Some(map) = server.as_object_mut() {
        map.remove("auto_start");
    }
    server
}

/// Makes the changes; a server that would not load is left out with the reason.
fn build(files: &mut Files, planned: &mut [Planned]) -> Result<(), CliError> {
    loop {
        files.reset();
        let of = |fate: Fate| planned.iter().filter(move |plan| plan.fate == fate);
        for plan in of(Fate::Replaced) {
            files.put(&plan.chosen.name, &plan.value)?;
        }
        files.add(of(Fate::Added).map(|plan| (plan.chosen.name.clone(), plan.value.clone())).collect())?;
        let errors = files.new_errors();
        let mut why: BTreeMap<String, String> = BTreeMap::new();
        for error in &errors {
            if let Some(name) = server_of(error) {
                why.entry(name).or_insert_with(|| error.message.clone());
            }
        }
        let mut dropped = false;
        for plan in planned.iter_mut().filter(|plan| plan.fate.writes()) {
            if let Some(why) = why.get(&plan.chosen.name) {
                plan.fate = Fate::Refused(format!("it would not be valid: {why}"));
                dropped = true;
            }
        }
        if !dropped {
            return files.check();
        }
    }
}
