//! Finds and reads the files of a configuration; the only part that touches the file system.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostic::{Code, Diagnostic, KeyPath, Layer, Origin};
use super::layers::split_setting;
use super::load::LoadError;
use super::sources::{Catalogue, Project, SourceFile, Sources, Trust};
use super::{trust, yaml};
use crate::paths::Paths;
use crate::price;
use crate::time::UnixMs;

/// Largest imported table of prices: 32 MiB.
const MAX_PRICES: u64 = 32 * 1024 * 1024;
/// Most files of a directory.
const MAX_FILES: usize = 100;

/// What flags say about the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Overrides {
    /// `--config-dir`: the project's directory.
    pub config_dir: Option<PathBuf>,
    /// `--set KEY=VALUE`.
    pub set: Vec<String>,
    /// `--trust-project`: for this run only.
    pub trust_project: bool,
}

/// Whether a project's directory is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProjectUse {
    /// Not looked for.
    None,
    /// Read if the user trusts exactly what is there.
    IfTrusted,
    /// The user trusts it for this run.
    ThisRun,
    /// Read to be looked at: nothing of it will be run.
    Shown,
}

/// Where `llmctl models update` puts the table of prices that it took.
pub fn imported_prices_file(paths: &Paths) -> PathBuf {
    paths.state.join("prices.json")
}

/// The imported table of prices, if there is one; or why it cannot be used.
pub fn imported_prices(paths: &Paths) -> Option<Result<price::Catalogue, String>> {
    let path = imported_prices_file(paths);
    let meta = path.metadata().ok().filter(fs::Metadata::is_file)?;
    if meta.len() > MAX_PRICES {
        return Some(Err("it is larger than 32 MiB".to_owned()));
    }
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) => return Some(Err(error.to_string())),
    };
    Some(price::import::parse(&bytes).map_err(|error| error.to_string()))
}

/// Finds and reads everything.
///
/// # Errors
/// A flag makes no sense; what is wrong with files is among the sources.
pub fn sources(
    paths: &Paths,
    cwd: &Path,
    overrides: &Overrides,
    project: ProjectUse,
    catalogue: Catalogue,
) -> Result<Sources, LoadError> {
    for pair in &overrides.set {
        split_setting(pair).map_err(LoadError::Setting)?;
    }
    let mut sources = Sources {
        env: environment(),
        set: overrides.set.clone(),
        catalogue,
        home: std::env::home_dir(),
        now: UnixMs::now(),
        ..Sources::default()
    };
    let mut reader = Reader { home: sources.home.clone(), sources: &mut sources };
    reader.imported(paths);
    reader.user(&paths.config);
    if project != ProjectUse::None
        && let Some((dir, root)) = project_dir(cwd, overrides.config_dir.as_deref())?
        && !same_dir(&dir, &paths.config)
    {
        reader.project(dir, root, project, paths);
    }
    Ok(sources)
}

/// Reads one directory alone, as `config validate DIR` does.
///
/// # Errors
/// It is no directory.
pub fn only(dir: &Path, cwd: &Path, catalogue: Catalogue) -> Result<Sources, LoadError> {
    let Some((dir, root)) = project_dir(cwd, Some(dir))? else { return Ok(Sources::default()) };
    let mut sources = Sources {
        env: environment(),
        catalogue,
        home: std::env::home_dir(),
        now: UnixMs::now(),
        ..Sources::default()
    };
    let mut reader = Reader { home: sources.home.clone(), sources: &mut sources };
    let files = reader.directory(&dir, Layer::Project, Some(&root));
    reader.sources.files.extend(files);
    sources.project = Some(Project { dir, root, trust: Trust::Shown });
    Ok(sources)
}

fn environment() -> Vec<(String, String)> {
    let ours = |name: &str| name.starts_with("LLMCTL_");
    let text = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    text.filter(|(name, _)| ours(name)).collect()
}

