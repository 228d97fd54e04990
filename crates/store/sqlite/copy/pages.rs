//! The tables that are copied as a whole, in pages.

use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use crate::copy::{At, Key, Record, Table, clean};
use crate::sqlite::{pending, plan, read, tally_of};

/// The next rows of a table, in the order of their keys.
pub(super) fn page(
    connection: &Connection,
    table: Table,
    after: Key,
    limit: i64,
) -> rusqlite::Result<Vec<Record>> {
    let first = i64::try_from(after.0).unwrap_or(i64::MAX);
    let numbers = params![first, after.1, limit];
    let number = params![first, limit];
    let query = |sql: &str, given: &[&dyn rusqlite::ToSql], row: Make| {
        let mut select = connection.prepare_cached(sql)?;
        select.query_map(given, row)?.collect()
    };
    match table {
        Table::Callback | Table::Alert | Table::Attempt => Ok(Vec::new()),
        Table::Name => query(NAME, numbers, name),
        Table::Sink => query(SINK, number, sink),
        Table::Problem => query(PROBLEM, numbers, problem),
        Table::Pending => pending_rows(connection, after, limit),
        Table::Dead => query(DEAD, number, dead),
        Table::Quarantine => query(QUARANTINE, number, quarantine),
        Table::Audit => query(AUDIT, number, audit),
        Table::Handle => {
            let episode = Uuid::from_u128(after.0);
            let after = params![episode.as_bytes(), after.1, limit];
            query(HANDLE, after, handle)
        }
        Table::Tally => query(TALLY, numbers, tally),
        Table::Held => query(HELD, numbers, held),
        Table::Untold => query(UNTOLD, numbers, untold),
        Table::Outcome => query(OUTCOME, numbers, outcome),
        Table::Silence => query(SILENCE, number, silence),
    }
}

type Make = fn(&Row<'_>) -> rusqlite::Result<Record>;

const NAME: &str = "SELECT * FROM (SELECT 0 AS routes, id, name FROM source UNION ALL SELECT 1, id, name FROM routes)
    WHERE (routes, id) > (?1, ?2) ORDER BY routes, id LIMIT ?3";

fn name(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record::Name {
        routes: row.get(0)?,
        id: row.get(1)?,
        name: clean(row.get(2)?),
    })
}

const SINK: &str = "SELECT id, name FROM sink WHERE id > ?1 ORDER BY id LIMIT ?2";

fn sink(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record::Sink {
        id: row.get(0)?,
        name: clean(row.get(1)?),
    })
}

const PROBLEM: &str =
    "SELECT source, fingerprint, episode, plan FROM problem WHERE (source, fingerprint) > (?1, ?2)
    ORDER BY source, fingerprint LIMIT ?3";

fn problem(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record::Problem {
        source: row.get(0)?,
        fingerprint: row.get(1)?,
        episode: Uuid::from_bytes(row.get(2)?),
        plan: row
            .get::<_, Option<Vec<u8>>>(3)?
            .as_deref()
            .and_then(plan::read),
    })
}

/// From the table of each sink.
fn pending_rows(connection: &Connection, after: Key, limit: i64) -> rusqlite::Result<Vec<Record>> {
    let (sink, seq) = after;
    let sink = i64::try_from(sink).unwrap_or(i64::MAX);
    let mut page = Vec::new();
    for (of, _) in read::known_sinks(connection)? {
        if of < sink {
            continue;
        }
        let left = limit - i64::try_from(page.len()).unwrap_or(i64::MAX);
        let seq = if of == sink { seq } else { i64::MIN };
        let mut select = pending::select(connection, of, "WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
        let rows = select.query_map([seq, left], |row| {
            Ok(Record::Pending {
                sink: of,
                seq: row.get(0)?,
                lane: row.get(1)?,
                attempts: row.get(2)?,
                due: row.get::<_, Option<i64>>(3)?.map(At::of_ms),
                since: At::of_ms(row.get(4)?),
                retried: row.get(5)?,
                code: row.get(6)?,
                error: row.get::<_, Option<String>>(7)?.map(clean),
            })
        })?;
        for row in rows {
            page.push(row?);
        }
    }
    Ok(page)
}

const DEAD: &str =
    "SELECT id, sink, seq, fingerprint, attempts, at_ms, class, error, code FROM dead WHERE id > ?1
    ORDER BY id LIMIT ?2";

fn dead(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record::Dead {
        id: row.get(0)?,
        sink: row.get(1)?,
        seq: row.get(2)?,
        lane: row.get(3)?,
        attempts: row.get(4)?,
        at: At::of_ms(row.get(5)?),
        class: clean(row.get(6)?),
        error: clean(row.get(7)?),
        code: row.get(8)?,
    })
}

