//! The request of a recipe, and what a response to it means.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use campanile_language::{Success, Template};
use campanile_model::Secret;
use campanile_settings::{Setting, Values};
use futures_util::future::BoxFuture;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use crate::http::client::{self, Client, Response, classify, explain};
use crate::http::headers::{name, value_of};
use crate::words::{Locale, Room};
use crate::{BuildError, Class, Delivered, Failure, HANDLE_BYTES_MAX, Message, Sink, digest};

/// So much of the receiver's own words is shown.
const WORDS_CHARACTERS_MAX: usize = 200;

/// `[request]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    method: Verb,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Verb {
    Post,
    Put,
    Patch,
}

/// A request whose templates are compiled.
#[derive(Debug)]
pub(crate) struct Parts {
    method: Method,
    url: Template,
    headers: Vec<(HeaderName, Template)>,
    body: Template,
    /// What the templates see as `settings`.
    settings: Value,
}

impl Request {
    pub(crate) fn compile(&self, values: &Values) -> Result<Parts, BuildError> {
        let settings = seen(values);
        let sample = json!({ "head": "", "text": "", "all": "", "link": "", "count": 1 });
        let more = Map::from_iter([
            ("settings".to_owned(), settings.clone()),
            ("message".to_owned(), sample),
        ]);
        let template = |part: &str, text: &str| {
            let compiled = Template::compile_with(text, &more);
            compiled.map_err(|mistake| BuildError::in_text(part, mistake))
        };
        let headers = self.headers.iter().map(|(key, text)| {
            let setting = format!("request.headers.{key}");
            Ok((name(&setting, key)?, template(&setting, text)?))
        });
        Ok(Parts {
            method: match self.method {
                Verb::Post => Method::POST,
                Verb::Put => Method::PUT,
                Verb::Patch => Method::PATCH,
            },
            url: template("request.url", &self.url)?,
            headers: headers.collect::<Result<_, BuildError>>()?,
            body: template("request.body", &self.body)?,
            settings,
        })
    }
}

/// The settings as templates see them. An address has no `/` at its end.
fn seen(values: &Values) -> Value {
    let text = |secret: &Secret| secret.expose_secret().to_owned();
    let seen = values.names().map(|name| {
        let shown = values
            .maybe::<String>(name)
            .map(Value::from)
            .or_else(|| values.maybe::<bool>(name).map(Value::from))
            .or_else(|| values.maybe::<u64>(name).map(Value::from))
            .or_else(|| values.maybe::<Vec<String>>(name).map(Value::from))
            .or_else(|| {
                let secret: Option<Secret> = values.maybe(name);
                secret.map(|secret| text(&secret).trim_end_matches('/').into())
            });
        (name.to_owned(), shown.unwrap_or_default())
    });
    Value::Object(seen.collect())
}

/// `[answer]`: expressions over `status` and `body`, asked in this order. The first that holds decides.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Judge {
    success: String,
    too_large: Option<String>,
    never: Option<String>,
    gone: Option<String>,
    operator: Option<String>,
    again: Option<String>,
    #[serde(default)]
    later: Vec<Later>,
    /// A JSON pointer to the receiver's own words about a failure.
    reason: Option<String>,
    /// A JSON pointer to the name of the message at the receiver.
    handle: Option<String>,
}

/// A quota that ends after a known time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Later {
    when: String,
    seconds: u64,
}

/// The same, compiled.
#[derive(Debug)]
pub(crate) struct Verdicts {
    success: Success,
    classes: Vec<(Success, Class, Option<u64>)>,
    reason: Option<String>,
    handle: Option<String>,
}

impl Judge {
    pub(crate) fn compile(&self) -> Result<Verdicts, BuildError> {
        let compile = |part: &str, text: &str| {
            let compiled = Success::compile(text);
            compiled.map_err(|mistake| BuildError::in_text(&format!("answer.{part}"), mistake))
        };
        let plain = [
            ("too_large", &self.too_large, Class::TooLarge),
            ("never", &self.never, Class::Poison),
            ("gone", &self.gone, Class::Gone),
            ("operator", &self.operator, Class::Operator),
            ("again", &self.again, Class::Transient),
        ];
        let mut classes = Vec::new();
        for (part, text, class) in plain {
            if let Some(text) = text {
                classes.push((compile(part, text)?, class, None));
            }
        }
        for later in &self.later {
            let when = compile("later", &later.when)?;
            classes.push((when, Class::Transient, Some(later.seconds)));
        }
        Ok(Verdicts {
            success: compile("success", &self.success)?,
            classes,
            reason: self.reason.clone(),
            handle: self.handle.clone(),
        })
    }
}

