//! Reads the rows of a database for a copy, in short transactions.

use std::time::Duration;

use tokio_postgres::{IsolationLevel, Row, Transaction};
use uuid::Uuid;

use super::{Side, pages, rows};
use crate::copy::{
    CHUNK_BYTES, Callback, Chunk, Counters, Cursor, Key, Reader, Record, Table, begun, unfinished,
};
use crate::postgres::floor::Floor;
use crate::postgres::pool::Fault;
use crate::postgres::read::alerts::by_seq;
use crate::postgres::read::list::limit;
use crate::postgres::schema;
use crate::postgres::version::version;
use crate::{Answer, Error, Seq, lease};

/// A database that is read.
pub(crate) struct Source {
    side: Side,
    rows: usize,
    floor: Floor,
    stopped: Option<Stopped>,
}

/// What a database keeps while no gateway runs on it.
struct Stopped {
    beats: Vec<(Uuid, i64)>,
    /// The start of a gateway changes it, and so does each callback.
    version: u64,
}

impl Source {
    /// Connects to a database of this program's level.
    pub(crate) async fn open(url: &str, rows: usize) -> Result<Self, Error> {
        let side = Side::open(url).await?;
        let level = side.level().await.map_err(|error| side.unread(&error))?;
        let shown = side.shown();
        match level {
            Some(level) if level == schema::level() => {}
            Some(level) if level < schema::level() => {
                return Err(Error::Open(format!(
                    "{shown} has the tables of an older Campanile (level {level}; this program needs {}). Start the gateway of this \
                     version on it once.",
                    schema::level()
                )));
            }
            Some(level) => return Err(schema::newer(&shown, level)),
            None => {
                return Err(Error::Open(format!(
                    "{shown} has no tables of Campanile. The first argument is read, and the second one is written."
                )));
            }
        }
        if schema::is_copy(&side.session.client)
            .await
            .map_err(|error| side.unread(&error))?
        {
            return Err(Error::Open(unfinished(&shown)));
        }
        Ok(Self::of(side, rows))
    }

    /// Of an open connection.
    pub(super) fn of(side: Side, rows: usize) -> Self {
        Self {
            side,
            rows,
            floor: Floor::default(),
            stopped: None,
        }
    }

    /// One snapshot.
    async fn snapshot(&mut self) -> Result<Transaction<'_>, tokio_postgres::Error> {
        let builder = self.side.session.client.build_transaction();
        let builder = builder.isolation_level(IsolationLevel::RepeatableRead);
        builder.read_only(true).start().await
    }

    async fn read_chunk(&mut self, from: Cursor, until: Seq) -> Result<Option<Chunk>, Fault> {
        let floor = self.floor.look(&mut self.side.session).await?;
        let end = until.min(floor).max(from.seq);
        let most = self.rows;
        let snapshot = self.snapshot().await?;
        // A trailing callback without a place refers to the place after the last one.
        let unplaced = unplaced(&snapshot, from, until, most).await?;
        let mut to = Cursor {
            seq: cut(&snapshot, from.seq, end, most).await?,
            ..from
        };
        let mut callbacks = unplaced.0;
        if let Some(next) = unplaced.1 {
            to.seq = to.seq.min(next - 1).max(from.seq);
        }
        if to.seq < end {
            callbacks.retain(|callback| callback.seq <= to.seq + 1);
        }
        to.callback = callbacks.last().map_or(from.callback, |last| last.number.0);
        if to == from {
            return Ok(None);
        }
        let range: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&from.seq, &to.seq];
        callbacks.extend(
            snapshot
                .query(rows::CALLBACK, &range)
                .await?
                .iter()
                .map(rows::callback),
        );
        callbacks.sort_by_key(|row| (row.seq, row.last.is_some(), row.number.0));
        let alerts = snapshot.query(rows::ALERT, &range).await?;
        let attempts = snapshot.query(rows::ATTEMPT, &range).await?;
        Ok(Some(Chunk {
            from,
            to,
            callbacks,
            alerts: alerts.iter().map(rows::alert).collect(),
            attempts: attempts.iter().map(rows::attempt).collect(),
        }))
    }

    async fn read_counters(&mut self) -> Result<Counters, Fault> {
        let seq = self.floor.look(&mut self.side.session).await?;
        let given = |table: &str| {
            format!("(SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {table}_seq)")
        };
        let select = format!(
            "SELECT {}, {}, {}, id_random, coalesce((SELECT min(seq) FROM alert), 0) FROM meta",
            given("dead_id"),
            given("quarantine_id"),
            given("audit_number")
        );
        let row = self.side.session.client.query_one(&select, &[]).await?;
        Ok(Counters {
            seq,
            lowest: row.get(4),
            dead: row.get(0),
            quarantine: row.get(1),
            audit: row.get(2),
            id_random: row.get::<_, i32>(3).into(),
        })
    }

    fn fault(&self, fault: Fault) -> Error {
        fault.into_error(|error| self.side.unread(&error))
    }

    /// The beats of the gateways that are not declared dead.
    async fn beats(&self) -> Result<Vec<(Uuid, i64)>, Error> {
        let select = "SELECT id, beat FROM gateway WHERE NOT dead ORDER BY id";
        let rows = self.side.session.client.query(select, &[]).await;
        let rows = rows.map_err(|error| self.side.unread(&error))?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    async fn version(&mut self) -> Result<u64, Error> {
        let version = version(&mut self.side.session).await;
        version.map_err(|fault| self.fault(fault))
    }
}

