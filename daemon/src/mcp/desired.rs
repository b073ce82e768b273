//! What the user wants of each server, and the era each was opened in: kept over restarts of the daemon.
//!
//! A server that was stopped by hand stays stopped. One that was started by hand comes back with a daemon of the
//! same boot; after a reboot only the configuration counts.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use llmctl_proto::mcp::Desired;
use llmctl_proto::paths::replace_file;
use llmctl_proto::process::boot_id;
use serde::{Deserialize, Serialize};

use super::session::Era;

/// Servers that are remembered; beyond it the first by name go.
const MOST: usize = 1_000;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    #[serde(default)]
    desired: Desired,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    boot_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    era: Option<String>,
}

/// The file that keeps it.
#[derive(Debug, Clone)]
pub(super) struct Wishes {
    path: Arc<PathBuf>,
    entries: Arc<Mutex<BTreeMap<String, Entry>>>,
}

impl Wishes {
    /// Reads the file. One that cannot be read is as good as none, and is said in the log.
    pub(super) fn open(path: PathBuf) -> Self {
        let read = std::fs::read(&path);
        let entries = match read.map(|bytes| serde_json::from_slice::<BTreeMap<String, Entry>>(&bytes)) {
            Ok(Ok(entries)) => entries,
            Ok(Err(error)) => {
                tracing::warn!(%error, path = %path.display(), "what was wanted of MCP servers cannot be read");
                BTreeMap::new()
            }
            Err(_) => BTreeMap::new(),
        };
        Self { path: Arc::new(path), entries: Arc::new(Mutex::new(entries)) }
    }

    /// What the user wants of a server.
    pub(super) fn of(&self, name: &str) -> Desired {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = entries.get(name) else { return Desired::Configured };
        match entry.desired {
            Desired::Running if entry.boot_id.as_deref() != Some(boot_id()) => Desired::Configured,
            other => other,
        }
    }

    /// The era a server was opened in last.
    pub(super) fn era(&self, name: &str) -> Option<Era> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        match entries.get(name)?.era.as_deref()? {
            "legacy" => Some(Era::Legacy),
            "modern" => Some(Era::Modern),
            _ => None,
        }
    }

    /// Notes what the user wants; on disk when it returns.
    pub(super) async fn want(&self, name: &str, desired: Desired) {
        let boot = (desired == Desired::Running).then(|| boot_id().to_owned());
        self.change(name, move |entry| {
            entry.desired = desired;
            entry.boot_id = boot;
        })
        .await;
    }

    /// Notes the era a server was opened in, or that it is not known.
    pub(super) async fn note_era(&self, name: &str, era: Option<Era>) {
        let era = era.map(|era| era.name().to_owned());
        self.change(name, move |entry| entry.era = era).await;
    }

    async fn change(&self, name: &str, change: impl FnOnce(&mut Entry)) {
        {
            let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            let entry = entries.entry(name.to_owned()).or_default();
            let before = entry.clone();
            change(entry);
            if *entry == before {
                return;
            }
            if *entry == Entry::default() {
                entries.remove(name);
            }
            while entries.len() > MOST {
                entries.pop_first();
            }
        }
        let (path, entries) = (Arc::clone(&self.path), Arc::clone(&self.entries));
        let write = move || {
            // Held while it is written, so that an older state never overtakes a newer one.
            let entries = entries.lock().unwrap_or_else(PoisonError::into_inner);
            let bytes = serde_json::to_vec_pretty(&*entries).map_err(std::io::Error::other)?;
            replace_file(&path, &bytes)
        };
        match tokio::task::spawn_blocking(write).await {
            Ok(Ok(())) | Err(_) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, path = %self.path.display(), "what is wanted of MCP servers is not kept");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_kept_and_a_start_by_hand_only_within_a_boot() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("servers.json");
        let wishes = Wishes::open(path.clone());
        assert_eq!((wishes.of("a"), wishes.era("a")), (Desired::Configured, None));
        wishes.want("a", Desired::Stopped).await;
        wishes.want("b", Desired::Running).await;
        wishes.note_era("b", Some(Era::Modern)).await;
        let again = Wishes::open(path.clone());
        assert_eq!(
            (again.of("a"), again.of("b"), again.era("b")),
            (Desired::Stopped, Desired::Running, Some(Era::Modern))
        );
        let text = std::fs::read_to_string(&path).expect("written").replace(boot_id(), "another");
        std::fs::write(&path, text).expect("written");
        assert_eq!(Wishes::open(path.clone()).of("b"), Desired::Configured);
        std::fs::write(&path, "{no json").expect("written");
        assert_eq!(Wishes::open(path).of("a"), Desired::Configured);
    }
}