impl Verdicts {
    fn judge(
        &self,
        answer: &Response,
        title: &str,
        secrets: &Secrets,
    ) -> Result<Delivered, Failure> {
        let (status, body) = (answer.status, answer.body.as_slice());
        if self.success.holds(status, body) {
            let handle = pointed(self.handle.as_deref(), body);
            return Ok(Delivered {
                handle: handle.filter(|handle| handle.len() <= HANDLE_BYTES_MAX),
                ..Delivered::with_code(status)
            });
        }
        let named = self
            .classes
            .iter()
            .find(|(when, ..)| when.holds(status, body));
        let (class, wait) = match (named, classify(status)) {
            (Some((_, class, wait)), _) => (*class, *wait),
            (None, Some(class)) => (class, None),
            (None, None) => (Class::Operator, None),
        };
        let mut reason = match classify(status) {
            Some(_) => explain(status),
            None if named.is_some() => format!("{title} answered {status} and refused the message"),
            None => format!(
                "the receiver answered {status}, but not as {title} does: check the address"
            ),
        };
        if let Some(words) = pointed(self.reason.as_deref(), body) {
            let words: String = words.chars().take(WORDS_CHARACTERS_MAX).collect();
            let words = words.replace(char::is_control, " ");
            let _infallible = write!(reason, ". It said: {words}");
        }
        let wait = wait.map(std::time::Duration::from_secs);
        Err(Failure {
            class,
            code: Some(status),
            retry_after: answer.asked_wait().max(wait),
            reason: secrets.hidden(&reason),
        })
    }
}

/// The text at a JSON pointer.
fn pointed(pointer: Option<&str>, body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    match body.pointer(pointer?)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The secrets of one sink, to be taken out of what is shown.
pub(crate) struct Secrets(Vec<Secret>);

impl Secrets {
    pub(crate) fn of(settings: &[Setting], values: &Values) -> Self {
        let secret = settings.iter().filter(|setting| setting.takes.is_secret());
        Self(
            secret
                .filter_map(|setting| values.maybe(&setting.name))
                .collect(),
        )
    }

    fn hidden(&self, text: &str) -> String {
        let secrets = self.0.iter().map(ExposeSecret::expose_secret);
        let secrets = secrets.filter(|secret| !secret.is_empty());
        secrets.fold(text.to_owned(), |text, secret| {
            text.replace(secret.trim_end_matches('/'), "***")
        })
    }
}

/// A sink that is made by a recipe.
pub(crate) struct Recipient {
    pub(crate) title: String,
    pub(crate) parts: Parts,
    pub(crate) judge: Verdicts,
    pub(crate) room: Room,
    pub(crate) locale: Locale,
    pub(crate) secrets: Secrets,
    pub(crate) client: Client,
}

impl Recipient {
    fn request(&self, message: &Message, room: Room) -> Result<client::Request, Failure> {
        let parts = &self.parts;
        let words = Value::Object(self.locale.message(message, room));
        let more = Map::from_iter([
            ("settings".to_owned(), parts.settings.clone()),
            ("message".to_owned(), words),
        ]);
        let facts = digest::facts(message).with(&more);
        let text = |part: &str, template: &Template| {
            let text = template.render(&facts);
            text.map_err(|failed| {
                let reason = format!("the template `{part}` of the recipe fails: {failed}");
                Failure::new(Class::Poison, reason)
            })
        };
        let url: Url = text("url", &parts.url)?.parse().map_err(|_| {
            Failure::new(
                Class::Operator,
                "the recipe's `url` is not a valid address with these settings",
            )
        })?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, template) in &parts.headers {
            let value = value_of(name, text(name.as_str(), template)?)?;
            // A header that depends on an optional setting is left out with it.
            if !value.is_empty() {
                headers.insert(name.clone(), value);
            }
        }
        Ok(client::Request {
            method: parts.method.clone(),
            url,
            headers,
            body: text("body", &parts.body)?.into(),
            at: message.at,
        })
    }

    async fn attempt(&self, message: &Message, room: Room) -> Result<Delivered, Failure> {
        let answer = self.client.exchange(self.request(message, room)?).await?;
        self.judge.judge(&answer, &self.title, &self.secrets)
    }

    /// A message that is too long is sent once more with half the text.
    async fn deliver(&self, message: &Message) -> Result<Delivered, Failure> {
        match self.attempt(message, self.room).await {
            Err(failure) if failure.class == Class::TooLarge => {
                let remark = "the receiver found the message too long: its text was cut".to_owned();
                let delivered = self.attempt(message, self.room.half()).await?;
                Ok(Delivered {
                    remark: Some(remark),
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
        let request = self.request(message, self.room)?;
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
        Ok(self.secrets.hidden(&out))
    }
}
