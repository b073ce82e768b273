//! The tables and how rows are read and written. Values are JSON: the same bytes as on every other path.

use llmctl_proto::ids::OperationId;
use llmctl_proto::state::{ENDED_KEPT, Operation, Totals};
use llmctl_proto::time::UnixMs;
use redb::{ReadTransaction, ReadableTable, TableDefinition, TableError};
use serde::{Deserialize, Serialize};

use super::order::{self, Values};
use super::{EventQuery, OperationQuery};

/// Facts by sequence number.
pub(super) const EVENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("events");
/// Operation id and sequence number of its facts.
pub(super) const BY_OPERATION: TableDefinition<'_, (&str, u64), ()> =
    TableDefinition::new("events_by_operation");
/// Operations by id; ids sort by time.
pub(super) const OPERATIONS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("operations");
/// Ids of operations that are not final.
pub(super) const LIVE: TableDefinition<'_, &str, ()> = TableDefinition::new("operations_live");
/// Schema version, totals, how the last daemon ended.
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// A row of `OPERATIONS`.
#[derive(Serialize, Deserialize)]
pub(super) struct OperationRow {
    /// The last journal number that is stored.
    pub(super) watermark: u64,
    /// The projection after it.
    pub(super) operation: Operation,
}

type Result<T> = std::result::Result<T, redb::Error>;

/// A table that does not exist yet is empty.
pub(super) fn absent<T>(result: std::result::Result<T, TableError>) -> Result<Option<T>> {
    match result {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn meta<T: for<'a> Deserialize<'a>>(read: &ReadTransaction, key: &str) -> Result<Option<T>> {
    let Some(table) = absent(read.open_table(META))? else { return Ok(None) };
    Ok(table.get(key)?.and_then(|value| serde_json::from_slice(value.value()).ok()))
}

pub(super) fn totals(read: &ReadTransaction) -> Result<Totals> {
    Ok(meta(read, "totals")?.unwrap_or_default())
}

pub(super) fn last_seq(read: &ReadTransaction) -> Result<u64> {
    let stored = match absent(read.open_table(EVENTS))? {
        Some(table) => table.last()?.map_or(0, |(key, _)| key.value()),
        None => 0,
    };
    // Pruning may have taken the newest event of a store that was long unused.
    Ok(stored.max(meta(read, "last_seq")?.unwrap_or(0)))
}

fn row(bytes: &[u8]) -> Option<OperationRow> {
    serde_json::from_slice(bytes).ok()
}

/// Operations that are not final, and the newest that are: what a projection starts from.
pub(super) fn recent(read: &ReadTransaction) -> Result<Vec<Operation>> {
    let Some(table) = absent(read.open_table(OPERATIONS))? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in table.iter()?.rev().take(ENDED_KEPT) {
        found.extend(row(entry?.1.value()).map(|row| row.operation));
    }
    let oldest = found.last().map(|operation: &Operation| operation.operation_id.to_string());
    if let (Some(live), Some(oldest)) = (absent(read.open_table(LIVE))?, oldest) {
        for entry in live.range(..oldest.as_str())? {
            let (id, ()) = {
                let (k, v) = entry?;
                (k.value().to_owned(), v.value())
            };
            found.extend(
                table.get(id.as_str())?.and_then(|value| row(value.value())).map(|row| row.operation),
            );
        }
    }
    Ok(found)
}

pub(super) fn watermark(read: &ReadTransaction, id: &OperationId) -> Result<u64> {
    let Some(table) = absent(read.open_table(OPERATIONS))? else { return Ok(0) };
    Ok(table.get(id.as_str())?.and_then(|value| row(value.value())).map_or(0, |row| row.watermark))
}

pub(super) fn events(read: &ReadTransaction, query: &EventQuery) -> Result<Vec<String>> {
    let Some(table) = absent(read.open_table(EVENTS))? else { return Ok(Vec::new()) };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut found = Vec::new();
    let until = query.until.unwrap_or(u64::MAX);
    if let Some(id) = &query.operation_id {
        let Some(index) = absent(read.open_table(BY_OPERATION))? else { return Ok(found) };
        let range = index.range((id.as_str(), query.after.saturating_add(1))..=(id.as_str(), until))?;
        let keys: Vec<u64> = if query.newest {
            range.rev().take(query.limit).map(|e| Ok(e?.0.value().1)).collect::<Result<_>>()?
        } else {
            range.take(query.limit).map(|e| Ok(e?.0.value().1)).collect::<Result<_>>()?
        };
        for key in keys {
            found.extend(table.get(key)?.map(|value| text(value.value())));
        }
    } else {
        let range = table.range(query.after.saturating_add(1)..=until)?;
        if query.newest {
            for entry in range.rev().take(query.limit) {
                found.push(text(entry?.1.value()));
            }
        } else {
            for entry in range.take(query.limit) {
                found.push(text(entry?.1.value()));
            }
        }
    }
    if query.newest {
        found.reverse();
    }
    Ok(found)
}

pub(super) fn operations(read: &ReadTransaction, query: &OperationQuery) -> Result<Vec<Operation>> {
    let Some(table) = absent(read.open_table(OPERATIONS))? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    if let Some(prefix) = &query.prefix {
        for entry in table.range(prefix.as_str()..)?.take(query.limit) {
            let (key, value) = entry?;
            if !key.value().starts_with(prefix.as_str()) {
                break;
            }
            found.extend(row(value.value()).map(|row| row.operation));
        }
        return Ok(found);
    }
    let upper = query.before.as_ref().map_or("exec-~".to_owned(), ToString::to_string);
    for entry in table.range(..upper.as_str())?.rev().take(query.limit) {
        found.extend(row(entry?.1.value()).map(|row| row.operation));
    }
    Ok(found)
}

#[derive(Deserialize)]
struct EventHead {
    at: UnixMs,
    data: EventOwner,
}

#[derive(Deserialize)]
struct EventOwner {
    #[serde(default)]
    operation_id: Option<String>,
}

/// The oldest event and its operation, if it happened before `cutoff`.
pub(super) fn oldest_before(
    events: &impl ReadableTable<u64, &'static [u8]>,
    cutoff: UnixMs,
) -> Result<Option<(u64, Option<String>)>> {
    let Some((key, value)) = events.first()? else { return Ok(None) };
    let head: Option<EventHead> = serde_json::from_slice(value.value()).ok();
    Ok(match head {
        Some(head) if head.at >= cutoff => None,
        // A row that cannot be read is of no use to anybody.
        other => Some((key.value(), other.and_then(|head| head.data.operation_id))),
    })
}

/// Final operations that were submitted before `cutoff`, with what places them.
pub(super) fn ended_before(
    operations: &impl ReadableTable<&'static str, &'static [u8]>,
    cutoff: UnixMs,
) -> Result<Vec<(OperationId, Values)>> {
    let mut old = Vec::new();
    for entry in operations.iter()? {
        let (_, bytes) = entry?;
        let Some(row) = row(bytes.value()) else { continue };
        if row.operation.submitted_at >= cutoff {
            // Ids sort by time: everything after this one is newer.
            break;
        }
        old.extend(order::values(&row.operation).map(|values| (row.operation.operation_id, values)));
    }
    Ok(old)
}
