//! Retention of the operations' directories and of stored events, once after the start and once a day.

use std::path::{Path, PathBuf};
use std::time::Duration;

use llmctl_proto::ids::OperationId;
use llmctl_proto::opdir::{self, OperationDir};
use llmctl_proto::paths::Paths;
use llmctl_proto::time::UnixMs;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::settings::Settings;
use crate::store::{Retention, Store};

/// First run after the start: not while a start-up is being waited for.
const FIRST: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// Prunes until the daemon ends.
pub async fn run(
    store: Store,
    paths: Paths,
    settings: watch::Receiver<Settings>,
    shutdown: CancellationToken,
) {
    let mut wait = FIRST;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = EVERY;
        let retention = settings.borrow().retention;
        let removed = store.prune(retention).await.unwrap_or(0);
        let paths = paths.clone();
        let dirs = tokio::task::spawn_blocking(move || prune_directories(&paths, retention, UnixMs::now()));
        let dirs = dirs.await.unwrap_or(0);
        if removed > 0 || dirs > 0 {
            tracing::info!(events = removed, operations = dirs, "history pruned");
        }
    }
}

/// Removes the directories of operations that ended long ago, and the oldest beyond the size limit. One that is
/// still pending is never touched. Gives the number removed.
pub fn prune_directories(paths: &Paths, retention: Retention, now: UnixMs) -> u64 {
    let pending: std::collections::HashSet<OperationId> = opdir::pending(paths).into_iter().collect();
    let mut kept: Vec<(PathBuf, u64)> = Vec::new();
    let mut removed = 0;
    for id in opdir::all(paths) {
        if pending.contains(&id) {
            continue;
        }
        let root = OperationDir::of(paths, &id).root().to_owned();
        let age_days = now.since(changed_at(&root)) / 86_400_000;
        if retention.output_days > 0 && age_days >= u64::from(retention.output_days) {
            removed += u64::from(std::fs::remove_dir_all(&root).is_ok());
        } else {
            let size = size_of(&root);
            kept.push((root, size));
        }
    }
    let limit = retention.output_max_mb.saturating_mul(1024 * 1024);
    let mut total: u64 = kept.iter().map(|(_, size)| size).sum();
    // Ids sort by time, so the first are the oldest.
    for (root, size) in kept {
        if limit == 0 || total <= limit {
            break;
        }
        if std::fs::remove_dir_all(&root).is_ok() {
            total -= size;
            removed += 1;
        }
    }
    removed
}

fn changed_at(root: &Path) -> UnixMs {
    let modified = std::fs::metadata(root.join("journal.jsonl")).or_else(|_| std::fs::metadata(root));
    let since =
        modified.and_then(|m| m.modified()).ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
    since.map_or_else(UnixMs::now, |since| UnixMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
}

fn size_of(root: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(root) else { return 0 };
    entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|m| m.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(root: &Path) -> Paths {
        let paths = Paths {
            state: root.join("state"),
            runtime: root.join("run"),
            config: root.join("config"),
            socket: root.join("run/s"),
        };
        paths.ensure_state().expect("made");
        paths
    }

    fn operation(paths: &Paths, size: usize) -> OperationId {
        let id = OperationId::new();
        let dir = OperationDir::of(paths, &id);
        std::fs::create_dir(dir.root()).expect("mkdir");
        std::fs::write(dir.journal(), vec![b'x'; size]).expect("journal");
        id
    }

    #[test]
    fn the_oldest_go_first_and_pending_ones_stay() {
        let root = tempfile::tempdir().expect("tempdir");
        let paths = paths(root.path());
        let ids: Vec<OperationId> = (0..4)
            .map(|n| {
                let id: OperationId = format!("exec-{n:016}").parse().expect("valid");
                let dir = OperationDir::of(&paths, &id);
                std::fs::create_dir(dir.root()).expect("mkdir");
                std::fs::write(dir.journal(), vec![b'x'; 1024 * 1024]).expect("journal");
                id
            })
            .collect();
        std::fs::write(paths.pending().join(ids[0].as_str()), b"").expect("marked");
        let retention = Retention { events_days: 0, output_days: 0, output_max_mb: 2 };
        assert_eq!(prune_directories(&paths, retention, UnixMs::now()), 1);
        let left = opdir::all(&paths);
        assert_eq!(left, [ids[0].clone(), ids[2].clone(), ids[3].clone()]);
    }

    #[test]
    fn old_ones_go_by_age() {
        let root = tempfile::tempdir().expect("tempdir");
        let paths = paths(root.path());
        operation(&paths, 10);
        let retention = Retention { events_days: 0, output_days: 30, output_max_mb: 0 };
        assert_eq!(prune_directories(&paths, retention, UnixMs::now()), 0);
        let later = UnixMs(UnixMs::now().0 + 31 * 86_400_000);
        assert_eq!(prune_directories(&paths, retention, later), 1);
    }
}
