//! Finds and reads the files of other programs; the only part of an import that touches their directories.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::cli::mcp_config::McpImport;
use crate::config::working_dir;
use crate::error::CliError;
use crate::mcp::import::{
    Belongs, Candidate, Format, Found, MAX_BYTES, Surveyed, candidates, parse, recognise, servers,
};

/// A file that was read.
pub(super) struct Source {
    /// Whose it is.
    pub(super) format: Format,
    /// Where it is.
    pub(super) path: PathBuf,
    /// It belongs to a project, and was not named by the user.
    pub(super) foreign: bool,
    /// What it holds, or why that is not known: with line and column.
    pub(super) servers: Result<Vec<Found>, String>,
}

/// Every file that is wanted.
pub(super) fn sources(args: &McpImport) -> Result<Vec<Source>, CliError> {
    let cwd = working_dir()?;
    let home = std::env::home_dir().unwrap_or_else(|| PathBuf::from("/"));
    let from = args.from.map(Format::from);
    if let Some(file) = &args.file {
        let path = cwd.join(file);
        let workspace = workspace(&path, &home);
        let (format, found) = read(&path, from, workspace.as_deref(), &cwd)
            .map_err(|why| CliError::usage(format!("{}: {why}", file.display())))?;
        return Ok(vec![Source { format, path, foreign: false, servers: Ok(found) }]);
    }
    let dir = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let places = Surveyed {
        config: dir("XDG_CONFIG_HOME")
            .filter(|path| path.is_absolute())
            .unwrap_or_else(|| home.join(".config")),
        codex: dir("CODEX_HOME").unwrap_or_else(|| home.join(".codex")),
        project: project(&cwd).to_owned(),
        home,
        cwd,
    };
    let wanted = |candidate: &Candidate| match from {
        None => true,
        Some(Format::McpJson) => candidate.path.ends_with(".mcp.json"),
        Some(format) => candidate.format == format,
    };
    let there: Vec<Candidate> = candidates(&places)
        .into_iter()
        .filter(|candidate| wanted(candidate) && candidate.path.symlink_metadata().is_ok())
        .collect();
    if let (true, Some(format)) = (there.is_empty(), from) {
        return Err(CliError::usage(format!("no file of {} was found", format.title()))
            .hint("name it with --file PATH"));
    }
    let source = |candidate: Candidate| {
        let belongs = candidate.workspace.as_deref();
        let servers =
            read(&candidate.path, Some(candidate.format), belongs, &places.cwd).map(|(_, found)| found);
        let foreign = candidate.workspace.is_some() && from.is_none();
        Source { format: candidate.format, path: candidate.path, foreign, servers }
    };
    Ok(there.into_iter().map(source).collect())
}

/// The nearest directory upwards that is a repository, else this one.
fn project(cwd: &Path) -> &Path {
    cwd.ancestors().find(|dir| dir.join(".git").exists()).unwrap_or(cwd)
}

/// The project that a file belongs to by its place.
fn workspace(path: &Path, home: &Path) -> Option<PathBuf> {
    let dir = path.parent()?;
    let inside = [".vscode", ".cursor", ".codex", ".gemini"].iter().any(|name| dir.ends_with(name));
    let project = if inside { dir.parent()? } else { dir };
    let named = inside || path.file_name().is_some_and(|name| name == ".mcp.json");
    (named && project != home).then(|| project.to_owned())
}

fn read(
    path: &Path,
    format: Option<Format>,
    workspace: Option<&Path>,
    cwd: &Path,
) -> Result<(Format, Vec<Found>), String> {
    let text = text(path)?;
    if text.trim_start_matches('\u{feff}').trim().is_empty() {
        return Ok((format.unwrap_or(Format::McpJson), Vec::new()));
    }
    let root = parse(&text, format, path).map_err(|error| error.to_string())?;
    let format = format.unwrap_or_else(|| recognise(path, &root));
    let belongs = Belongs { workspace, cwd: Some(cwd) };
    let found = servers(&root, format, belongs).map_err(|error| error.to_string())?;
    Ok((format, found))
}

/// At most the limit; a pipe is not opened, as that would wait for a writer.
fn text(path: &Path) -> Result<String, String> {
    let open = || -> std::io::Result<Vec<u8>> {
        if !path.metadata()?.is_file() {
            return Err(std::io::Error::other("it is no file"));
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = open().map_err(|error| format!("it cannot be read: {error}"))?;
    if bytes.len() > MAX_BYTES {
        return Err(format!("it is longer than {} MiB", MAX_BYTES / 1024 / 1024));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        let column = before.len() - memchr::memrchr(b'\n', before).map_or(0, |at| at + 1) + 1;
        format!("{line}:{column}: it is not UTF-8 text")
    })
}
