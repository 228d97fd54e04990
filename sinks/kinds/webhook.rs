//! # webhook
//!
//! ## What it does
//! Sends one HTTP request for each alert. 2xx is success (with `success`, only if that expression holds too). Everything else
//! is retried, or becomes a dead letter with its reason.
//!
//! ## Set it up
//! ```toml
//! [sinks.webhook.oncall]
//! url = { env = "ONCALL_URL" }
//! signing_secret = { env = "ONCALL_SECRET" }   # whsec_<base64>, such as `openssl rand -base64 32` prints
//! format = "alert"                             # or "cloudevents", "alertmanager"
//! # body = '{"text": {{ title|tojson }}}'      # or your own template; quote every text with `tojson`
//! # headers = { Authorization = "Bearer ..." }
//! # success = "body.errcode == 0"              # for receivers that answer 200 to everything
//! # egress = "public_only"                     # refuse private addresses too
//! ```
//!
//! ## What is sent
//! `alert` is the alert itself, as the API shows it. `cloudevents` is CloudEvents 1.0 in structured mode, `alertmanager` the
//! webhook of Alertmanager, version 4. Every request has `webhook-id` (the same on every attempt of a delivery: drop what
//! you have seen), `webhook-timestamp` and, with a secret, `webhook-signature` as in Standard Webhooks. A delivery that an operator
//! retried has `campanile-retried: true`. With `[telemetry.otlp]` each request has `traceparent`, as in W3C Trace Context.
//!
//! With `overflow = "digest"` one request can hold many alerts: `alert` is then a JSON array of alerts, `cloudevents` a batch
//! (`application/cloudevents-batch+json`), `alertmanager` a group with many `alerts`. In a `body` template and in headers, the fields
//! then describe the digest: `title` is the number of alerts, `description` counts and lists them, `severity` is the highest.
//!
//! ## When it fails
//! 408, 409, 421, 423, 424, 425, 429, 5xx, timeouts, DNS and TLS: retried, and `Retry-After` is obeyed. 401, 403, 404, 407,
//! redirects (never followed) and other 4xx: retried slowly, and you are notified. 413: the message is too large; 400, 411, 414-417, 422,
//! 431: the message is not accepted; both get three attempts, then a dead letter. 410: the sink is paused.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use campanile_model::Secret;
use futures_util::future::BoxFuture;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::http::client::{self, Client, Request, classify, explain};
use crate::http::guard::Egress;
use crate::http::headers::{address, header, header_value};
use crate::http::said;
use crate::http::sign::standard_webhooks::Signer;
use crate::kind::page;
use crate::reach::{self, Reach};
use crate::secrets::Secrets;
use crate::{About, Confidence, Group, Kind, Limits, Tools};
use crate::{BuildError, Class, Delivered, Failure, Message, Sink, digest, render};
use campanile_language::{Facts, Success, Template, sample_alerts};
use campanile_settings::{Setting, Type, Values, optional, required, with};

/// The header of a delivery that an operator retried.
pub const RETRIED: HeaderName = HeaderName::from_static("campanile-retried");
/// Standard Webhooks' names.
const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
/// W3C Trace Context's name.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const REDACTED: &str = "***";

/// The kind.
#[derive(Debug)]
pub struct WebhookKind;

static ABOUT: About = About {
    name: Cow::Borrowed("webhook"),
    title: Cow::Borrowed("an HTTP request for each alert, signed"),
    group: Group::Machines,
    confidence: Confidence::Tested,
    feature: None,
    alternatives: &[("body", "format")],
    limits: Limits::NONE,
    digest: true,
};

/// What it takes in addition to [`reach::SETTINGS`].
const OWN: &[Setting] = &[
    required(
        "url",
        Type::Url,
        r#""https://oncall.example.com/hooks/campanile""#,
        "The address. It can be a secret, { env = \"NAME\" }: it is never logged.",
    ),
    with(
        "method",
        Type::Word(&["POST", "PUT", "PATCH"]),
        r#""POST""#,
        "The HTTP method.",
    ),
    with(
        "format",
        Type::Word(&["alert", "cloudevents", "alertmanager"]),
        r#""alert""#,
        "The body: the alert as JSON, CloudEvents 1.0, or the webhook of Alertmanager.",
    ),
    optional(
        "body",
        Type::Template,
        r#""{\"text\": {{ title|tojson }}}""#,
        "A Jinja template for the body, instead of `format`.",
    ),
    with(
        "headers",
        Type::Headers,
        "{}",
        "Headers, each a Jinja template or a secret, such as { Authorization = { env = \"ONCALL_AUTH\" } }.",
    ),
    optional(
        "signing_secret",
        Type::SigningSecrets,
        r#"{ env = "ONCALL_SECRET" }"#,
        "Sign each request as in Standard Webhooks: whsec_ and the base64 of 24 to 64 random bytes. Write a list while the secret is being rotated.",
    ),
    optional(
        "success",
        Type::Success,
        r#""body.errcode == 0""#,
        "A Jinja expression over `status` and `body` that must hold in addition to a 2xx. For receivers that answer 200 to messages that they refuse.",
    ),
];

static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(|| [OWN, reach::SETTINGS].concat());

impl Kind for WebhookKind {
    fn about(&self) -> &About {
        &ABOUT
    }

    fn settings(&self) -> &[Setting] {
        &SETTINGS
    }

    fn page(&self) -> String {
        page(include_str!("webhook.rs"))
    }

