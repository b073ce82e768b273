//! `llmctl config edit`: a file in the user's editor, checked afterwards.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use llmctl_proto::config::{Severity, discover, load};
use llmctl_proto::paths::{Paths, make_private_dir, private_file};

use super::print;
use crate::cli::config::ConfigFlags;
use crate::config::{catalogue, safe, working_dir};
use crate::error::{CliError, Exit, Outcome};
use crate::term::editor::open;

pub(super) fn run(paths: &Paths, flags: &ConfigFlags, file: Option<PathBuf>) -> Outcome {
    let path = path(paths, flags, file)?;
    let dir = path.parent().map(Path::to_owned).unwrap_or_default();
    make_private_dir(&dir).map_err(|e| CliError::failed("cannot make the directory").caused_by(e))?;
    if !path.exists() {
        let made = private_file().write(true).create_new(true).open(&path);
        made.map_err(|e| CliError::failed(format!("cannot make {}", path.display())).caused_by(e))?;
    }
    loop {
        open(&path).map_err(|error| {
            let hint = format!("{} may have been changed; see `llmctl config validate`", path.display());
            error.hint(hint)
        })?;
        let loaded = load(&discover::only(&dir, &working_dir()?, catalogue())?);
        let report = loaded.report(Severity::Warning);
        print(&String::from_utf8_lossy(&safe(&report)))?;
        if loaded.of(Severity::Error).next().is_none() {
            return Ok(Exit::Ok);
        }
        if !again()? {
            return Err(CliError::failed(format!("{} has errors and is kept as it is", dir.display()))
                .hint("`llmctl config edit` again; entries with errors are not used until then"));
        }
    }
}

/// A name is a file of the user's directory; a path is a path.
fn path(paths: &Paths, flags: &ConfigFlags, file: Option<PathBuf>) -> Result<PathBuf, CliError> {
    let base = flags.config_dir.as_deref().unwrap_or(&paths.config);
    let file = file.unwrap_or_else(|| PathBuf::from("llmctl.yaml"));
    let named = file.components().count() == 1 && !file.exists();
    let path = if named { base.join(&file) } else { file };
    if path.extension().is_none_or(|end| end != "yaml" && end != "yml") {
        return Err(CliError::usage(format!("{} would not be read", path.display()))
            .hint("files of the configuration end in .yaml"));
    }
    Ok(working_dir()?.join(path))
}

fn again() -> Result<bool, CliError> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    let mut error = std::io::stderr().lock();
    // Nothing can be done when standard error is gone.
    let _ = write!(error, "Edit again? [Y/n] ").and_then(|()| error.flush());
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    let read = read.map_err(|e| CliError::failed("cannot read the answer").caused_by(e))?;
    Ok(read > 0 && !matches!(line.trim(), "n" | "N" | "no"))
}