/// The project's directory and what it belongs to: the one that is named, else the nearest upwards.
fn project_dir(cwd: &Path, named: Option<&Path>) -> Result<Option<(PathBuf, PathBuf)>, LoadError> {
    if let Some(named) = named {
        let dir = cwd.join(named);
        if !dir.is_dir() {
            return Err(LoadError::NoDirectory(named.display().to_string()));
        }
        // Names are shown relative to the working directory if the directory is below it.
        let root =
            if dir.starts_with(cwd) { cwd.to_owned() } else { dir.parent().unwrap_or(&dir).to_owned() };
        return Ok(Some((dir, root)));
    }
    for root in cwd.ancestors() {
        let own = root.join(".llmctl");
        if own.is_dir() {
            return Ok(Some((own, root.to_owned())));
        }
        let config = root.join("config");
        let holds =
            |stem: &str| ["yaml", "yml"].iter().any(|ext| config.join(format!("{stem}.{ext}")).is_file());
        if holds("agents") && holds("tools") {
            return Ok(Some((config, root.to_owned())));
        }
    }
    Ok(None)
}

fn same_dir(one: &Path, other: &Path) -> bool {
    let id = |path: &Path| path.metadata().ok().map(|meta| (meta.dev(), meta.ino()));
    one == other || id(one).is_some_and(|one| id(other) == Some(one))
}

struct Reader<'a> {
    sources: &'a mut Sources,
    home: Option<PathBuf>,
}

