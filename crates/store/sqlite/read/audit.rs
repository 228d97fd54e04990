//! Lists what operators did, newest first.

use std::ops::ControlFlow;

use rusqlite::{Connection, Row, params};

use super::{LOOK_ROWS, listed, time};
use crate::{Act, AuditFilter, AuditRow, Listed};

const AUDIT: &str =
    "SELECT id, at_ms, who, action, act, role, via, client, caller, target, count, detail
    FROM audit WHERE id < ?1 ORDER BY id DESC LIMIT ?2";

pub(crate) fn audit(
    connection: &Connection,
    filter: &AuditFilter,
) -> rusqlite::Result<Listed<AuditRow>> {
    let mut select = connection.prepare_cached(AUDIT)?;
    let rows = select.query(params![filter.before.unwrap_or(i64::MAX), LOOK_ROWS])?;
    listed(rows, filter.limit, |row| {
        let wanted = is_wanted(row, filter)?;
        let shown = wanted.then(|| shown(row)).transpose()?;
        Ok(ControlFlow::Continue(shown))
    })
}

fn is_wanted(row: &Row<'_>, filter: &AuditFilter) -> rusqlite::Result<bool> {
    let (at_ms, who, action) = (
        row.get::<_, i64>(1)?,
        row.get_ref(2)?.as_str()?,
        row.get_ref(3)?.as_str()?,
    );
    let of_noun = |wanted: &String| {
        let verb = action.strip_prefix(wanted.as_str());
        verb.is_some_and(|verb| verb.is_empty() || verb.starts_with('.'))
    };
    Ok(filter
        .since
        .is_none_or(|since| at_ms >= since.as_millisecond())
        && filter.who.as_ref().is_none_or(|wanted| wanted == who)
        && filter.action.as_ref().is_none_or(of_noun))
}

fn shown(row: &Row<'_>) -> rusqlite::Result<AuditRow> {
    let from: Option<String> = row.get(8)?;
    let act = Act {
        id: u128::from_be_bytes(row.get(4)?),
        at: time(row.get(1)?),
        who: row.get(2)?,
        role: row.get(5)?,
        via: row.get(6)?,
        client: row.get(7)?,
        from: from.and_then(|from| from.parse().ok()),
        action: row.get(3)?,
        target: row.get(9)?,
        detail: row.get(11)?,
    };
    Ok(AuditRow {
        number: row.get(0)?,
        act,
        count: row.get::<_, i64>(10)?.cast_unsigned(),
    })
}
