//! The tables, and the migration of older files.
//!
//! The layout is made for one writer that appends: every row of an accepted alert goes to the end of its b-tree, so the cost
//! of an alert does not grow with the number of kept alerts. No table is keyed by a message id or another random value.
//! [`super::keys`] describes how duplicates are found.

use std::path::Path;

use rusqlite::{Connection, ErrorCode};

use super::pending;
use crate::Error;
use campanile_model::failpoint;

/// Identifies a Campanile database: "CMPN".
pub(super) const APPLICATION_ID: u32 = 0x434d_504e;

/// Identifies a database into which another one is being copied: "CMPC". An older program refuses it too.
pub(super) const COPY_ID: u32 = 0x434d_5043;

/// The SQL of a step, for the file as the steps before have left it.
type Step = fn(&Connection) -> rusqlite::Result<String>;

/// The step at index N migrates a file from version N to N + 1. A released step is never changed.
const STEPS: &[Step] = &[
    |_| Ok(STEP_1.to_owned()),
    pending::split,
    |_| Ok(STEP_3.to_owned()),
    |_| Ok(STEP_4.to_owned()),
    |_| Ok(STEP_5.to_owned()),
    |_| Ok(STEP_6.to_owned()),
    |_| Ok(STEP_7.to_owned()),
    |_| Ok(STEP_8.to_owned()),
    |_| Ok(STEP_9.to_owned()),
    |_| Ok(STEP_10.to_owned()),
    |_| Ok(STEP_11.to_owned()),
];

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

    -- What is pending, and nothing else: a row goes when its alert is delivered or given up. (A table for each sink since
    -- step 2, `pending.rs`.)
    CREATE TABLE delivery (
        sink INTEGER NOT NULL, seq INTEGER NOT NULL, fingerprint INTEGER NOT NULL, attempts INTEGER NOT NULL,
        owed_ms INTEGER NOT NULL, due_ms INTEGER, redriven INTEGER NOT NULL, code INTEGER, error TEXT,
        PRIMARY KEY (sink, seq)
    ) WITHOUT ROWID;

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

const STEP_3: &str = "
    ALTER TABLE attempt ADD COLUMN worth INTEGER;
    ALTER TABLE attempt ADD COLUMN remark TEXT;

    -- What a sink returned for an episode, such as a message id. Episodes are named by ids, which grow: rows of new
    -- episodes go to the end. Source and fingerprint say whether the episode is open.
    -- ended_seq is the last place that was given when prune found it closed; all alerts of the episode are before it.
    CREATE TABLE handle (
        episode BLOB NOT NULL, sink INTEGER NOT NULL, source INTEGER NOT NULL, fingerprint INTEGER NOT NULL,
        ended_seq INTEGER, handle TEXT NOT NULL,
        PRIMARY KEY (episode, sink)
    ) WITHOUT ROWID;
";

const STEP_4: &str = "
    -- What went wrong in a failed attempt, with the receiver's own words.
    ALTER TABLE attempt ADD COLUMN note TEXT;
";

const STEP_5: &str = "
    -- What happened at the arrival: the last arrival_bytes of what the callback packs, and the routes then in force.
    ALTER TABLE callback ADD COLUMN arrival_bytes INTEGER;
    ALTER TABLE callback ADD COLUMN routes INTEGER;
    ALTER TABLE quarantine ADD COLUMN arrival BLOB;
    CREATE TABLE routes (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
";

const STEP_6: &str = "
    -- What operators did. `act` joins the parts of one action into one row.
    CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT, act BLOB NOT NULL UNIQUE, at_ms INTEGER NOT NULL,
        who TEXT NOT NULL, role TEXT NOT NULL, via TEXT NOT NULL, client TEXT NOT NULL, caller TEXT,
        action TEXT NOT NULL, target TEXT NOT NULL, count INTEGER NOT NULL, detail TEXT NOT NULL
    );
";

const STEP_7: &str = "
    -- The places of alerts by problem, and by source and severity, in sorted runs (`postings.rs`). Alerts of older builds are
    -- before posted_from.
    CREATE TABLE posting (id INTEGER PRIMARY KEY, block BLOB NOT NULL);
    CREATE TABLE posting_run (
        run INTEGER PRIMARY KEY, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL, newest_ms INTEGER NOT NULL,
        directory BLOB NOT NULL
    );
    INSERT INTO meta SELECT 'posted_from', coalesce(max(seq), 0) + 1 FROM alert;
";

const STEP_8: &str = "
    -- How many alerts arrived in each minute; `of` is source, severity and status (`tallies.rs`). All alerts up to tallied_to are
    -- counted. Of an older file, the newest are counted at the first start.
    CREATE TABLE tally (minute INTEGER NOT NULL, of INTEGER NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (minute, of))
        WITHOUT ROWID;
    INSERT INTO meta SELECT 'tallied_to', max(coalesce(max(seq), 0) - 200000, 0) FROM alert;
