//! The tables that are copied as a whole, in pages.

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use super::rows::{at, some, wide, wide_all};
use crate::copy::{At, Key, Record, Table, tally_of};

/// The next rows of a table, in the order of their keys.
pub(super) async fn page(
    client: &Client,
    table: Table,
    after: Key,
    rows: usize,
) -> Result<Vec<Record>, tokio_postgres::Error> {
    let Some((select, row)) = of(table) else {
        return Ok(Vec::new());
    };
    let (first, second) = (i64::try_from(after.0).unwrap_or(i64::MAX), after.1);
    let episode = Uuid::from_u128(after.0);
    let limit = table.page_rows(rows);
    let values: &[&(dyn ToSql + Sync)] = match table {
        Table::Handle => &[&episode, &second, &limit],
        Table::Name
        | Table::Problem
        | Table::Pending
        | Table::Tally
        | Table::Held
        | Table::Untold
        | Table::Outcome => &[&first, &second, &limit],
        _ => &[&first, &limit],
    };
    let rows = client.query(select, values).await?;
    Ok(rows.iter().map(row).collect())
}

type Make = fn(&Row) -> Record;

fn of(table: Table) -> Option<(&'static str, Make)> {
    Some(match table {
        Table::Callback | Table::Alert | Table::Attempt => return None,
        Table::Name => (NAME, name),
        Table::Sink => (SINK, sink),
        Table::Problem => (PROBLEM, problem),
        Table::Pending => (PENDING, pending),
        Table::Dead => (DEAD, dead),
        Table::Quarantine => (QUARANTINE, quarantine),
        Table::Handle => (HANDLE, handle),
        Table::Audit => (AUDIT, audit),
        Table::Tally => (TALLY, tally),
        Table::Held => (HELD, held),
        Table::Untold => (UNTOLD, untold),
        Table::Outcome => (OUTCOME, outcome),
        Table::Silence => (SILENCE, silence),
    })
}

const NAME: &str = "SELECT kind = 'routes', id, name FROM name
    WHERE ((kind = 'routes')::int, id) > ($1::bigint, $2::bigint) ORDER BY 1, 2 LIMIT $3";

fn name(row: &Row) -> Record {
    Record::Name {
        routes: row.get(0),
        id: wide(row, 1),
        name: row.get(2),
    }
}

const SINK: &str = "SELECT id, name FROM sink WHERE id > $1::bigint ORDER BY id LIMIT $2";

fn sink(row: &Row) -> Record {
    Record::Sink {
        id: wide(row, 0),
        name: row.get(1),
    }
}

const PROBLEM: &str = "SELECT source, fingerprint, episode, plan FROM problem
    WHERE (source, fingerprint) > ($1::bigint, $2) ORDER BY source, fingerprint LIMIT $3";

fn problem(row: &Row) -> Record {
    Record::Problem {
        source: wide(row, 0),
        fingerprint: row.get(1),
        episode: row.get(2),
        plan: row.get::<_, Option<Vec<i32>>>(3).map(wide_all),
    }
}

const PENDING: &str =
    "SELECT sink, seq, lane, attempts, since, due, retried, code, error FROM pending
    WHERE (sink, seq) > ($1::bigint, $2) ORDER BY sink, seq LIMIT $3";

fn pending(row: &Row) -> Record {
    Record::Pending {
        sink: wide(row, 0),
        seq: row.get(1),
        lane: row.get(2),
        attempts: wide(row, 3),
        since: at(row, 4),
        due: row.get::<_, Option<_>>(5).map(At::of),
        retried: row.get(6),
        code: some(row, 7),
        error: row.get(8),
    }
}

const DEAD: &str =
    "SELECT id, sink, seq, lane, attempts, at, class, error, code FROM dead WHERE id > $1
    ORDER BY id LIMIT $2";

fn dead(row: &Row) -> Record {
    Record::Dead {
        id: row.get(0),
        sink: wide(row, 1),
        seq: row.get(2),
        lane: row.get(3),
        attempts: wide(row, 4),
        at: at(row, 5),
        class: row.get(6),
        error: row.get(7),
        code: some(row, 8),
    }
}

