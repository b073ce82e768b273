//! The files of the user's configuration, to be changed: every change is made on the text, and nothing is written
//! that would not load.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use llmctl_proto::config::{
    Diagnostic, KeyPath, Layer, Overrides, ProjectUse, Severity, SourceFile, Sources, discover, load,
};
use llmctl_proto::paths::{Paths, make_private_dir, replace_file};
use llmctl_proto::task::{Body, Edit, EditError, NewValue, Node, append_section, apply};
use serde_json::Value as Json;

use crate::config::catalogue;
use crate::error::CliError;
use crate::mcp::import::diff;

/// The section.
const SECTION: &str = "mcp_servers";

/// The user's files.
pub(super) struct Files {
    dir: PathBuf,
    sources: Sources,
    texts: Vec<File>,
    /// Errors that were there before.
    errors: Vec<Diagnostic>,
}

/// One file.
#[derive(Clone)]
struct File {
    path: PathBuf,
    shown: String,
    /// What is on the disk; none for a file that is not there yet.
    old: Option<String>,
    new: String,
}

impl Files {
    /// Reads them.
    pub(super) fn read(paths: &Paths) -> Result<Self, CliError> {
        let overrides = Overrides::default();
        let sources = discover::sources(paths, Path::new("/"), &overrides, ProjectUse::None, catalogue())?;
        let text = |file: &SourceFile| {
            let text = String::from_utf8(file.content.clone().ok()?).ok()?;
            Some(File {
                path: file.path.clone(),
                shown: file.shown.clone(),
                old: Some(text.clone()),
                new: text,
            })
        };
        let texts = sources.files.iter().filter_map(text).collect();
        let errors = load(&sources).of(Severity::Error).cloned().collect();
        Ok(Self { dir: paths.config.clone(), sources, texts, errors })
    }

    /// The file that a server is written in.
    fn holder(&self, name: &str) -> Option<usize> {
        self.texts.iter().position(|file| entry(&file.new, name).is_some())
    }

    /// Path of the file that a server is written in.
    pub(super) fn path_of(&self, name: &str) -> Option<&Path> {
        self.holder(name).map(|at| self.texts[at].path.as_path())
    }

    /// How the file is shown that a server is written in.
    pub(super) fn shown_of(&self, name: &str) -> Option<&str> {
        self.holder(name).map(|at| self.texts[at].shown.as_str())
    }

    /// What is written of a server.
    pub(super) fn server(&self, name: &str) -> Option<Json> {
        self.texts.iter().find_map(|file| entry(&file.new, name))
    }

    /// Names of all servers.
    pub(super) fn names(&self) -> Vec<String> {
        let of = |file: &File| {
            let root = root(&file.new)?;
            let names = root.get(SECTION)?.entries()?.iter().map(|entry| entry.key.key_text());
            Some(names.collect::<Vec<_>>())
        };
        self.texts.iter().filter_map(of).flatten().collect()
    }

    /// The file for new servers: the one that has some, else `mcp.yaml`.
    fn home(&mut self) -> Result<usize, CliError> {
        let has = |file: &File| root(&file.new).is_some_and(|root| root.entry(SECTION).is_some());
        let named = |file: &File| file.path.file_stem().is_some_and(|stem| stem == "mcp");
        if let Some(at) = self.texts.iter().position(has).or_else(|| self.texts.iter().position(named)) {
            return Ok(at);
        }
        let path = self.dir.join("mcp.yaml");
        if path.symlink_metadata().is_ok() {
            let why = self.errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            return Err(CliError::failed(format!("{} cannot be used\n{why}", path.display())));
        }
        let shown = shown(&path);
        self.texts.push(File { path, shown, old: None, new: String::new() });
        Ok(self.texts.len() - 1)
    }

