//! Reads what happened when a callback arrived.

use tokio_postgres::Client;

use super::size;
use crate::arrival::{Tail, put_first};
use crate::postgres::pool::Fault;
use crate::postgres::trouble::damage;
use crate::{Arrival, ArrivalRow, Error, Seq, codec};

pub(crate) async fn of(client: &Client, seq: Seq) -> Result<Option<ArrivalRow>, Fault> {
    let select = "SELECT c.packed, c.arrival_bytes, a.body_at, f.id, r.name FROM alert a
                  JOIN callback c ON c.seq = a.callback LEFT JOIN alert f ON f.seq = c.seq
                  LEFT JOIN name r ON r.kind = 'routes' AND r.id = c.routes WHERE a.seq = $1";
    let Some(row) = client.query_opt(select, &[&seq]).await? else {
        return Ok(None);
    };
    let (mut arrival, said) = unpacked(row.get(0), row.get(1), size(row.get(2)))?;
    if let Some(first) = row.get(3) {
        put_first(&mut arrival, first);
    }
    arrival.routes = row.get::<_, Option<String>>(4).map(Into::into);
    Ok(Some(ArrivalRow { arrival, said }))
}

/// The arrival is the last `bytes` of what the callback packs.
pub(super) fn unpacked(
    packed: &[u8],
    bytes: Option<i32>,
    body_at: usize,
) -> Result<(Arrival, String), Error> {
    let Some(bytes) = bytes.map(size).filter(|bytes| *bytes > 0) else {
        return Ok((Arrival::default(), String::new()));
    };
    let plain = codec::unpack(packed).ok_or_else(damage)?;
    let tail = plain
        .len()
        .checked_sub(bytes)
        .and_then(|at| plain.get(at..));
    Ok(Tail::read(tail.ok_or_else(damage)?, body_at))
}
