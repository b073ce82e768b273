//! Sums of the ledger by quarter of an hour, so that a daemon starts without reading the ledger.
//!
//! One cell for each quarter and each thing it counts for. They are written with the records they are of, and those
//! too old for any budget are removed at the start.

use llmctl_proto::config::BudgetScope;
use llmctl_proto::event::CostRecorded;
use llmctl_proto::ledger::{BUCKET_MS, Cell, shares};
use redb::{ReadTransaction, ReadableTable, Table, TableDefinition, WriteTransaction};

use super::tables::absent;

/// Pico-dollars by quarter, scope and value.
pub(super) const SUMS: TableDefinition<'_, (i64, u8, &str), i64> = TableDefinition::new("ledger_sums");

/// Scopes by their number in the table.
const SCOPES: [BudgetScope; 6] = [
    BudgetScope::All,
    BudgetScope::Project,
    BudgetScope::Model,
    BudgetScope::Agent,
    BudgetScope::Tool,
    BudgetScope::Provider,
];

type Result<T> = std::result::Result<T, redb::Error>;

/// Adds a record to its quarter; `sign` -1 takes it out again.
pub(super) fn add(
    cells: &mut Table<'_, (i64, u8, &'static str), i64>,
    record: &CostRecorded,
    sign: i64,
) -> Result<()> {
    let bucket = record.recorded_at.0.div_euclid(BUCKET_MS);
    for share in shares(record) {
        let Some(scope) = SCOPES.iter().position(|scope| *scope == share.scope) else { continue };
        let key = (bucket, u8::try_from(scope).unwrap_or(u8::MAX), share.value);
        let before = cells.get(key)?.map_or(0, |cell| cell.value());
        cells.insert(key, before.saturating_add(share.pico.saturating_mul(sign)))?;
    }
    Ok(())
}

/// Removes what no budget counts any more.
pub(super) fn forget(write: &WriteTransaction, before_ms: i64) -> Result<()> {
    let mut cells = write.open_table(SUMS)?;
    let old = (i64::MIN, 0, "")..(before_ms.div_euclid(BUCKET_MS), 0, "");
    cells.retain_in(old, |_, _| false)?;
    Ok(())
}

/// All cells, oldest first.
pub(super) fn cells(read: &ReadTransaction) -> Result<Vec<Cell>> {
    let Some(table) = absent(read.open_table(SUMS))? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in table.iter()? {
        let (key, pico) = entry?;
        let (bucket, scope, value) = key.value();
        if let Some(scope) = SCOPES.get(usize::from(scope)) {
            found.push(Cell { bucket, scope: *scope, value: value.to_owned(), pico: pico.value() });
        }
    }
    Ok(found)
}
