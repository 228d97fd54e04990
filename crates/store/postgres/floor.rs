//! The place up to which everything is visible.
//!
//! A place is drawn before its transaction commits, so a lower place can become visible after a higher one. A reader that goes
//! on after the highest place that it saw would skip it. So readers in order of place read up to the floor only: the
//! transactions that drew a place up to it have all ended.
//!
//! A transaction has its number before it draws a place (`append.sql`). Step 1 reads the last place that was drawn, step 2 draws
//! a transaction number: every transaction with a place up to that of step 1 has a lower number. When no transaction with a
//! lower number runs, the floor is the place of step 1.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::pool::Fault;
use super::session::Session;
use crate::{Error, Seq};

/// Waits between two looks at the transactions that still run.
const PAUSE: Duration = Duration::from_millis(2);

/// Looks before the reader gives up: longer than the timeouts of a transaction (`session.rs`).
const LOOKS_MAX: usize = 6_000;

/// Transactions of this database user that write. A transaction of another program can be open for hours, and draws no place.
const RUNNING: &str = "SELECT NOT EXISTS (
    SELECT FROM pg_stat_activity WHERE usename = current_user AND datname = current_database()
        AND pid <> pg_backend_pid() AND backend_xid IS NOT NULL
        AND age(backend_xid) > age($1::text::xid8::xid))";

/// The floor that was found last. While no place is drawn it is the floor, and the reader draws no transaction number: this would
/// change the version of the store.
#[derive(Default)]
pub(super) struct Floor(AtomicI64);

impl Floor {
    /// The floor. Every write that returned before this call is at or below it.
    pub(super) async fn look(&self, session: &mut Session) -> Result<Seq, Fault> {
        let drawn = session
            .prepared("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM place")
            .await?;
        let drawn: Seq = session.client.query_one(&drawn, &[]).await?.get(0);
        if self.0.load(Ordering::Acquire) != drawn {
            wait(session).await?;
            self.0.store(drawn, Ordering::Release);
        }
        Ok(drawn)
    }
}

/// Waits until every transaction has ended that has its number now.
async fn wait(session: &mut Session) -> Result<(), Fault> {
    let number = session
        .prepared("SELECT pg_current_xact_id()::text")
        .await?;
    let ended = session
        .prepared("SELECT pg_snapshot_xmin(pg_current_snapshot()) >= $1::text::xid8")
        .await?;
    let number: String = session.client.query_one(&number, &[]).await?.get(0);
    for _ in 0..LOOKS_MAX {
        if session.client.query_one(&ended, &[&number]).await?.get(0) {
            return Ok(());
        }
        let ours = session.prepared(RUNNING).await?;
        if session.client.query_one(&ours, &[&number]).await?.get(0) {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(
        Error::Read("a transaction of Campanile does not end; see pg_stat_activity".to_owned())
            .into(),
    )
}
