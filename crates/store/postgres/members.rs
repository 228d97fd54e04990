//! The gateways that share the database, and the leases of the sinks. Every change is one statement that names what it expects
//! to find: the row count says whether it was still so.

use tokio_postgres::{Client, Row};
use uuid::Uuid;

use super::numbers::sink_number;
use super::pool::Fault;
use crate::SinkId;
use crate::lease::{self, Member, Peer, View, Wish};

/// Registers a gateway, or its new configuration, and makes a lease for each of its sinks.
pub(super) async fn join(client: &Client, member: &Member) -> Result<(), Fault> {
    let sinks: Vec<i32> = member.sinks.iter().map(|sink| sink_number(*sink)).collect();
    let register = "WITH made AS (INSERT INTO lease (sink) SELECT unnest($3::int[]) ORDER BY 1 ON CONFLICT DO NOTHING)
        INSERT INTO gateway (id, name, sinks) VALUES ($1, $2, $3)
        ON CONFLICT (id) DO UPDATE SET sinks = excluded.sinks";
    client.execute(register, &[&member.id, &member.name, &sinks]).await?;
    Ok(())
}

/// Counts up the beat of a gateway, and reads everything. None: the gateway was declared dead, and must join under a new id.
pub(super) async fn beat(client: &Client, me: Uuid) -> Result<Option<View>, Fault> {
    let beat = "UPDATE gateway SET beat = beat + 1 WHERE id = $1 AND NOT dead";
    if client.execute(beat, &[&me]).await? == 0 {
        return Ok(None);
    }
    let peers = "SELECT id, beat, sinks, leaving FROM gateway WHERE NOT dead ORDER BY id";
    let leases = "SELECT sink, owner, epoch FROM lease ORDER BY sink";
    Ok(Some(View {
        gateways: client.query(peers, &[]).await?.iter().map(peer).collect(),
        leases: client.query(leases, &[]).await?.iter().map(row).collect(),
    }))
}

fn peer(row: &Row) -> Peer {
    let sinks: Vec<i32> = row.get(2);
    Peer {
        id: row.get(0),
        beat: row.get(1),
        sinks: sinks.into_iter().map(SinkId::from).collect(),
        leaving: row.get(3),
    }
}

fn row(row: &Row) -> lease::Row {
    lease::Row {
        sink: row.get::<_, i32>(0).into(),
        owner: row.get(1),
        epoch: row.get(2),
    }
}

/// Tries to fulfil a wish of a gateway. False: the tables have changed since its view.
pub(super) async fn fulfil(client: &Client, me: Uuid, wish: Wish) -> Result<bool, Fault> {
    let rows = match wish {
        Wish::Bury { id, beat } => {
            let bury = "UPDATE gateway SET dead = true WHERE id = $1 AND beat = $2 AND NOT dead";
            client.execute(bury, &[&id, &beat]).await?
        }
        Wish::Take(row) => {
            let take = "UPDATE lease SET owner = $1, epoch = epoch + 1
                WHERE sink = $2 AND epoch = $3 AND owner IS NOT DISTINCT FROM $4
                    AND (owner IS NULL OR NOT EXISTS (SELECT FROM gateway WHERE id = owner AND NOT dead))
                    AND EXISTS (SELECT FROM gateway WHERE id = $1 AND NOT dead)";
            client.execute(take, &[&me, &sink_number(row.sink), &row.epoch, &row.owner]).await?
        }
        Wish::GiveBack(row) => {
            let give = "UPDATE lease SET owner = NULL, epoch = epoch + 1 WHERE sink = $1 AND epoch = $2 AND owner = $3";
            client.execute(give, &[&sink_number(row.sink), &row.epoch, &me]).await?
        }
    };
    Ok(rows > 0)
}

/// Takes nothing more, and gives back every lease.
pub(super) async fn leave(client: &Client, me: Uuid) -> Result<(), Fault> {
    let leave = "WITH left_now AS (UPDATE gateway SET leaving = true WHERE id = $1)
        UPDATE lease SET owner = NULL, epoch = epoch + 1 WHERE owner = $1";
    client.execute(leave, &[&me]).await?;
    Ok(())
}

/// Removes the row of a gateway that has stopped, and those of the dead that own nothing.
pub(super) async fn forget(client: &Client, me: Uuid) -> Result<(), Fault> {
    let forget = "DELETE FROM gateway g WHERE g.id = $1
        OR g.dead AND NOT EXISTS (SELECT FROM lease l WHERE l.owner = g.id)";
    client.execute(forget, &[&me]).await?;
    Ok(())
}
