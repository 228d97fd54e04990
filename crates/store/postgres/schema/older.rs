//! Gateways of older programs: a step that removes what they need waits for their end.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_postgres::{GenericClient, Transaction};
use uuid::Uuid;

use crate::Error;
use crate::lease::{BEAT, TTL};
use crate::postgres::pool::Fault;
use crate::postgres::session::Session;

/// Whether gateways below this level are registered. Until the transaction ends no gateway registers.
pub(super) async fn are_there(
    transaction: &Transaction<'_>,
    level: i32,
) -> Result<bool, tokio_postgres::Error> {
    transaction
        .execute("SELECT FROM meta FOR UPDATE", &[])
        .await?;
    Ok(!beats(transaction, level).await?.is_empty())
}

/// A gateway that was killed left its row. It is declared dead if its beat stands still for as long as other gateways wait. An error
/// names those that run.
pub(super) async fn bury(session: &mut Session, level: i32, shown: &str) -> Result<(), Fault> {
    let before = beats(&session.client, level).await?;
    let mut waited = Duration::ZERO;
    while waited < TTL {
        tokio::time::sleep(BEAT).await;
        waited += BEAT;
        let now = beats(&session.client, level).await?;
        let mut running = now.iter().filter(|(id, now)| before.get(id) != Some(now));
        if let Some((_, running)) = running.next() {
            return Err(too_early(shown, level, &running.name).into());
        }
    }
    let dead = "UPDATE gateway SET dead = true WHERE id = $1 AND beat = $2 AND NOT dead";
    for (id, silent) in before {
        session.client.execute(dead, &[&id, &silent.beat]).await?;
    }
    Ok(())
}

#[derive(PartialEq)]
struct Beat {
    beat: i64,
    name: String,
}

/// The gateways below this level that are not declared dead.
async fn beats(
    client: &impl GenericClient,
    level: i32,
) -> Result<BTreeMap<Uuid, Beat>, tokio_postgres::Error> {
    let select = "SELECT id, beat, name FROM gateway WHERE NOT dead AND level < $1";
    let rows = client.query(select, &[&level]).await?;
    let beat = |row: &tokio_postgres::Row| Beat {
        beat: row.get(1),
        name: row.get(2),
    };
    Ok(rows.iter().map(|row| (row.get(0), beat(row))).collect())
}

fn too_early(shown: &str, level: i32, name: &str) -> Error {
    Error::Open(format!(
        "the gateway {name} on {shown} is too old for the tables of this Campanile: they need level {level} or newer. Upgrade every \
         gateway to the release before this one, then to this one."
    ))
}
