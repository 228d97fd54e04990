//! A receiver of webhooks that plays a script, one [`Play`] a request and the last one for ever, and remembers each request.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

pub(crate) use campanile_receiver::{Got, Play, Then};

/// A receiver that listens until it is dropped.
pub(crate) struct Receiver {
    raw: campanile_receiver::Receiver,
    stage: Arc<Stage>,
}

struct Stage {
    script: Mutex<VecDeque<Play>>,
    got: watch::Sender<Vec<Got>>,
}

impl Receiver {
    /// Listens on a free port of loopback.
    pub(crate) async fn start(script: impl IntoIterator<Item = Play>) -> Self {
        let stage = Arc::new(Stage {
            script: Mutex::new(script.into_iter().collect()),
            got: watch::Sender::new(Vec::new()),
        });
        let plays = Arc::clone(&stage);
        let play = move |got| {
            plays.got.send_modify(|all| all.push(got));
            plays.next()
        };
        let raw = campanile_receiver::Receiver::start(play).await.unwrap();
        Self { raw, stage }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.raw.address()
    }

    /// A URL of it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// What it got so far.
    pub(crate) fn got(&self) -> Vec<Got> {
        self.stage.got.borrow().clone()
    }

    /// Waits until it has got so many requests, and gives them.
    pub(crate) async fn got_at_least(&self, count: usize) -> Vec<Got> {
        let mut got = self.stage.got.subscribe();
        let enough = got.wait_for(|got| got.len() >= count);
        let got = tokio::time::timeout(Duration::from_secs(10), enough).await;
        got.expect("the requests come in time").unwrap().clone()
    }

    /// Waits until what it got satisfies a condition.
    pub(crate) async fn until(&self, enough: impl FnMut(&Vec<Got>) -> bool) {
        let mut got = self.stage.got.subscribe();
        let waited = tokio::time::timeout(Duration::from_mins(1), got.wait_for(enough)).await;
        assert!(waited.is_ok(), "what is pending does not come");
    }

    /// How many connections were made to it.
    pub(crate) fn connections(&self) -> usize {
        self.raw.connections().borrow().made
    }

    /// Waits until so many connections have ended.
    pub(crate) async fn ended_at_least(&self, count: usize) {
        let mut connections = self.raw.connections();
        let enough = connections.wait_for(|connections| connections.ended >= count);
        let waited = tokio::time::timeout(Duration::from_secs(30), enough).await;
        assert!(waited.is_ok(), "the sender does not let go");
    }

    /// How much of what has no end was taken, what waits in the kernel's buffers included.
    pub(crate) fn sent(&self) -> u64 {
        self.raw.sent()
    }

    /// Closes all connections on which it was silent.
    pub(crate) fn hangs_up(&self) {
        self.raw.hangs_up();
    }

    /// Replaces what is left of the script.
    pub(crate) fn now_plays(&self, script: impl IntoIterator<Item = Play>) {
        *self.stage.script.lock().unwrap() = script.into_iter().collect();
    }
}

impl Stage {
    fn next(&self) -> Play {
        let mut script = self.script.lock().unwrap();
        let last = script.len() == 1;
        let next = if last {
            script.front().cloned()
        } else {
            script.pop_front()
        };
        next.unwrap_or(Play::status(200))
    }
}
