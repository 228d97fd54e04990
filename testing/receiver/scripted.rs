//! A receiver that plays a script, one [`Play`] for each request, and remembers each request. The last play is repeated.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use crate::{Got, Play};

/// A test that waits longer has failed. It is long because other work can slow the machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A receiver that listens until it is dropped.
pub struct Receiver {
    raw: crate::Receiver,
    stage: Arc<Stage>,
}

struct Stage {
    script: Mutex<VecDeque<Play>>,
    got: watch::Sender<Vec<Got>>,
}

impl Receiver {
    /// Listens on a free port of loopback.
    pub async fn start(script: impl IntoIterator<Item = Play>) -> Self {
        let stage = Arc::new(Stage {
            script: Mutex::new(script.into_iter().collect()),
            got: watch::Sender::new(Vec::new()),
        });
        let plays = Arc::clone(&stage);
        let play = move |got| {
            plays.got.send_modify(|all| all.push(got));
            plays.next()
        };
        let raw = crate::Receiver::start(play).await.expect("a port is free");
        Self { raw, stage }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.raw.address()
    }

    /// A URL of it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// What it got so far.
    pub fn got(&self) -> Vec<Got> {
        self.stage.got.borrow().clone()
    }

    /// Waits until it has got so many requests, and gives them.
    pub async fn got_at_least(&self, count: usize) -> Vec<Got> {
        let mut got = self.stage.got.subscribe();
        let enough = got.wait_for(|got| got.len() >= count);
        let got = tokio::time::timeout(PATIENCE, enough).await;
        got.expect("the requests come in time")
            .expect("the receiver lives")
            .clone()
    }

    /// Waits until what it got satisfies a condition.
    pub async fn until(&self, enough: impl FnMut(&Vec<Got>) -> bool) {
        let mut got = self.stage.got.subscribe();
        let waited = tokio::time::timeout(PATIENCE, got.wait_for(enough)).await;
        assert!(waited.is_ok(), "what is pending does not come");
    }

    /// How many connections were made to it.
    pub fn connections(&self) -> usize {
        self.raw.connections().borrow().made
    }

    /// Waits until so many connections have ended.
    pub async fn ended_at_least(&self, count: usize) {
        let mut connections = self.raw.connections();
        let enough = connections.wait_for(|connections| connections.ended >= count);
        let waited = tokio::time::timeout(PATIENCE, enough).await;
        assert!(waited.is_ok(), "the sender does not let go");
    }

    /// How much of what has no end was taken, what waits in the kernel's buffers included.
    pub fn sent(&self) -> u64 {
        self.raw.sent()
    }

    /// Closes all connections on which it was silent.
    pub fn hangs_up(&self) {
        self.raw.hangs_up();
    }

    /// Replaces what is left of the script.
    pub fn now_plays(&self, script: impl IntoIterator<Item = Play>) {
        *self.stage.script.lock().expect("no holder panics") = script.into_iter().collect();
    }
}

impl Stage {
    fn next(&self) -> Play {
        let mut script = self.script.lock().expect("no holder panics");
        let last = script.len() == 1;
        let next = if last {
            script.front().cloned()
        } else {
            script.pop_front()
        };
        next.unwrap_or(Play::status(200))
    }
}
