//! Writes the tables that are copied as a whole.

use rusqlite::{Connection, params};

use crate::copy::{At, Record, Table};
use crate::sqlite::{pending, plan, read, tally};

/// Removes all rows of a table.
pub(super) fn clear(connection: &Connection, table: Table) -> rusqlite::Result<()> {
    let tables: &[&str] = match table {
        Table::Callback | Table::Alert | Table::Attempt => &[],
        Table::Name => &["source", "routes"],
        Table::Sink => &["sink"],
        Table::Problem => &["problem"],
        Table::Dead => &["dead"],
        Table::Quarantine => &["quarantine"],
        Table::Handle => &["handle"],
        Table::Audit => &["audit"],
        Table::Tally => &["tally"],
        Table::Held => &["held"],
        Table::Untold => &["untold"],
        Table::Outcome => &["outcome"],
        Table::Silence => &["silence"],
        Table::Pending => {
            for (sink, _) in read::known_sinks(connection)? {
                connection.execute(&format!("DELETE FROM {}", pending::table(sink)), [])?;
            }
            &[]
        }
    };
    for table in tables {
        connection.execute(&format!("DELETE FROM {table}"), [])?;
    }
    Ok(())
}

/// Adds a row.
#[expect(clippy::too_many_lines, reason = "one statement for each table")]
pub(super) fn put(connection: &Connection, row: &Record) -> rusqlite::Result<()> {
    let insert = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        connection.prepare_cached(sql)?.execute(values).map(|_| ())
    };
    match row {
        Record::Name {
            routes: false,
            id,
            name,
        } => insert("INSERT INTO source VALUES (?1, ?2)", params![id, name]),
        Record::Name { id, name, .. } => {
            insert("INSERT INTO routes VALUES (?1, ?2)", params![id, name])
        }
        Record::Sink { id, name } => {
            pending::create(connection, *id)?;
            insert("INSERT INTO sink VALUES (?1, ?2)", params![id, name])
        }
        Record::Problem {
            source,
            fingerprint,
            episode,
            plan,
        } => insert(
            "INSERT INTO problem VALUES (?1, ?2, ?3, ?4)",
            params![
                source,
                fingerprint,
                episode.as_bytes(),
                plan.as_deref().map(plan::bytes)
            ],
        ),
        Record::Pending {
            sink,
            seq,
            lane,
            attempts,
            since,
            due,
            retried,
            code,
            error,
        } => insert(
            &pending::insertion(*sink),
            params![
                seq,
                lane,
                attempts,
                due.map(At::ms),
                since.ms(),
                retried,
                code,
                error
            ],
        ),
        Record::Dead {
            id,
            sink,
            seq,
            lane,
            attempts,
            at,
            class,
            error,
            code,
        } => insert(
            "INSERT INTO dead VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![id, sink, seq, lane, attempts, at.ms(), class, error, code],
        ),
        Record::Quarantine {
            id,
            source,
            received,
            faults,
            raw,
            arrival,
        } => insert(
            "INSERT INTO quarantine VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![id, source, received.ms(), faults, raw, arrival],
        ),
        Record::Handle {
            episode,
            sink,
            source,
            fingerprint,
            ended,
            handle,
        } => insert(
            "INSERT INTO handle VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![episode.as_bytes(), sink, source, fingerprint, ended, handle],
        ),
        Record::Audit {
            id,
            act,
            at,
            who,
            role,
            via,
            client,
            caller,
            action,
            target,
            count,
            detail,
        } => insert(
            "INSERT INTO audit VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            params![
                id,
                act.as_bytes(),
                at.ms(),
                who,
                role,
                via,
                client,
                caller,
                action,
                target,
                count,
                detail
            ],
        ),
        Record::Tally {
            minute,
            source,
            severity,
            status,
            count,
        } => insert(
            "INSERT INTO tally VALUES (?1, ?2, ?3)",
            params![minute, tally(*source, *severity, *status), count],
        ),
        Record::Held {
            sink,
            source,
            fingerprint,
            seq,
            since,
            reason,
        } => insert(
            "INSERT INTO held VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![sink, source, fingerprint, seq, since.ms(), reason],
        ),
        Record::Untold {
            sink,
            source,
            fingerprint,
            episode,
        } => insert(
            "INSERT INTO untold VALUES (?1, ?2, ?3, ?4)",
            params![sink, source, fingerprint, episode.as_bytes()],
        ),
        Record::Outcome {
            seq,
            sink,
            at,
            ending,
            reason,
        } => insert(
            "INSERT INTO outcome VALUES (?1, ?2, ?3, ?4, ?5)",
            params![seq, sink, at.ms(), ending, reason],
        ),
        Record::Silence {
            id,
            made,
            from,
            until,
            matching,
            after,
            who,
            comment,
            ended,
        } => insert(
            "INSERT INTO silence VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                id,
                made.ms(),
                from.ms(),
                until.ms(),
                matching,
                after,
                who,
                comment,
                ended.map(At::ms)
            ],
        ),
    }
}
