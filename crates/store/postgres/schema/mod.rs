//! The tables, and the migration of older databases.
//!
//! Only plain features are used: no triggers, functions, extensions or partial indexes. Tables with a row for each alert are
//! partitioned by `seq`, so retention drops whole files ([`super::partition`]).
//!
//! Gateways of two releases run on one database while they are upgraded one after the other. So a step only adds: the programs of the
//! level before it go on. What they needed is removed by a step of a later release, and that step names the oldest level that it
//! leaves. It waits until no older gateway is registered, and no older program writes afterwards ([`older`]).

mod older;
#[cfg(test)]
mod tests;

use std::time::Duration;

use campanile_model::failpoint;
use tokio::time::Instant;
use tokio_postgres::error::SqlState;
use tokio_postgres::{GenericClient, SimpleQueryMessage, Transaction};

pub(super) use self::older::session_name;
use super::pool::Fault;
use super::session::Session;
use super::{partition, version};
use crate::Error;

/// How long a migration waits for the migration of another program, or for transactions that use the tables.
const PATIENCE: Duration = Duration::from_mins(2);

/// While a step waits for a table, everything behind it waits too. So it waits for less than a callback may take, and lets the
/// others go on for this long before it tries again.
const PAUSE: Duration = Duration::from_millis(500);

/// Settings of the transaction of a step. A step may take long; one whose program was killed ends soon.
const SETTINGS: &str = "SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '10min';
    SET LOCAL client_connection_check_interval = '1s'";

/// "CMPN", the number of the lock of a migration.
const LOCK: i64 = 0x434d_504e;

/// Migrates a database from one level to the next.
struct Step {
    sql: &'static str,
    /// The lowest level of a program that can still use the tables.
    oldest: i32,
}

/// The step at index N migrates a database from level N to N + 1. A released step is never changed.
const STEPS: &[Step] = &[Step {
    sql: include_str!("1.sql"),
    oldest: 1,
}];

/// The level that this program writes.
pub(super) fn level() -> i32 {
    level_after(STEPS)
}

fn level_after(steps: &[Step]) -> i32 {
    i32::try_from(steps.len()).unwrap_or(i32::MAX)
}

/// Creates the tables or migrates them to this program's level. Of several programs that start together one migrates, and the others
/// wait for it. `shown` is the database, for messages.
pub(super) async fn migrate(session: &mut Session, shown: &str) -> Result<(), Fault> {
    migrate_by(STEPS, session, shown).await
}

async fn migrate_by(steps: &[Step], session: &mut Session, shown: &str) -> Result<(), Fault> {
    let give_up = Instant::now() + PATIENCE;
    loop {
        match turn(steps, session, shown).await {
            Ok(Turn::Done) => return Ok(()),
            Ok(Turn::Migrated(level)) => {
                tracing::info!(level, "the gateway migrated the tables of the store");
            }
            Ok(Turn::Refuses(oldest)) => {
                tracing::info!(oldest, "the tables of the store refuse older gateways now");
            }
            Ok(Turn::Older(oldest)) => older::bury(session, oldest, shown).await?,
            Err(Fault::Database(error)) if is_busy(&error) && Instant::now() < give_up => {
                tracing::info!(
                    "other transactions use the tables of the store; the gateway waits for them"
                );
                tokio::time::sleep(PAUSE).await;
            }
            Err(fault) => return Err(fault),
        }
    }
}

/// Another transaction has a lock.
fn is_busy(error: &tokio_postgres::Error) -> bool {
    let busy = [
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::T_R_DEADLOCK_DETECTED,
    ];
    error.code().is_some_and(|code| busy.contains(code))
}

/// What one transaction has done.
enum Turn {
    /// Nothing is left to do.
    Done,
    /// The tables have this level now.
    Migrated(i32),
    /// Nothing: gateways below this level are registered.
    Older(i32),
    /// No program below this level begins to write any more.
    Refuses(i32),
}

