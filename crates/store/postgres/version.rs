//! A number that changes when what is stored changes, on every gateway the same.
//!
//! A counter in a row would make all commits wait for one another. Instead every transaction that changes something draws a number
//! from a sequence, after it has its transaction number: a place (`append.sql`), or a number of the sequence `change`. The version is made of the
//! numbers that were drawn last, and of the transactions that still run. What was committed since an earlier look either drew since
//! then, or ran then and has ended.

use sha2::{Digest, Sha256};
use tokio_postgres::GenericClient;

use super::pool::Fault;
use super::session::Session;

/// A column or a statement that makes the open transaction change the version.
macro_rules! draw {
    () => {
        "CASE WHEN pg_current_xact_id() IS NOT NULL THEN nextval('change') END"
    };
}

pub(super) use draw;

/// The numbers that were drawn last. After a failover to a standby that lacked some, they are drawn again on another timeline.
const DRAWN: &str = "SELECT concat_ws(' ', p.last_value, p.is_called, c.last_value, c.is_called,
    left(pg_walfile_name(pg_current_wal_lsn()), 8)) FROM place p, change c";

/// Transactions of this database user that write.
const RUNNING: &str = "SELECT coalesce(string_agg(backend_xid::text, ' ' ORDER BY backend_xid::text), '')
    FROM pg_stat_activity WHERE usename = current_user AND datname = current_database() AND backend_xid IS NOT NULL";

/// The version. The numbers are read first: a transaction that drew one of them is then running or has ended.
pub(super) async fn version(session: &mut Session) -> Result<u64, Fault> {
    let mut digest = Sha256::new();
    for part in [DRAWN, RUNNING] {
        let select = session.prepared(part).await?;
        let row = session.client.query_one(&select, &[]).await?;
        digest.update(row.get::<_, &str>(0));
        digest.update("\n");
    }
    let digest = digest.finalize();
    Ok(digest.first_chunk().copied().map_or(0, u64::from_be_bytes))
}

/// Changes the version when the open transaction commits.
pub(super) async fn change(client: &impl GenericClient) -> Result<(), tokio_postgres::Error> {
    client
        .query(concat!("SELECT ", draw!()), &[])
        .await
        .map(|_| ())
}