    fn build(&self, values: &Values, tools: &Tools<'_>) -> Result<Arc<dyn Sink>, BuildError> {
        let format: String = values.get("format")?;
        let reach = Reach::of(values)?;
        let settings = Settings {
            url: values.get("url")?,
            method: values.get("method")?,
            signing_secrets: values.maybe("signing_secret").unwrap_or_default(),
            body: match (values.maybe("body"), format.as_str()) {
                (Some(template), _) => WebhookBody::Template(template),
                (None, "cloudevents") => WebhookBody::CloudEvents,
                (None, "alertmanager") => WebhookBody::Alertmanager,
                (None, _) => WebhookBody::Alert,
            },
            headers: values.get("headers")?,
            public_only: reach.egress == Egress::PublicOnly,
            proxy: reach.proxy,
            success: values.maybe("success"),
            skip_tls_verification: reach.skip_tls_verification,
            ca_file: reach.ca_file,
        };
        Ok(Arc::new(Webhook::new(tools, &settings)?))
    }
}

/// An HTTP request for each alert.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address. A secret, because many receivers authenticate the sender by it alone.
    pub url: Secret,
    /// `POST` (default), `PUT` or `PATCH`.
    pub method: String,
    /// Signs as Standard Webhooks, `whsec_<base64>`; two while one is being rotated.
    pub signing_secrets: Vec<Secret>,
    /// What the body is.
    pub body: WebhookBody,
    /// Headers, each a Jinja template (checked at load). Values are secrets until rendered.
    pub headers: Vec<(String, Secret)>,
    /// Refuse private addresses also, not just link-local and metadata ones.
    pub public_only: bool,
    /// A Jinja expression over `body` and `status` that holds for a success, such as `body.errcode == 0`.
    pub success: Option<String>,
    /// Do not verify the receiver's certificate. The operator wrote `dangerous_skip_tls_verification = true`.
    pub skip_tls_verification: bool,
    /// A PEM file with a certificate authority to trust in addition to the public ones.
    pub ca_file: Option<PathBuf>,
    /// The proxy that requests go through.
    pub proxy: Option<Secret>,
}

/// What a webhook's body is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookBody {
    /// `format = "alert"`: the alert's JSON (default).
    Alert,
    /// `format = "cloudevents"`: CloudEvents 1.0, structured mode.
    CloudEvents,
    /// `format = "alertmanager"`: Alertmanager's webhook, version 4.
    Alertmanager,
    /// `body = "..."`: a Jinja template (checked at load); its `Content-Type` is a header of the operator's or JSON.
    Template(String),
}

/// The sink.
pub struct Webhook {
    name: String,
    url: Url,
    method: Method,
    body: Body,
    headers: Vec<(HeaderName, Template)>,
    success: Option<Success>,
    signer: Signer,
    /// Taken out of what the receiver said.
    secrets: Secrets,
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
    pub fn new(tools: &Tools<'_>, webhook: &Settings) -> Result<Self, BuildError> {
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
            name: tools.name.to_owned(),
            url: address(&webhook.url, egress)?,
            method: method(&webhook.method)?,
            body: body(&webhook.body)?,
            headers,
            success: success.map_err(|mistake| BuildError::in_text("success", mistake))?,
            signer: Signer::new(&webhook.signing_secrets)?,
            secrets: Secrets::all(secrets(webhook)),
            client: Client::new(client::Settings {
                egress,
                timeout: tools.timeout,
                ca_file: webhook.ca_file.as_deref(),
                skip_tls_verification: webhook.skip_tls_verification,
                proxy: webhook.proxy.as_ref(),
            })?,
        };
        sink.try_samples()?;
        Ok(sink)
    }

    /// Renders the templates for alerts with quotes and line breaks in their texts. A missing `tojson`, or a header with a
    /// line break, is then found when the config is loaded and not by the first such alert.
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
                let problem = "this is not valid JSON for every alert: write texts as `{{ title|tojson }}`, without quotes around them, or set the header `Content-Type` if the body is not JSON";
                return Err(BuildError::new("body", problem));
            }
        }
        Ok(())
    }

    fn sends_json(&self) -> bool {
        !self.headers.iter().any(|(name, _)| name == CONTENT_TYPE)
    }

    fn rendered(&self, message: &Message) -> Result<Rendered, Failure> {
        let facts = self.needs_facts().then(|| digest::facts(message));
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
        // An operator's own header of this name is kept.
        let trace = message.traceparent.as_deref().map(HeaderValue::from_str);
        if let Some(Ok(trace)) = trace {
            headers.entry(TRACEPARENT).or_insert(trace);
        }
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
        let failed = |class, reason| {
            let reason = said::with_words(reason, said::text(&answer.body), &self.secrets);
            Failure {
                class,
                code: Some(answer.status),
                retry_after: answer.asked_wait(),
                reason,
            }
        };
        if let Some(class) = classify(answer.status) {
            return Err(failed(class, explain(answer.status)));
        }
        match &self.success {
            Some(success) if !success.holds(answer.status, &answer.body) => {
                let reason =
                    "the receiver answered 2xx, but `success` does not hold for its response";
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

/// Every value that a receiver could quote and that must not be shown.
fn secrets(webhook: &Settings) -> impl Iterator<Item = &Secret> {
    let headers = webhook.headers.iter().map(|(_, value)| value);
    let all = headers.chain(&webhook.signing_secrets);
    all.chain(&webhook.proxy).chain([&webhook.url])
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
