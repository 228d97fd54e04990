//! The end of a transaction whose statements cannot be sent twice.

use std::time::Duration;

use tokio_postgres::Transaction;

use super::session::Address;
use super::trouble::is_lost;
use super::version::draw;

/// Between two looks at a transaction whose answer was lost.
const PAUSE: Duration = Duration::from_millis(100);

/// Looks before the outcome counts as not known.
const LOOKS_MAX: usize = 40;

/// Commits, and changes the version. When the connection is lost meanwhile, the server is asked on a new one whether the transaction was committed.
///
/// # Errors
/// The transaction was not committed, or that is not known: the error is then that of the lost connection.
pub(super) async fn commit(
    transaction: Transaction<'_>,
    address: &Address,
) -> Result<(), tokio_postgres::Error> {
    let number = concat!("SELECT pg_current_xact_id()::text, ", draw!());
    let number: String = transaction.query_one(number, &[]).await?.get(0);
    let Err(error) = transaction.commit().await else {
        return Ok(());
    };
    if is_lost(&error) && was_committed(address, &number).await == Some(true) {
        return Ok(());
    }
    Err(error)
}

async fn was_committed(address: &Address, number: &str) -> Option<bool> {
    for _ in 0..LOOKS_MAX {
        let status = async {
            let session = address.connect().await?;
            let select = "SELECT pg_xact_status($1::text::xid8)";
            session.client.query_one(select, &[&number]).await
        };
        match status.await.map(|row| row.get::<_, Option<String>>(0)) {
            Ok(Some(status)) if status == "committed" => return Some(true),
            Ok(Some(status)) if status == "aborted" => return Some(false),
            _ => tokio::time::sleep(PAUSE).await,
        }
    }
    None
}
