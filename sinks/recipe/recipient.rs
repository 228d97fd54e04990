//! A sink that is made by a recipe.

use std::fmt::Write as _;

use futures_util::future::BoxFuture;

use super::answer::Verdicts;
use super::request::{Parts, Rendered};
use super::secrets::Secrets;
use crate::http::client::Client;
use crate::words::{Locale, Room};
use crate::{Class, Delivered, Failure, Message, Sink};

pub(super) struct Recipient {
    pub(super) title: String,
    pub(super) parts: Parts,
    pub(super) judge: Verdicts,
    pub(super) room: Room,
    pub(super) locale: Locale,
    pub(super) secrets: Secrets,
    pub(super) client: Client,
}

impl Recipient {
    fn rendered(&self, message: &Message, room: Room) -> Result<Rendered, Failure> {
        self.parts
            .render(message, self.locale.message(message, room))
    }

    async fn attempt(&self, message: &Message, room: Room) -> Result<Delivered, Failure> {
        let Rendered { request, .. } = self.rendered(message, room)?;
        let answer = self.client.exchange(request).await?;
        self.judge
            .judge(&answer, message.at, &self.title, &self.secrets)
    }

    /// A message that is too long is sent once more with half the text.
    async fn deliver(&self, message: &Message) -> Result<Delivered, Failure> {
        match self.attempt(message, self.room).await {
            Err(failure) if failure.class == Class::TooLarge => {
                let remark = "the receiver refused the text as too long; it was cut to half";
                let delivered = self.attempt(message, self.room.half()).await?;
                Ok(Delivered {
                    remark: Some(remark.to_owned()),
                    ..delivered
                })
            }
            done => done,
        }
    }
}

impl Sink for Recipient {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Failure>> {
        Box::pin(self.deliver(message))
    }

    fn render(&self, message: &Message) -> Result<String, Failure> {
        let Rendered { request, signature } = self.rendered(message, self.room)?;
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
