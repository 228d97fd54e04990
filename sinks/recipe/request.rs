//! `[request]`: the request of a recipe, made from templates.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use campanile_language::{Facts, Template};
use campanile_model::Secret;
use campanile_settings::{Setting, Values};
use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::{Url, form_urlencoded};

use super::form::{Text, Wrong};
use super::sign::{Sign, Signature};
use crate::http::client;
use crate::http::headers::{name, value_of};
use crate::{Class, Failure, Message, digest};

/// `[request]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    method: Verb,
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

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Verb {
    Post,
    Put,
    Patch,
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
    method: Method,
    url: Template,
    headers: Vec<(HeaderName, Template)>,
    basic: Option<(Template, Template)>,
    body: Body,
    sign: Option<Signature>,
    /// What the templates see as `settings` and `words`.
    fixed: Map<String, Value>,
}

#[derive(Debug)]
enum Body {
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
        sign: Option<&Sign>,
        settings: Value,
        words: Value,
    ) -> Result<Parts, Wrong> {
        let fixed = Map::from_iter([
            ("settings".to_owned(), settings),
            ("words".to_owned(), words),
        ]);
        let mut names = fixed.clone();
        names.extend(sample());
        let sign = sign.map(|sign| sign.compile(&names)).transpose()?;
        let of_body = sign.as_ref().is_some_and(|sign| sign.of_body);
        let mut signed = names.clone();
        if sign.is_some() {
            signed.insert("sign".to_owned(), "".into());
        }
        let headers = self.headers.iter().map(|(key, text)| {
            let part = format!("request.headers.{key}");
            let name = name(&part, key).map_err(|e| Wrong::whole(&part, text, &e.problem))?;
            Ok((name, template(&part, text, &signed)?))
        });
        let basic = self.basic.as_ref().map(|basic| {
            let user = template("request.basic.user", &basic.user, &signed)?;
            let password = template("request.basic.password", &basic.password, &signed)?;
            Ok((user, password))
        });
        Ok(Parts {
            method: match self.method {
                Verb::Post => Method::POST,
                Verb::Put => Method::PUT,
                Verb::Patch => Method::PATCH,
            },
            url: template("request.url", &self.url, &signed)?,
            headers: headers.collect::<Result<_, _>>()?,
            basic: basic.transpose()?,
            body: self.compile_body(if of_body { &names } else { &signed })?,
            sign,
            fixed,
        })
    }

    fn compile_body(&self, names: &Map<String, Value>) -> Result<Body, Wrong> {
        match (&self.body, &self.form) {
            (Some(text), None) => {
                let template = template("request.body", text, names)?;
                Ok(Body::Text(Box::new(template)))
            }
            (None, Some(fields)) => {
                let fields = fields.iter().map(|(key, text)| {
                    let part = format!("request.form.{key}");
                    Ok((key.clone(), template(&part, text, names)?))
                });
                Ok(Body::Form(fields.collect::<Result<_, _>>()?))
            }
            _ => {
                let problem = "write either `body` or `form` into `[request]`";
                Err(Wrong::whole("request", &self.url, problem))
            }
        }
    }
}

/// What the templates see of each message.
fn sample() -> Map<String, Value> {
    Map::from_iter([
        (
            "message".to_owned(),
            json!({ "head": "", "text": "", "all": "", "link": "", "count": 1 }),
        ),
        ("timestamp".to_owned(), 0.into()),
        ("timestamp_ms".to_owned(), 0.into()),
    ])
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
            .or_else(|| {
                let secret: Option<Secret> = values.maybe(name);
                secret.map(|secret| text(&secret).trim_end_matches('/').into())
            });
        (name.to_owned(), shown.unwrap_or_default())
    });
    Value::Object(seen.collect())
}

impl Parts {
    /// The request for a message whose text is `words`.
    pub(super) fn render(
        &self,
        message: &Message,
        words: Map<String, Value>,
    ) -> Result<Rendered, Failure> {
        let mut more = self.fixed.clone();
        more.insert("message".to_owned(), Value::Object(words));
        more.extend(times(message.at));
        let facts = |more: &Map<_, _>| digest::facts(message).with(more);
        let mut body = None;
        if let Some(sign) = &self.sign {
            if sign.of_body {
                let rendered = self.body.render(&facts(&more))?;
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
        let body = body.map_or_else(|| self.body.render(&facts), Ok)?;
        let signature = more.get("sign").and_then(Value::as_str);
        Ok(Rendered {
            signature: signature.map(|text| text.to_owned().into()),
            request: client::Request {
                method: self.method.clone(),
                url: self.url(&facts)?,
                headers: self.headers(&facts)?,
                body,
                at: message.at,
            },
        })
    }

    fn url(&self, facts: &Facts) -> Result<Url, Failure> {
        let url = text("request.url", &self.url, facts)?;
        url.parse().map_err(|_| {
            let reason = "the recipe's `url` is not a valid address with these settings";
            Failure::new(Class::Operator, reason)
        })
    }

    fn headers(&self, facts: &Facts) -> Result<HeaderMap, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static(self.body.content_type()),
        );
        if let Some((user, password)) = &self.basic {
            let user = text("request.basic.user", user, facts)?;
            let password = text("request.basic.password", password, facts)?;
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
    fn render(&self, facts: &Facts) -> Result<Bytes, Failure> {
        match self {
            Self::Text(template) => Ok(text("request.body", template, facts)?.into()),
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

    fn content_type(&self) -> &'static str {
        match self {
            Self::Text(_) => "application/json",
            Self::Form(_) => "application/x-www-form-urlencoded",
        }
    }
}

fn times(at: Timestamp) -> [(String, Value); 2] {
    [
        ("timestamp".to_owned(), at.as_second().into()),
        ("timestamp_ms".to_owned(), at.as_millisecond().into()),
    ]
}

fn text(part: &str, template: &Template, facts: &Facts) -> Result<String, Failure> {
    template
        .render(facts)
        .map_err(|failed| broken(part, &failed))
}

fn broken(part: &str, failed: &campanile_language::Failed) -> Failure {
    let reason = format!("the template `{part}` of the recipe fails: {failed}");
    Failure::new(Class::Poison, reason)
}