async fn turn(steps: &[Step], session: &mut Session, shown: &str) -> Result<Turn, Fault> {
    let transaction = session.client.transaction().await?;
    transaction.batch_execute(SETTINGS).await?;
    // No lock of the tables themselves exists before they do.
    transaction
        .execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
        .await?;
    let found = level_of(&transaction).await?.unwrap_or(0);
    let oldest = oldest_of(&transaction, found).await?;
    if oldest > level_after(steps) {
        return Err(outgrown(shown, oldest, level_after(steps)).into());
    }
    let (done, left) = steps.split_at(usize::try_from(found).unwrap_or(0).min(steps.len()));
    let Some(next) = left.first() else {
        partition::ensure(&transaction).await?;
        version::change(&transaction).await?;
        transaction.commit().await?;
        return Ok(Turn::Done);
    };
    if done.last().is_some_and(|last| next.oldest > last.oldest) {
        if oldest < next.oldest {
            return refuse(transaction, next.oldest).await;
        }
        // Also when an earlier start has done it: it can have been killed before.
        older::end_sessions(&transaction, next.oldest, shown).await?;
    }
    // Nobody uses an empty database, so its tables come all at once or not at all.
    let count = if found == 0 { left.len() } else { 1 };
    let mut level = found;
    for step in left.iter().take(count) {
        level += 1;
        carry_out(&transaction, step, level).await?;
    }
    transaction.commit().await?;
    Ok(Turn::Migrated(level))
}

/// Before a step that removes, in a transaction of its own: programs below this level are refused when they connect and when they join.
async fn refuse(transaction: Transaction<'_>, level: i32) -> Result<Turn, Fault> {
    if older::are_there(&transaction, level).await? {
        return Ok(Turn::Older(level));
    }
    let set = "UPDATE meta SET oldest = $1";
    transaction.execute(set, &[&level]).await?;
    transaction.commit().await?;
    Ok(Turn::Refuses(level))
}

async fn carry_out(transaction: &Transaction<'_>, step: &Step, level: i32) -> Result<(), Fault> {
    transaction.batch_execute(step.sql).await?;
    failpoint::point("mid-migration");
    let set = "UPDATE meta SET level = $1, oldest = greatest(oldest, $2)";
    transaction.execute(set, &[&level, &step.oldest]).await?;
    Ok(())
}

/// The level of the tables. None: there are none.
pub(super) async fn level_of(
    client: &impl GenericClient,
) -> Result<Option<i32>, tokio_postgres::Error> {
    let exists = "SELECT to_regclass('meta') IS NOT NULL";
    if !client.query_one(exists, &[]).await?.get::<_, bool>(0) {
        return Ok(None);
    }
    let row = client.query_one("SELECT level FROM meta", &[]).await?;
    Ok(Some(row.get(0)))
}

/// The lowest level of a program that can use the tables, which have the level `found`.
async fn oldest_of(client: &impl GenericClient, found: i32) -> Result<i32, tokio_postgres::Error> {
    if found == 0 {
        return Ok(0);
    }
    let row = client.query_one("SELECT oldest FROM meta", &[]).await?;
    Ok(row.get(0))
}

/// Fails if the tables need a newer program than that of this session. One round trip: every new session asks this before it is used.
pub(super) async fn fits(session: &Session) -> Result<(), Fault> {
    let rows = session
        .client
        .simple_query("SELECT oldest FROM meta")
        .await?;
    let oldest = rows.iter().find_map(|row| match row {
        SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
        _ => None,
    });
    let address = &session.home.address;
    match oldest {
        Some(oldest) if oldest > address.level => {
            Err(outgrown(&address.shown(), oldest, address.level).into())
        }
        _ => Ok(()),
    }
}

/// Whether another store is being copied into this one. The table exists only then.
pub(super) async fn is_copy(client: &impl GenericClient) -> Result<bool, tokio_postgres::Error> {
    let exists = "SELECT to_regclass('copy') IS NOT NULL";
    Ok(client.query_one(exists, &[]).await?.get(0))
}

/// The error for tables of a newer program, in a place where only tables of this level will do.
pub(super) fn newer(shown: &str, level: i32) -> Error {
    Error::Open(format!(
        "{shown} was written by a newer Campanile (level {level}; this program supports at most {}). Run the newer version.",
        self::level()
    ))
}

/// The error for tables that a program of this level cannot use any more.
pub(super) fn outgrown(shown: &str, oldest: i32, level: i32) -> Error {
    Error::Outgrown(format!(
        "{shown} was migrated by a newer Campanile: a gateway needs level {oldest} or newer, and this program has level {level}. \
         Run the newer version."
    ))
}