";

const STEP_9: &str = "
    -- The place of the last alert, for a callback that was copied from PostgreSQL: there the places of its alerts have gaps. A
    -- copied callback without alerts has a place of its own, which is both numbers.
    ALTER TABLE callback ADD COLUMN last_seq INTEGER;
";

const STEP_10: &str = "
    -- The sinks that the firing alerts of the open episode went to (`plan.rs`). NULL: an older build opened the episode.
    ALTER TABLE problem ADD COLUMN plan BLOB;
";

const STEP_11: &str = "
    -- The sinks that the alert was for, such as 1,3. NULL: an older build took it.
    ALTER TABLE alert ADD COLUMN plan TEXT;

    -- What a sink does not get now: the newest firing alert of a problem, until nothing mutes it or the problem is over.
    CREATE TABLE held (
        sink INTEGER NOT NULL, source INTEGER NOT NULL, fingerprint INTEGER NOT NULL, seq INTEGER NOT NULL,
        since_ms INTEGER NOT NULL, reason TEXT NOT NULL,
        PRIMARY KEY (sink, source, fingerprint)
    ) WITHOUT ROWID;
    CREATE INDEX held_by_seq ON held (seq, sink);

    -- Open episodes of which a sink has got no firing alert, because each of them was muted.
    CREATE TABLE untold (
        sink INTEGER NOT NULL, source INTEGER NOT NULL, fingerprint INTEGER NOT NULL, episode BLOB NOT NULL,
        PRIMARY KEY (sink, source, fingerprint)
    ) WITHOUT ROWID;

    -- What became of alerts that a sink does not get.
    CREATE TABLE outcome (
        seq INTEGER NOT NULL, sink INTEGER NOT NULL, at_ms INTEGER NOT NULL, ending INTEGER NOT NULL, reason TEXT NOT NULL,
        PRIMARY KEY (seq, sink)
    ) WITHOUT ROWID;

    -- Silences of operators. Numbers are not used again.
    CREATE TABLE silence (
        id INTEGER PRIMARY KEY AUTOINCREMENT, made_ms INTEGER NOT NULL, from_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL,
        matching TEXT NOT NULL, after TEXT NOT NULL, who TEXT NOT NULL, comment TEXT NOT NULL, ended_ms INTEGER
    );
";

/// The schema version that this program writes.
pub(super) fn version() -> u32 {
    u32::try_from(STEPS.len()).unwrap_or(u32::MAX)
}

/// The SQL of the steps that migrate a file of this version. The file has its sinks since the first step, and no later step
/// depends on another.
pub(super) fn steps(connection: &Connection, from: u32) -> rusqlite::Result<Vec<String>> {
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    let steps = STEPS.iter().skip(from);
    steps.map(|step| step(connection)).collect()
}

/// Creates the tables or migrates the file to the newest version, each step in a transaction of its own.
/// [`super::inspect`] has checked before that the file is a Campanile database.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let version = usize::try_from(version).unwrap_or(usize::MAX);
    let steps = STEPS.iter().enumerate().skip(version);
    for (number, step) in steps {
        apply(connection, number + 1, *step)?;
    }
    Ok(())
}

fn apply(connection: &mut Connection, version: usize, step: Step) -> rusqlite::Result<()> {
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    transaction.execute_batch(&step(&transaction)?)?;
    failpoint::point("mid-migration");
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(
        None,
        "user_version",
        i64::try_from(version).unwrap_or(i64::MAX),
    )?;
    transaction.commit()
}

/// The error of SQLite, with the name of the file and the fix.
pub(super) fn trouble(path: &Path, error: &rusqlite::Error) -> String {
    format!("{}: {error}. {}", path.display(), advice(path, error))
}

/// The error for a damaged file.
pub(super) fn damaged(path: &Path, what: &str) -> Error {
    Error::Open(format!(
        "{} is damaged: {what}. Nothing was changed. {}",
        path.display(),
        salvage(path)
    ))
}

/// Whether the error means that the file is damaged.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(
        code,
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
    )
}

fn salvage(path: &Path) -> String {
    let path = path.display();
    format!(
        "Stop Campanile and copy the file and its -wal file to another folder: they can contain pending alerts. Then restore \
         a backup, or save what can be read with `sqlite3 {path} .recover | sqlite3 saved.db`."
    )
}

fn advice(path: &Path, error: &rusqlite::Error) -> String {
    let advice = match error.sqlite_error_code() {
        _ if is_damage(error) => return salvage(path),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            "Its folder must exist, the user that runs Campanile must be allowed to write the file and the folder, and the \
             disk must not be mounted read-only."
        }
        Some(ErrorCode::DiskFull) => "The disk is full: free some space.",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "Another program has locked the file: stop that program."
        }
        _ => "Check the disk (full, failing, not mounted) and the permissions of the file.",
    };
    advice.to_owned()
}
