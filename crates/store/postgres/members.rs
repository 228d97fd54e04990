//! The gateways that share the database, and the leases of the sinks. Every change is one statement that names what it expects
//! to find: the row count says whether it was still so.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use campanile_model::failpoint;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Transaction};
use uuid::Uuid;

use super::numbers::{part_number, sink_number};
use super::pool::Fault;
use super::schema;
use super::session::Session;
use crate::lease::{self, Member, Part, Peer, View, Wish};
use crate::{Error, Handover, Seq, SinkId};

/// The leases of this gateway, as it last saw them. The tables are the truth: this only says what to expect there.
#[derive(Default)]
pub(super) struct Held(Mutex<Option<Leases>>);

struct Leases {
    me: Uuid,
    epochs: HashMap<Part, i64>,
}

/// What a settlement expects to find.
#[derive(Default)]
pub(super) struct Fence {
    pub(super) me: Option<Uuid>,
    pub(super) sinks: Vec<i32>,
    pub(super) parts: Vec<i32>,
    pub(super) epochs: Vec<i64>,
}

impl Held {
    fn lock(&self) -> MutexGuard<'_, Option<Leases>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn see(&self, me: Uuid, view: &View) {
        let mine = view.leases.iter().filter(|lease| lease.owner == Some(me));
        let epochs = mine.map(|lease| (lease.part, lease.epoch)).collect();
        *self.lock() = Some(Leases { me, epochs });
    }

    fn join(&self, me: Uuid) {
        self.lock().get_or_insert_with(|| Leases {
            me,
            epochs: HashMap::new(),
        });
    }

    pub(super) fn fulfilled(&self, wish: Wish) {
        let mut held = self.lock();
        let Some(leases) = &mut *held else { return };
        match wish {
            Wish::Take(row) => drop(leases.epochs.insert(row.part, row.epoch + 1)),
            Wish::GiveBack(row) => drop(leases.epochs.remove(&row.part)),
            Wish::DeclareDead { .. } | Wish::Divide { .. } => {}
        }
    }

    /// What settlements of these parts expect to find.
    pub(super) fn fence(&self, parts: impl Iterator<Item = Part>) -> Result<Fence, Error> {
        let held = self.lock();
        let Some(leases) = &*held else {
            return Ok(Fence::default());
        };
        if failpoint::broken("broken-fence") {
            return Ok(Fence::default());
        }
        let parts: BTreeSet<Part> = parts.collect();
        let mut fence = Fence {
            me: Some(leases.me),
            ..Fence::default()
        };
        for part in parts {
            let epoch = leases.epochs.get(&part).ok_or(Error::NotOwner)?;
            fence.sinks.push(sink_number(part.sink));
            fence.parts.push(part.number.into());
            fence.epochs.push(*epoch);
        }
        Ok(fence)
    }
}

impl Fence {
    /// Fails when fewer leases were found than expected.
    pub(super) fn check(&self, found: i64) -> Result<(), Error> {
        let all = usize::try_from(found).is_ok_and(|found| found == self.sinks.len());
        if all { Ok(()) } else { Err(Error::NotOwner) }
    }
}

/// Registers a gateway, or its new configuration, and makes a lease for each of its sinks. A migration that leaves this program out
/// waits for the end of this, or this waits for its end.
pub(super) async fn join(session: &Session, held: &Held, member: &Member) -> Result<(), Fault> {
    let sinks: Vec<i32> = member.sinks.iter().map(|sink| sink_number(*sink)).collect();
    let parts: Vec<i32> = member.parts.iter().copied().map(Into::into).collect();
    let register = "WITH fits AS MATERIALIZED (SELECT FROM meta WHERE oldest <= $6 FOR SHARE),
        made AS (INSERT INTO lease (sink) SELECT unnest($3::int[]) FROM fits ORDER BY 1 ON CONFLICT DO NOTHING)
        INSERT INTO gateway (id, name, sinks, config, parts, level) SELECT $1, $2, $3, $4, $5, $6 FROM fits
        ON CONFLICT (id) DO UPDATE SET sinks = excluded.sinks, config = excluded.config, parts = excluded.parts";
    let level = session.home.address.level;
    let (name, config) = (&member.name, &member.config);
    let values: [&(dyn ToSql + Sync); 6] = [&member.id, name, &sinks, config, &parts, &level];
    if session.client.execute(register, &values).await? == 0 {
        schema::fits(session).await?;
    }
    held.join(member.id);
    Ok(())
}

