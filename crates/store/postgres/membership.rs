//! The gateways that share a database.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;
use uuid::Uuid;

use super::append::Shared;
use super::pool::call;
use super::{Postgres, hints, members, wishes};
use crate::lease::{Member, View, Wish};
use crate::{Answer, Error, Hint, Membership, SinkId};

impl Membership for Postgres {
    fn join(&self, member: Member) -> Answer<'_, ()> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.beating(), s => members::join(s, &self.held, &member).await)
        })
    }

    fn beat(&self, me: Uuid, state: String, leaving: bool) -> Answer<'_, Option<View>> {
        Box::pin(async move {
            // First, because a beat can hang on an old primary that still runs.
            look_for_newer(self);
            let view = beat(self, me, (&state, leaving)).await?;
            // The beat itself is done. What failed here fails again there.
            let _unknown = look(self).await;
            Ok(view)
        })
    }

    fn fulfil(&self, me: Uuid, wish: Wish) -> Answer<'_, bool> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.beating(), s => wishes::fulfil(&s.client, &self.held, me, wish).await)
        })
    }

    fn leave(&self, me: Uuid) -> Answer<'_, ()> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.beating(), s => members::leave(&s.client, me).await)
        })
    }

    fn pause(&self, sink: SinkId, paused: bool) -> Answer<'_, ()> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.beating(), s => members::pause(&s.client, sink, paused).await)
        })
    }

    fn hint(&self, hints: Vec<Hint>) -> Answer<'_, ()> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => hints::send(&s.client, &hints).await)
        })
    }

    fn hints(&self) -> mpsc::Receiver<Hint> {
        hints::listen(self.pool.address())
    }
}

async fn beat(
    store: &Postgres,
    me: Uuid,
    (state, leaving): (&str, bool),
) -> Result<Option<View>, Error> {
    let pool = &store.pool;
    call!(pool.beating(), s => members::beat(s, &store.held, me, (state, leaving)).await)
}

/// Looks now and then whether another server of the URL has a newer history.
fn look_for_newer(store: &Postgres) {
    let is_due = store.shared.failover.is_to_look(Instant::now());
    if is_due && store.pool.address().has_several() {
        follow(&store.shared);
    }
}

/// On a connection of its own, and not in the time of a beat. What fails here fails again with the next look.
fn follow(shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    tokio::spawn(async move { shared.follow().await });
}

/// Looks at what the server does with commits, and follows it to another history.
async fn look(store: &Postgres) -> Result<(), Error> {
    let (pool, shared) = (&store.pool, &store.shared);
    let is_followed = call!(pool.beating(), s => shared.look(s).await)?;
    if !is_followed {
        follow(shared);
    }
    Ok(())
}
