//! What a commit that returned is worth, and the end of a transaction whose statements cannot be sent twice.

use std::time::Duration;

use tokio_postgres::{Client, Transaction};

use super::pool::Fault;
use super::session::{Home, Session};
use super::trouble::is_lost;
use super::version::draw;
use crate::Error;

/// Between two looks at a transaction whose answer was lost.
const PAUSE: Duration = Duration::from_millis(100);

/// Looks before the outcome counts as not known.
const LOOKS_MAX: usize = 40;

/// Fails when the server sent a warning since [`Session::take_warning`] was last called. Every commit that somebody relies on asks
/// here: the transaction is committed, but nobody waited until the standby has it.
pub(super) fn waited(session: &Session) -> Result<(), Error> {
    if session.take_warning() {
        return Err(Error::Unreplicated(
            "the server did not wait for its synchronous standby".to_owned(),
        ));
    }
    Ok(())
}

/// Commits one small row. Its commit waits until all earlier ones are on the standby too.
/// Returns the standbys that it waits for.
pub(super) async fn touch(client: &Client) -> Result<String, tokio_postgres::Error> {
    let probe =
        "UPDATE meta SET probe = probe + 1 RETURNING current_setting('synchronous_standby_names')";
    Ok(client.query_one(probe, &[]).await?.get(0))
}

/// Commits, and changes the version. When the connection is lost meanwhile, the server is asked on a new one whether the transaction
/// was committed.
///
/// # Errors
/// The transaction was not committed, or that is not known: the error is then that of the lost connection.
pub(super) async fn commit(transaction: Transaction<'_>, home: &Home) -> Result<(), Fault> {
    let number = concat!("SELECT pg_current_xact_id()::text, ", draw!());
    let number: String = transaction.query_one(number, &[]).await?.get(0);
    let Err(error) = transaction.commit().await else {
        return Ok(());
    };
    if is_lost(&error) && was_committed(home, &number).await? == Some(true) {
        return Ok(());
    }
    Err(error.into())
}

async fn was_committed(home: &Home, number: &str) -> Result<Option<bool>, Fault> {
    for _ in 0..LOOKS_MAX {
        match look(home, number).await {
            Ok(None) | Err(Fault::Database(_)) => tokio::time::sleep(PAUSE).await,
            ended => return ended,
        }
    }
    Ok(None)
}

/// Whether the transaction was committed. None: it still runs.
async fn look(home: &Home, number: &str) -> Result<Option<bool>, Fault> {
    let session = home.address.connect().await?;
    if session.home.line != home.line {
        // A promoted standby gives the numbers of lost transactions to others.
        return Ok(Some(false));
    }
    let select = "SELECT pg_xact_status($1::text::xid8)";
    let status = session.client.query_one(select, &[&number]).await?;
    match status.get::<_, Option<&str>>(0) {
        Some("committed") => {
            // A backend that was ended while it waited for the standby has committed, too.
            touch(&session.client).await?;
            waited(&session)?;
            Ok(Some(true))
        }
        Some("aborted") => Ok(Some(false)),
        _ => Ok(None),
    }
}
