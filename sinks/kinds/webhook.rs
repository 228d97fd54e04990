//! An HTTP request for each alert.

use std::fmt::Write as _;

use bytes::Bytes;
use campanile_model::Secret;
use futures_util::future::BoxFuture;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use url::Url;

use crate::http::client::{Client, Request, Settings, admit_host, classify, explain};
use crate::http::guard::Egress;
use crate::http::sign::Signer;
use crate::{BuildError, Class, Delivered, Failure, Message, Sink, digest, render};
use crate::{SinkSpec, Webhook as Spec, WebhookBody};
use campanile_language::{Facts, Mistake, Success, Template, sample_alerts};

/// The header that marks a delivery that an operator retried.
pub const RETRIED: HeaderName = HeaderName::from_static("campanile-retried");
/// Standard Webhooks' names.
const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
/// What an operator may not set: it is ours or the protocol's.
const RESERVED: &[&str] = &[
    "campanile-retried",
    "connection",
    "content-length",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];
const REDACTED: &str = "***";

/// The page of `campanile sinks show webhook`.
pub const PAGE: &str = r#"# webhook

## What it does
Sends one HTTP request for each alert. 2xx is success (with `success`, only if that holds too); everything else is tried
again, or given up with its reason kept.

## Set it up
    [sinks.webhook.oncall]
    url = { env = "ONCALL_URL" }
    signing_secret = { env = "ONCALL_SECRET" }   # whsec_<base64>, such as `openssl rand -base64 32` prints
    format = "alert"                             # or "cloudevents", "alertmanager"
    # body = '{"text": {{ title|tojson }}}'      # or a template of your own; quote every text with `tojson`
    # headers = { Authorization = "Bearer ..." }
    # success = "body.errcode == 0"              # for receivers that answer 200 to everything
    # egress = "public_only"                     # refuse private addresses too

## What is sent
`alert` is the alert itself, as the API shows it. `cloudevents` is CloudEvents 1.0 in structured mode, `alertmanager` the
webhook of Alertmanager, version 4. Every request carries `webhook-id` (the same on every try of a delivery: drop what
you have seen), `webhook-timestamp` and, with a secret, `webhook-signature` as in Standard Webhooks. A delivery that an operator
retried has `campanile-retried: true`.

With `overflow = "digest"` one request can hold many alerts: `alert` is then a JSON array of alerts, `cloudevents` a batch
(`application/cloudevents-batch+json`), `alertmanager` a group with many `alerts`. In a `body` template and in headers, the fields
then describe the digest: `title` is the number of alerts, `description` counts and lists them, `severity` is the highest.

## When it fails
408, 409, 421, 423, 424, 425, 429, 5xx, timeouts, DNS and TLS: again, and `Retry-After` is obeyed. 401, 403, 404, 407,
redirects (never followed) and other 4xx: again, slowly, and you are told. 413: the message is too large; 400, 411, 414-417, 422,
431: the message is not accepted; both get three attempts, then a dead letter. 410: the sink is paused.
"#;

/// The sink.
pub struct Webhook {
    name: String,
    url: Url,
    method: Method,
    body: Body,
    headers: Vec<(HeaderName, Template)>,
    success: Option<Success>,
    signer: Signer,
    client: Client,
}

enum Body {
    Alert,
    CloudEvents,
    Alertmanager,
    Template(Box<Template>),
}

/// A request without its address.
struct Rendered {
    headers: HeaderMap,
    body: Bytes,
}

impl Webhook {
    /// The sink of these settings; refuses what cannot work.
    pub fn new(spec: &SinkSpec, webhook: &Spec) -> Result<Self, BuildError> {
        let egress = if webhook.public_only {
            Egress::PublicOnly
        } else {
            Egress::Any
        };
        let headers: Vec<_> = webhook
            .headers
            .iter()
            .map(|(name, value)| header(name, value))
            .collect::<Result<_, _>>()?;
        let success = webhook.success.as_deref().map(Success::compile).transpose();
        let sink = Self {
            name: spec.name.clone(),
            url: address(&webhook.url, egress)?,
            method: method(&webhook.method)?,
            body: body(&webhook.body)?,
            headers,
            success: success.map_err(|mistake| BuildError::in_text("success", mistake))?,
            signer: Signer::new(&webhook.signing_secrets)?,
            client: Client::new(Settings {
                egress,
                timeout: spec.policy.timeout,
                ca_file: webhook.ca_file.as_deref(),
                skip_tls_verification: webhook.skip_tls_verification,
            })?,
        };
        sink.try_samples()?;
        Ok(sink)
    }

