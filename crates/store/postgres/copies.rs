//! How many servers have a callback when it is answered: what `[store] copies` asks for, and what the server offers.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::session::Session;
use crate::{Error, Safety, Seq, StoreCopies};

/// Every user sees that standbys are connected, but only some see which of them are synchronous.
const LOOK: &str =
    "SELECT current_setting('synchronous_standby_names'), EXISTS (SELECT FROM pg_stat_replication),
    (SELECT last_value FROM place)";

/// What was asked for, and what was seen.
pub(super) struct Copies {
    wanted: Option<StoreCopies>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// `synchronous_standby_names`.
    names: String,
    /// Standbys are connected.
    connected: bool,
    /// Standbys were connected at any time.
    ever_connected: bool,
    logged: Option<(Safety, String)>,
}

impl Copies {
    pub(super) fn new(wanted: Option<StoreCopies>) -> Self {
        Self {
            wanted,
            seen: Mutex::default(),
        }
    }

    /// Looks at what the server offers, and logs it when it changed. Returns the last place.
    pub(super) async fn look(&self, session: &mut Session) -> Result<Seq, tokio_postgres::Error> {
        let look = session.prepared(LOOK).await?;
        let row = session.client.query_one(&look, &[]).await?;
        let mut seen = self.lock();
        (seen.names, seen.connected) = (row.get(0), row.get(1));
        seen.ever_connected |= seen.connected;
        self.log(&mut seen);
        Ok(row.get(2))
    }

    /// Whether a commit is safe enough to be answered. `names` are the standbys that it waited for.
    pub(super) fn check(&self, names: &str) -> Result<(), Error> {
        let mut seen = self.lock();
        if seen.names != names {
            names.clone_into(&mut seen.names);
            self.log(&mut seen);
        }
        if self.wanted == Some(StoreCopies::Two) && names.is_empty() {
            return Err(Error::Unreplicated(
                "[store] copies = 2, but PostgreSQL names no synchronous standby. Set synchronous_standby_names \
                 (Patroni: synchronous_mode), or change `copies`"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// Whether a failover could lose a commit. Also while no standby is connected, if one was: it may be on its way to become the
    /// primary.
    pub(super) fn can_lose(&self) -> bool {
        let seen = self.lock();
        let stated = matches!(self.wanted, Some(StoreCopies::Two | StoreCopies::Storage));
        !stated && seen.ever_connected && seen.names.is_empty()
    }

    /// What a commit survives.
    pub(super) fn safety(&self) -> Safety {
        self.of(&self.lock())
    }

    fn of(&self, seen: &Seen) -> Safety {
        match self.wanted {
            Some(StoreCopies::Storage) => Safety::Storage,
            _ if !seen.names.is_empty() => Safety::Standby,
            _ if seen.connected => Safety::Asynchronous,
            _ => Safety::OneServer,
        }
    }

    /// One line for each state of the server.
    fn log(&self, seen: &mut Seen) {
        let now = (self.of(seen), seen.names.clone());
        if seen.logged.as_ref() == Some(&now) {
            return;
        }
        let (safety, standbys) = &now;
        match (self.wanted, safety) {
            (Some(StoreCopies::Two), Safety::OneServer | Safety::Asynchronous) => {
                tracing::error!(
                    "[store] copies = 2, but PostgreSQL names no synchronous standby; callbacks are answered 503 until it does"
                );
            }
            (None, Safety::Asynchronous) => {
                tracing::warn!(
                    "a failover of PostgreSQL can lose the last callbacks that were answered: its standbys are asynchronous"
                );
            }
            _ => tracing::info!(standbys, "{safety}"),
        }
        seen.logged = Some(now);
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
