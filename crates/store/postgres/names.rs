//! The numbers of sources, of routes and of sinks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_postgres::Client;

use super::commit::commit;
use super::history::Standing;
use super::pool::Fault;
use super::session::Session;
use crate::SinkId;
use crate::packed::Packed;

/// Numbers in the cache. When it is full, it is cleared.
const CACHED_MAX: usize = 4_096;

/// The numbers of one callback.
#[derive(Clone, Copy)]
pub(super) struct Numbers {
    pub(super) source: i32,
    pub(super) routes: Option<i32>,
}

/// The numbers that this gateway has met. A name keeps its number.
#[derive(Default)]
pub(super) struct Names {
    cached: Mutex<HashMap<(&'static str, Arc<str>), i32>>,
}

impl Names {
    /// The numbers for some callbacks. A new name gets one, in a transaction of its own.
    pub(super) async fn all(
        &self,
        session: &Session,
        entries: &[&Packed],
    ) -> Result<Vec<Numbers>, Fault> {
        let mut numbers = Vec::with_capacity(entries.len());
        for packed in entries {
            let entry = &packed.entry;
            let routes = match &entry.arrival.routes {
                Some(routes) => Some(self.number(session, "routes", routes).await?),
                None => None,
            };
            numbers.push(Numbers {
                source: self.number(session, "source", &entry.source).await?,
                routes,
            });
        }
        Ok(numbers)
    }

    /// Forgets all numbers: a failover can lose a name and give its number to another.
    pub(super) fn forget(&self) {
        self.lock().clear();
    }

    async fn number(
        &self,
        session: &Session,
        kind: &'static str,
        name: &Arc<str>,
    ) -> Result<i32, Fault> {
        let key = (kind, Arc::clone(name));
        if let Some(number) = self.lock().get(&key) {
            return Ok(*number);
        }
        let number = number(&session.client, kind, name).await?;
        let mut cached = self.lock();
        if cached.len() >= CACHED_MAX {
            cached.clear();
        }
        // The number of an old primary that still runs is not that of the new one.
        if session.standing() == Standing::Followed {
            cached.insert(key, number);
        }
        Ok(number)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(&'static str, Arc<str>), i32>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn number(client: &Client, kind: &str, name: &str) -> Result<i32, Fault> {
    let insert = "INSERT INTO name (kind, name) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    client.execute(insert, &[&kind, &name]).await?;
    let select = "SELECT id FROM name WHERE kind = $1 AND md5(name) = md5($2) AND name = $2";
    Ok(client.query_one(select, &[&kind, &name]).await?.get(0))
}

/// The numbers of these sinks. A new name gets one.
pub(super) async fn sink_ids(
    session: &mut Session,
    names: &[String],
) -> Result<Vec<SinkId>, Fault> {
    let transaction = session.client.transaction().await?;
    let mut numbers = Vec::with_capacity(names.len());
    let mut made = 0;
    for name in names {
        let insert =
            "INSERT INTO sink (name) SELECT $1 WHERE NOT EXISTS (SELECT FROM sink WHERE name = $1)
                      ON CONFLICT DO NOTHING";
        made += transaction.execute(insert, &[name]).await?;
        let select = "SELECT id FROM sink WHERE name = $1";
        let row = transaction.query_one(select, &[name]).await?;
        numbers.push(row.get::<_, i32>(0).into());
    }
    if made > 0 {
        commit(transaction, &session.home).await?;
    }
    Ok(numbers)
}
