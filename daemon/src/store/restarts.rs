//! Ends and restarts of MCP servers: the newest ones of each, by server and time.

use std::collections::HashMap;

use llmctl_proto::mcp::{RESTARTS_KEPT, Restart};
use redb::{ReadTransaction, ReadableTable as _, TableDefinition, WriteTransaction};

use super::tables::absent;

type Result<T> = std::result::Result<T, redb::Error>;

/// Server and milliseconds since 1970, raised where two ends fall together.
const RESTARTS: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("mcp_restarts");

/// Adds the end of a life; the oldest of the same server make room.
pub(super) fn add(write: &WriteTransaction, server: &str, restart: &Restart) -> Result<()> {
    let mut table = write.open_table(RESTARTS)?;
    let mut keys = Vec::new();
    for row in table.range((server, 0)..=(server, u64::MAX))? {
        keys.push(row?.0.value().1);
    }
    let at = u64::try_from(restart.at.0).unwrap_or(0).max(keys.last().map_or(0, |last| last + 1));
    let bytes = serde_json::to_vec(restart).map_err(|e| redb::Error::Corrupted(e.to_string()))?;
    table.insert((server, at), bytes.as_slice())?;
    for key in keys.iter().take((keys.len() + 1).saturating_sub(RESTARTS_KEPT)) {
        table.remove((server, *key))?;
    }
    Ok(())
}

/// All of them by server, newest first.
pub(super) fn all(read: &ReadTransaction) -> Result<HashMap<String, Vec<Restart>>> {
    let mut found: HashMap<String, Vec<Restart>> = HashMap::new();
    let Some(table) = absent(read.open_table(RESTARTS))? else { return Ok(found) };
    for row in table.iter()?.rev() {
        let (key, value) = row?;
        if let Ok(restart) = serde_json::from_slice(value.value()) {
            found.entry(key.value().0.to_owned()).or_default().push(restart);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use llmctl_proto::time::UnixMs;
    use redb::{Database, ReadableDatabase as _};

    fn restart(at: i64, message: &str) -> Restart {
        Restart {
            at: UnixMs(at),
            cause: "exited".into(),
            message: message.into(),
            exit_code: Some(1),
            signal: None,
            uptime_ms: 5,
            era: None,
            stderr_tail: String::new(),
            backoff_ms: None,
        }
    }

    #[test]
    fn the_newest_of_each_server_are_kept() {
        let dir = tempfile::tempdir().expect("tempdir");
        let database = Database::create(dir.path().join("db")).expect("made");
        assert!(all(&database.begin_read().expect("read")).expect("no table is none").is_empty());
        let write = database.begin_write().expect("write");
        for n in 0..RESTARTS_KEPT + 5 {
            add(&write, "a", &restart(7, &n.to_string())).expect("added");
        }
        add(&write, "b", &restart(7, "b")).expect("added");
        write.commit().expect("committed");
        let all = all(&database.begin_read().expect("read")).expect("read");
        assert_eq!((all["a"].len(), all["b"].len()), (RESTARTS_KEPT, 1));
        assert_eq!(all["a"][0].message, (RESTARTS_KEPT + 4).to_string());
    }
}
