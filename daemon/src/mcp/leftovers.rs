//! What servers of a daemon that was killed have left: found by pid, start time and boot, by session and by mark,
//! and ended before anything new is started.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use llmctl_proto::paths::replace_file_unsynced;
use llmctl_proto::process::{
    Identity, SERVER_VARIABLE, Signal, boot_id, descendants, goes_on, in_session, kill_all, marked,
};
use serde::{Deserialize, Serialize};

/// Most records that are read.
const MOST: usize = 10_000;
/// How long leftovers get to leave by themselves: their input has ended with the daemon.
const GRACE: Duration = Duration::from_millis(500);
/// How long killed ones may take.
const GONE: Duration = Duration::from_secs(5);

#[derive(Debug, Serialize, Deserialize)]
struct Noted {
    process: Identity,
}

/// A file that says which process was started; it is there for as long as the process's tree.
#[derive(Debug)]
pub(super) struct Record {
    path: PathBuf,
}

impl Record {
    /// Notes a process. A disk that is full costs only the note: the mark finds the process too.
    pub(super) fn write(dir: &Path, process: Identity) -> Self {
        let path = dir.join(format!("{}.json", process.pid));
        let noted = Noted { process };
        let written = serde_json::to_vec(&noted).map_err(std::io::Error::other);
        if let Err(error) = written.and_then(|bytes| replace_file_unsynced(&path, &bytes)) {
            tracing::warn!(%error, path = %path.display(), "a server's process is not noted");
        }
        Self { path }
    }

    /// Removes the note.
    pub(super) fn remove(self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Ends whatever servers of former daemons with these directories have left, and gives how many processes that
/// were. Blocks for up to some seconds where something is left, else for a look at all processes.
pub(super) fn sweep(dir: &Path, instance: &str) -> usize {
    let (records, files) = read(dir);
    let mut ended = 0;
    let mut left = find(&records, instance);
    if !left.is_empty() {
        for process in &left {
            // A stopped one would not even see the end of its input.
            let _ = process.signal(Signal::CONT);
            let _ = process.signal(Signal::TERM);
        }
        wait(&left, GRACE);
    }
    let until = Instant::now() + GONE;
    while !left.is_empty() && Instant::now() < until {
        ended += left.len();
        kill_all(&left);
        wait(&left, Duration::from_millis(200));
        left = find(&records, instance);
    }
    for file in files {
        let _ = std::fs::remove_file(file);
    }
    ended
}

fn read(dir: &Path) -> (Vec<Noted>, Vec<PathBuf>) {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().take(MOST);
    let files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    let noted = |path: &PathBuf| serde_json::from_slice::<Noted>(&std::fs::read(path).ok()?).ok();
    (files.iter().filter_map(noted).filter(|noted| noted.process.boot_id == boot_id()).collect(), files)
}

fn find(records: &[Noted], instance: &str) -> Vec<Identity> {
    let ours = marked(SERVER_VARIABLE, instance).into_iter().filter(|process| !goes_on(process.pid));
    let mut found: HashSet<Identity> = ours.collect();
    for noted in records {
        // Somebody else may have its number by now: then neither links nor the session mean anything.
        let other = Identity::of(noted.process.pid).is_some_and(|now| now != noted.process);
        if !other {
            found.extend(descendants(&[noted.process.pid]));
            found.extend(in_session(noted.process.pid));
        }
    }
    // A process goes on being what it is; what lives below a leftover is one too.
    let roots: Vec<u32> = found.iter().map(|process| process.pid).collect();
    found.extend(descendants(&roots));
    found.into_iter().collect()
}

fn wait(processes: &[Identity], longest: Duration) {
    let until = Instant::now() + longest;
    while Instant::now() < until && processes.iter().any(Identity::is_alive) {
        std::thread::sleep(Duration::from_millis(2));
    }
}
