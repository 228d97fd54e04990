//! `[token]`: a request for an access token, which the other templates see as `token`.

use std::sync::Arc;
use std::time::Duration;

use campanile_model::Secret;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Map;
use tokio::sync::Mutex;

use super::answer::{Verdicts, pointed};
use super::form::{Text, Wrong};
use super::names::{Extra, Names};
use super::request::{Parts, Request};
use crate::http::client::{Client, Response};
use crate::secrets::Secrets;
use crate::{Failure, Message};
use campanile_language::Success;

/// A token without a stated life is used for this long.
const LASTS: Duration = Duration::from_hours(1);
/// A new token is asked for this long before the old one ends.
const EARLY: Duration = Duration::from_mins(5);

/// `[token]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Token {
    request: Request,
    /// A JSON pointer to the token in the response.
    value: String,
    /// A JSON pointer to the seconds for which it is valid.
    lasts: Option<String>,
    /// An expression over the response to a message: the token is not accepted. A new one is asked for, once.
    refused: Text,
}

/// The same, compiled, with the token that is in use. The lock is held while a new token is fetched, so that only one
/// request asks for it.
#[derive(Debug)]
pub(super) struct Tokens {
    parts: Parts,
    value: String,
    lasts: Option<String>,
    refused: Success,
    current: Mutex<Option<Current>>,
}

#[derive(Clone, Debug)]
struct Current {
    token: Arc<Secret>,
    until: Timestamp,
}

impl Token {
    pub(super) fn compile(&self, names: &Arc<Names>) -> Result<Tokens, Wrong> {
        let refused = Success::compile(self.refused.get_ref());
        let wrong = |mistake| Wrong::new("token.refused", &self.refused, mistake);
        Ok(Tokens {
            parts: self.request.compile("token.request", None, names)?,
            value: self.value.clone(),
            lasts: self.lasts.clone(),
            refused: refused.map_err(wrong)?,
            current: Mutex::new(None),
        })
    }
}

impl Tokens {
    /// The token in use, or a new one. A failure names what the vendor said to the request for it.
    pub(super) async fn get(
        &self,
        message: &Message,
        client: &Client,
        verdicts: &Verdicts,
        secrets: &Secrets,
    ) -> Result<Arc<Secret>, Failure> {
        let mut current = self.current.lock().await;
        if let Some(known) = current.as_ref().filter(|known| message.at < known.until) {
            return Ok(Arc::clone(&known.token));
        }
        let rendered = self.parts.render(message, Map::new(), &Extra::default())?;
        let response = client.exchange(rendered.request).await?;
        let Some(token) = pointed(Some(&self.value), &response.body) else {
            let failure = verdicts.failure(&response, message.at, secrets);
            return Err(Failure {
                reason: format!("no access token: {}", failure.reason),
                // A 2xx without a token is a refusal of the credentials that the recipe does not know by its code.
                ..failure
            });
        };
        let found = Current {
            token: Arc::new(token.into()),
            until: self.until(&response, message.at),
        };
        *current = Some(found.clone());
        Ok(found.token)
    }

    fn until(&self, response: &Response, at: Timestamp) -> Timestamp {
        let lasts = pointed(self.lasts.as_deref(), &response.body);
        let lasts = lasts.and_then(|seconds| seconds.parse().ok());
        let lasts = lasts.map_or(LASTS, Duration::from_secs);
        at.saturating_add(lasts.saturating_sub(EARLY)).unwrap_or(at)
    }

    /// Whether this response to a message refuses its token.
    pub(super) fn refuses(&self, response: &Response) -> bool {
        self.refused.holds(response.status, &response.body)
    }

    /// Forgets this token, unless another request has replaced it already.
    pub(super) async fn forget(&self, refused: &Arc<Secret>) {
        let mut current = self.current.lock().await;
        if current
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(&known.token, refused))
        {
            *current = None;
        }
    }
}
