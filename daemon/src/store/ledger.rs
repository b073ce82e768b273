//! The ledger's table: one row for each attempt, kept for ever, and the sum of all.
//!
//! A record goes in with the fact that brings it. An attempt has one record: the runner's own takes the place of
//! what was last seen of it, and a second one of the runner's is the same read again.

use llmctl_proto::event::{CostRecorded, CostWarning};
use llmctl_proto::ledger::LAST_SEEN;
use llmctl_proto::time::UnixMs;
use redb::{ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};

use super::LedgerQuery;
use super::schema::BUDGET_MS;
use super::sums::{self, SUMS};
use super::tables::{META, OPERATIONS, OperationRow, absent, meta};

/// Records by time, operation and attempt.
const LEDGER: TableDefinition<'_, (u64, &str, u32), &[u8]> = TableDefinition::new("ledger");
/// Time of an attempt's record.
const LEDGER_BY_ATTEMPT: TableDefinition<'_, (&str, u32), u64> = TableDefinition::new("ledger_by_attempt");
/// Key of the sum in `META`, in pico-dollars.
const TOTAL: &str = "ledger_pico_usd";
/// Key of the warnings in `META`.
const WARNINGS: &str = "budget_warnings";
/// Warnings that are remembered: some levels of some hundred budgets.
const MAX_WARNINGS: usize = 1_024;

type Result<T> = std::result::Result<T, redb::Error>;

/// Makes the tables.
pub(super) fn create(write: &WriteTransaction) -> Result<()> {
    write.open_table(LEDGER)?;
    write.open_table(LEDGER_BY_ATTEMPT)?;
    write.open_table(SUMS)?;
    Ok(())
}

/// Takes what operations of a store without a ledger cost into it.
pub(super) fn migrate(write: &WriteTransaction) -> Result<()> {
    create(write)?;
    let mut records = Vec::new();
    {
        let operations = write.open_table(OPERATIONS)?;
        for entry in operations.iter()? {
            let Ok(row) = serde_json::from_slice::<OperationRow>(entry?.1.value()) else { continue };
            let ended = row.operation.ended_at.filter(|_| row.operation.state.is_final());
            records
                .extend(ended.and_then(|ended| llmctl_proto::ledger::last_seen(&row.operation, &[], ended)));
        }
    }
    records.iter().try_for_each(|record| add(write, record))
}

/// Adds the sums of quarters to a store that has none.
pub(super) fn migrate_sums(write: &WriteTransaction) -> Result<()> {
    let rows = write.open_table(LEDGER)?;
    let mut cells = write.open_table(SUMS)?;
    for entry in rows.range((key(UnixMs(UnixMs::now().0 - BUDGET_MS)), "", 0)..)? {
        if let Some(record) = read(entry?.1.value()) {
            sums::add(&mut cells, &record, 1)?;
        }
    }
    Ok(())
}

/// Adds a record.
pub(super) fn add(write: &WriteTransaction, record: &CostRecorded) -> Result<()> {
    let mut rows = write.open_table(LEDGER)?;
    let mut index = write.open_table(LEDGER_BY_ATTEMPT)?;
    let id = record.operation_id.as_str();
    let known = index.get((id, record.attempt))?.map(|at| at.value());
    let mut change = cost(record);
    let mut cells = write.open_table(SUMS)?;
    if let Some(at) = known {
        let before = rows.get((at, id, record.attempt))?.and_then(|row| read(row.value()));
        if before.as_ref().is_some_and(|before| !is_last_seen(before)) {
            return Ok(());
        }
        change -= before.as_ref().map_or(0, cost);
        if let Some(before) = &before {
            sums::add(&mut cells, before, -1)?;
        }
        rows.remove((at, id, record.attempt))?;
    }
    let at = key(record.recorded_at);
    let bytes = serde_json::to_vec(record).map_err(|e| redb::Error::Corrupted(e.to_string()))?;
    rows.insert((at, id, record.attempt), bytes.as_slice())?;
    index.insert((id, record.attempt), at)?;
    sums::add(&mut cells, record, 1)?;
    let mut meta = write.open_table(META)?;
    let total = meta.get(TOTAL)?.and_then(|text| sum(text.value())).unwrap_or(0);
    meta.insert(TOTAL, (total + change).to_string().as_bytes())?;
    Ok(())
}

/// Remembers that a warning was given; the oldest make room.
pub(super) fn note_warning(write: &WriteTransaction, warning: &CostWarning) -> Result<()> {
    let mut meta = write.open_table(META)?;
    let mut told: Vec<(UnixMs, CostWarning)> =
        meta.get(WARNINGS)?.and_then(|text| serde_json::from_slice(text.value()).ok()).unwrap_or_default();
    let now = UnixMs::now();
    told.retain(|(at, _)| now.0 - at.0 < BUDGET_MS);
    told.push((now, warning.clone()));
    let surplus = told.len().saturating_sub(MAX_WARNINGS);
    told.drain(..surplus);
    let bytes = serde_json::to_vec(&told).map_err(|e| redb::Error::Corrupted(e.to_string()))?;
    meta.insert(WARNINGS, bytes.as_slice())?;
    Ok(())
}

/// Warnings that were given, oldest first.
pub(super) fn warnings(read: &ReadTransaction) -> Result<Vec<(UnixMs, CostWarning)>> {
    Ok(meta(read, WARNINGS)?.unwrap_or_default())
}

