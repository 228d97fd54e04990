//! Reads what happened when a callback arrived.

use rusqlite::{Connection, OptionalExtension};

use super::callbacks::id_at;
use super::{damage, size};
use crate::arrival::{Tail, put_first};
use crate::{Arrival, ArrivalRow, Seq, codec};

pub(crate) fn arrival_of(
    connection: &Connection,
    seq: Seq,
) -> rusqlite::Result<Option<ArrivalRow>> {
    let sql = "SELECT c.packed, c.arrival_bytes, a.body_at, c.first_seq, r.name FROM alert a
               JOIN callback c ON c.id = a.callback LEFT JOIN routes r ON r.id = c.routes WHERE a.seq = ?1";
    let found = connection
        .prepare_cached(sql)?
        .query_row([seq], |row| {
            let packed = row.get_ref(0)?.as_blob()?;
            let bytes = row.get::<_, Option<i64>>(1)?.map_or(0, size);
            let (arrival, said) = unpacked(packed, bytes, size(row.get(2)?))?;
            let routes: Option<String> = row.get(4)?;
            let routes = routes.map(Into::into);
            Ok((row.get::<_, Seq>(3)?, said, Arrival { routes, ..arrival }))
        })
        .optional()?;
    let Some((first, said, mut arrival)) = found else {
        return Ok(None);
    };
    if let Some(id) = id_at(connection, first)? {
        put_first(&mut arrival, id);
    }
    Ok(Some(ArrivalRow { arrival, said }))
}

/// The arrival is the last `bytes` of what the callback packs.
pub(super) fn unpacked(
    packed: &[u8],
    bytes: usize,
    body_at: usize,
) -> rusqlite::Result<(Arrival, String)> {
    if bytes == 0 {
        return Ok((Arrival::default(), String::new()));
    }
    let plain = codec::unpack(packed).ok_or_else(damage)?;
    let tail = plain
        .len()
        .checked_sub(bytes)
        .and_then(|at| plain.get(at..));
    Ok(Tail::read(tail.ok_or_else(damage)?, body_at))
}
