//! Loads a configuration: layers, checks, typed values, and everything that is wrong, in one run.

use std::fmt::Write as _;
use std::path::Path;

use super::Config;
use super::diagnostic::{Code, Diagnostic, KeyPath, Origin, Severity};
use super::discover::{self, Overrides, ProjectUse};
use super::node::{Node, Place};
use super::sources::{Catalogue, Project, Sources, Trust};
use super::{budget_guard, check, cross, layers, programs, read, servers};
use crate::paths::Paths;

/// A configuration with all that is known of it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Typed values; an entry with errors says so in `broken`.
    pub config: Config,
    /// Everything that is wrong or good to know, by file and line.
    pub diagnostics: Vec<Diagnostic>,
    /// The merged tree, for displays and for sections that are read elsewhere (tasks).
    pub tree: Node,
    /// Files that were read.
    pub files: usize,
    /// The project's directory, if there is one, and whether it is in force.
    pub project: Option<Project>,
    origins: Vec<Origin>,
}

/// A call that no configuration can be loaded for.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// `--set` with something else.
    #[error("--set: {0}")]
    Setting(String),
    /// `--config-dir` or an argument names no directory.
    #[error("{0} is no directory that can be read")]
    NoDirectory(String),
}

/// Loads from given sources; pure.
pub fn load(sources: &Sources) -> Loaded {
    let mut findings = Vec::new();
    let layered = layers::build(sources, &mut findings);
    check::root(&layered.tree, &mut findings);
    let reading = read::Reading {
        layered: &layered,
        now: sources.now,
        imported: sources.imported.clone(),
        home: sources.home.as_deref(),
        project: sources.project.as_ref().map(|project| project.root.as_path()),
    };
    let mut config = read::config(&reading, &mut findings);
    cross::check(&config, &layered.tree, &sources.catalogue, sources.now, &mut findings);
    servers::check(&layered.tree, &mut findings);
    programs::check(&config, &layered.tree, &sources.catalogue, &mut findings);
    budget_guard::keep(&mut config, &layered, &mut findings);
    let mut diagnostics: Vec<Diagnostic> = findings
        .into_iter()
        .map(|finding| {
            let origin = finding.place.and_then(|at| layered.origin(at));
            Diagnostic { origin, ..finding }
        })
        .chain(sources.seen.iter().cloned())
        .collect();
    sort(&mut diagnostics);
    diagnostics.dedup_by(|a, b| (&a.origin, a.code, &a.message) == (&b.origin, b.code, &b.message));
    mark_broken(&mut config, &diagnostics);
    Loaded {
        config,
        diagnostics,
        files: layered.files,
        project: sources.project.clone(),
        origins: layered.origins,
        tree: layered.tree,
    }
}

fn sort(diagnostics: &mut [Diagnostic]) {
    diagnostics.sort_by(|a, b| (&a.origin, a.code, &a.path).cmp(&(&b.origin, b.code, &b.path)));
}

/// Gives each entry with errors its first as the reason why it is not used.
fn mark_broken(config: &mut Config, diagnostics: &[Diagnostic]) {
    for finding in diagnostics.iter().filter(|finding| finding.severity == Severity::Error) {
        let Ok(path) = KeyPath::parse(&finding.path) else { continue };
        let [section, name, ..] = path.0.as_slice() else { continue };
        let broken = match section.as_str() {
            "agents" => config.agents.get_mut(name).map(|entry| &mut entry.broken),
            "tools" => config.tools.get_mut(name).map(|entry| &mut entry.broken),
            "models" => config.models.get_mut(name).map(|entry| &mut entry.broken),
            "mcp_servers" => {
                let mut servers = config.mcp.servers.iter_mut();
                servers.find(|server| server.name == *name).map(|server| &mut server.broken)
            }
            _ => None,
        };
        if let Some(broken @ None) = broken {
            let place = finding.origin.as_ref().map(|origin| format!(" ({})", origin.short()));
            *broken = Some(format!("{}{}", finding.message, place.unwrap_or_default()));
        }
    }
}

