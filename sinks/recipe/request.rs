//! `[request]`: the request of a recipe, made from templates.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use campanile_language::{Facts, Template, sample_alerts};
use campanile_model::Secret;
use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Map, Value};
use toml::Spanned;
use url::{Url, form_urlencoded};

use super::form::{Text, Wrong};
use super::names::{Extra, Names, Wants};
use super::sign::{Sign, Signing};
use crate::http::client;
use crate::http::headers::{name, value_of};
use crate::{BuildError, Class, Failure, Message, digest};

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
    names: Arc<Names>,
    /// The part of the recipe, such as `request`.
    part: &'static str,
    wants: Wants,
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
    pub(super) fn compile(
        &self,
        part: &'static str,
        sign: Option<&Spanned<Sign>>,
        names: &Arc<Names>,
    ) -> Result<Parts, Wrong> {
        let samples = names.samples();
        let sign = sign.map(|sign| Sign::compile(sign, samples)).transpose()?;
        let signature = sign.as_ref().and_then(Signing::template);
        let of_body = signature.is_some_and(|signature| signature.of_body);
        let mut signed = samples.clone();
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
            body: self.compile_body(part, if of_body { samples } else { &signed })?,
            wants: self.wants(),
            sign,
            names: Arc::clone(names),
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

impl Parts {
    /// Refuses a key that cannot sign, before a message needs it.
    pub(super) fn check_signer(&self) -> Result<(), BuildError> {
        let Some(Signing::Request(signer)) = &self.sign else {
            return Ok(());
        };
        let [alert, _] = sample_alerts();
        let message = Message::of(alert, "dlv_0", Timestamp::UNIX_EPOCH);
        signer.check(&digest::facts(&message).with(self.names.samples()))
    }

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
        let facts = self.names.facts(message, text, extra, self.wants);
        let (facts, body, signature) = self.sign(facts)?;
        let body = body.map_or_else(|| self.body.render(self.part, &facts), Ok)?;
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
        Ok(Rendered { request, signature })
    }

    /// The facts with the signature that the recipe's template makes, and the body if the signature is of the body.
    fn sign(&self, facts: Facts) -> Result<(Facts, Option<Bytes>, Option<Secret>), Failure> {
        let Some(sign) = self.sign.as_ref().and_then(Signing::template) else {
            return Ok((facts, None, None));
        };
        let body = sign.of_body.then(|| self.body.render(self.part, &facts));
        let body = body.transpose()?;
        let facts = match &body {
            Some(body) => facts.with(&one("body", String::from_utf8_lossy(body).into())),
            None => facts,
        };
        let signature = sign
            .sign(&facts)
            .map_err(|failed| broken("sign", &failed))?;
        let facts = facts.with(&one("sign", signature.clone().into()));
        Ok((facts, body, Some(signature.into())))
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

fn one(name: &str, value: Value) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), value)])
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
