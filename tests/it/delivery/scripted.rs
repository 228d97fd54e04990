//! A sink that answers by a script and records what it gets.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use campanile_model::Fingerprint;
use campanile_sinks::{Class, Delivered, Failure, Message, Sink};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::Semaphore;

/// One send.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) message: String,
    pub(crate) lane: Fingerprint,
    pub(crate) attempt: u32,
    pub(crate) at: Timestamp,
    pub(crate) delivery_id: String,
    pub(crate) taken: bool,
}

pub(crate) type Script = dyn Fn(&Message) -> Result<(), Failure> + Send + Sync;

/// A sink that answers by a script and records what it gets.
pub(crate) struct Scripted {
    pub(crate) script: Mutex<Box<Script>>,
    pub(crate) seen: Mutex<Vec<Seen>>,
    pub(crate) messages_sent: Mutex<Vec<Message>>,
    /// Every send takes one permit before it is answered.
    pub(crate) gate: Semaphore,
    pub(crate) arrived: Semaphore,
    /// How often it wants to be refreshed.
    pub(crate) every: Mutex<Option<Duration>>,
    /// The messages of each refresh.
    pub(crate) refreshed: Mutex<Vec<Vec<String>>>,
    pub(crate) refreshes: Semaphore,
}

impl Scripted {
    pub(crate) fn new(
        script: impl Fn(&Message) -> Result<(), Failure> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Self::gated(script, Semaphore::MAX_PERMITS)
    }

    pub(crate) fn gated(
        script: impl Fn(&Message) -> Result<(), Failure> + Send + Sync + 'static,
        permits: usize,
    ) -> Arc<Self> {
        Arc::new(Self {
            script: Mutex::new(Box::new(script)),
            seen: Mutex::default(),
            messages_sent: Mutex::default(),
            gate: Semaphore::new(permits),
            arrived: Semaphore::new(0),
            every: Mutex::default(),
            refreshed: Mutex::default(),
            refreshes: Semaphore::new(0),
        })
    }

    pub(crate) fn takes_all() -> Arc<Self> {
        Self::new(|_| Ok(()))
    }

    pub(crate) fn now_does(
        &self,
        script: impl Fn(&Message) -> Result<(), Failure> + Send + Sync + 'static,
    ) {
        *self.script.lock().unwrap() = Box::new(script);
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn messages(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.message).collect()
    }

    pub(crate) fn taken(&self) -> Vec<String> {
        let taken = self.seen().into_iter().filter(|seen| seen.taken);
        taken.map(|seen| seen.message).collect()
    }

    /// Waits until so many more sends have come in.
    pub(crate) async fn arrivals(&self, count: u32) {
        self.arrived.acquire_many(count).await.unwrap().forget();
    }
}

impl Sink for Scripted {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Failure>> {
        Box::pin(async move {
            self.arrived.add_permits(1);
            self.gate.acquire().await.unwrap().forget();
            let answer = (self.script.lock().unwrap())(message);
            self.messages_sent.lock().unwrap().push(message.clone());
            self.seen.lock().unwrap().push(Seen {
                message: message.alerts[0].message_id.clone(),
                lane: message.alerts[0].fingerprint,
                attempt: message.attempt,
                at: message.at,
                delivery_id: message.delivery_id.clone(),
                taken: answer.is_ok(),
            });
            answer.map(|()| Delivered {
                handle: Some(format!("ticket for {}", message.alerts[0].message_id)),
                ..Delivered::with_code(200)
            })
        })
    }

    fn refresh_every(&self) -> Option<Duration> {
        *self.every.lock().unwrap()
    }

    fn refresh<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), Failure>> {
        let alerts = message.alerts.iter().map(|alert| alert.message_id.clone());
        self.refreshed.lock().unwrap().push(alerts.collect());
        self.refreshes.add_permits(1);
        let answer = (self.script.lock().unwrap())(message);
        Box::pin(async move { answer })
    }

    fn render(&self, _: &Message) -> Result<String, Failure> {
        Ok(String::new())
    }
}

pub(crate) fn fails(class: Class) -> Failure {
    Failure::new(class, "as the test wants it")
}
