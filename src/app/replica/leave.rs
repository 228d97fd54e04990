//! Gives sinks back to the other gateways: one that is above the share, or all of them when this gateway stops.

use std::time::Duration;

use campanile_store::Hint;
use campanile_store::lease::{BEAT, Row, Wish};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use uuid::Uuid;

use super::{Replica, late};
use crate::delivery::STOP_GRACE;

/// How much longer than the last sends it may take to write their outcomes and to give the sinks back.
const SETTLE_WITHIN: Duration = Duration::from_secs(1);

/// How long the last word to the other gateways may take.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

impl Replica {
    /// From now on a view shows who owns what was given back.
    pub(super) fn forget_given(&self) {
        let state = &mut *self.state();
        for part in state.given.drain() {
            state.giving.remove(&part);
        }
    }

    /// Ends the worker, and gives the lease back when it has ended.
    pub(super) fn give_back(&self, me: Uuid, lease: Row) {
        if !self.state().giving.insert(lease.part) {
            return;
        }
        self.hire();
        let replica = self.clone();
        let mut state = self.state();
        while state.givers.try_join_next().is_some() {}
        state.givers.spawn(async move {
            replica.0.delivery.ended(lease.part).await;
            replica.give(me, lease).await;
        });
    }

    async fn give(&self, me: Uuid, lease: Row) {
        // Until this is known, the lease can be lost at any moment.
        while !self.fulfil(me, Wish::GiveBack(lease)).await {
            if self.state().leaving {
                // It gives back everything once more at its end.
                return;
            }
            self.0.clock.sleep(BEAT).await;
        }
        self.state().given.insert(lease.part);
        self.hint(Hint::Leases);
    }

    /// Takes nothing more, and only beats. Gives each sink back when its last sends have ended. The task ends when all are given back,
    /// or when that takes too long.
    pub(in crate::app) fn stop(&self) -> JoinHandle<()> {
        self.state().leaving = true;
        self.end_workers();
        let replica = self.clone();
        tokio::spawn(async move {
            let _late = timeout(STOP_GRACE + SETTLE_WITHIN, replica.give_all_back()).await;
        })
    }

    async fn give_all_back(&self) {
        // The others must see that it leaves before the first sink is free. Otherwise they leave the sink to it.
        self.round().await;
        // A round that had begun before can have started some.
        self.end_workers();
        let (me, own) = self.own();
        for lease in own {
            self.give_back(me, lease);
        }
        let givers = std::mem::take(&mut self.state().givers);
        givers.join_all().await;
    }

    fn end_workers(&self) {
        self.0.delivery.replace_within(Vec::new(), STOP_GRACE);
    }

    /// Its leases, as it last saw them.
    fn own(&self) -> (Uuid, Vec<Row>) {
        let state = self.state();
        let leases = state.view.leases.iter();
        let own = leases.filter(|lease| lease.owner == Some(state.me));
        (state.me, own.copied().collect())
    }

    /// Gives back everything. Only after the workers have ended.
    pub(in crate::app) async fn leave(&self) {
        let me = self.state().me;
        let left = timeout(LEAVE_WITHIN, self.0.store.leave(me)).await;
        let left = left.unwrap_or_else(|_| Err(late()));
        if let Err(error) = left {
            tracing::warn!(%error, "this gateway could not give back its sinks; the others take them after ten seconds");
            return;
        }
        // Without the hint they see it with their next beat.
        let hint = self.0.store.hint(vec![Hint::Leases]);
        let _late = timeout(LEAVE_WITHIN, hint).await;
    }
}
