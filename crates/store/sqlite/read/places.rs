//! The places of alerts by time, by bisection.
//!
//! The times of arrival do not grow with the places: the clock can be set back. The times in the ids do, and none is before the time
//! of arrival (`session.rs`).

use jiff::Timestamp;
use rusqlite::{Connection, params};
use uuid::Uuid;

use crate::{Seq, id};

/// The time of arrival can be before the time in the id by this much, unless the clock was set back.
const DISORDER_MS: i64 = 60_000;

/// The place from which on alerts can have arrived at this time or later. All of `lowest..=highest` is known to have rows at
/// both ends.
pub(super) fn since(
    connection: &Connection,
    (lowest, highest): (Seq, Seq),
    since: Timestamp,
) -> rusqlite::Result<Seq> {
    first(connection, (lowest, highest), since.as_millisecond())
}

/// The place before which all alerts are that arrived at this time or earlier.
pub(super) fn until(
    connection: &Connection,
    (lowest, highest): (Seq, Seq),
    until: Timestamp,
) -> rusqlite::Result<Seq> {
    let after = until.as_millisecond().saturating_add(DISORDER_MS + 1);
    first(connection, (lowest, highest), after)
}

/// The first place whose id has this time or a later one; the place after the last if there is none.
fn first(connection: &Connection, (lowest, highest): (Seq, Seq), ms: i64) -> rusqlite::Result<Seq> {
    // Pruning leaves gaps, so the row at a place is the next one that is kept.
    let mut select = connection
        .prepare_cached("SELECT seq, id FROM alert WHERE seq >= ?1 ORDER BY seq LIMIT 1")?;
    let (mut low, mut high) = (lowest, highest + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let row = select.query_row(params![middle], |row| {
            Ok((row.get::<_, Seq>(0)?, Uuid::from_bytes(row.get(1)?)))
        });
        let (seq, id) = match row {
            // Rows were removed since the highest place was read.
            Err(rusqlite::Error::QueryReturnedNoRows) => (middle, Uuid::max()),
            row => row?,
        };
        if id::ms_of(id) >= ms {
            high = middle;
        } else {
            low = seq + 1;
        }
    }
    Ok(low)
}
