//! `[request]`: the request of a recipe, made from templates.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use campanile_language::{Facts, Template, sample_alerts};
use campanile_model::Secret;
use campanile_settings::{Setting, Values};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use toml::Spanned;
use url::{Url, form_urlencoded};
use uuid::Uuid;

use super::form::{Text, Wrong};
use super::sign::{Sign, Signing};
use crate::http::client;
use crate::http::headers::{name, value_of};
use crate::{Class, Failure, Message, digest, words};

/// Names the ids that are made of delivery ids.
const NAMESPACE: Uuid = Uuid::from_u128(0x6361_6d70_616e_696c_6500_0000_0000_0000);

/// `[request]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    /// `GET`, `POST`, `PUT` or `PATCH`, or a template that gives one of them.
    method: Text,
    url: Text,
    #[serde(default)]
    headers: BTreeMap<String, Text>,
    /// HTTP Basic authentication.
    basic: Option<Basic>,
    /// Either the whole body, JSON if no header says otherwise,
    body: Option<Text>,
    /// or the fields of a form.
    form: Option<BTreeMap<String, Text>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Basic {
    user: Text,
    password: Text,
}

/// A request whose templates are compiled.
#[derive(Debug)]
pub(super) struct Parts {
    method: Template,
    url: Template,
    headers: Vec<(HeaderName, Template)>,
    basic: Option<(Template, Template)>,
    body: Body,
    sign: Option<Signing>,
    /// What the templates see as `settings` and `words`.
    fixed: Map<String, Value>,
    /// The part of the recipe, such as `request`.
    part: &'static str,
    wants: Wants,
}

/// What the templates see in addition to the message.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extra<'a> {
    /// The full name of the sink.
    pub(super) sink: &'a str,
    pub(super) token: Option<&'a Secret>,
    pub(super) plain: bool,
    pub(super) without_handle: bool,
}

/// What costs time to prepare, and whether a template names it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wants {
    /// `alerts`, the JSON of each alert.
    alerts: bool,
    /// `opening`, the JSON of the first alert of the episode.
    opening: bool,
}

impl Wants {
    /// What is named in one of these texts.
    pub(super) fn of<'t>(texts: &(impl Iterator<Item = &'t Text> + Clone)) -> Self {
        let named = |word| texts.clone().any(|text| text.get_ref().contains(word));
        Self {
            alerts: named("alerts"),
            opening: named("opening"),
        }
    }
}

#[derive(Debug)]
enum Body {
    Nothing,
    Text(Box<Template>),
    Form(Vec<(String, Template)>),
}

/// A request, and the signature in it.
pub(super) struct Rendered {
    pub(super) request: client::Request,
    pub(super) signature: Option<Secret>,
}

/// A template of a recipe, compiled with samples of the names that it may use.
pub(super) fn template(
    part: &str,
    text: &Text,
    names: &Map<String, Value>,
) -> Result<Template, Wrong> {
    let compiled = Template::compile_with(text.get_ref(), names);
    compiled.map_err(|mistake| Wrong::new(part, text, mistake))
}

impl Request {
    /// Compiles it with these settings and the words of the sink's language.
    pub(super) fn compile(
        &self,
        part: &'static str,
        sign: Option<&Spanned<Sign>>,
        settings: Value,
        words: Value,
    ) -> Result<Parts, Wrong> {
        let fixed = fixed(settings, words);
        let names = samples(&fixed);
        let sign = sign.map(|sign| Sign::compile(sign, &names)).transpose()?;
        let signature = sign.as_ref().and_then(Signing::template);
        let of_body = signature.is_some_and(|signature| signature.of_body);
        let mut signed = names.clone();
        if signature.is_some() {
            signed.insert("sign".to_owned(), "".into());
        }
        let of = |name: &str| format!("{part}.{name}");
        let headers = self.headers.iter().map(|(key, text)| {
            let part = of(&format!("headers.{key}"));
            let name = name(&part, key).map_err(|e| Wrong::whole(&part, text, &e.problem))?;
            Ok((name, template(&part, text, &signed)?))
        });
        let basic = self.basic.as_ref().map(|basic| {
            let user = template(&of("basic.user"), &basic.user, &signed)?;
            let password = template(&of("basic.password"), &basic.password, &signed)?;
            Ok((user, password))
        });
        Ok(Parts {
            method: template(&of("method"), &self.method, &signed)?,
            url: template(&of("url"), &self.url, &signed)?,
            headers: headers.collect::<Result<_, _>>()?,
            basic: basic.transpose()?,
            body: self.compile_body(part, if of_body { &names } else { &signed })?,
            wants: self.wants(),
            sign,
            fixed,
            part,
        })
    }

    /// What the address and the body want.
    fn wants(&self) -> Wants {
        let fields = self.form.iter().flatten().map(|(_, text)| text);
        let texts = std::iter::once(&self.url).chain(&self.body).chain(fields);
        Wants::of(&texts)
    }

