//! Programs that are too old for a step, because it removes what they need.
//!
//! The step waits until no older gateway is registered. One that was frozen is declared dead, and still has open sessions when it
//! wakes up. So the order is: the tables refuse older programs, which every program asks on each new session; then their
//! open sessions are ended; then comes the step. A session has its name before it asks, so it is refused or ended.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::{GenericClient, Transaction};
use uuid::Uuid;

use crate::Error;
use crate::lease::{BEAT, TTL};
use crate::postgres::pool::Fault;
use crate::postgres::session::{Session, reason};

/// Between two looks at sessions that were ended.
const PAUSE: Duration = Duration::from_millis(100);

/// Looks before the step is given up.
const LOOKS_MAX: usize = 100;

/// The sessions of programs below a level. Those of the same user: all gateways log in as one.
const SESSIONS: &str = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user
    AND pid <> pg_backend_pid() AND substring(application_name FROM '^campanile level (\\d{1,9})$')::int < $1";

/// The application name of each session of a program, which says its level. The session sets it with a statement: a pool can keep
/// the name that a connection begins with to itself.
pub(in crate::postgres) fn session_name(level: i32) -> String {
    format!("campanile level {level}")
}

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

/// Ends the sessions of programs below this level, and waits until what they were doing is committed or not.
pub(super) async fn end_sessions(
    transaction: &Transaction<'_>,
    level: i32,
    shown: &str,
) -> Result<(), Fault> {
    for _ in 0..LOOKS_MAX {
        // Otherwise a transaction sees the sessions of its first look.
        let look_again = "SELECT pg_stat_clear_snapshot()";
        transaction.execute(look_again, &[]).await?;
        let rows = transaction.query(SESSIONS, &[&level]).await?;
        let sessions: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
        if sessions.is_empty() {
            return Ok(());
        }
        let end = "SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid";
        match transaction.execute(end, &[&sessions]).await {
            Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                return Err(open_sessions(shown, &reason(&error)).into());
            }
            ended => ended?,
        };
        tokio::time::sleep(PAUSE).await;
    }
    Err(open_sessions(shown, "pg_terminate_backend had no effect").into())
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

fn open_sessions(shown: &str, reason: &str) -> Error {
    Error::Open(format!(
        "{shown} has open connections of gateways that are too old for the tables of this Campanile, and they cannot be ended: \
         {reason}. Stop every older gateway, then start this one again."
    ))
}
