//! A sink that is made by a recipe.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use campanile_language::sample_alerts;
use campanile_model::Secret;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::Map;

use super::answer::{Repeat, Verdicts, pointed};
use super::before::First;
use super::names::Extra;
use super::probe::Question;
use super::request::{Parts, Rendered};
use super::skip::Skips;
use super::token::Tokens;
use crate::dial::within;
use crate::http::client::Client;
use crate::secrets::Secrets;
use crate::words::{Locale, Room};
use crate::{Delivered, Failure, Message, Sink};

pub(super) struct Recipient {
    pub(super) parts: Parts,
    pub(super) skips: Skips,
    pub(super) first: Option<First>,
    pub(super) token: Option<Tokens>,
    pub(super) question: Option<Question>,
    pub(super) judge: Verdicts,
    pub(super) room: Room,
    pub(super) locale: Locale,
    pub(super) secrets: Secrets,
    pub(super) client: Client,
    pub(super) name: String,
    pub(super) timeout: Duration,
}

/// The form in which a message is sent: what earlier refusals asked for. Each is asked for once, so an attempt is at most
/// five requests.
#[derive(Clone, Debug, Default)]
struct Shape(Vec<Repeat>);

impl Shape {
    fn has(&self, repeat: Repeat) -> bool {
        self.0.contains(&repeat)
    }

    fn remark<'a>(&self, plain: Option<&'a str>) -> Option<&'a str> {
        if self.has(Repeat::Shorter) {
            Some("the receiver refused the text as too long; it was cut to half")
        } else if self.has(Repeat::Plain) {
            plain.or(Some(
                "the receiver refused the formatted message; it was sent as plain text",
            ))
        } else {
            None
        }
    }
}

impl Recipient {
    fn rendered(
        &self,
        message: &Message,
        shape: &Shape,
        token: Option<&Secret>,
    ) -> Result<Rendered, Failure> {
        let room = if shape.has(Repeat::Shorter) {
            self.room.half()
        } else {
            self.room
        };
        let text = self.locale.text(message, room)?;
        let extra = Extra {
            token,
            plain: shape.has(Repeat::Plain),
            without_handle: shape.has(Repeat::WithoutHandle),
            ..self.extra()
        };
        self.parts.render(message, text.seen(), &extra)
    }

    async fn token(&self, message: &Message) -> Result<Option<Arc<Secret>>, Failure> {
        let Some(tokens) = &self.token else {
            return Ok(None);
        };
        let token = tokens.get(message, &self.client, &self.judge, &self.secrets);
        token.await.map(Some)
    }

    async fn attempt(
        &self,
        message: &Message,
        shape: &Shape,
    ) -> Result<Delivered, (Failure, Option<Repeat>)> {
        let alone = |failure| (failure, None);
        let token = self.token(message).await.map_err(alone)?;
        let rendered = self.rendered(message, shape, token.as_deref());
        let Rendered { request, signature } = rendered.map_err(alone)?;
        // A receiver can quote what it was sent.
        let quoted = request.secrets().chain(signature);
        let quoted = quoted.chain(token.as_deref().cloned());
        let secrets = self.secrets.with(quoted.collect());
        let sent = request.body.clone();
        let response = self.client.exchange(request).await.map_err(alone)?;
        if let (Some(tokens), Some(token)) = (&self.token, &token)
            && tokens.refuses(&response)
        {
            tokens.forget(token).await;
            let failure = self.judge.failure(&response, message.at, &secrets);
            return Err((failure, Some(Repeat::NewToken)));
        }
        let at = message.at;
        self.judge.judge(&response, &sent, at, &secrets)
    }

    /// Why this message is not sent, if it is one of those.
    fn skipped(&self, message: &Message, shape: &Shape) -> Result<Option<&str>, Failure> {
        if self.skips.is_empty() {
            return Ok(None);
        }
        let text = self.locale.text(message, self.room)?.seen();
        let extra = Extra {
            without_handle: shape.has(Repeat::WithoutHandle),
            ..self.extra()
        };
        self.skips.reason(message, &text, &extra)
    }