    fn compile_body(&self, part: &str, names: &Map<String, Value>) -> Result<Body, Wrong> {
        match (&self.body, &self.form) {
            (None, None) if self.method.get_ref() == "GET" => Ok(Body::Nothing),
            (Some(text), None) => {
                let template = template(&format!("{part}.body"), text, names)?;
                Ok(Body::Text(Box::new(template)))
            }
            (None, Some(fields)) => {
                let fields = fields.iter().map(|(key, text)| {
                    let part = format!("{part}.form.{key}");
                    Ok((key.clone(), template(&part, text, names)?))
                });
                Ok(Body::Form(fields.collect::<Result<_, _>>()?))
            }
            _ => {
                let problem = format!("write either `body` or `form` into `[{part}]`");
                Err(Wrong::whole(part, &self.url, &problem))
            }
        }
    }
}

/// The names that are the same for all messages of one sink.
pub(super) fn fixed(settings: Value, words: Value) -> Map<String, Value> {
    let fixed = [("settings", settings), ("words", words)];
    let fixed = fixed.map(|(name, value)| (name.to_owned(), value));
    fixed.into_iter().collect()
}

/// Samples of all names of one sink, which templates and conditions are compiled with.
pub(super) fn samples(fixed: &Map<String, Value>) -> Map<String, Value> {
    let mut names = fixed.clone();
    names.extend(sample());
    names
}

/// What the templates see of each message. The alerts themselves are samples, so that their parts are known.
fn sample() -> Map<String, Value> {
    let [alert, _] = sample_alerts();
    let message = Message::of(alert, "dlv_0", Timestamp::UNIX_EPOCH);
    let all = Wants {
        alerts: true,
        opening: true,
    };
    let mut seen = more(&message, &Extra::default(), all);
    seen.insert(
        "message".to_owned(),
        Value::Object(words::Wording::default().seen()),
    );
    seen.insert("mentions".to_owned(), json!(["somebody"]));
    seen
}

/// What templates and conditions see in addition to the alert.
pub(super) fn names(
    fixed: &Map<String, Value>,
    message: &Message,
    text: Map<String, Value>,
    extra: &Extra<'_>,
    wants: Wants,
) -> Map<String, Value> {
    let mut names = more(message, extra, wants);
    names.extend(fixed.clone());
    names.insert("mentions".to_owned(), mentions(fixed, &text));
    names.insert("message".to_owned(), Value::Object(text));
    names
}

/// The setting `mention`, for a critical firing.
fn mentions(fixed: &Map<String, Value>, text: &Map<String, Value>) -> Value {
    let urgent = text.get("urgent").and_then(Value::as_bool);
    let all = fixed.get("settings").and_then(|all| all.get("mention"));
    let all = all.filter(|_| urgent == Some(true)).cloned();
    all.filter(Value::is_array).unwrap_or_else(|| json!([]))
}

/// What the templates see in addition to the alert, the settings and the text.
fn more(message: &Message, extra: &Extra<'_>, wants: Wants) -> Map<String, Value> {
    let handle = message.handle.as_deref().filter(|_| !extra.without_handle);
    let opening = message.opened.as_ref().or(message.alerts.first());
    let opened_by = opening.map(|alert| alert.id.as_str()).unwrap_or_default();
    let alerts = message.alerts.iter().map(|alert| json!(alert));
    let token = extra.token.map(ExposeSecret::expose_secret);
    let delivery = &message.delivery_id;
    let mut more = Map::from_iter(
        [
            ("timestamp", message.at.as_second().into()),
            ("timestamp_ms", message.at.as_millisecond().into()),
            ("handle", handle.unwrap_or_default().into()),
            (
                "episode",
                hashed(&format!("{}/{opened_by}", extra.sink)).into(),
            ),
            (
                "delivery_uuid",
                Uuid::new_v5(&NAMESPACE, delivery.as_bytes())
                    .to_string()
                    .into(),
            ),
            ("plain", extra.plain.into()),
            ("episode_open", message.episode_open.into()),
            ("token", token.unwrap_or_default().into()),
        ]
        .map(|(name, value): (&str, Value)| (name.to_owned(), value)),
    );
    if wants.alerts {
        more.insert("alerts".to_owned(), alerts.collect());
    }
    if wants.opening {
        more.insert("opening".to_owned(), json!(opening));
    }
    more
}

/// 32 hex digits: a key that tells nothing about what it is made of.
fn hashed(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..16])
}

/// The settings as templates see them, each with a value or null. An address has no `/` at its end.
pub(super) fn seen(settings: &[Setting], values: &Values) -> Value {
    let text = |secret: &Secret| secret.expose_secret().to_owned();
    let seen = settings.iter().map(|setting| {
        let name = &*setting.name;
        let shown = values
            .maybe::<String>(name)
            .map(Value::from)
            .or_else(|| values.maybe::<bool>(name).map(Value::from))
            .or_else(|| values.maybe::<u64>(name).map(Value::from))
            .or_else(|| values.maybe::<Vec<String>>(name).map(Value::from))
            .or_else(|| Some(values.maybe::<TimeZone>(name)?.iana_name()?.into()))
            .or_else(|| {
                let secret: Option<Secret> = values.maybe(name);
                secret.map(|secret| text(&secret).trim_end_matches('/').into())
            });
        (name.to_owned(), shown.unwrap_or_default())
    });
    Value::Object(seen.collect())
}

