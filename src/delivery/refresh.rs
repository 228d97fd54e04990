//! Sends open episodes again to a receiver that forgets what it does not hear of.
//!
//! This is outside of lanes, retries and dead letters: what fails now is sent with everything else the next time. A sink
//! that refreshes takes care that a firing sent again does not overtake a recovery.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use campanile_model::Alert;
use campanile_sinks::Message;
use campanile_store::{OpenEpisode, OpenPlace};

use super::attempt::read;
use super::event::{Event, What};
use super::mailbox::Mailbox;
use super::worker::Surroundings;
use super::{BuiltSink, id};

/// Alerts in one request: a receiver can refuse a whole request because of one of them.
const BATCH: usize = 64;

/// Refreshes until it is dropped. For a sink that needs no refresh it only waits.
pub(super) async fn run(built: &BuiltSink, around: &Surroundings, mailbox: &Mailbox) -> Infallible {
    // Of the parts of a sink, the first refreshes all of it.
    let every = built.sink.refresh_every();
    let Some(every) = every.filter(|_| built.part.number == 0) else {
        return std::future::pending().await;
    };
    let mut failed = false;
    loop {
        around.clock.sleep(every.max(Duration::from_secs(1))).await;
        if mailbox.state().paused_by.is_some() {
            continue;
        }
        let done = refresh_all(built, around).await;
        if let (Err(reason), false) = (&done, failed) {
            let what = What::NotRefreshed {
                reason: reason.clone(),
            };
            let sink = built.name.clone();
            around.events.observe(Event::of(sink, what));
        }
        failed = done.is_err();
    }
}

/// Sends all of them again. A receiver that refuses a batch can take the next one; one that is down gets no more.
async fn refresh_all(built: &BuiltSink, around: &Surroundings) -> Result<(), String> {
    let mut after: Option<OpenPlace> = None;
    let mut done = Ok(());
    loop {
        let page = around
            .store
            .open_episodes(built.part.sink, after, BATCH)
            .await;
        let page = page.map_err(|error| error.to_string())?;
        let Some(last) = page.last() else {
            return done;
        };
        after = Some(last.place);
        let Some(message) = message(&page, built, around) else {
            continue;
        };
        match built.sink.refresh(&message).await {
            Ok(()) => {}
            Err(failure) if failure.class.is_refusal() => done = Err(failure.reason),
            Err(failure) => return Err(failure.reason),
        }
    }
}

/// The openings of a page that can be read, under the id of the first.
fn message(page: &[OpenEpisode], built: &BuiltSink, around: &Surroundings) -> Option<Message> {
    let openings = page.iter().map(|open| &*open.opening.alert);
    let alerts = openings.filter_map(|opening| Some(Arc::new(read(opening).ok()?)));
    let alerts: Vec<Arc<Alert>> = alerts.collect();
    let named = page.first()?.opening.alert.id;
    let id = id::delivery_id(named, &built.name);
    let first = Arc::clone(alerts.first()?);
    Some(Message {
        alerts,
        ..Message::of(first, id, around.clock.now())
    })
}
