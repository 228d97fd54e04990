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
use crate::{BuildError, Class, Delivered, Failure, Parcel, Sink, render};
use crate::{SinkSpec, Webhook as Spec, WebhookBody};
use campanile_language::{Facts, Mistake, Success, Template, sample_alerts};

/// The header that marks what an operator sent again by hand.
pub const REDRIVEN: HeaderName = HeaderName::from_static("campanile-redriven");
/// Standard Webhooks' names.
const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
/// What an operator may not set: it is ours or the protocol's.
const RESERVED: &[&str] = &[
    "campanile-redriven",
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
you have seen), `webhook-timestamp` and, with a secret, `webhook-signature` as in Standard Webhooks. What an operator sent
again by hand carries `campanile-redriven: true`.

## When it fails
408, 409, 421, 423, 424, 425, 429, 5xx, timeouts, DNS and TLS: again, and `Retry-After` is obeyed. 401, 403, 404, 407,
redirects (never followed) and other 4xx: again, slowly, and you are told. 400, 411, 413-417, 422, 431: this message is
not accepted; three tries, then a dead letter. 410: the sink is paused.
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
                    BuildError::new(&format!("headers.{name}"), failure.cause)
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

    fn rendered(&self, parcel: &Parcel) -> Result<Rendered, Failure> {
        let facts = self.needs_facts().then(|| {
            let Parcel {
                alert,
                delivery_id,
                attempt,
                redriven,
                ..
            } = parcel;
            Facts::of_delivery(alert, delivery_id, *attempt, *redriven)
        });
        let body = self.body_of(parcel, facts.as_ref())?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type()));
        for (name, template) in &self.headers {
            if let Some(facts) = &facts {
                headers.insert(name.clone(), header_value(name, template, facts)?);
            }
        }
        self.sign(parcel, &body, &mut headers)?;
        if parcel.redriven {
            headers.insert(REDRIVEN, HeaderValue::from_static("true"));
        }
        Ok(Rendered { headers, body })
    }

    fn needs_facts(&self) -> bool {
        !self.headers.is_empty() || matches!(self.body, Body::Template(_))
    }

    fn body_of(&self, parcel: &Parcel, facts: Option<&Facts>) -> Result<Bytes, Failure> {
        Ok(match &self.body {
            Body::Alert => Bytes::from_owner(parcel.json.clone()),
            Body::CloudEvents => render::cloudevents(&parcel.alert).into(),
            Body::Alertmanager => render::alertmanager(&parcel.alert, &self.name).into(),
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

    fn content_type(&self) -> &'static str {
        match self.body {
            Body::CloudEvents => "application/cloudevents+json; charset=utf-8",
            Body::Alert | Body::Alertmanager | Body::Template(_) => "application/json",
        }
    }

    fn sign(&self, parcel: &Parcel, body: &[u8], headers: &mut HeaderMap) -> Result<(), Failure> {
        let id = HeaderValue::try_from(&parcel.delivery_id)
            .map_err(|_| Failure::new(Class::Poison, "the delivery's id is no header"))?;
        headers.insert(WEBHOOK_ID, id);
        headers.insert(WEBHOOK_TIMESTAMP, parcel.at.as_second().into());
        if self.signer.is_empty() {
            return Ok(());
        }
        let signature = self.signer.sign(&parcel.delivery_id, parcel.at, body);
        let mut signature = HeaderValue::try_from(signature)
            .map_err(|_| Failure::new(Class::Poison, "the signature is no header"))?;
        signature.set_sensitive(true);
        headers.insert(WEBHOOK_SIGNATURE, signature);
        Ok(())
    }

    async fn deliver(&self, parcel: &Parcel) -> Result<Delivered, Failure> {
        let Rendered { headers, body } = self.rendered(parcel)?;
        let request = Request {
            method: self.method.clone(),
            url: self.url.clone(),
            headers,
            body,
            at: parcel.at,
        };
        let answer = self.client.exchange(request).await?;
        let failed = |class, cause| Failure {
            class,
            code: Some(answer.status),
            retry_after: answer.retry_after,
            cause,
        };
        if let Some(class) = classify(answer.status) {
            return Err(failed(class, explain(answer.status)));
        }
        match &self.success {
            Some(success) if !success.holds(answer.status, &answer.body) => {
                let cause = "the receiver answered, but `success` does not hold for its answer";
                Err(failed(Class::Transient, cause.to_owned()))
            }
            _ => Ok(Delivered {
                code: Some(answer.status),
            }),
        }
    }
}

impl Sink for Webhook {
    fn send<'a>(&'a self, parcel: &'a Parcel) -> BoxFuture<'a, Result<Delivered, Failure>> {
        Box::pin(self.deliver(parcel))
    }

    fn render(&self, parcel: &Parcel) -> Result<String, Failure> {
        let Rendered { headers, body } = self.rendered(parcel)?;
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

fn address(url: &Secret, egress: Egress) -> Result<Url, BuildError> {
    let wrong = |problem: String| BuildError::new("url", problem);
    let form = "this is no address such as `https://oncall.example.com/hook`";
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
        .map_err(|_| BuildError::new(&setting, "this is no name of a header"))?;
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
    let poison = |why: String| Failure::new(Class::Poison, format!("the header `{name}` {why}"));
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
