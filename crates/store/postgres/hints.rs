//! Hints to the other gateways, by NOTIFY.
//!
//! NOTIFY takes a lock of the whole server until its commit, so a hint is a statement of its own and not a part of an append.
//! The server keeps nothing for a gateway that does not listen.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_postgres::Client;

use super::address::Address;
use super::pool::Fault;
use super::session::Session;
use super::trouble::trouble;
use crate::{Error, Hint};

/// The channel. Its names are those of one database.
const CHANNEL: &str = "campanile";

/// PostgreSQL takes at most 8,000 bytes in one notification.
const PAYLOAD_MAX: usize = 7_500;

/// Hints that wait for this gateway. What does not fit is lost.
const WAITING_MAX: usize = 1_024;

/// Between two attempts to listen.
const PAUSE: Duration = Duration::from_secs(1);

/// Sends hints to all gateways, also to this one. A hint that is too long for one notification is left out.
pub(super) async fn send(client: &Client, hints: &[Hint]) -> Result<(), Fault> {
    let notify = "SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload";
    client
        .execute(notify, &[&CHANNEL, &payloads(hints)])
        .await?;
    Ok(())
}

/// One JSON array of hints for each notification.
fn payloads(hints: &[Hint]) -> Vec<String> {
    let texts = hints
        .iter()
        .filter_map(|hint| serde_json::to_string(hint).ok());
    let mut payloads: Vec<String> = Vec::new();
    for text in texts.filter(|text| text.len() < PAYLOAD_MAX) {
        match payloads.last_mut() {
            Some(last) if last.len() + text.len() < PAYLOAD_MAX => {
                last.push(',');
                last.push_str(&text);
            }
            _ => payloads.push(text),
        }
    }
    payloads
        .into_iter()
        .map(|payload| format!("[{payload}]"))
        .collect()
}

/// Listens on a connection of its own until the receiver is dropped.
pub(super) fn listen(address: &Arc<Address>) -> mpsc::Receiver<Hint> {
    let (hints, receiver) = mpsc::channel(WAITING_MAX);
    let address = Arc::clone(address);
    tokio::spawn(async move {
        while !hints.is_closed() {
            match connect(&address).await {
                Ok((session, payloads)) => {
                    // What was missed without a connection is in the tables.
                    let _full = hints.try_send(Hint::Leases);
                    tokio::select! {
                        () = pass_on(payloads, &hints) => {}
                        () = session.left() => {}
                    }
                }
                Err(fault) => {
                    let error =
                        fault.into_error(|error| Error::Read(trouble(&address.shown(), &error)));
                    tracing::debug!(%error, "hints of other gateways are not heard");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = hints.closed() => {}
            }
        }
    });
    receiver
}

async fn connect(address: &Arc<Address>) -> Result<(Session, mpsc::Receiver<String>), Fault> {
    let (payloads, receiver) = mpsc::channel(WAITING_MAX);
    let session = address.connect_and_hear(Some(payloads)).await?;
    session
        .client
        .batch_execute(&format!("LISTEN {CHANNEL}"))
        .await?;
    Ok((session, receiver))
}

/// Until the connection ends, or nobody wants hints.
async fn pass_on(mut payloads: mpsc::Receiver<String>, hints: &mpsc::Sender<Hint>) {
    loop {
        let payload = tokio::select! {
            payload = payloads.recv() => payload,
            () = hints.closed() => None,
        };
        let Some(payload) = payload else { return };
        // A newer version can send what this one does not know.
        let read: Vec<Hint> = serde_json::from_str(&payload).unwrap_or_default();
        for hint in read {
            let _full = hints.try_send(hint);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_hints_are_split_to_what_one_notification_takes() {
        let hints: Vec<Hint> = (0..2_000).map(|seq| Hint::Pending(1, seq)).collect();
        let payloads = payloads(&hints);
        assert!(payloads.iter().all(|payload| payload.len() < 8_000));
        let read = payloads
            .iter()
            .flat_map(|payload| serde_json::from_str::<Vec<Hint>>(payload).unwrap());
        assert_eq!(read.collect::<Vec<_>>(), hints);
    }
}
