//! Which projects the user trusts: the SHA-256 of their files, in the user's state directory.
//!
//! Never in the project itself. A changed, new or removed file makes the whole layer inert again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::load::Loaded;
use super::node::{Node, Value};
use super::sources::{SourceFile, Trust};
use super::{BudgetPeriod, LimitKind};
use crate::paths::{Paths, make_private_dir, replace_file};
use crate::time::UnixMs;

/// Most projects that are remembered; the oldest decision is forgotten first.
const MAX_PROJECTS: usize = 1_000;
/// Longest file of decisions that is read.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Over all files.
    pub sha256: String,
    /// When.
    pub at_ms: i64,
    /// What the project added then, a line each.
    pub adds: Vec<String>,
}

/// All decisions, by directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decisions {
    /// Directory to decision.
    #[serde(default)]
    pub projects: BTreeMap<String, Decision>,
}

fn file(paths: &Paths) -> PathBuf {
    paths.state.join("trust.json")
}

/// Reads the decisions; a file that cannot be read trusts nothing.
pub fn decisions(paths: &Paths) -> Decisions {
    let path = file(paths);
    let small = fs::metadata(&path).is_ok_and(|meta| meta.len() <= MAX_BYTES);
    let text = if small { fs::read(&path).unwrap_or_default() } else { Vec::new() };
    serde_json::from_slice(&text).unwrap_or_default()
}

fn name(dir: &Path) -> String {
    fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned()).display().to_string()
}

/// SHA-256 over the names and contents of files, in their order.
pub fn fingerprint(files: &[SourceFile]) -> String {
    let mut hash = Sha256::new();
    for file in files {
        let name = file.path.file_name().unwrap_or_default().as_encoded_bytes();
        let content = file.content.as_deref().unwrap_or_default();
        // Lengths keep two files from looking like one.
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update((content.len() as u64).to_le_bytes());
        hash.update(content);
    }
    hash.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether these bytes are trusted.
pub fn state(paths: &Paths, dir: &Path, files: &[SourceFile]) -> Trust {
    match decisions(paths).projects.get(&name(dir)) {
        None => Trust::New,
        Some(decision) if decision.sha256 == fingerprint(files) => Trust::Trusted,
        Some(_) => Trust::Changed,
    }
}

/// The earlier decision on a directory.
pub fn decision(paths: &Paths, dir: &Path) -> Option<Decision> {
    decisions(paths).projects.remove(&name(dir))
}

/// Trusts these bytes from now on.
///
/// # Errors
/// The state directory cannot be written.
pub fn grant(paths: &Paths, dir: &Path, files: &[SourceFile], adds: Vec<String>) -> io::Result<()> {
    let mut all = decisions(paths);
    let decision = Decision { sha256: fingerprint(files), at_ms: UnixMs::now().0, adds };
    all.projects.insert(name(dir), decision);
    while all.projects.len() > MAX_PROJECTS {
        let oldest =
            all.projects.iter().min_by_key(|(_, decision)| decision.at_ms).map(|(dir, _)| dir.clone());
        let Some(oldest) = oldest else { break };
        all.projects.remove(&oldest);
    }
    save(paths, &all)
}

/// Forgets a directory; says whether it was known.
///
/// # Errors
/// The state directory cannot be written.
pub fn revoke(paths: &Paths, dir: &Path) -> io::Result<bool> {
    let mut all = decisions(paths);
    // A directory that is gone cannot be resolved, but its name as listed can be given.
    let as_given = dir.display().to_string();
    if all.projects.remove(&name(dir)).or_else(|| all.projects.remove(&as_given)).is_none() {
        return Ok(false);
    }
    save(paths, &all).map(|()| true)
}

fn save(paths: &Paths, all: &Decisions) -> io::Result<()> {
    make_private_dir(&paths.state).map_err(io::Error::other)?;
    let text = serde_json::to_vec_pretty(all).map_err(io::Error::other)?;
    replace_file(&file(paths), &text)
}

/// What a project adds, a line each: programs, servers with their commands, names of variables, budgets. `project`
/// is the project's directory loaded alone.
pub fn adds(project: &Loaded) -> Vec<String> {
    let (config, tree) = (&project.config, &project.tree);
    let mut lines = Vec::new();
    for (name, tool) in &config.tools {
        let program = tool.binary_path.as_ref().or(tool.command_template.as_ref()).unwrap_or(&tool.binary);
        let args = if tool.args.is_empty() { String::new() } else { format!(" … {}", tool.args.join(" ")) };
        lines.push(format!("tool {name}: {} as `{program}{args}`", tool.binary));
        lines.extend(environment("tool", name, tool.env_vars.keys()));
    }
    for (name, agent) in &config.agents {
        lines.push(format!("agent {name}: {} with {}", agent.preferred_tool, agent.preferred_model));
        lines.extend(environment("agent", name, agent.env_vars.keys()));
    }
    for (name, provider) in &config.providers {
        let address = provider.base_url.as_deref().unwrap_or("its usual address");
        lines.push(format!("provider {name}: {address}"));
    }
    for (name, entry) in tree.get("mcp_servers").and_then(Node::map).into_iter().flatten() {
        let said =
            entry.node.get("command").or_else(|| entry.node.get("url")).map(command).unwrap_or_default();
        let args = entry.node.get("args").map(command).unwrap_or_default();
        lines.push(format!("server {name}: {}", format!("{said} {args}").trim()));
        lines.extend(sources(name, &entry.node));
        let names = entry.node.get("env").and_then(Node::map).into_iter().flatten().map(|(name, _)| name);
        lines.extend(environment("server", name, names));
    }
    for (name, policy) in &config.policies {
        for budget in &policy.budgets {
            let period = match budget.period {
                BudgetPeriod::Operation => "an operation",
                BudgetPeriod::Day => "a day",
                BudgetPeriod::Month => "a month",
            };
            let kind = if budget.kind == LimitKind::Hard { "hard" } else { "soft" };
            lines.push(format!("policy {name}: {} {period}, {kind}", budget.limit));
        }
    }
    if !config.models.is_empty() {
        lines.push(format!("models: {}", config.models.keys().cloned().collect::<Vec<_>>().join(", ")));
    }
    lines
}

fn environment<'a>(what: &str, name: &str, names: impl Iterator<Item = &'a String>) -> Option<String> {
    let names: Vec<&str> = names.map(String::as_str).collect();
    (!names.is_empty()).then(|| format!("{what} {name} sets {}", names.join(", ")))
}

/// What a server's secrets come from: files that are read, programs that are run.
fn sources(name: &str, node: &Node) -> Vec<String> {
    let alone = ["url", "bearer"].into_iter().filter_map(|key| Some((key, node.get(key)?)));
    let below = ["env", "headers"].into_iter().filter_map(|key| node.get(key)?.map()).flatten();
    let below = below.map(|(key, entry)| (key.as_str(), &entry.node));
    let said = alone.chain(below).filter_map(|(key, secret)| {
        match (secret.get("file").and_then(Node::text), secret.get("command")) {
            (Some(file), _) => Some(format!("server {name} reads {file} for {key}")),
            (None, Some(words)) => Some(format!("server {name} runs `{}` for {key}", command(words))),
            (None, None) => None,
        }
    });
    said.collect()
}

fn command(node: &Node) -> String {
    match &node.value {
        Value::Seq(_) => node.texts().join(" "),
        _ => node.text().unwrap_or_default().to_owned(),
    }
}
