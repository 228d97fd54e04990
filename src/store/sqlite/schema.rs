//! The tables, and how an older file becomes a newer one.
//!
//! The layout is chosen for one writer that appends: every row of an accepted alert goes to the end of its b-tree, so
//! that the cost of an alert does not grow with the number that are kept. Nothing is keyed by a message id or any other
//! random word ([`super::keys`] says how duplicates are found all the same).

use rusqlite::Connection;

use crate::fault;
use crate::store::Error;

/// Marks the file as ours: "CMPN".
const APPLICATION_ID: i32 = 0x434d_504e;

/// Each step brings a file from the version of its index to the next. Steps that were released are never changed.
const STEPS: &[&str] = &[STEP_1];

const STEP_1: &str = "
    -- Small facts about the file itself.
    CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO meta VALUES ('id_random', abs(random()) % 4096), ('probe', 0);

    CREATE TABLE source (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE sink (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

    -- One request of a vendor. Its alerts stand at first_seq and the following places. `packed` is the raw request and
    -- then the JSON of each alert, compressed as one: they say the same things, so that together they are half as long.
    CREATE TABLE callback (
        id INTEGER PRIMARY KEY, source INTEGER NOT NULL, received_ms INTEGER NOT NULL,
        first_seq INTEGER NOT NULL, alerts INTEGER NOT NULL, raw_bytes INTEGER NOT NULL, packed BLOB NOT NULL
    );

    -- One alert. Its JSON is what stands at body_at in what its callback packs.
    CREATE TABLE alert (
        seq INTEGER PRIMARY KEY, callback INTEGER NOT NULL, source INTEGER NOT NULL, received_ms INTEGER NOT NULL,
        status INTEGER NOT NULL, severity INTEGER NOT NULL, fingerprint INTEGER NOT NULL,
        id BLOB NOT NULL, episode BLOB, key BLOB NOT NULL, content INTEGER NOT NULL,
        body_at INTEGER NOT NULL, body_bytes INTEGER NOT NULL
    );

    -- Problems that are firing: which alert opened the episode.
    CREATE TABLE problem (
        source INTEGER NOT NULL, fingerprint INTEGER NOT NULL, episode BLOB NOT NULL,
        PRIMARY KEY (source, fingerprint)
    ) WITHOUT ROWID;

    -- What is owed stands in a table for each sink (`owed.rs`), and nothing else does: a row goes when its alert is
    -- delivered or given up.

    CREATE TABLE attempt (
        seq INTEGER NOT NULL, sink INTEGER NOT NULL, at_ms INTEGER NOT NULL, attempt INTEGER NOT NULL,
        took_ms INTEGER NOT NULL, code INTEGER, verdict INTEGER NOT NULL,
        PRIMARY KEY (seq, sink, at_ms, attempt)
    ) WITHOUT ROWID;

    -- Numbers are not used again: an operator may still have one on paper.
    CREATE TABLE dead (
        id INTEGER PRIMARY KEY AUTOINCREMENT, sink INTEGER NOT NULL, seq INTEGER NOT NULL,
        fingerprint INTEGER NOT NULL, attempts INTEGER NOT NULL, at_ms INTEGER NOT NULL,
        class TEXT NOT NULL, error TEXT NOT NULL, code INTEGER
    );
    CREATE INDEX dead_by_seq ON dead (seq);

    CREATE TABLE quarantine (
        id INTEGER PRIMARY KEY AUTOINCREMENT, source INTEGER NOT NULL, received_ms INTEGER NOT NULL,
        faults TEXT NOT NULL, raw BLOB NOT NULL
    );

    -- Dedup keys in sorted runs; a run is appended as a whole and never changed.
    CREATE TABLE dedup (run INTEGER NOT NULL, key BLOB NOT NULL, content INTEGER NOT NULL, PRIMARY KEY (run, key))
        WITHOUT ROWID;
    CREATE TABLE dedup_run (
        run INTEGER PRIMARY KEY, last_seq INTEGER NOT NULL, newest_ms INTEGER NOT NULL, keys INTEGER NOT NULL
    );
    CREATE TABLE dedup_filter (epoch INTEGER PRIMARY KEY, bits BLOB NOT NULL);
";

/// Makes the file ours and brings it to the newest version, each step in a transaction of its own.
pub(super) fn migrate(connection: &mut Connection, path: &str) -> Result<(), Error> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let open = |e: rusqlite::Error| Error::Open(format!("cannot read {path}: {e}. {}", advice(&e)));
    let version = pragma("user_version").map_err(open)?;
    let application = pragma("application_id").map_err(open)?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(open)?;
    if tables > 0 && application != APPLICATION_ID {
        return Err(Error::Open(format!(
            "{path} is a SQLite file of another program. Name another file in [store] url."
        )));
    }
    let version = usize::try_from(version).unwrap_or(usize::MAX);
    if version > STEPS.len() {
        return Err(Error::Open(format!(
            "{path} was written by a newer Campanile (schema {version}, this one knows {}). Run that \
             version, or name another file in [store] url.",
            STEPS.len()
        )));
    }
    for (step, sql) in STEPS.iter().enumerate().skip(version) {
        apply(connection, step + 1, sql)
            .map_err(|e| Error::Open(format!("cannot bring {path} to schema {}: {e}", step + 1)))?;
    }
    Ok(())
}

fn apply(connection: &mut Connection, version: usize, sql: &str) -> rusqlite::Result<()> {
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    transaction.execute_batch(sql)?;
    fault::point("mid-migration");
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(
        None,
        "user_version",
        i64::try_from(version).unwrap_or(i64::MAX),
    )?;
    transaction.commit()
}

/// What an operator can do about a file that cannot be opened.
pub(super) fn advice(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
            "The file is damaged or not a database. Keep it (it may hold alerts that are owed), restore a copy, or \
             name another file in [store] url."
        }
        Some(
            rusqlite::ErrorCode::CannotOpen
            | rusqlite::ErrorCode::PermissionDenied
            | rusqlite::ErrorCode::ReadOnly,
        ) => {
            "Its folder must exist, and the user that runs Campanile must be allowed to write there."
        }
        Some(rusqlite::ErrorCode::DiskFull) => "The disk is full: make room.",
        _ => "Look at the disk and the file's permissions.",
    }
}