const QUARANTINE: &str = "SELECT id, source, received, faults, raw, arrival FROM quarantine WHERE id > $1 ORDER BY id LIMIT $2";

fn quarantine(row: &Row) -> Record {
    Record::Quarantine {
        id: row.get(0),
        source: wide(row, 1),
        received: at(row, 2),
        faults: row.get(3),
        raw: row.get(4),
        arrival: row.get(5),
    }
}

const HANDLE: &str = "SELECT episode, sink, source, fingerprint, ended, handle FROM handle
    WHERE (episode, sink) > ($1, $2::bigint) ORDER BY episode, sink LIMIT $3";

fn handle(row: &Row) -> Record {
    Record::Handle {
        episode: row.get(0),
        sink: wide(row, 1),
        source: wide(row, 2),
        fingerprint: row.get(3),
        ended: row.get(4),
        handle: row.get(5),
    }
}

const AUDIT: &str = "SELECT number, act, at, who, role, via, client, caller, action, target, count, detail FROM audit
    WHERE number > $1 ORDER BY number LIMIT $2";

fn audit(row: &Row) -> Record {
    Record::Audit {
        id: row.get(0),
        act: row.get(1),
        at: at(row, 2),
        who: row.get(3),
        role: row.get(4),
        via: row.get(5),
        client: row.get(6),
        caller: row.get(7),
        action: row.get(8),
        target: row.get(9),
        count: row.get(10),
        detail: row.get(11),
    }
}

/// With what was counted since the last round of pruning.
const TALLY: &str =
    "SELECT minute, (source::bigint * 8 + severity) * 2 + status AS of, sum(n)::bigint FROM (
        SELECT minute, source, severity, status, n FROM tally WHERE minute >= $1::bigint
        UNION ALL SELECT minute, source, severity, status, n FROM counted WHERE minute >= $1::bigint
    ) counts WHERE (minute, (source::bigint * 8 + severity) * 2 + status) > ($1::bigint, $2)
    GROUP BY 1, 2 ORDER BY 1, 2 LIMIT $3";

fn tally(row: &Row) -> Record {
    let (source, severity, status) = tally_of(row.get(1));
    Record::Tally {
        minute: wide(row, 0),
        source,
        severity,
        status,
        count: row.get(2),
    }
}

/// The first number of the key has the sink and the source.
const HELD: &str = "SELECT sink, source, fingerprint, seq, since, reason FROM held
    WHERE (sink::bigint << 32 | source, fingerprint) > ($1::bigint, $2) ORDER BY sink, source, fingerprint LIMIT $3";

fn held(row: &Row) -> Record {
    Record::Held {
        sink: wide(row, 0),
        source: wide(row, 1),
        fingerprint: row.get(2),
        seq: row.get(3),
        since: at(row, 4),
        reason: row.get(5),
    }
}

const UNTOLD: &str = "SELECT sink, source, fingerprint, episode FROM untold
    WHERE (sink::bigint << 32 | source, fingerprint) > ($1::bigint, $2) ORDER BY sink, source, fingerprint LIMIT $3";

fn untold(row: &Row) -> Record {
    Record::Untold {
        sink: wide(row, 0),
        source: wide(row, 1),
        fingerprint: row.get(2),
        episode: row.get(3),
    }
}

const OUTCOME: &str =
    "SELECT seq, sink, at, ending, reason FROM outcome WHERE (seq, sink) > ($1, $2::bigint)
    ORDER BY seq, sink LIMIT $3";

fn outcome(row: &Row) -> Record {
    Record::Outcome {
        seq: row.get(0),
        sink: wide(row, 1),
        at: at(row, 2),
        ending: row.get::<_, i16>(3).into(),
        reason: row.get(4),
    }
}

const SILENCE: &str = "SELECT id, made, begins, until, matching, after, who, comment, ended FROM silence WHERE id > $1
    ORDER BY id LIMIT $2";

fn silence(row: &Row) -> Record {
    Record::Silence {
        id: row.get(0),
        made: at(row, 1),
        from: at(row, 2),
        until: at(row, 3),
        matching: row.get(4),
        after: row.get(5),
        who: row.get(6),
        comment: row.get(7),
        ended: row.get::<_, Option<_>>(8).map(At::of),
    }
}
