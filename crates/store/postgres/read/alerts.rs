//! Reads alerts and the callbacks that contain them.

use std::collections::HashMap;

use tokio_postgres::{Client, Row};
use uuid::Uuid;

use super::list::limit;
use super::size;
use crate::arrival::Tail;
use crate::id::seq_of;
use crate::postgres::floor::Floor;
use crate::postgres::pool::Fault;
use crate::postgres::session::Session;
use crate::postgres::trouble::damage;
use crate::{Error, Following, Seq, StoredAlert, codec};

/// The columns that [`Bodies::alert`] reads. They are the first of a row.
macro_rules! columns {
    () => {
        "a.seq, a.id, a.episode, a.callback, a.body_at, a.body_bytes"
    };
}

pub(super) use columns;

pub(super) const COLUMNS: &str = columns!();

/// The callbacks of the rows of one query, each read once.
pub(super) struct Bodies(HashMap<Seq, Body>);

struct Body {
    /// The decompressed bytes. None: they are damaged.
    plain: Option<Vec<u8>>,
    /// The length of the arrival at the end.
    arrival_bytes: usize,
}

impl Bodies {
    /// Of rows that begin with [`COLUMNS`].
    pub(super) async fn of(session: &Session, rows: &[Row]) -> Result<Self, Fault> {
        let mut callbacks: Vec<Seq> = rows.iter().map(|row| row.get(3)).collect();
        callbacks.sort_unstable();
        callbacks.dedup();
        let select = "SELECT seq, packed, arrival_bytes FROM callback WHERE seq = ANY($1)";
        let rows = if callbacks.is_empty() {
            Vec::new()
        } else {
            session.query(select, &[&callbacks]).await?
        };
        let unpacked = |row: &Row| {
            let body = Body {
                plain: codec::unpack(row.get(1)),
                arrival_bytes: row.get::<_, Option<i32>>(2).map_or(0, size),
            };
            (row.get(0), body)
        };
        Ok(Self(rows.iter().map(unpacked).collect()))
    }

    /// The alert of a row that begins with [`COLUMNS`].
    pub(super) fn alert(&self, row: &Row) -> Result<StoredAlert, Error> {
        let (seq, id, callback): (Seq, Uuid, Seq) = (row.get(0), row.get(1), row.get(3));
        let (at, bytes) = (size(row.get(4)), size(row.get(5)));
        let plain = self.0.get(&callback).and_then(|body| body.plain.as_ref());
        let body = plain
            .and_then(|plain| plain.get(at..)?.get(..bytes)?.strip_prefix(b"{"))
            .ok_or_else(damage)?;
        let json = [format!("{{\"id\":\"{id}\",").as_bytes(), body].concat();
        Ok(StoredAlert {
            seq,
            id,
            episode: row.get::<_, Option<Uuid>>(2).unwrap_or(id),
            json,
        })
    }

    /// The trace of the callback of such a row.
    pub(super) fn trace(&self, row: &Row) -> Option<String> {
        let body = self.0.get(&row.get::<_, Seq>(3))?;
        let plain = body.plain.as_ref()?;
        let tail = plain.get(plain.len().checked_sub(body.arrival_bytes)?..)?;
        Some(Tail::trace(tail)?.into_owned())
    }

    /// The alert of such a row. A damaged alert gives none, because it must not block the others.
    pub(super) fn readable(&self, row: &Row) -> Option<StoredAlert> {
        let seq: Seq = row.get(0);
        self.alert(row)
            .inspect_err(|error| {
                tracing::error!(seq, %error, "an alert in the store is damaged and cannot be read");
            })
            .ok()
    }
}

/// The alerts at these places, in this order.
pub(crate) async fn by_seq(session: &Session, seqs: &[Seq]) -> Result<Vec<StoredAlert>, Fault> {
    if seqs.is_empty() {
        return Ok(Vec::new());
    }
    let select = concat!("SELECT ", columns!(), " FROM alert a WHERE a.seq = ANY($1)");
    let rows = session.query(select, &[&seqs]).await?;
    let bodies = Bodies::of(session, &rows).await?;
    let mut found: HashMap<Seq, StoredAlert> = HashMap::new();
    found.extend(
        rows.iter()
            .filter_map(|row| Some((row.get(0), bodies.readable(row)?))),
    );
    Ok(seqs
        .iter()
        .filter_map(|seq| found.get(seq).cloned())
        .collect())
}

pub(crate) async fn alert(session: &Session, id: Uuid) -> Result<Option<StoredAlert>, Fault> {
    let select = format!("SELECT {COLUMNS} FROM alert a WHERE a.seq = $1 AND a.id = $2");
    let rows = session.client.query(&select, &[&seq_of(id), &id]).await?;
    let bodies = Bodies::of(session, &rows).await?;
    let alert = rows.first().map(|row| bodies.alert(row));
    Ok(alert.transpose()?)
}

/// The alerts after this place, up to the floor.
pub(crate) async fn after(
    session: &mut Session,
    floor: &Floor,
    after: Seq,
    rows: u32,
    bytes: usize,
) -> Result<Following, Fault> {
    let floor = floor.look(session).await?;
    let client = &session.client;
    let newest = "SELECT coalesce(max(seq), 0) FROM alert WHERE seq <= $1";
    let newest: Seq = client.query_one(newest, &[&floor]).await?.get(0);
    let select = format!(
        "SELECT {COLUMNS} FROM alert a WHERE a.seq > $1 AND a.seq <= $2 ORDER BY a.seq LIMIT $3"
    );
    let read = client
        .query(&select, &[&after, &newest, &limit(rows)])
        .await?;
    let bodies = Bodies::of(session, &read).await?;
    let mut following = Following {
        alerts: Vec::new(),
        reached: newest.max(after),
        newest,
    };
    let mut held = 0;
    for row in &read {
        let alert = bodies.readable(row);
        held += alert.as_ref().map_or(0, |alert| alert.json.len());
        following.alerts.extend(alert);
        if held >= bytes {
            following.reached = row.get(0);
            return Ok(following);
        }
    }
    if read.len() == rows as usize {
        following.reached = read.last().map_or(after, |row| row.get(0));
    }
    Ok(following)
}

/// The raw callback of an alert.
pub(crate) async fn callback_of(client: &Client, seq: Seq) -> Result<Option<Vec<u8>>, Fault> {
    let select = "SELECT c.raw_bytes, c.packed FROM alert a JOIN callback c ON c.seq = a.callback WHERE a.seq = $1";
    let Some(row) = client.query_opt(select, &[&seq]).await? else {
        return Ok(None);
    };
    let mut plain = codec::unpack(row.get(1)).ok_or_else(damage)?;
    plain.truncate(size(row.get(0)));
    Ok(Some(plain))
}