    /// Templates are tried on alerts with quotes and line breaks in their texts, so that a missing `tojson` or a header
    /// that breaks its line is found when the config is loaded, not at the first odd title.
    fn try_samples(&self) -> Result<(), BuildError> {
        for alert in sample_alerts() {
            let facts = Facts::of_delivery(&alert, "dlv_0", 1, false);
            for (name, template) in &self.headers {
                header_value(name, template, &facts).map_err(|failure| {
                    BuildError::new(&format!("headers.{name}"), failure.reason)
                })?;
            }
            let Body::Template(template) = &self.body else {
                continue;
            };
            let text = template
                .render(&facts)
                .map_err(|failed| BuildError::new("body", failed.to_string()))?;
            let broken = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_err();
            if broken && self.sends_json() {
                let problem = "this does not give JSON for every alert: put texts in as `{{ title|tojson }}`, without quotes around, or set the header `Content-Type` if it is not meant to be JSON";
                return Err(BuildError::new("body", problem));
            }
        }
        Ok(())
    }

    fn sends_json(&self) -> bool {
        !self.headers.iter().any(|(name, _)| name == CONTENT_TYPE)
    }

    fn rendered(&self, message: &Message) -> Result<Rendered, Failure> {
        let facts = self.needs_facts().then(|| facts(message));
        let body = self.body_of(message, facts.as_ref())?;
        let mut headers = HeaderMap::new();
        let content_type = HeaderValue::from_static(self.content_type(message));
        headers.insert(CONTENT_TYPE, content_type);
        for (name, template) in &self.headers {
            if let Some(facts) = &facts {
                headers.insert(name.clone(), header_value(name, template, facts)?);
            }
        }
        self.sign(message, &body, &mut headers)?;
        if message.retried_by_operator {
            headers.insert(RETRIED, HeaderValue::from_static("true"));
        }
        Ok(Rendered { headers, body })
    }

    fn needs_facts(&self) -> bool {
        !self.headers.is_empty() || matches!(self.body, Body::Template(_))
    }

    fn body_of(&self, message: &Message, facts: Option<&Facts>) -> Result<Bytes, Failure> {
        Ok(match &self.body {
            Body::Alert => render::alerts(message),
            Body::CloudEvents => render::cloudevents(message).into(),
            Body::Alertmanager => render::alertmanager(message, &self.name).into(),
            Body::Template(template) => {
                let text = facts.map(|facts| template.render(facts)).transpose();
                let text = text.map_err(|failed| {
                    Failure::new(
                        Class::Poison,
                        format!("the template `body` fails: {failed}"),
                    )
                })?;
                text.unwrap_or_default().into()
            }
        })
    }

    fn content_type(&self, message: &Message) -> &'static str {
        match self.body {
            Body::CloudEvents if message.only().is_none() => {
                "application/cloudevents-batch+json; charset=utf-8"
            }
            Body::CloudEvents => "application/cloudevents+json; charset=utf-8",
            Body::Alert | Body::Alertmanager | Body::Template(_) => "application/json",
        }
    }

    fn sign(&self, message: &Message, body: &[u8], headers: &mut HeaderMap) -> Result<(), Failure> {
        let id = HeaderValue::try_from(&message.delivery_id).map_err(|_| {
            Failure::new(Class::Poison, "the delivery id is not a valid header value")
        })?;
        headers.insert(WEBHOOK_ID, id);
        headers.insert(WEBHOOK_TIMESTAMP, message.at.as_second().into());
        if self.signer.is_empty() {
            return Ok(());
        }
        let signature = self.signer.sign(&message.delivery_id, message.at, body);
        let mut signature = HeaderValue::try_from(signature).map_err(|_| {
            Failure::new(Class::Poison, "the signature is not a valid header value")
        })?;
        signature.set_sensitive(true);
        headers.insert(WEBHOOK_SIGNATURE, signature);
        Ok(())
    }

    async fn deliver(&self, message: &Message) -> Result<Delivered, Failure> {
        let Rendered { headers, body } = self.rendered(message)?;
        let request = Request {
            method: self.method.clone(),
            url: self.url.clone(),
            headers,
            body,
            at: message.at,
        };
        let answer = self.client.exchange(request).await?;
        let failed = |class, reason| Failure {
            class,
            code: Some(answer.status),
            retry_after: answer.asked_wait(),
            reason,
        };
        if let Some(class) = classify(answer.status) {
            return Err(failed(class, explain(answer.status)));
        }
        match &self.success {
            Some(success) if !success.holds(answer.status, &answer.body) => {
                let reason = "the receiver answered, but `success` does not hold for its answer";
                Err(failed(Class::Transient, reason.to_owned()))
            }
            _ => Ok(Delivered::with_code(answer.status)),
        }
    }
}

