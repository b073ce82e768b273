//! The doorbell: one watch for each directory of a tree, and flags that say that somebody rang.
//!
//! It never says what happened; a scan does. Watches are kept by directory and renewed where a directory was moved
//! or made again, because a watch follows the directory and not its name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use llmctl_proto::time::UnixMs;
use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RemoveKind};
use notify::{Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

/// Moved directories that are told apart; beyond it all watches are renewed.
const MAX_MOVED: usize = 64;

const SOFT: u8 = 1;
const URGENT: u8 = 2;
const OVERFLOW: u8 = 4;
const BROKEN: u8 = 8;

/// What rang since somebody last listened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rung {
    pub(super) soft: bool,
    pub(super) urgent: bool,
    /// The system lost events.
    pub(super) overflow: bool,
    /// The watcher failed.
    pub(super) broken: bool,
}

/// One slot between the watcher's thread and the board.
#[derive(Debug)]
pub(super) struct Doorbell {
    flags: AtomicU8,
    events: AtomicU64,
    last_event_ms: AtomicI64,
    moved: Mutex<Moved>,
    wake: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Moved {
    paths: Vec<PathBuf>,
    all: bool,
}

impl Doorbell {
    pub(super) fn new(wake: Arc<Notify>) -> Self {
        let (flags, events, last_event_ms) = (AtomicU8::new(0), AtomicU64::new(0), AtomicI64::new(0));
        Self { flags, events, last_event_ms, moved: Mutex::default(), wake }
    }

    /// Takes what rang.
    pub(super) fn take(&self) -> Rung {
        let flags = self.flags.swap(0, Ordering::AcqRel);
        let is = |flag| flags & flag != 0;
        Rung { soft: is(SOFT), urgent: is(URGENT), overflow: is(OVERFLOW), broken: is(BROKEN) }
    }

    /// When the last event came.
    pub(super) fn last_event(&self) -> Option<UnixMs> {
        Some(self.last_event_ms.load(Ordering::Relaxed)).filter(|at| *at > 0).map(UnixMs)
    }

    fn set(&self, flag: u8) {
        self.events.fetch_add(1, Ordering::Relaxed);
        self.last_event_ms.store(UnixMs::now().0, Ordering::Relaxed);
        self.flags.fetch_or(flag, Ordering::AcqRel);
        self.wake.notify_one();
    }

    fn moved(&self) -> std::sync::MutexGuard<'_, Moved> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn on_event(&self, event: notify::Result<Event>) {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                tracing::warn!(error = %error, "watcher of task files");
                self.moved().all = true;
                return self.set(BROKEN);
            }
        };
        if event.need_rescan() {
            self.moved().all = true;
            return self.set(OVERFLOW);
        }
        // Temporary files of editors and our own.
        if !event.paths.is_empty() && event.paths.iter().all(|path| is_hidden(path)) {
            return;
        }
        let (flag, moves) = match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => (URGENT, false),
            // Our own reads raise these.
            EventKind::Access(_) => return,
            EventKind::Modify(ModifyKind::Name(_)) => (URGENT, true),
            EventKind::Remove(RemoveKind::File) => (SOFT, false),
            EventKind::Create(CreateKind::Folder) | EventKind::Remove(_) => (SOFT, true),
            _ => (SOFT, false),
        };
        if moves {
            let mut moved = self.moved();
            for path in event.paths {
                if moved.paths.len() >= MAX_MOVED {
                    moved.all = true;
                } else if !moved.paths.contains(&path) {
                    moved.paths.push(path);
                }
            }
        }
        self.set(flag);
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Why changes cannot be watched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unwatched {
    /// Stable word.
    pub(super) reason: &'static str,
    /// What the system said, without a path.
    pub(super) message: String,
}