    /// Writes a server's entry as a whole: anew, or in the place of the old one.
    pub(super) fn put(&mut self, name: &str, value: &NewValue) -> Result<(), CliError> {
        let path = vec![SECTION.to_owned(), name.to_owned()];
        let at = match self.holder(name) {
            Some(at) => at,
            None => self.home()?,
        };
        let file = &mut self.texts[at];
        let there = root(&file.new).is_some_and(|root| root.entry(SECTION).is_some());
        let done = if there {
            apply(file.new.as_bytes(), &[Edit::Set { path, value: value.clone() }]).map(|done| done.text)
        } else {
            append_section(&file.new, &path, value)
        };
        file.new = done.map_err(|error| refused(&file.shown, &error, &self.errors))?;
        Ok(())
    }

    /// Adds servers that are in no file; where there is no section yet, all at once.
    pub(super) fn add(&mut self, servers: Vec<(String, NewValue)>) -> Result<(), CliError> {
        if servers.is_empty() {
            return Ok(());
        }
        let at = self.home()?;
        let file = &mut self.texts[at];
        if root(&file.new).is_some_and(|root| root.entry(SECTION).is_some()) {
            return servers.iter().try_for_each(|(name, value)| self.put(name, value));
        }
        let done = append_section(&file.new, &[SECTION.to_owned()], &NewValue::Map(servers));
        file.new = done.map_err(|error| refused(&file.shown, &error, &self.errors))?;
        Ok(())
    }

    /// Sets or removes one key of a server.
    pub(super) fn set(
        &mut self,
        name: &str,
        keys: &[String],
        value: Option<NewValue>,
    ) -> Result<(), CliError> {
        let Some(at) = self.holder(name) else { return Ok(()) };
        let file = &mut self.texts[at];
        let path: Vec<String> =
            [SECTION, name].into_iter().map(str::to_owned).chain(keys.iter().cloned()).collect();
        let edit = match value {
            Some(value) => Edit::Set { path, value },
            None => Edit::Remove { path },
        };
        let done = apply(file.new.as_bytes(), &[edit]);
        file.new = done.map_err(|error| refused(&file.shown, &error, &self.errors))?.text;
        Ok(())
    }

    /// Takes a server out.
    pub(super) fn remove(&mut self, name: &str) -> Result<(), CliError> {
        self.set(name, &[], None)
    }

    /// As it would be: forgets changes of this one's texts for those of the other.
    pub(super) fn reset(&mut self) {
        self.texts.retain(|file| file.old.is_some());
        for file in &mut self.texts {
            file.new = file.old.clone().unwrap_or_default();
        }
    }

    /// Something would be written.
    pub(super) fn changed(&self) -> bool {
        self.texts.iter().any(File::changed)
    }

    /// Errors that the changes would bring.
    pub(super) fn new_errors(&self) -> Vec<Diagnostic> {
        let mut sources = self.sources.clone();
        for file in self.texts.iter().filter(|file| file.changed()) {
            let content = Ok(file.new.clone().into_bytes());
            match sources.files.iter_mut().find(|source| source.path == file.path) {
                Some(source) => source.content = content,
                None => sources.files.push(SourceFile {
                    layer: Layer::User,
                    path: file.path.clone(),
                    shown: file.shown.clone(),
                    content,
                }),
            }
        }
        let known = |found: &Diagnostic| {
            self.errors
                .iter()
                .any(|old| (old.code, &old.path, &old.message) == (found.code, &found.path, &found.message))
        };
        load(&sources).of(Severity::Error).filter(|found| !known(found)).cloned().collect()
    }

    /// Refuses changes that would not load.
    pub(super) fn check(&self) -> Result<(), CliError> {
        let errors = self.new_errors();
        if errors.is_empty() {
            return Ok(());
        }
        let list: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Err(CliError::usage(format!(
            "the configuration would not be valid; nothing was written\n{}",
            list.join("\n")
        )))
    }

    /// The changes as a unified diff.
    pub(super) fn diff(&self, hide: &dyn Fn(&str) -> String) -> String {
        self.texts
            .iter()
            .filter(|file| file.changed())
            .map(|file| diff::unified(&file.shown, file.old.as_deref().unwrap_or_default(), &file.new, hide))
            .collect()
    }