impl Reader<'_> {
    /// A table that cannot be used is said; the built-in one is used then.
    fn imported(&mut self, paths: &Paths) {
        match imported_prices(paths) {
            None => {}
            Some(Ok(table)) => self.sources.imported = Some(Arc::new(table)),
            Some(Err(why)) => {
                let path = imported_prices_file(paths);
                let origin =
                    Origin { layer: Layer::Catalogue, name: self.shown(&path, None), line: 0, column: 0 };
                let message = format!("the imported prices are not used: {why}");
                let finding =
                    Diagnostic::about(Code::BadPrice, &KeyPath::of(["models"]), message, Some(origin));
                self.sources.seen.push(finding.hint("`llmctl models update --from FILE` replaces them"));
            }
        }
    }

    fn user(&mut self, dir: &Path) {
        if let Err(why) = check_owner(dir) {
            self.seen(Code::NotPrivate, Layer::User, dir, None, format!("{} {why}", dir.display()));
            return;
        }
        for file in self.directory(dir, Layer::User, None) {
            if let Err(why) = check_owner(&file.path) {
                self.seen(Code::NotPrivate, Layer::User, &file.path, None, format!("{} {why}", file.shown));
            } else {
                self.group_writable(&file);
                self.sources.files.push(file);
            }
        }
    }

    fn project(&mut self, dir: PathBuf, root: PathBuf, project: ProjectUse, paths: &Paths) {
        let files = self.directory(&dir, Layer::Project, Some(&root));
        if files.is_empty() {
            return;
        }
        let foreign = std::iter::once(dir.as_path())
            .chain(files.iter().map(|file| file.path.as_path()))
            .find_map(|path| check_owner(path).err().map(|why| format!("{} {why}", path.display())));
        let state = match (foreign, project) {
            (_, ProjectUse::Shown) => Trust::Shown,
            (Some(why), _) => Trust::NotOurs(why),
            (None, ProjectUse::ThisRun) => Trust::ThisRun,
            (None, _) => trust::state(paths, &dir, &files),
        };
        if !matches!(state, Trust::Trusted | Trust::ThisRun) {
            let message = match &state {
                Trust::NotOurs(why) => format!("{} is not used: {why}", dir.display()),
                _ => format!("{} is not in force until you say `llmctl config trust`", dir.display()),
            };
            let trusted = matches!(trust::state(paths, &dir, &files), Trust::Trusted);
            if !trusted || matches!(state, Trust::NotOurs(_)) {
                self.seen(Code::Untrusted, Layer::Project, &dir, Some(&root), message);
            }
        }
        for file in &files {
            self.group_writable(file);
        }
        self.sources.files.extend(files);
        self.sources.project = Some(Project { dir, root, trust: state });
    }

    fn seen(&mut self, code: Code, layer: Layer, path: &Path, root: Option<&Path>, message: String) {
        let origin = Origin { layer, name: self.shown(path, root), line: 0, column: 0 };
        self.sources.seen.push(Diagnostic::about(code, &KeyPath::default(), message, Some(origin)));
    }

    fn group_writable(&mut self, file: &SourceFile) {
        let open = |path: &Path| path.metadata().is_ok_and(|meta| meta.mode() & 0o020 != 0);
        if open(&file.path) {
            let message = format!("{} can be written by its group", file.shown);
            let origin = Origin { layer: file.layer, name: file.shown.clone(), line: 0, column: 0 };
            let finding = Diagnostic::about(Code::GroupWritable, &KeyPath::default(), message, Some(origin));
            self.sources.seen.push(finding.hint(format!("chmod g-w {}", file.path.display())));
        }
    }

    /// Files of a directory, read, in the order of their names. A directory that is not there has none.
    fn directory(&mut self, dir: &Path, layer: Layer, root: Option<&Path>) -> Vec<SourceFile> {
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                let message = format!("{} cannot be read: {error}", dir.display());
                self.seen(Code::Unreadable, layer, dir, root, message);
                return Vec::new();
            }
        };
        let mut names: Vec<String> = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| !name.starts_with('.') && is_yaml(name))
            .collect();
        names.sort();
        if names.len() > MAX_FILES {
            let message = format!("{} holds more than {MAX_FILES} files", dir.display());
            self.seen(Code::Unreadable, layer, dir, root, message);
            names.truncate(MAX_FILES);
        }
        let mut files = Vec::new();
        for name in &names {
            let path = dir.join(name);
            if name.strip_suffix(".yml").is_some_and(|stem| names.contains(&format!("{stem}.yaml"))) {
                let message =
                    format!("{name} is not read: {} stands beside it", name.replace(".yml", ".yaml"));
                self.seen(Code::SecondExtension, layer, &path, root, message);
                continue;
            }
            let shown = self.shown(&path, root);
            files.push(SourceFile { layer, shown, content: read(&path), path });
        }
        files
    }

    /// A path as people see it: relative to the project, `~/…`, or whole.
    fn shown(&self, path: &Path, root: Option<&Path>) -> String {
        if let Some(inside) = root.and_then(|root| path.strip_prefix(root).ok()) {
            return inside.display().to_string();
        }
        match self.home.as_deref().and_then(|home| path.strip_prefix(home).ok()) {
            Some(inside) => format!("~/{}", inside.display()),
            None => path.display().to_string(),
        }
    }
}

fn is_yaml(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|end| end == "yaml" || end == "yml")
}

/// At most one byte more than is allowed, so that a file that is too long is seen as such.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let open = || -> std::io::Result<Vec<u8>> {
        // Opening a pipe would wait for a writer.
        if !path.metadata()?.is_file() {
            return Err(std::io::Error::other("it is no file"));
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(yaml::MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    open().map_err(|error| error.to_string())
}

/// What is wrong with a file's or directory's owner and mode. One that is not there is fine.
fn check_owner(path: &Path) -> Result<(), String> {
    let Ok(meta) = path.metadata() else { return Ok(()) };
    // What the system's administrator put there is as good as the user's own.
    if meta.uid() != rustix::process::geteuid().as_raw() && meta.uid() != 0 {
        return Err(format!("belongs to user {}", meta.uid()));
    }
    if meta.mode() & 0o002 != 0 {
        return Err("can be written by everybody".to_owned());
    }
    Ok(())
}