    fn extra(&self) -> Extra<'_> {
        Extra {
            sink: &self.name,
            ..Extra::default()
        }
    }

    /// Makes the request before the message, if this one needs it. Its failure is a remark, because the message itself
    /// matters more.
    async fn make_first(&self, message: &Message) -> Result<Option<String>, Failure> {
        let Some(first) = &self.first else {
            return Ok(None);
        };
        let text = self.locale.text(message, self.room)?.seen();
        let request = first.request(message, text, &self.extra())?;
        let Some(request) = request else {
            return Ok(None);
        };
        Ok(First::remark(self.client.exchange(request).await))
    }

    async fn deliver(&self, message: &Message) -> Result<Delivered, Failure> {
        let mut shape = Shape::default();
        if let Some(says) = self.skipped(message, &shape)? {
            return Ok(unsent(message, says));
        }
        let remark = self.make_first(message).await?;
        loop {
            let (failure, repeat) = match self.attempt(message, &shape).await {
                Ok(delivered) => {
                    let delivered = self.shaped(delivered, &shape, message);
                    return Ok(Delivered {
                        remark: delivered.remark.or(remark),
                        ..delivered
                    });
                }
                Err(refused) => refused,
            };
            // A message without a handle would be the same message.
            let differs = |repeat: &Repeat| {
                !shape.has(*repeat)
                    && (*repeat != Repeat::WithoutHandle || message.handle.is_some())
            };
            match repeat.filter(differs) {
                Some(repeat) => shape.0.push(repeat),
                None => return Err(failure),
            }
            // What would close a message that is gone has nothing to close.
            if repeat == Some(Repeat::WithoutHandle)
                && let Some(says) = self.skipped(message, &shape)?
            {
                return Ok(Delivered {
                    handle: None,
                    ..unsent(message, says)
                });
            }
        }
    }

    /// The success with what this sink knows: the handle of the first message of the episode stays, because replies and
    /// updates go to that one.
    fn shaped(&self, delivered: Delivered, shape: &Shape, message: &Message) -> Delivered {
        let kept = message
            .handle
            .clone()
            .filter(|_| !shape.has(Repeat::WithoutHandle));
        let remark = shape.remark(self.judge.plain_says.as_deref());
        Delivered {
            handle: kept.or(delivered.handle),
            remark: remark.map(str::to_owned).or(delivered.remark),
            ..delivered
        }
    }

    async fn ask(&self, at: Timestamp) -> Result<String, Failure> {
        let [alert, _] = sample_alerts();
        let message = Message::of(alert, "dlv_probe", at);
        let token = self.token(&message).await?;
        let Some(question) = &self.question else {
            return Ok("the receiver accepts the credentials".to_owned());
        };
        let extra = Extra {
            token: token.as_deref(),
            ..Extra::default()
        };
        let rendered = question.parts.render(&message, Map::new(), &extra)?;
        let quoted = rendered.request.secrets();
        let quoted = quoted.chain(token.as_deref().cloned());
        let secrets = self.secrets.with(quoted.collect());
        let response = self.client.exchange(rendered.request).await?;
        if !question.success.holds(response.status, &response.body) {
            return Err(self.judge.failure(&response, message.at, &secrets));
        }
        let says = pointed(question.says.as_deref(), &response.body);
        let says = says.unwrap_or_else(|| "the receiver accepts the credentials".to_owned());
        Ok(secrets.hidden(&says))
    }
}

/// A message that is done without a request.
fn unsent(message: &Message, says: &str) -> Delivered {
    Delivered {
        handle: message.handle.clone(),
        remark: Some(format!("not sent: {says}")),
        ..Delivered::default()
    }
}

impl Sink for Recipient {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Failure>> {
        Box::pin(within(self.timeout, self.deliver(message)))
    }

    fn probe(&self, at: Timestamp) -> Option<BoxFuture<'_, Result<String, Failure>>> {
        let asks = self.question.is_some() || self.token.is_some();
        asks.then(|| Box::pin(within(self.timeout, self.ask(at))) as BoxFuture<'_, _>)
    }

    fn render(&self, message: &Message) -> Result<String, Failure> {
        if let Some(says) = self.skipped(message, &Shape::default())? {
            return Ok(format!("not sent: {says}\n"));
        }
        let token = self.token.is_some().then(|| Secret::from("***".to_owned()));
        let Rendered { request, signature } =
            self.rendered(message, &Shape::default(), token.as_ref())?;
        let mut out = format!("{} {}\n", request.method, request.url);
        for (name, value) in &request.headers {
            let shown = if value.is_sensitive() {
                "***"
            } else {
                value.to_str().unwrap_or("***")
            };
            let _infallible = writeln!(out, "{name}: {shown}");
        }
        let _infallible = write!(out, "\n{}", String::from_utf8_lossy(&request.body));
        let out = self.secrets.hidden(&out);
        Ok(match signature {
            Some(signature) => Secrets::one(&signature).hidden(&out),
            None => out,
        })
    }
}