impl Sink for Webhook {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Failure>> {
        Box::pin(self.deliver(message))
    }

    fn render(&self, message: &Message) -> Result<String, Failure> {
        let Rendered { headers, body } = self.rendered(message)?;
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port().map(|port| format!(":{port}"));
        let mut out = format!(
            "{} {}://{host}{}/{REDACTED}\n",
            self.method,
            self.url.scheme(),
            port.unwrap_or_default()
        );
        for (name, value) in &headers {
            let value = value.to_str().unwrap_or(REDACTED);
            let shown = if headers[name].is_sensitive() {
                REDACTED
            } else {
                value
            };
            let _infallible = writeln!(out, "{name}: {shown}");
        }
        let _infallible = write!(out, "\n{}", String::from_utf8_lossy(&body));
        Ok(out)
    }
}

/// What templates see. A digest is seen as one alert that describes it.
fn facts(message: &Message) -> Facts {
    let Message {
        delivery_id,
        attempt,
        retried_by_operator,
        ..
    } = message;
    let of = |alert| Facts::of_delivery(alert, delivery_id, *attempt, *retried_by_operator);
    match message.only() {
        Some(alert) => of(alert),
        None => of(&digest::summary(message)),
    }
}

fn address(url: &Secret, egress: Egress) -> Result<Url, BuildError> {
    let wrong = |problem: String| BuildError::new("url", problem);
    let form = "this is not a valid address; write one such as `https://oncall.example.com/hook`";
    let url: Url = url
        .expose_secret()
        .parse()
        .map_err(|_| wrong(form.to_owned()))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong(form.to_owned()));
    }
    admit_host(&url, egress).map_err(|refused| wrong(refused.to_string()))?;
    Ok(url)
}

fn method(word: &str) -> Result<Method, BuildError> {
    match word {
        "POST" => Ok(Method::POST),
        "PUT" => Ok(Method::PUT),
        "PATCH" => Ok(Method::PATCH),
        _ => Err(BuildError::new(
            "method",
            "this is not one of POST, PUT, PATCH",
        )),
    }
}

fn body(body: &WebhookBody) -> Result<Body, BuildError> {
    Ok(match body {
        WebhookBody::Alert => Body::Alert,
        WebhookBody::CloudEvents => Body::CloudEvents,
        WebhookBody::Alertmanager => Body::Alertmanager,
        WebhookBody::Template(text) => {
            let compiled = Template::compile(text);
            let compiled = compiled.map_err(|mistake| BuildError::in_text("body", mistake))?;
            Body::Template(Box::new(compiled))
        }
    })
}

fn header(name: &str, value: &Secret) -> Result<(HeaderName, Template), BuildError> {
    let setting = format!("headers.{name}");
    let parsed = HeaderName::try_from(name)
        .map_err(|_| BuildError::new(&setting, "this is not a valid header name"))?;
    if RESERVED.contains(&parsed.as_str()) {
        let problem = "this header is set by Campanile or by HTTP itself: leave it out";
        return Err(BuildError::new(&setting, problem));
    }
    let hide = |mistake: Mistake| BuildError::in_text(&setting, mistake);
    let template = Template::compile(value.expose_secret()).map_err(hide)?;
    Ok((parsed, template))
}

/// Refuses CR, LF and other control characters, so that no alert can add a header of its own.
fn header_value(
    name: &HeaderName,
    template: &Template,
    facts: &Facts,
) -> Result<HeaderValue, Failure> {
    let poison =
        |reason: String| Failure::new(Class::Poison, format!("the header `{name}` {reason}"));
    let text = template
        .render(facts)
        .map_err(|failed| poison(format!("fails: {failed}")))?;
    let mut value = HeaderValue::from_bytes(text.as_bytes()).map_err(|_| {
        poison(
            "would hold a line break or control character: put `|urlencode` after the field"
                .to_owned(),
        )
    })?;
    value.set_sensitive(name != CONTENT_TYPE);
    Ok(value)
}