/// The next callbacks without a place, and the place of the one after them.
async fn unplaced(
    snapshot: &Transaction<'_>,
    from: Cursor,
    until: Seq,
    most: usize,
) -> Result<(Vec<Callback>, Option<Seq>), tokio_postgres::Error> {
    let page = snapshot
        .query(
            rows::UNPLACED_CALLBACK,
            &[&from.callback, &until, &limit(most + 1)],
        )
        .await?;
    let mut callbacks: Vec<Callback> = page.iter().map(rows::unplaced).collect();
    let mut bytes = 0;
    let fitting = callbacks.iter().take_while(|row| {
        bytes += row.packed.len();
        bytes <= CHUNK_BYTES
    });
    let fitting = fitting.count().clamp(1, most).min(callbacks.len());
    let next = callbacks.split_off(fitting).first().map(|row| row.seq);
    Ok((callbacks, next))
}

/// The last place of a chunk that begins after one place and ends at another one at the latest.
async fn cut(
    snapshot: &Transaction<'_>,
    after: Seq,
    end: Seq,
    most: usize,
) -> Result<Seq, tokio_postgres::Error> {
    let select = "SELECT min(seq) FROM (
            SELECT seq, sum(length(packed)) OVER (ORDER BY seq) - length(packed) AS bytes,
                sum(greatest(alerts, 1)) OVER (ORDER BY seq) - greatest(alerts, 1) AS alerts
            FROM (SELECT seq, alerts, packed FROM callback WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3) page
        ) summed WHERE bytes >= $4 OR alerts >= $5";
    let (rows, bytes) = (limit(most), limit(CHUNK_BYTES));
    let first_left: Option<Seq> = snapshot
        .query_one(select, &[&after, &end, &(rows + 1), &bytes, &rows])
        .await?
        .get(0);
    Ok(first_left.map_or(end, |seq| seq - 1))
}

impl Reader for Source {
    fn identity(&mut self) -> Answer<'_, String> {
        Box::pin(async move {
            let id = self.counters().await?.id_random;
            Ok(format!("{} ({id})", self.side.shown()))
        })
    }

    fn counters(&mut self) -> Answer<'_, Counters> {
        Box::pin(async move {
            let counters = self.read_counters().await;
            counters.map_err(|fault| self.fault(fault))
        })
    }

    fn cursor_after(&mut self, seq: Seq) -> Answer<'_, Cursor> {
        Box::pin(async move {
            let last = "SELECT max(id) FROM unplaced WHERE seq <= $1";
            let row = self.side.session.client.query_one(last, &[&seq]).await;
            let row = row.map_err(|error| self.side.unread(&error))?;
            let callback = row.get::<_, Option<i64>>(0).unwrap_or(i64::MIN);
            Ok(Cursor {
                seq: seq.max(0),
                callback,
            })
        })
    }

    fn chunk(&mut self, from: Cursor, until: Seq) -> Answer<'_, Option<Chunk>> {
        Box::pin(async move {
            let chunk = self.read_chunk(from, until).await;
            chunk.map_err(|fault| self.fault(fault))
        })
    }

    fn page(&mut self, table: Table, after: Key) -> Answer<'_, Vec<Record>> {
        Box::pin(async move {
            let page = pages::page(&self.side.session.client, table, after, self.rows).await;
            page.map_err(|error| self.side.unread(&error))
        })
    }

    fn bodies(&mut self, seqs: Vec<Seq>) -> Answer<'_, Vec<(Seq, Vec<u8>)>> {
        Box::pin(async move {
            let alerts = by_seq(&self.side.session, &seqs).await;
            let alerts = alerts.map_err(|fault| self.fault(fault))?.into_iter();
            Ok(alerts.map(|alert| (alert.seq, alert.json)).collect())
        })
    }

    /// A gateway that was killed left its row. It is dead when its beat stands still for as long as other gateways wait.
    fn stopped(&mut self) -> Answer<'_, ()> {
        Box::pin(async move {
            let before = self.beats().await?;
            let mut waited = Duration::ZERO;
            while !before.is_empty() && waited < lease::TTL {
                tokio::time::sleep(lease::BEAT).await;
                waited += lease::BEAT;
                if self.beats().await? != before {
                    return Err(Error::Open(format!(
                        "a gateway runs on {}. Stop all of them before --finish: what they still accept would be missing. Without \
                         --finish they can go on.",
                        self.side.shown()
                    )));
                }
            }
            self.stopped = Some(Stopped {
                beats: before,
                version: self.version().await?,
            });
            Ok(())
        })
    }

    fn stayed_stopped(&mut self) -> Answer<'_, ()> {
        Box::pin(async move {
            let (beats, version) = (self.beats().await?, self.version().await?);
            let stayed = |then: &Stopped| then.beats == beats && then.version == version;
            if self.stopped.as_ref().is_some_and(stayed) {
                return Ok(());
            }
            Err(begun(&self.side.shown()))
        })
    }

    fn paused(&mut self) -> Answer<'_, Vec<String>> {
        Box::pin(async move {
            let select =
                "SELECT s.name FROM lease l JOIN sink s ON s.id = l.sink WHERE l.paused ORDER BY 1";
            let rows = self.side.session.client.query(select, &[]).await;
            let rows = rows.map_err(|error| self.side.unread(&error))?;
            Ok(rows.iter().map(|row: &Row| row.get(0)).collect())
        })
    }
}
