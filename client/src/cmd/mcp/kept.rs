//! Files that hold one secret each, below the configuration: `secrets/NAME-VARIABLE`, mode 0600.
//!
//! A value is written before the configuration names its file, and a file that is named no more goes after it.
//! Nothing here shows a value.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use llmctl_proto::paths::{Paths, make_private_dir, private_file, sync_dir};

use crate::error::CliError;
use crate::mcp::import::{Secret, safe_name};

/// Longest file that is compared with a value, in bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// Secrets that are to be kept.
#[derive(Clone)]
pub(super) struct Kept {
    dir: PathBuf,
    planned: Vec<Planned>,
}

#[derive(Clone)]
struct Planned {
    path: PathBuf,
    value: Secret,
    /// The file is there and says this.
    there: bool,
}

impl Kept {
    /// Nothing yet.
    pub(super) fn new(paths: &Paths) -> Self {
        Self { dir: paths.config.join("secrets"), planned: Vec::new() }
    }

    /// The directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file for a value: the one that has it already, or one that is free.
    pub(super) fn place(&mut self, server: &str, variable: &str, value: &Secret) -> PathBuf {
        let base = format!("{}-{}", safe_name(server), safe_name(variable));
        let mut number = 1;
        loop {
            let name = if number == 1 { base.clone() } else { format!("{base}-{number}") };
            let path = self.dir.join(name);
            number += 1;
            if let Some(planned) = self.planned.iter().find(|planned| planned.path == path) {
                if planned.value == *value {
                    return path;
                }
                continue;
            }
            let there = match path.symlink_metadata() {
                Err(_) => false,
                Ok(meta) if meta.is_file() && meta.len() <= MAX_BYTES && says(&path, value) => true,
                Ok(_) => continue,
            };
            self.planned.push(Planned { path: path.clone(), value: value.clone(), there });
            return path;
        }
    }

    /// The files.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.planned.iter().map(|planned| planned.path.as_path())
    }

    /// Takes over what another one plans.
    pub(super) fn absorb(&mut self, other: &Self) {
        for planned in &other.planned {
            if !self.planned.iter().any(|own| own.path == planned.path) {
                self.planned.push(planned.clone());
            }
        }
    }

    /// Values and files that are to be kept.
    pub(super) fn values(&self) -> impl Iterator<Item = String> + '_ {
        self.planned.iter().map(|planned| planned.value.reveal().to_owned())
    }

    /// Writes them; gives the new files. If one cannot be written, none stays.
    pub(super) fn write(&self) -> Result<Vec<PathBuf>, CliError> {
        let mut made = Vec::new();
        if self.planned.is_empty() {
            return Ok(made);
        }
        let fail = |what: String| CliError::failed(what).hint("nothing was changed");
        make_private_dir(&self.dir).map_err(|e| fail("cannot keep secrets".to_owned()).caused_by(e))?;
        for planned in self.planned.iter().filter(|planned| !planned.there) {
            if let Err(error) = write_new(&planned.path, planned.value.reveal()) {
                undo(&made);
                return Err(fail(format!("cannot write {}", planned.path.display())).caused_by(error));
            }
            made.push(planned.path.clone());
        }
        // A power failure may cost the names; what is named in the configuration is written after them.
        let _ = sync_dir(&self.dir);
        Ok(made)
    }
}

/// Takes files away again.
pub(super) fn undo(made: &[PathBuf]) {
    for path in made {
        // The error that led here is the one to tell.
        let _ = fs::remove_file(path);
    }
}

/// The end of the last line belongs to the file, so every value is kept exactly.
fn write_new(path: &Path, value: &str) -> io::Result<()> {
    let mut file = private_file().write(true).create_new(true).open(path)?;
    let written = file.write_all(value.as_bytes()).and_then(|()| file.write_all(b"\n"));
    written.and_then(|()| file.sync_data()).inspect_err(|_| undo(&[path.to_owned()]))
}

fn says(path: &Path, value: &Secret) -> bool {
    fs::read(path).is_ok_and(|bytes| bytes.strip_suffix(b"\n").unwrap_or(&bytes) == value.reveal().as_bytes())
}