impl From<notify::Error> for Unwatched {
    fn from(error: notify::Error) -> Self {
        let limit = |source: &std::io::Error| {
            // No more watches, no more instances, no more descriptors.
            matches!(source.raw_os_error(), Some(28 | 24 | 23))
        };
        let reason = match &error.kind {
            notify::ErrorKind::MaxFilesWatch => "watch_limit",
            notify::ErrorKind::Io(source) if limit(source) => "watch_limit",
            notify::ErrorKind::Io(source) if source.kind() == std::io::ErrorKind::Unsupported => {
                "unsupported"
            }
            _ => "error",
        };
        Self { reason, message: notify::Error::new(error.kind).to_string() }
    }
}

/// The watches of one tree.
#[derive(Debug)]
pub(super) struct Watch {
    watcher: RecommendedWatcher,
    root: PathBuf,
    /// Directories that are watched, below the root; the empty one is the root.
    dirs: BTreeSet<String>,
    bell: Arc<Doorbell>,
}

impl Watch {
    /// Watches a root alone.
    pub(super) fn open(root: &Path, bell: &Arc<Doorbell>) -> Result<Self, Unwatched> {
        if has_no_events(root) {
            let message = "the file system does not say what changes".to_owned();
            return Err(Unwatched { reason: "unsupported", message });
        }
        let ring = Arc::clone(bell);
        let watcher = RecommendedWatcher::new(
            move |event| ring.on_event(event),
            Config::default().with_follow_symlinks(false),
        )?;
        let mut watch =
            Self { watcher, root: root.to_owned(), dirs: BTreeSet::new(), bell: Arc::clone(bell) };
        watch.add(String::new())?;
        Ok(watch)
    }

    /// Forgets the watches of directories that were moved or made again since the last time, so that `sync` puts
    /// them on anew.
    pub(super) fn renew(&mut self) {
        let moved = std::mem::take(&mut *self.bell.moved());
        if !moved.all && moved.paths.is_empty() {
            return;
        }
        let stale: Vec<String> = self
            .dirs
            .iter()
            .filter(|dir| {
                let path = self.path(dir);
                moved.all || moved.paths.iter().any(|moved| path.starts_with(moved))
            })
            .cloned()
            .collect();
        for dir in stale {
            self.remove(&dir);
        }
    }

    /// Watches exactly the root and these directories. True when one was added: what happened in it before is to be
    /// looked for.
    pub(super) fn sync(&mut self, dirs: &BTreeSet<String>) -> Result<bool, Unwatched> {
        // Away with the old ones first: under its new name a directory has the same watch.
        let gone: Vec<String> =
            self.dirs.iter().filter(|dir| !dir.is_empty() && !dirs.contains(*dir)).cloned().collect();
        for dir in gone {
            self.remove(&dir);
        }
        let mut added = false;
        if !self.dirs.contains("") {
            self.add(String::new())?;
            added = true;
        }
        for dir in dirs {
            if self.dirs.contains(dir) {
                continue;
            }
            match self.add(dir.clone()) {
                Ok(()) => added = true,
                // Gone again already; its parent rings.
                Err(_) if !self.path(dir).is_dir() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(added)
    }

    fn path(&self, dir: &str) -> PathBuf {
        if dir.is_empty() { self.root.clone() } else { self.root.join(dir) }
    }

    fn add(&mut self, dir: String) -> Result<(), Unwatched> {
        self.watcher.watch(&self.path(&dir), RecursiveMode::NonRecursive)?;
        self.dirs.insert(dir);
        Ok(())
    }

    fn remove(&mut self, dir: &str) {
        // A directory that is gone has taken its watch with it.
        let _ = self.watcher.unwatch(&self.path(dir));
        self.dirs.remove(dir);
    }
}

/// File systems of the network, on which others' changes are never told.
#[cfg(target_os = "linux")]
fn has_no_events(root: &Path) -> bool {
    // NFS, SMB, CIFS, SMB2, 9P, AFS.
    const REMOTE: [u64; 6] = [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x0102_1997, 0x5346_414f];
    #[allow(clippy::unnecessary_cast, clippy::cast_sign_loss, reason = "the type differs between systems")]
    rustix::fs::statfs(root).is_ok_and(|stat| REMOTE.contains(&(stat.f_type as u64 & 0xffff_ffff)))
}

#[cfg(not(target_os = "linux"))]
fn has_no_events(_root: &Path) -> bool {
    false
}
