//! Rows of the tables that are copied by place.

use tokio_postgres::Row;

use super::UNPLACED;
use crate::copy::{Alert, At, Attempt, Callback, Own};

pub(super) fn at(row: &Row, column: usize) -> At {
    At::of(row.get(column))
}

pub(super) fn wide(row: &Row, column: usize) -> i64 {
    row.get::<_, i32>(column).into()
}

pub(super) fn wide_all(numbers: Vec<i32>) -> Vec<i64> {
    numbers.into_iter().map(i64::from).collect()
}

pub(super) fn some(row: &Row, column: usize) -> Option<i64> {
    row.get::<_, Option<i32>>(column).map(Into::into)
}

fn short(row: &Row, column: usize) -> i64 {
    row.get::<_, i16>(column).into()
}

pub(super) const CALLBACK: &str =
    "SELECT seq, last, source, received, alerts, raw_bytes, arrival_bytes, routes, packed
    FROM callback WHERE seq > $1 AND seq <= $2 ORDER BY seq";

pub(super) fn callback(row: &Row) -> Callback {
    Callback {
        number: Own(row.get(0)),
        seq: row.get(0),
        last: Some(row.get(1)),
        source: wide(row, 2),
        received: at(row, 3),
        alerts: wide(row, 4),
        raw_bytes: wide(row, 5),
        arrival_bytes: some(row, 6),
        routes: some(row, 7),
        packed: row.get(8),
    }
}

pub(super) const UNPLACED_CALLBACK: &str =
    "SELECT id, seq, source, received, raw_bytes, arrival_bytes, routes, packed
    FROM unplaced WHERE id > $1 AND seq <= $2 ORDER BY id LIMIT $3";

pub(super) fn unplaced(row: &Row) -> Callback {
    Callback {
        number: Own(row.get(0)),
        seq: row.get(1),
        last: None,
        source: wide(row, 2),
        received: at(row, 3),
        alerts: 0,
        raw_bytes: wide(row, 4),
        arrival_bytes: some(row, 5),
        routes: some(row, 6),
        packed: row.get(7),
    }
}

/// The number of a callback of a SQLite file in the table `unplaced`.
pub(super) fn unplaced_id(number: i64) -> i64 {
    if number < 0 {
        number
    } else {
        number - UNPLACED
    }
}

pub(super) const ALERT: &str = "SELECT a.seq, a.callback, a.source, a.received, a.status, a.severity, a.fingerprint, a.id, a.episode,
    d.key, coalesce(d.content, 0), a.body_at, a.body_bytes, a.plan
    FROM (SELECT * FROM alert WHERE seq > $1 AND seq <= $2) a
    LEFT JOIN (SELECT * FROM dedup WHERE seq > $1 AND seq <= $2) d USING (seq) ORDER BY a.seq";

pub(super) fn alert(row: &Row) -> Alert {
    Alert {
        seq: row.get(0),
        callback: row.get(1),
        source: wide(row, 2),
        received: at(row, 3),
        status: short(row, 4),
        severity: short(row, 5),
        fingerprint: row.get(6),
        id: row.get(7),
        episode: row.get(8),
        key: row.get(9),
        content: row.get(10),
        body_at: wide(row, 11),
        body_bytes: wide(row, 12),
        plan: row.get::<_, Option<Vec<i32>>>(13).map(wide_all),
    }
}

pub(super) const ATTEMPT: &str =
    "SELECT seq, sink, at, attempt, took_ms, code, verdict, worth, remark, note FROM attempt
    WHERE seq > $1 AND seq <= $2 ORDER BY seq, sink, at, attempt";

pub(super) fn attempt(row: &Row) -> Attempt {
    Attempt {
        seq: row.get(0),
        sink: wide(row, 1),
        at: at(row, 2),
        number: wide(row, 3),
        took_ms: row.get(4),
        code: some(row, 5),
        verdict: short(row, 6),
        worth: row.get::<_, Option<i16>>(7).map(Into::into),
        remark: row.get(8),
        note: row.get(9),
    }
}
