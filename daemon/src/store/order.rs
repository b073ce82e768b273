//! Ended operations in the order of a figure: what it cost, how long it took, how many tokens it used.
//!
//! One row for each figure of each ended operation, written with the operation. What still runs is not here: the
//! projection has all of it, and its figures change with each word from its runner.

use llmctl_proto::ids::OperationId;
use llmctl_proto::state::Operation;
use redb::{ReadTransaction, ReadableTable as _, Table, TableDefinition, WriteTransaction};

use super::tables::{OPERATIONS, OperationRow, absent};

/// Figure, value and operation id.
pub(super) const ORDER: TableDefinition<'_, (u8, u64, &str), ()> = TableDefinition::new("operations_order");

type Result<T> = std::result::Result<T, redb::Error>;
type OrderTable<'a> = Table<'a, (u8, u64, &'static str), ()>;

/// A figure that operations are put in order by, the greatest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// Nano-dollars; an unknown cost is behind one of nothing.
    Cost,
    /// Milliseconds from the tool's start to its end.
    Duration,
    /// Tokens of all classes.
    Tokens,
}

impl Figure {
    const ALL: [Self; 3] = [Self::Cost, Self::Duration, Self::Tokens];

    /// Its number in the table; never given to another.
    fn number(self) -> u8 {
        match self {
            Self::Cost => 0,
            Self::Duration => 1,
            Self::Tokens => 2,
        }
    }

    /// What places an operation. For the cost this is one more than its nano-dollars, and 0 where nobody knows it.
    pub fn of(self, operation: &Operation) -> u64 {
        match self {
            Self::Cost => {
                let known = |nano: i64| u64::try_from(nano).unwrap_or(0).saturating_add(1);
                operation.spend.cost_nano_usd.map_or(0, known)
            }
            Self::Duration => operation.elapsed_ms,
            Self::Tokens => operation.spend.tokens.total(),
        }
    }
}

/// Where an operation stands in the order of a figure.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// What places it.
    pub value: u64,
    /// Itself; of two equal ones the newer is first.
    pub operation_id: OperationId,
}

/// Which ended operations a reader wants, the greatest first.
#[derive(Debug, Clone)]
pub struct OrderQuery {
    /// Which order.
    pub figure: Figure,
    /// Only what stands behind this place.
    pub before: Option<Place>,
    /// At most this many rows are looked at.
    pub limit: usize,
}

/// What places an ended operation, by figure.
pub(super) type Values = [u64; Figure::ALL.len()];

/// What places an operation; none while it runs.
pub(super) fn values(operation: &Operation) -> Option<Values> {
    operation.state.is_final().then(|| Figure::ALL.map(|figure| figure.of(operation)))
}

/// An operation is written: its places are no longer those it had before.
pub(super) fn note(table: &mut OrderTable<'_>, before: Option<&Operation>, now: &Operation) -> Result<()> {
    let id = now.operation_id.as_str();
    let (before, now) = (before.and_then(values), values(now));
    if before == now {
        return Ok(());
    }
    if let Some(before) = before {
        forget(table, id, before)?;
    }
    for (figure, value) in Figure::ALL.iter().zip(now.into_iter().flatten()) {
        table.insert((figure.number(), value, id), ())?;
    }
    Ok(())
}

/// An operation is removed.
pub(super) fn forget(table: &mut OrderTable<'_>, id: &str, values: Values) -> Result<()> {
    for (figure, value) in Figure::ALL.iter().zip(values) {
        table.remove((figure.number(), value, id))?;
    }
    Ok(())
}

/// Places everything that a store without this table has.
pub(super) fn migrate(write: &WriteTransaction) -> Result<()> {
    let operations = write.open_table(OPERATIONS)?;
    let mut table = write.open_table(ORDER)?;
    for entry in operations.iter()? {
        let Ok(row) = serde_json::from_slice::<OperationRow>(entry?.1.value()) else { continue };
        note(&mut table, None, &row.operation)?;
    }
    Ok(())
}

