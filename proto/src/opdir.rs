//! An operation's directory: what it was asked, who runs it, what it said.
//!
//! `operation.json` (intent, runner, tool process), `journal.jsonl` (events), `output.txt` and `stderr.txt`
//! (redacted bytes as delivered), `raw.jsonl` (the tool's own stream, redacted), `request.json` (a wish laid down
//! for the runner). Beside it, an empty file in `pending/` stands for a journal that no daemon has stored yet.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::event::{Partial, PartialFile, StopBy, StopVia, Stream};
use crate::ids::OperationId;
use crate::paths::{Paths, private_file, replace_file_unsynced};
use crate::process::Identity;
use crate::time::UnixMs;

/// Format of `operation.json`.
pub const FORMAT: u32 = 1;

/// The paths of one operation's directory.
#[derive(Debug, Clone)]
pub struct OperationDir {
    /// Operation.
    pub id: OperationId,
    root: PathBuf,
    pending: PathBuf,
}

/// `operation.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperationFile {
    /// `FORMAT`.
    pub format: u32,
    /// Operation.
    pub operation_id: OperationId,
    /// Build that wrote it.
    pub version: String,
    /// When it was written first.
    pub created_at: UnixMs,
    /// Process that runs the operation.
    pub runner: Identity,
    /// Value of `LLMCTL_TAG` in the environment of everything the tool starts.
    pub tag: String,
    /// Process of the tool, once it was spawned.
    pub tool: Option<Identity>,
    /// What was asked, as the client needs it to ask again; opaque to the daemon.
    pub request: serde_json::Value,
}

/// `request.json`: a wish for the runner, laid down before it is told to look (SIGUSR1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Wish {
    /// Stop and keep the partial result.
    Stop {
        /// Who.
        by: StopBy,
        /// Through what.
        via: StopVia,
        /// Why.
        reason: Option<String>,
        /// Straight to the kill.
        force: bool,
        /// Replaces the tool's grace.
        grace_ms: Option<u64>,
    },
    /// Suspend the process group.
    Pause,
    /// Let it go on.
    Resume,
}

impl OperationDir {
    /// The directory of an operation, whether it exists or not.
    pub fn of(paths: &Paths, id: &OperationId) -> Self {
        Self {
            id: id.clone(),
            root: paths.operations().join(id.as_str()),
            pending: paths.pending().join(id.as_str()),
        }
    }

    /// Makes the directory, writes `operation.json` and marks it pending.
    ///
    /// # Errors
    /// The directory exists already (`AlreadyExists`) or something cannot be written.
    pub fn create(&self, file: &OperationFile) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(&self.root)?;
        self.write(file)?;
        // Last: whoever sees the mark finds out who runs it.
        private_file().write(true).create(true).truncate(true).open(&self.pending).map(drop)
    }

    /// Replaces `operation.json`.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, file: &OperationFile) -> io::Result<()> {
        replace_file_unsynced(&self.root.join("operation.json"), &to_json(file)?)
    }

    /// Reads `operation.json`.
    ///
    /// # Errors
    /// It is missing or not readable as this format.
    pub fn read(&self) -> io::Result<OperationFile> {
        read_json(&self.root.join("operation.json"))
    }

    /// Lays down a wish for the runner.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_wish(&self, wish: &Wish) -> io::Result<()> {
        replace_file_unsynced(&self.root.join("request.json"), &to_json(wish)?)
    }

    /// Takes the wish that was laid down.
    pub fn take_wish(&self) -> Option<Wish> {
        let path = self.root.join("request.json");
        let wish = read_json(&path).ok();
        let _ = fs::remove_file(&path);
        wish
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The journal.
    pub fn journal(&self) -> PathBuf {
        self.root.join("journal.jsonl")
    }

    /// A recorded stream.
    pub fn stream(&self, stream: Stream) -> PathBuf {
        self.root.join(match stream {
            Stream::Stdout => "output.txt",
            Stream::Stderr => "stderr.txt",
        })
    }

    /// The tool's own stream.
    pub fn raw(&self) -> PathBuf {
        self.root.join("raw.jsonl")
    }

    /// Opens a file of the directory for appending, created with mode 0600.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn append(path: &Path) -> io::Result<File> {
        private_file().append(true).create(true).open(path)
    }

    /// Whether the directory is there.
    pub fn exists(&self) -> bool {
        self.root.is_dir()
    }

    /// Removes the mark: everything of the journal is stored.
    pub fn settle(&self) {
        // A mark that stays only costs one more look at the next start.
        let _ = fs::remove_file(&self.pending);
    }

    /// The files a partial result consists of.
    pub fn partial(&self) -> Partial {
        let mut files: Vec<PartialFile> =
            ["operation.json", "journal.jsonl", "output.txt", "stderr.txt", "raw.jsonl"]
                .into_iter()
                .filter_map(|name| {
                    let bytes = fs::metadata(self.root.join(name)).ok()?.len();
                    Some(PartialFile { name: name.to_owned(), bytes })
                })
                .collect();
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Partial { dir_name: self.id.to_string(), files }
    }
}

/// Ids of all operations whose journals are not fully stored, oldest first.
pub fn pending(paths: &Paths) -> Vec<OperationId> {
    ids_in(&paths.pending())
}

/// Ids of all operations that have a directory, oldest first.
pub fn all(paths: &Paths) -> Vec<OperationId> {
    ids_in(&paths.operations())
}

fn ids_in(dir: &Path) -> Vec<OperationId> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut ids: Vec<OperationId> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    ids.sort_unstable();
    ids
}

fn to_json(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(value).map_err(io::Error::other)?;
    text.push(b'\n');
    Ok(text)
}

fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    serde_json::from_slice(&fs::read(path)?).map_err(io::Error::other)
}