impl Parts {
    /// The request for a message with this text.
    pub(super) fn render(
        &self,
        message: &Message,
        text: Map<String, Value>,
        extra: &Extra<'_>,
    ) -> Result<Rendered, Failure> {
        let rendered = self.rendered(message, text, extra);
        rendered.map_err(|failure| match failure.class {
            // A digest can be more than a template may write: with fewer alerts it is not.
            Class::Poison if message.only().is_none() => Failure {
                class: Class::TooLarge,
                ..failure
            },
            _ => failure,
        })
    }

    fn rendered(
        &self,
        message: &Message,
        text: Map<String, Value>,
        extra: &Extra<'_>,
    ) -> Result<Rendered, Failure> {
        let mut more = names(&self.fixed, message, text, extra, self.wants);
        let facts = |more: &Map<_, _>| digest::facts(message).with(more);
        let mut body = None;
        if let Some(sign) = self.sign.as_ref().and_then(Signing::template) {
            if sign.of_body {
                let rendered = self.body.render(self.part, &facts(&more))?;
                let text = String::from_utf8_lossy(&rendered).into_owned();
                more.insert("body".to_owned(), text.into());
                body = Some(rendered);
            }
            let signature = sign
                .sign(&facts(&more))
                .map_err(|failed| broken("sign", &failed))?;
            more.insert("sign".to_owned(), signature.into());
        }
        let facts = facts(&more);
        let body = body.map_or_else(|| self.body.render(self.part, &facts), Ok)?;
        let signature = more.get("sign").and_then(Value::as_str);
        let mut request = client::Request {
            method: self.method(&facts)?,
            url: self.url(&facts)?,
            headers: self.headers(&facts)?,
            body,
            at: message.at,
        };
        if let Some(Signing::Request(signer)) = &self.sign {
            signer.sign(&mut request, &facts)?;
        }
        Ok(Rendered {
            signature: signature.map(|text| text.to_owned().into()),
            request,
        })
    }

    fn method(&self, facts: &Facts) -> Result<Method, Failure> {
        let word = self.text("method", &self.method, facts)?;
        let known = [Method::GET, Method::POST, Method::PUT, Method::PATCH];
        let found = known.into_iter().find(|method| method.as_str() == word);
        found.ok_or_else(|| {
            let reason = "the recipe's `method` is not one of GET, POST, PUT, PATCH";
            Failure::new(Class::Poison, reason)
        })
    }

    fn text(&self, name: &str, template: &Template, facts: &Facts) -> Result<String, Failure> {
        text(&format!("{}.{name}", self.part), template, facts)
    }

    fn url(&self, facts: &Facts) -> Result<Url, Failure> {
        let url = self.text("url", &self.url, facts)?;
        url.parse().map_err(|_| {
            let reason = "the recipe's `url` is not a valid address with these settings";
            Failure::new(Class::Operator, reason)
        })
    }

    fn headers(&self, facts: &Facts) -> Result<HeaderMap, Failure> {
        let mut headers = HeaderMap::new();
        if let Some(content_type) = self.body.content_type() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        if let Some((user, password)) = &self.basic {
            let user = self.text("basic.user", user, facts)?;
            let password = self.text("basic.password", password, facts)?;
            if !(user.is_empty() && password.is_empty()) {
                let credentials = BASE64_STANDARD.encode(format!("{user}:{password}"));
                let value = value_of(&AUTHORIZATION, format!("Basic {credentials}"))?;
                headers.insert(AUTHORIZATION, value);
            }
        }
        for (name, template) in &self.headers {
            let value = value_of(name, text(name.as_str(), template, facts)?)?;
            // A header that depends on an optional setting is left out with it.
            if !value.is_empty() {
                headers.insert(name.clone(), value);
            }
        }
        Ok(headers)
    }
}

impl Body {
    fn render(&self, part: &str, facts: &Facts) -> Result<Bytes, Failure> {
        match self {
            Self::Nothing => Ok(Bytes::new()),
            Self::Text(template) => Ok(text(&format!("{part}.body"), template, facts)?.into()),
            Self::Form(fields) => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                for (name, template) in fields {
                    let value = text(name, template, facts)?;
                    // A field that depends on an optional setting is left out with it.
                    if !value.is_empty() {
                        form.append_pair(name, &value);
                    }
                }
                Ok(form.finish().into())
            }
        }
    }

    fn content_type(&self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Text(_) => Some("application/json"),
            Self::Form(_) => Some("application/x-www-form-urlencoded"),
        }
    }
}

pub(super) fn text(part: &str, template: &Template, facts: &Facts) -> Result<String, Failure> {
    template
        .render(facts)
        .map_err(|failed| broken(part, &failed))
}

fn broken(part: &str, failed: &campanile_language::Failed) -> Failure {
    let reason = format!("the template `{part}` of the recipe fails: {failed}");
    Failure::new(Class::Poison, reason)
}
