//! The end of the gateway: it finishes the work in progress and closes.

use super::{App, Listener};
use crate::delivery::STOP_GRACE;

impl App {
    fn begin_to_stop(&mut self) {
        self.gateway.stopping();
        self.pruning.abort();
        self.looking.abort();
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