/// The operations behind a place, with their own places.
pub(super) fn operations(read: &ReadTransaction, query: &OrderQuery) -> Result<Vec<(Place, Operation)>> {
    let (Some(table), Some(operations)) =
        (absent(read.open_table(ORDER))?, absent(read.open_table(OPERATIONS))?)
    else {
        return Ok(Vec::new());
    };
    let number = query.figure.number();
    let upper = match &query.before {
        Some(place) => (number, place.value, place.operation_id.as_str()),
        None => (number + 1, 0, ""),
    };
    let mut found = Vec::new();
    for entry in table.range((number, 0, "")..upper)?.rev().take(query.limit) {
        let (key, ()) = {
            let (key, value) = entry?;
            (key, value.value())
        };
        let (_, value, id) = key.value();
        let row =
            operations.get(id)?.and_then(|row| serde_json::from_slice::<OperationRow>(row.value()).ok());
        found.extend(
            row.map(|row| (Place { value, operation_id: row.operation.operation_id.clone() }, row.operation)),
        );
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use llmctl_proto::state::OperationState;
    use llmctl_proto::time::UnixMs;
    use redb::backends::InMemoryBackend;
    use redb::{Database, ReadableDatabase as _};

    use super::*;

    fn ended(id: &str, cost: Option<i64>) -> Operation {
        let mut operation = Operation::new(id.parse().expect("an id"), UnixMs(5));
        operation.state = OperationState::Complete;
        operation.spend.cost_nano_usd = cost;
        operation
    }

    fn database() -> Database {
        Database::builder().create_with_backend(InMemoryBackend::new()).expect("in memory")
    }

    /// Writes operations as the store does.
    fn put(database: &Database, all: &[Operation]) {
        let write = database.begin_write().expect("write");
        for operation in all {
            let mut operations = write.open_table(OPERATIONS).expect("a table");
            let id = operation.operation_id.as_str();
            let before = operations
                .get(id)
                .expect("read")
                .map(|row| serde_json::from_slice::<OperationRow>(row.value()).expect("a row").operation);
            note(&mut write.open_table(ORDER).expect("a table"), before.as_ref(), operation).expect("noted");
            let row = OperationRow { watermark: 1, operation: operation.clone() };
            operations.insert(id, serde_json::to_vec(&row).expect("JSON").as_slice()).expect("written");
        }
        write.commit().expect("commit");
    }

    fn by_cost(database: &Database) -> Vec<String> {
        let query = OrderQuery { figure: Figure::Cost, before: None, limit: 10 };
        let found = operations(&database.begin_read().expect("read"), &query).expect("rows");
        found.into_iter().map(|(place, _)| place.operation_id.to_string()).collect()
    }

    #[test]
    fn the_dearest_is_first_and_the_unknown_behind_what_cost_nothing() {
        let database = database();
        assert_eq!(by_cost(&database), Vec::<String>::new());
        let mut runs = ended("exec-0d", Some(900));
        runs.state = OperationState::Running;
        put(&database, &[ended("exec-0a", None), ended("exec-0b", Some(0)), ended("exec-0c", Some(7)), runs]);
        assert_eq!(by_cost(&database), ["exec-0c", "exec-0b", "exec-0a"]);
    }

    #[test]
    fn a_cost_that_is_known_later_moves_its_operation() {
        let database = database();
        put(&database, &[ended("exec-0a", None), ended("exec-0b", Some(5))]);
        put(&database, &[ended("exec-0a", Some(6))]);
        assert_eq!(by_cost(&database), ["exec-0a", "exec-0b"]);
        let write = database.begin_write().expect("write");
        let places = values(&ended("exec-0a", Some(6))).expect("it has ended");
        forget(&mut write.open_table(ORDER).expect("a table"), "exec-0a", places).expect("forgotten");
        write.commit().expect("commit");
        assert_eq!(by_cost(&database), ["exec-0b"]);
        let left = database.begin_read().expect("read").open_table(ORDER).expect("a table");
        assert_eq!(left.iter().expect("rows").count(), 3, "one for each figure");
    }

    #[test]
    fn a_store_without_the_order_gets_it() {
        let database = database();
        put(&database, &[ended("exec-0a", Some(1)), ended("exec-0b", Some(2))]);
        let write = database.begin_write().expect("write");
        write.delete_table(ORDER).expect("deleted");
        migrate(&write).expect("migrated");
        write.commit().expect("commit");
        assert_eq!(by_cost(&database), ["exec-0b", "exec-0a"]);
    }
}