    /// Writes what changed, unless somebody else changed it meanwhile; gives the files.
    pub(super) fn write(&self) -> Result<Vec<PathBuf>, CliError> {
        let fail = |path: &Path| {
            let what = format!("cannot write {}", path.display());
            move |e: io::Error| CliError::failed(what).caused_by(e)
        };
        make_private_dir(&self.dir)
            .map_err(|e| CliError::failed("cannot make the directory").caused_by(e))?;
        let mut written = Vec::new();
        for file in self.texts.iter().filter(|file| file.changed()) {
            // A file that stands elsewhere and is linked stays there.
            let path = fs::canonicalize(&file.path).unwrap_or_else(|_| file.path.clone());
            let now = match fs::read(&path) {
                Ok(bytes) => Some(bytes),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(fail(&path)(error)),
            };
            if now.as_deref() != file.old.as_ref().map(String::as_bytes) {
                return Err(CliError::failed(format!("{} was changed meanwhile", file.shown))
                    .hint("nothing of it was overwritten; try again"));
            }
            if file.new.is_empty() {
                // An empty file would be warned about for ever.
                fs::remove_file(&path).map_err(fail(&path))?;
            } else {
                replace_file(&path, file.new.as_bytes()).map_err(fail(&path))?;
            }
            written.push(file.path.clone());
        }
        Ok(written)
    }

    /// Every file was read, so that what none of them names is named by nobody.
    pub(super) fn all_read(&self) -> bool {
        let read = |file: &File| root(&file.new).is_some() || file.new.trim().is_empty();
        self.texts.iter().all(read)
            && self.sources.files.iter().all(|source| self.texts.iter().any(|file| file.path == source.path))
    }

    /// Every path below a directory that the texts name as `file:`; before the changes, or after.
    pub(super) fn kept_files(&self, dir: &Path, after: bool) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for file in &self.texts {
            let text = if after { Some(&file.new) } else { file.old.as_ref() };
            let json = text.and_then(|text| root(text)).map(|root| root.to_json());
            collect(&json.unwrap_or_default(), dir, &mut found);
        }
        found
    }
}

impl File {
    fn changed(&self) -> bool {
        self.old.as_deref().unwrap_or_default() != self.new
    }
}

/// A path as people see it.
pub(super) fn shown(path: &Path) -> String {
    let home = std::env::home_dir();
    match home.as_deref().and_then(|home| path.strip_prefix(home).ok()) {
        Some(inside) => format!("~/{}", inside.display()),
        None => path.display().to_string(),
    }
}

/// The name of the server that a finding is about.
pub(super) fn server_of(finding: &Diagnostic) -> Option<String> {
    match KeyPath::parse(&finding.path).ok()?.0.as_slice() {
        [section, name, ..] if section == SECTION => Some(name.clone()),
        _ => None,
    }
}

fn root(text: &str) -> Option<Node> {
    match Body::read(text.as_bytes()) {
        Body::Parsed(root) => Some(root),
        _ => None,
    }
}

fn entry(text: &str, name: &str) -> Option<Json> {
    // Reading the tree is dear for a file that cannot have it.
    if !text.contains(SECTION) {
        return None;
    }
    Some(root(text)?.get(SECTION)?.entry(name)?.value.to_json())
}

fn collect(json: &Json, dir: &Path, found: &mut Vec<PathBuf>) {
    match json {
        Json::Object(map) => {
            let file = map.get("file").and_then(Json::as_str).map(Path::new);
            // Only files that stand in the directory itself: `..` leads elsewhere.
            if let Some(path) = file.filter(|path| path.parent() == Some(dir) && map.len() == 1) {
                found.push(path.to_owned());
            }
            map.values().for_each(|value| collect(value, dir, found));
        }
        Json::Array(items) => items.iter().for_each(|item| collect(item, dir, found)),
        _ => {}
    }
}

fn refused(shown: &str, error: &EditError, known: &[Diagnostic]) -> CliError {
    let found = known.iter().find(|found| found.origin.as_ref().is_some_and(|origin| origin.name == shown));
    match (error, found) {
        // The loader knows the line.
        (EditError::Unreadable(_), Some(found)) => {
            CliError::usage(format!("{shown} cannot be read, so it is not changed\n{found}"))
        }
        _ => CliError::usage(format!("{shown}: {error}")).hint("change it by hand with `llmctl config edit`"),
    }
}
