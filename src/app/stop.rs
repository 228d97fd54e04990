//! The end of the gateway: it drains, finishes the work in progress and closes.
//!
//! Usually it takes the drain and little more. What can hang has a time limit: 25 s from the first signal for the sends and a second for
//! their outcomes, 15 s from the end of the drain for the callbacks, then 2 s for the requests of operators and 1 s for the other gateways.

use std::time::Duration;

use super::{App, Listener};
use crate::delivery::STOP_GRACE;

impl App {
    /// Begins to stop: `/readyz` is 503 from now on, and other gateways take over the sinks. Callbacks are still answered, for
    /// `[server] drain`. Dropping this ends the drain.
    pub async fn drain(&mut self) {
        self.begin_to_stop();
        self.gateway.clock.sleep(self.drains_for()).await;
    }

    /// `[server] drain`, as it is in force.
    pub fn drains_for(&self) -> Duration {
        let config = self.config.lock();
        config
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .drain()
    }

    fn begin_to_stop(&mut self) {
        self.gateway.stopping();
        self.pruning.abort();
        self.looking.abort();
        if let Some(muting) = &self.muting {
            muting.abort();
        }
        if let (None, Some(replica)) = (&self.leaving, &self.replica) {
            self.leaving = Some(replica.stop());
        }
    }

    /// Stops the gateway: accepts no more callbacks, finishes the work in progress and writes the outcomes.
    pub async fn stop(mut self) {
        self.begin_to_stop();
        let admin = self.listeners.split_off(self.listeners.len().min(1));
        let delivered = async {
            if let Some(leaving) = self.leaving.take() {
                // It has a time limit. What is late is given back below, and its outcomes are refused.
                let _ended = leaving.await;
            }
            self.delivery.stop(STOP_GRACE).await;
        };
        tokio::join!(close(self.listeners), delivered);
        let traced = async {
            if let Some(traces) = &self.gateway.traces {
                traces.stop().await;
            }
        };
        tokio::join!(close(admin), traced);
        // Until here it beats: what is in flight must end before another gateway sends.
        if let Some(beating) = &self.beating {
            beating.abort();
        }
        if let Some(replica) = &self.replica {
            replica.leave().await;
        }
        if let Err(error) = self.store.close().await {
            tracing::error!(error = %error, "the store failed to close; all answered callbacks are in its write-ahead log");
        }
    }
}

async fn close(listeners: Vec<Listener>) {
    for listener in listeners {
        listener.handle.stop(true).await;
        // A stopped listener serves nothing any more. The result of its future has no use.
        let _ended = listener.serving.await;
    }
}
