//! A sink that is made by a recipe.

use std::fmt::Write as _;
use std::time::Duration;

use campanile_language::sample_alerts;
use campanile_model::Secret;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::Map;

use super::answer::{Repeat, Verdicts, pointed};
use super::probe::Question;
use super::request::{Extra, Parts, Rendered};
use super::secrets::Secrets;
use super::token::Tokens;
use crate::http::client::Client;
use crate::words::{Locale, Room};
use crate::{Class, Delivered, Failure, Message, Sink};

pub(super) struct Recipient {
    pub(super) parts: Parts,
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

/// The form in which a message is sent. Each refusal that names another form leads to one more request, so an attempt
/// is at most five requests.
#[derive(Clone, Debug, Default)]
struct Shape {
    half: bool,
    plain: bool,
    without_handle: bool,
    new_token: bool,
}

impl Shape {
    /// The shape that this refusal asks for; none if it was tried.
    fn after(&self, repeat: Repeat) -> Option<Self> {
        let mut next = self.clone();
        let tried = match repeat {
            Repeat::Shorter => &mut next.half,
            Repeat::Plain => &mut next.plain,
            Repeat::WithoutHandle => &mut next.without_handle,
            Repeat::NewToken => &mut next.new_token,
        };
        (!std::mem::replace(tried, true)).then_some(next)
    }

    fn remark(&self) -> Option<&'static str> {
        if self.half {
            Some("the receiver refused the text as too long; it was cut to half")
        } else if self.plain {
            Some("the receiver refused the formatted message; it was sent as plain text")
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
        let room = if shape.half {
            self.room.half()
        } else {
            self.room
        };
        let text = self.locale.text(message, room)?;
        let extra = Extra {
            sink: &self.name,
            token,
            plain: shape.plain,
            without_handle: shape.without_handle,
        };
        self.parts.render(message, text.seen(), &extra)
    }

    async fn token(&self, message: &Message) -> Result<Option<Secret>, Failure> {
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
        let Rendered { request, .. } = self
            .rendered(message, shape, token.as_ref())
            .map_err(alone)?;
        let response = self.client.exchange(request).await.map_err(alone)?;
        if let (Some(tokens), Some(token)) = (&self.token, &token)
            && tokens.refuses(&response)
        {
            tokens.forget(token).await;
            let failure = self.judge.failure(&response, message.at, &self.secrets);
            return Err((failure, Some(Repeat::NewToken)));
        }
        self.judge.judge(&response, message.at, &self.secrets)
    }

    async fn deliver(&self, message: &Message) -> Result<Delivered, Failure> {
        let mut shape = Shape::default();
        loop {
            let (failure, repeat) = match self.attempt(message, &shape).await {
                Ok(delivered) => return Ok(shaped(delivered, &shape, message)),
                Err(refused) => refused,
            };
            match repeat.and_then(|repeat| shape.after(repeat)) {
                Some(next) => shape = next,
                None => return Err(failure),
            }
        }
    }

    async fn limited<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let late = |_| {
            let limit = self.timeout.as_secs_f32();
            let reason = format!("no complete response within {limit} s");
            Err(Failure::new(Class::Transient, reason))
        };
        let done = tokio::time::timeout(self.timeout, work).await;
        done.unwrap_or_else(late)
    }

    async fn ask(&self) -> Result<String, Failure> {
        let [alert, _] = sample_alerts();
        let message = Message::of(alert, "dlv_probe", Timestamp::now());
        let token = self.token(&message).await?;
        let Some(question) = &self.question else {
            return Ok("the receiver accepts the credentials".to_owned());
        };
        let extra = Extra {
            token: token.as_ref(),
            ..Extra::default()
        };
        let rendered = question.parts.render(&message, Map::new(), &extra)?;
        let response = self.client.exchange(rendered.request).await?;
        if !question.success.holds(response.status, &response.body) {
            return Err(self.judge.failure(&response, message.at, &self.secrets));
        }
        let says = pointed(question.says.as_deref(), &response.body);
        let says = says.unwrap_or_else(|| "the receiver accepts the credentials".to_owned());
        Ok(self.secrets.hidden(&says))
    }
}

/// The success with what this sink knows: the handle of the first message of the episode stays, because replies and
/// updates go to that one.
fn shaped(delivered: Delivered, shape: &Shape, message: &Message) -> Delivered {
    let kept = message.handle.clone().filter(|_| !shape.without_handle);
    Delivered {
        handle: kept.or(delivered.handle),
        remark: shape.remark().map(str::to_owned).or(delivered.remark),
        ..delivered
    }
}

impl Sink for Recipient {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Failure>> {
        Box::pin(self.limited(self.deliver(message)))
    }

    fn probe(&self) -> Option<BoxFuture<'_, Result<String, Failure>>> {
        let asks = self.question.is_some() || self.token.is_some();
        asks.then(|| Box::pin(self.limited(self.ask())) as BoxFuture<'_, _>)
    }

    fn render(&self, message: &Message) -> Result<String, Failure> {
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