impl Loaded {
    /// Finds the files and loads them, as every verb does.
    ///
    /// # Errors
    /// The flags make no sense; what is wrong in files is among the diagnostics.
    pub fn load_for_cli(
        paths: &Paths,
        cwd: &Path,
        overrides: &Overrides,
        catalogue: Catalogue,
    ) -> Result<Self, LoadError> {
        let project = if overrides.trust_project { ProjectUse::ThisRun } else { ProjectUse::IfTrusted };
        Ok(load(&discover::sources(paths, cwd, overrides, project, catalogue)?))
    }

    /// Loads what the daemon lives by: the user's directory and the environment, no project.
    ///
    /// # Errors
    /// Never for files; only an unreadable working directory would be one.
    pub fn load_for_daemon(paths: &Paths) -> Result<Self, LoadError> {
        let none = Overrides::default();
        Ok(load(&discover::sources(paths, Path::new("/"), &none, ProjectUse::None, Catalogue::default())?))
    }

    /// Findings of a severity.
    pub fn of(&self, severity: Severity) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter().filter(move |finding| finding.severity == severity)
    }

    /// Why nothing may be run: a file that cannot be read as a whole, a section nobody knows, or an error where
    /// limits are set. A typing mistake must not lift a limit.
    pub fn refusal(&self) -> Option<Vec<&Diagnostic>> {
        let closes = |finding: &&Diagnostic| {
            let whole = matches!(finding.code, Code::YamlSyntax | Code::Unreadable | Code::NotPrivate);
            let path = KeyPath::parse(&finding.path).unwrap_or_default();
            match path.0.as_slice() {
                [] => true,
                [_] if finding.code == Code::UnknownKey && super::schema::kind_at(&path.0).is_none() => true,
                [section, ..] => {
                    whole || matches!(section.as_str(), "policies" | "budgets" | "default_policy")
                }
            }
        };
        let found: Vec<&Diagnostic> = self.of(Severity::Error).filter(closes).collect();
        (!found.is_empty()).then_some(found)
    }

    /// One line for a project whose files are not in force.
    pub fn notice(&self) -> Option<String> {
        let project = self.project.as_ref()?;
        let dir = project.dir.display();
        match &project.trust {
            Trust::New => Some(format!("{dir} is not used: see it and say `llmctl config trust`")),
            Trust::Changed => {
                Some(format!("{dir} is not used: it has changed; see it and say `llmctl config trust`"))
            }
            Trust::NotOurs(why) => Some(format!("{dir} is not used: {why}")),
            Trust::Trusted | Trust::ThisRun | Trust::Shown => None,
        }
    }

    /// Where something is written, for people.
    pub fn origin(&self, at: Place) -> Option<Origin> {
        let source = self.origins.get(usize::from(at.source))?;
        Some(Origin { line: at.line, column: at.column, ..source.clone() })
    }

    /// Where a key is written, for people.
    pub fn key_origin(&self, path: &KeyPath) -> Option<Origin> {
        self.origin(cross::key_place(&self.tree, path))
    }

    /// Adds findings of somebody who looked at more than the files.
    pub fn add(&mut self, findings: Vec<Diagnostic>) {
        self.diagnostics.extend(findings);
        sort(&mut self.diagnostics);
    }

    /// The findings of `config validate`, and its last line.
    pub fn report(&self, least: Severity) -> String {
        let mut text = String::new();
        for finding in self.diagnostics.iter().filter(|finding| finding.severity <= least) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{finding}");
        }
        let _ = writeln!(text, "{}", self.summary());
        text
    }

    /// `checked 4 files: 1 error, 1 warning`.
    pub fn summary(&self) -> String {
        let count = |severity| self.of(severity).count();
        format!(
            "checked {}: {}, {}",
            counted(self.files, "file"),
            counted(count(Severity::Error), "error"),
            counted(count(Severity::Warning), "warning")
        )
    }
}

fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