const QUARANTINE: &str = "SELECT id, source, received_ms, faults, raw, arrival FROM quarantine WHERE id > ?1 ORDER BY id LIMIT ?2";

fn quarantine(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record::Quarantine {
        id: row.get(0)?,
        source: row.get(1)?,
        received: At::of_ms(row.get(2)?),
        faults: clean(row.get(3)?),
        raw: row.get(4)?,
        // An older build kept none.
        arrival: row.get::<_, Option<Vec<u8>>>(5)?.unwrap_or_default(),
    })
}

const HANDLE: &str = "SELECT episode, sink, source, fingerprint, ended_seq, handle FROM handle
    WHERE (episode, sink) > (?1, ?2) ORDER BY episode, sink LIMIT ?3";

fn handle(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record::Handle {
        episode: Uuid::from_bytes(row.get(0)?),
        sink: row.get(1)?,
        source: row.get(2)?,
        fingerprint: row.get(3)?,
        ended: row.get(4)?,
        handle: clean(row.get(5)?),
    })
}

const AUDIT: &str = "SELECT id, act, at_ms, who, role, via, client, caller, action, target, count, detail FROM audit
    WHERE id > ?1 ORDER BY id LIMIT ?2";

fn audit(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record::Audit {
        id: row.get(0)?,
        act: Uuid::from_bytes(row.get(1)?),
        at: At::of_ms(row.get(2)?),
        who: clean(row.get(3)?),
        role: clean(row.get(4)?),
        via: clean(row.get(5)?),
        client: clean(row.get(6)?),
        caller: row.get::<_, Option<String>>(7)?.map(clean),
        action: clean(row.get(8)?),
        target: clean(row.get(9)?),
        count: row.get(10)?,
        detail: clean(row.get(11)?),
    })
}

/// With the newest alerts, which are not yet in the table.
const TALLY: &str = "SELECT minute, of, sum(count) FROM (
        SELECT minute, of, count FROM tally WHERE minute >= ?1
        UNION ALL
        SELECT received_ms / 60000, (source * 8 + severity) * 2 + status, 1 FROM alert
        WHERE seq > (SELECT value FROM meta WHERE name = 'tallied_to')
    ) WHERE (minute, of) > (?1, ?2) GROUP BY minute, of ORDER BY minute, of LIMIT ?3";

fn tally(row: &Row<'_>) -> rusqlite::Result<Record> {
    let (source, severity, status) = tally_of(row.get(1)?);
    Ok(Record::Tally {
        minute: row.get(0)?,
        source,
        severity,
        status,
        count: row.get(2)?,
    })
}

/// The first number of the key has the sink and the source.
const HELD: &str = "SELECT sink, source, fingerprint, seq, since_ms, reason FROM held
    WHERE (sink << 32 | source, fingerprint) > (?1, ?2) ORDER BY sink, source, fingerprint LIMIT ?3";

fn held(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record::Held {
        sink: row.get(0)?,
        source: row.get(1)?,
        fingerprint: row.get(2)?,
        seq: row.get(3)?,
        since: At::of_ms(row.get(4)?),
        reason: clean(row.get(5)?),
    })
}

const UNTOLD: &str = "SELECT sink, source, fingerprint, episode FROM untold
    WHERE (sink << 32 | source, fingerprint) > (?1, ?2) ORDER BY sink, source, fingerprint LIMIT ?3";

fn untold(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record::Untold {
        sink: row.get(0)?,
        source: row.get(1)?,
        fingerprint: row.get(2)?,
        episode: Uuid::from_bytes(row.get(3)?),
    })
}

const OUTCOME: &str =
    "SELECT seq, sink, at_ms, ending, reason FROM outcome WHERE (seq, sink) > (?1, ?2)
    ORDER BY seq, sink LIMIT ?3";

fn outcome(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record::Outcome {
        seq: row.get(0)?,
        sink: row.get(1)?,
        at: At::of_ms(row.get(2)?),
        ending: row.get(3)?,
        reason: clean(row.get(4)?),
    })
}

const SILENCE: &str = "SELECT id, made_ms, from_ms, until_ms, matching, after, who, comment, ended_ms FROM silence WHERE id > ?1
    ORDER BY id LIMIT ?2";

fn silence(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record::Silence {
        id: row.get(0)?,
        made: At::of_ms(row.get(1)?),
        from: At::of_ms(row.get(2)?),
        until: At::of_ms(row.get(3)?),
        matching: clean(row.get(4)?),
        after: clean(row.get(5)?),
        who: clean(row.get(6)?),
        comment: clean(row.get(7)?),
        ended: row.get::<_, Option<i64>>(8)?.map(At::of_ms),
    })
}