/// Everything ever recorded, in pico-dollars.
pub(super) fn total(read: &ReadTransaction) -> Result<i128> {
    Ok(meta::<i128>(read, TOTAL)?.unwrap_or(0))
}

/// Records by time, oldest first.
pub(super) fn records(transaction: &ReadTransaction, query: &LedgerQuery) -> Result<Vec<CostRecorded>> {
    let Some(rows) = absent(transaction.open_table(LEDGER))? else { return Ok(Vec::new()) };
    if let Some(id) = &query.operation_id {
        let Some(index) = absent(transaction.open_table(LEDGER_BY_ATTEMPT))? else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for entry in index.range((id.as_str(), 0)..=(id.as_str(), u32::MAX))?.take(query.limit) {
            let (attempt, at) = entry?;
            let row = rows.get((at.value(), id.as_str(), attempt.value().1))?;
            found.extend(row.and_then(|row| read(row.value())));
        }
        return Ok(found);
    }
    let after = query.after.as_ref();
    let from = after.map_or((key(query.from.unwrap_or(UnixMs(0))), "", 0), |(at, id, attempt)| {
        (key(*at), id.as_str(), attempt.saturating_add(1))
    });
    let to = query.to.map_or(u64::MAX, key);
    let mut found = Vec::new();
    for entry in rows.range(from..(to, "", 0))?.take(query.limit) {
        found.extend(read(entry?.1.value()));
    }
    Ok(found)
}

fn key(at: UnixMs) -> u64 {
    u64::try_from(at.0).unwrap_or(0)
}

fn read(bytes: &[u8]) -> Option<CostRecorded> {
    serde_json::from_slice(bytes).ok()
}

fn sum(bytes: &[u8]) -> Option<i128> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

fn cost(record: &CostRecorded) -> i128 {
    record.rows.iter().filter_map(|row| row.cost_pico_usd).map(|cost| i128::from(cost.0)).sum()
}

fn is_last_seen(record: &CostRecorded) -> bool {
    record.rows.iter().all(|row| row.source == LAST_SEEN)
}

#[cfg(test)]
mod tests {
    use llmctl_proto::ids::OperationId;
    use llmctl_proto::ledger::LedgerRow;
    use llmctl_proto::money::PicoUsd;
    use redb::backends::InMemoryBackend;
    use redb::{Database, ReadableDatabase as _};

    use super::*;

    fn record(id: &str, at: i64, pico: i64, source: &str) -> CostRecorded {
        CostRecorded {
            operation_id: id.parse().expect("an id"),
            attempt: 1,
            tool: "codex".into(),
            provider: None,
            agent: None,
            project: None,
            task_type: None,
            task_id: None,
            policy: None,
            started_at: UnixMs(at - 5),
            recorded_at: UnixMs(at),
            rows: vec![LedgerRow {
                cost_pico_usd: Some(PicoUsd(pico)),
                source: source.into(),
                ..LedgerRow::default()
            }],
            cost_nano_usd: Some(pico / 1_000),
            drift: None,
        }
    }

    fn database() -> Database {
        let database = Database::builder().create_with_backend(InMemoryBackend::new()).expect("in memory");
        let write = database.begin_write().expect("write");
        create(&write).expect("tables");
        write.open_table(META).expect("meta");
        write.commit().expect("commit");
        database
    }

    fn put(database: &Database, record: &CostRecorded) {
        let write = database.begin_write().expect("write");
        add(&write, record).expect("added");
        write.commit().expect("commit");
    }

    fn all(database: &Database, query: &LedgerQuery) -> Vec<CostRecorded> {
        records(&database.begin_read().expect("read"), query).expect("records")
    }

    #[test]
    fn an_attempt_has_one_record_and_the_runners_own_replaces_what_was_last_seen() {
        let database = database();
        let query = LedgerQuery { limit: 100, ..LedgerQuery::default() };
        put(&database, &record("exec-a", 100, 7_000, LAST_SEEN));
        put(&database, &record("exec-b", 50, 1_000, "catalogue"));
        put(&database, &record("exec-a", 200, 9_000, "catalogue"));
        put(&database, &record("exec-a", 300, 11_000, "catalogue"));
        let found = all(&database, &query);
        let times: Vec<i64> = found.iter().map(|record| record.recorded_at.0).collect();
        assert_eq!(times, [50, 200]);
        assert_eq!(total(&database.begin_read().expect("read")).expect("a sum"), 10_000);
        let one: OperationId = "exec-a".parse().expect("an id");
        let of = LedgerQuery { operation_id: Some(one), ..query };
        assert_eq!(all(&database, &of).len(), 1);
    }

    #[test]
    fn ranges_are_half_open_and_pages_meet_without_gap() {
        let database = database();
        for n in 0..10 {
            put(&database, &record(&format!("exec-{n}"), 100 + n / 3, 1, "catalogue"));
        }
        let query = LedgerQuery {
            from: Some(UnixMs(100)),
            to: Some(UnixMs(103)),
            limit: 2,
            ..LedgerQuery::default()
        };
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let page = all(&database, &LedgerQuery { after: after.clone(), ..query.clone() });
            let Some(last) = page.last() else { break };
            after = Some((last.recorded_at, last.operation_id.to_string(), last.attempt));
            seen.extend(page.into_iter().map(|record| record.operation_id.to_string()));
        }
        assert_eq!(seen, (0..9).map(|n| format!("exec-{n}")).collect::<Vec<_>>());
    }
}
