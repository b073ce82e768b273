//! Opening the database: its schema version, migrations, and what to do with a damaged file.

use std::path::{Path, PathBuf};

use llmctl_proto::event::CostRecorded;
use llmctl_proto::time::UnixMs;
use redb::backends::FileBackend;
use redb::{Database, Durability, ReadTransaction, ReadableDatabase, StorageError, WriteTransaction};

use super::ledger;
use super::order::{self, ORDER};
use super::sums;
use super::tables::{self, BY_OPERATION, EVENTS, LIVE, META, OPERATIONS};
use super::{LedgerQuery, Recovered, StoreError};

/// Schema that this version writes.
pub const SCHEMA_VERSION: u32 = 4;

/// Page cache; redb's own default of 1 GiB is not for a daemon.
const CACHE_BYTES: usize = 8 * 1024 * 1024;

/// How far back attempts are remembered one by one.
const RECENT_MS: i64 = 2 * 86_400_000;
/// How far back budgets look.
pub(super) const BUDGET_MS: i64 = 62 * 86_400_000;

type Migration = fn(&WriteTransaction) -> Result<(), redb::Error>;

/// Migration `n` brings schema `n + 1` to `n + 2`; all needed ones run in one transaction.
const MIGRATIONS: [Migration; (SCHEMA_VERSION - 1) as usize] =
    [ledger::migrate, ledger::migrate_sums, order::migrate];

pub(super) fn open_file(path: &Path) -> Result<Database, redb::Error> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(StorageError::Io)?;
    Ok(Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(FileBackend::new(file)?)?)
}

/// Opens or makes the database. Damage puts the file aside and starts an empty one: the journals have it all.
pub(super) fn open(path: &Path) -> Result<(Database, Recovered), StoreError> {
    // redb reports damage as errors; a damage it does not foresee must not end the daemon either.
    let attempt = std::panic::catch_unwind(|| open_existing(path));
    match attempt {
        Ok(Ok(opened)) => Ok(opened),
        Ok(Err(Failure::Fatal(error))) => Err(error),
        Ok(Err(Failure::Damaged(reason))) => put_aside(path, &reason),
        Err(_) => put_aside(path, "the database code gave up on it"),
    }
}

enum Failure {
    Fatal(StoreError),
    Damaged(String),
}

fn classify(path: &Path, error: redb::Error) -> Failure {
    match error {
        redb::Error::DatabaseAlreadyOpen => Failure::Fatal(StoreError::InUse(path.to_owned())),
        redb::Error::Corrupted(reason) => Failure::Damaged(reason),
        redb::Error::UpgradeRequired(version) => Failure::Damaged(format!("file format {version}")),
        redb::Error::Io(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof
            ) =>
        {
            Failure::Damaged(error.to_string())
        }
        other => Failure::Fatal(StoreError::Database { path: path.to_owned(), source: Box::new(other) }),
    }
}

fn open_existing(path: &Path) -> Result<(Database, Recovered), Failure> {
    let database = open_file(path).map_err(|error| classify(path, error))?;
    let recovered = prepare(&database).map_err(|error| classify(path, error))?;
    match recovered {
        Prepared::Ready(recovered) => Ok((database, recovered)),
        Prepared::Newer(found) => {
            Err(Failure::Fatal(StoreError::Newer { path: path.to_owned(), found, known: SCHEMA_VERSION }))
        }
    }
}

enum Prepared {
    Ready(Recovered),
    Newer(u32),
}

fn prepare(database: &Database) -> Result<Prepared, redb::Error> {
    let read = database.begin_read()?;
    let found: Option<u32> = tables::meta(&read, "schema_version")?;
    if let Some(found) = found.filter(|found| *found > SCHEMA_VERSION) {
        return Ok(Prepared::Newer(found));
    }
    let clean: Option<bool> = tables::meta(&read, "clean_end")?;
    let recovered = Recovered {
        operations: tables::recent(&read)?,
        totals: tables::totals(&read)?,
        last_seq: tables::last_seq(&read)?,
        previous_end: match clean {
            None => "first",
            Some(true) => "clean",
            Some(false) => "crash",
        },
        rebuilt_from: None,
        ledger: Vec::new(),
        sums: Vec::new(),
        ledger_total: 0,
        warnings: Vec::new(),
    };
    drop(read);
    let mut write = database.begin_write()?;
    durable(&mut write)?;
    for migration in MIGRATIONS.iter().skip(found.unwrap_or(SCHEMA_VERSION).saturating_sub(1) as usize) {
        migration(&write)?;
    }
    {
        write.open_table(EVENTS)?;
        write.open_table(BY_OPERATION)?;
        write.open_table(OPERATIONS)?;
        write.open_table(LIVE)?;
        write.open_table(ORDER)?;
        ledger::create(&write)?;
        sums::forget(&write, UnixMs::now().0 - BUDGET_MS)?;
        let mut meta = write.open_table(META)?;
        meta.insert("schema_version", SCHEMA_VERSION.to_string().as_bytes())?;
        meta.insert("clean_end", b"false".as_slice())?;
    }
    write.commit()?;
    let read = database.begin_read()?;
    let recovered = Recovered {
        ledger: recent_records(&read)?,
        sums: sums::cells(&read)?,
        ledger_total: ledger::total(&read)?,
        warnings: ledger::warnings(&read)?,
        ..recovered
    };
    Ok(Prepared::Ready(recovered))
}

/// Attempts that may still be told again or count in a rate; without their arithmetic, which is large.
fn recent_records(read: &ReadTransaction) -> Result<Vec<CostRecorded>, redb::Error> {
    let from = UnixMs(UnixMs::now().0 - RECENT_MS);
    let mut query = LedgerQuery { from: Some(from), limit: 1_000, ..LedgerQuery::default() };
    let mut found = Vec::new();
    loop {
        let mut page = ledger::records(read, &query)?;
        let Some(last) = page.last() else { return Ok(found) };
        query.after = Some((last.recorded_at, last.operation_id.to_string(), last.attempt));
        for row in page.iter_mut().flat_map(|record| &mut record.rows) {
            row.lines = Vec::new();
        }
        found.append(&mut page);
    }
}

/// Nothing acknowledged may be lost, and opening after a kill must not walk the whole file.
pub(super) fn durable(write: &mut WriteTransaction) -> Result<(), redb::Error> {
    write.set_durability(Durability::Immediate).map_err(|e| redb::Error::Corrupted(e.to_string()))?;
    write.set_quick_repair(true);
    Ok(())
}

fn put_aside(path: &Path, reason: &str) -> Result<(Database, Recovered), StoreError> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".damaged-{}", UnixMs::now().0));
    let aside = PathBuf::from(aside);
    tracing::error!(path = %path.display(), aside = %aside.display(), reason, "database is damaged, put aside");
    std::fs::rename(path, &aside).map_err(|error| StoreError::Database {
        path: path.to_owned(),
        source: Box::new(redb::Error::Io(error)),
    })?;
    let fail = |error| StoreError::Database { path: path.to_owned(), source: Box::new(error) };
    let database = open_file(path).map_err(fail)?;
    match prepare(&database).map_err(fail)? {
        Prepared::Ready(recovered) => Ok((database, Recovered { rebuilt_from: Some(aside), ..recovered })),
        Prepared::Newer(_) => Err(StoreError::Gone),
    }
}
