//! A connection to NATS: what is published on it, and what the answers mean.

use async_nats::connection::State;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, ErrorCode};
use async_nats::{Client, Event, HeaderMap, RequestErrorKind, ServerError};
use bytes::Bytes;
use tokio::sync::{broadcast, watch};

use crate::broker::{Link, Unsent};
use crate::http::client::find;
use crate::{Class, Failure};

/// What the server says about a missing permission, in lower case.
pub(super) fn denial(event: &Event) -> Option<String> {
    match event {
        Event::ServerError(ServerError::Other(text)) => {
            let text = text.to_lowercase();
            text.contains("permissions violation").then_some(text)
        }
        _ => None,
    }
}

/// A client. It ends when it is dropped, and sends nothing more.
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) jetstream: jetstream::Context,
    pub(super) denials: broadcast::Sender<String>,
    /// The user may not subscribe to its inbox, so it gets no answers.
    pub(super) deaf: watch::Receiver<bool>,
}

impl Link for Connection {
    fn is_open(&self) -> bool {
        self.client.connection_state() == State::Connected
    }
}

impl Connection {
    /// Ends when the server says that this subject is not permitted, or that no answer can arrive.
    pub(super) async fn denied(&self, subject: &str) -> Failure {
        let mut denials = self.denials.subscribe();
        let quoted = format!("\"{}\"", subject.to_lowercase());
        loop {
            match denials.recv().await {
                Ok(text) if text.contains(&quoted) => {
                    let reason = format!("the user may not publish to `{subject}`");
                    return Failure::new(Class::Operator, reason);
                }
                Ok(text) if text.contains("_inbox") => {
                    let reason = "the user may not subscribe to `_INBOX.>`, where the answers of the server arrive";
                    return Failure::new(Class::Operator, reason);
                }
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    pub(super) async fn store(
        &self,
        subject: &str,
        headers: HeaderMap,
        json: Bytes,
    ) -> Result<(), Unsent> {
        let message = PublishMessage::build().headers(headers).payload(json);
        let published = self.jetstream.send_publish(subject.to_owned(), message);
        let stored = published.await.map_err(|error| unsent(&error))?.await;
        // A duplicate is a success: the stream has it from an earlier attempt.
        stored.map(drop).map_err(|error| unsent(&error))
    }

    /// Without `JetStream` there is no answer to a message. The server reads in order, so the answer to a later question proves
    /// that it has read the message.
    pub(super) async fn write(
        &self,
        subject: &str,
        headers: HeaderMap,
        json: Bytes,
    ) -> Result<(), Unsent> {
        let lost = || Unsent::lost("the connection failed before the server read the message");
        let published = self
            .client
            .publish_with_headers(subject.to_owned(), headers, json);
        if let Err(error) = published.await {
            return Err(match error.kind() {
                async_nats::PublishErrorKind::MaxPayloadExceeded => too_large(),
                _ => lost(),
            });
        }
        self.client.flush().await.map_err(|_| lost())?;
        if *self.deaf.borrow() {
            return Ok(());
        }
        let nobody = self.client.new_inbox();
        let asked = self.client.request(nobody, Bytes::new()).await;
        // A denial that the server sent before is on its way through another task.
        tokio::task::yield_now().await;
        match asked.map_err(|error| error.kind()) {
            Ok(_) | Err(RequestErrorKind::NoResponders) => Ok(()),
            Err(_) => Err(lost()),
        }
    }
}

fn too_large() -> Unsent {
    Unsent::refused(
        Class::TooLarge,
        "the alert is larger than the server takes: raise `max_payload` of the server or the message size of the stream",
    )
}

/// Codes that a full or leaderless stream gives: they pass.
const FULL: std::ops::RangeInclusive<usize> = 500..=599;

fn unsent(error: &PublishError) -> Unsent {
    match error.kind() {
        PublishErrorKind::StreamNotFound => Unsent::refused(
            Class::Operator,
            "no stream takes this subject: make a stream, or set `jetstream = false`",
        ),
        PublishErrorKind::MaxPayloadExceeded => too_large(),
        PublishErrorKind::WrongLastMessageId | PublishErrorKind::WrongLastSequence => {
            Unsent::refused(
                Class::Operator,
                "the stream expects another sequence of messages",
            )
        }
        PublishErrorKind::TimedOut => {
            Unsent::lost("the stream did not confirm the message in time")
        }
        PublishErrorKind::BrokenPipe => Unsent::lost("the connection to the server failed"),
        PublishErrorKind::MaxAckPending => Unsent::lost("too many messages wait for the server"),
        PublishErrorKind::Other => answered(error),
    }
}

/// The stream's own answer.
fn answered(error: &PublishError) -> Unsent {
    let said = find::<jetstream::Error>(error);
    let Some(said) = said else {
        return Unsent::lost("the server's answer cannot be read");
    };
    let code = said.error_code();
    match code {
        ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM => too_large(),
        ErrorCode::STREAM_NOT_MATCH => Unsent::refused(
            Class::Operator,
            "another stream takes this subject: check `stream` and `subject`",
        ),
        _ if FULL.contains(&said.code()) => Unsent::refused(
            Class::Transient,
            format!(
                "the stream does not take messages now (error {}): it is full or has no leader",
                code.0
            ),
        ),
        _ => Unsent::refused(
            Class::Operator,
            format!("the stream refuses the message (error {})", code.0),
        ),
    }
}