/// Counts up the beat of a gateway, and reads everything. None: the gateway was declared dead, and must join under a new id.
pub(super) async fn beat(
    session: &Session,
    held: &Held,
    me: Uuid,
    (state, leaving): (&str, bool),
) -> Result<Option<View>, Fault> {
    let client = &session.client;
    let beat = "UPDATE gateway SET beat = beat + 1, state = $2, leaving = $3
        WHERE id = $1 AND NOT dead AND (SELECT oldest FROM meta) <= $4";
    let values: [&(dyn ToSql + Sync); 4] = [&me, &state, &leaving, &session.home.address.level];
    if client.execute(beat, &values).await? == 0 {
        schema::fits(session).await?;
        return Ok(None);
    }
    let peers = "SELECT id, beat, sinks, leaving, name, state, config, parts FROM gateway WHERE NOT dead ORDER BY id";
    let leases = "SELECT sink, owner, epoch, bool_or(paused) OVER of_sink, part, (count(*) OVER of_sink)::int FROM lease
        WINDOW of_sink AS (PARTITION BY sink) ORDER BY sink, part";
    // What is cleared here was read here. A gateway that dies now is replaced by one that looks from the start.
    let asked = "WITH asked AS (SELECT sink, part, look_from FROM lease WHERE owner = $1 AND look_from IS NOT NULL FOR UPDATE),
        cleared AS (UPDATE lease l SET look_from = NULL FROM asked a WHERE l.sink = a.sink AND l.part = a.part)
        SELECT sink, look_from FROM asked";
    let leases = client.query(leases, &[]).await?;
    let paused = leases.iter().filter(|row| row.get(3));
    let gateways = client.query(peers, &[]).await?;
    // The last one: what is cleared must be seen.
    let asked = client.query(asked, &[&me]).await?;
    let view = View {
        gateways: gateways.iter().map(peer).collect(),
        paused: paused
            .map(sink)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        leases: leases.iter().map(row).collect(),
        look_from: asked.iter().map(|row| (sink(row), row.get(1))).collect(),
    };
    held.see(me, &view);
    Ok(Some(view))
}

fn peer(row: &Row) -> Peer {
    let (sinks, parts): (Vec<i32>, Vec<i32>) = (row.get(2), row.get(7));
    Peer {
        id: row.get(0),
        beat: row.get(1),
        sinks: sinks.into_iter().map(SinkId::from).collect(),
        parts: parts.into_iter().map(part_number).collect(),
        leaving: row.get(3),
        name: row.get(4),
        state: row.get(5),
        config: row.get(6),
    }
}

fn row(row: &Row) -> lease::Row {
    lease::Row {
        part: Part {
            sink: sink(row),
            number: part_number(row.get(4)),
            of: part_number(row.get(5)),
        },
        owner: row.get(1),
        epoch: row.get(2),
    }
}

fn sink(row: &Row) -> SinkId {
    row.get::<_, i32>(0).into()
}

/// Gives back every lease, and removes the row of this gateway and those of the dead that own nothing.
pub(super) async fn leave(client: &Client, me: Uuid) -> Result<(), Fault> {
    let give = "UPDATE lease SET owner = NULL, epoch = epoch + 1 WHERE owner = $1";
    client.execute(give, &[&me]).await?;
    let forget = "DELETE FROM gateway g WHERE g.id = $1
        OR g.dead AND NOT EXISTS (SELECT FROM lease l WHERE l.owner = g.id)";
    client.execute(forget, &[&me]).await?;
    Ok(())
}

/// Pauses or resumes a sink.
pub(super) async fn pause(client: &Client, sink: SinkId, paused: bool) -> Result<(), Fault> {
    let pause = "WITH paused AS (UPDATE lease SET paused = $2 WHERE sink = $1 RETURNING sink)
        INSERT INTO lease (sink, paused) SELECT $1, $2 WHERE NOT EXISTS (SELECT FROM paused)
        ON CONFLICT (sink, part) DO UPDATE SET paused = excluded.paused";
    client
        .execute(pause, &[&sink_number(sink), &paused])
        .await?;
    Ok(())
}

/// What the last worker of a part left.
pub(super) async fn handover(client: &Client, part: Part) -> Result<Option<Handover>, Fault> {
    let left = "SELECT coalesce(h.said, ''), l.died AND h.epoch IS DISTINCT FROM l.epoch,
            coalesce(extract(epoch FROM clock_timestamp() - h.left_at) * 1000, 0)::bigint
        FROM lease l LEFT JOIN LATERAL (
            SELECT epoch, left_at, said FROM handover h WHERE h.sink = l.sink AND h.part = l.part ORDER BY id DESC LIMIT 1
        ) h ON true WHERE l.sink = $1 AND l.part = $2";
    let (sink, number) = (sink_number(part.sink), i32::from(part.number));
    let row = client.query_opt(left, &[&sink, &number]).await?;
    Ok(row.map(|row| Handover {
        text: row.get(0),
        died: row.get(1) && !failpoint::broken("broken-died"),
        age: Duration::from_millis(row.get::<_, i64>(2).unsigned_abs()),
    }))
}

/// Older deliveries are pending again: their owners see it with the next beat. In the transaction that makes them pending.
pub(super) async fn look_from(
    transaction: &Transaction<'_>,
    pending: impl Iterator<Item = (SinkId, Seq)>,
) -> Result<(), tokio_postgres::Error> {
    // Locked in one order: two operators can retry the same sinks at once.
    let look = "WITH again AS (
            SELECT sink, min(seq) AS seq FROM unnest($1::int[], $2::bigint[]) AS u(sink, seq) GROUP BY sink
        ), locked AS MATERIALIZED (
            SELECT sink, part FROM lease WHERE sink = ANY($1) ORDER BY sink, part FOR UPDATE
        )
        UPDATE lease l SET look_from = least(l.look_from, a.seq) FROM again a JOIN locked k USING (sink)
        WHERE l.sink = k.sink AND l.part = k.part";
    let (sinks, seqs): (Vec<i32>, Vec<Seq>) =
        pending.map(|(sink, seq)| (sink_number(sink), seq)).unzip();
    transaction.execute(look, &[&sinks, &seqs]).await?;
    Ok(())
}
