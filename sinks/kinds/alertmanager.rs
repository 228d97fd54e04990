//! # alertmanager
//!
//! ## What it does
//! Posts each alert to Prometheus Alertmanager (`POST /api/v2/alerts`), to every replica of its cluster. Alertmanager forgets an
//! alert whose end has come, and everything when it restarts: open alerts are sent again every minute, as Prometheus does.
//!
//! ## Set it up
//! 1. Give the address of every replica, not that of a load balancer: the replicas do not pass alerts on to each other.
//! 2. If Alertmanager has Basic authentication (`web.config.file`), set `username` and `password`.
//!
//! ```toml
//! [sinks.alertmanager.cluster]
//! urls = ["http://alertmanager-0:9093", "http://alertmanager-1:9093"]
//! labels = { team = "infra" }
//! ```
//!
//! ## What is sent
//! Labels: `alertname` (the metric, else the title), `severity`, `source`, `fingerprint`, `resource_type`, `resource_id`,
//! `resource_name`, `region`, `account`, the vendor's labels and yours. Characters that a label name cannot have become `_`. Alertmanager
//! names an alert by all its labels, so every message of a problem has the labels of the firing that opened it. Annotations:
//! `summary`, `description`, `value`, `threshold`, `message_id`, `severity`. A firing ends `hold` from now and is sent again before; a
//! recovery ends now, or at the vendor's time if that is earlier.
//!
//! ## When it fails
//! One replica that takes the alert is a success; the page of the delivery names those that did not, and the next refresh reaches
//! them. If none takes it: 5xx and a refused connection are retried; 401, 403, 404, 405, 410 (an Alertmanager before 0.16) are retried
//! slowly and you are notified; 400 gets three attempts, then a dead letter. If Campanile is down for longer than `hold`, Alertmanager
//! reports open alerts as resolved.
//!
//! ## What is not certain
//! A success means that Alertmanager has the alert in memory. Versions from 0.26 on were not tried. An alert that is open for longer
//! than `retention_days` is not sent again, because its firing is no longer kept.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use campanile_model::{Alert, Fingerprint, Secret, Status};
use campanile_settings::{Setting, Type, Values, http_url, optional, required, with};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::sync::RwLock;
use url::Url;

use crate::dial::within;
use crate::http::client::{Client, Request, admit_host, classify, explain};
use crate::kind::page;
use crate::reach::{self, Reach};
use crate::{
    About, BuildError, Class, Confidence, Delivered, Failure, Group, Kind, Limits, Message, Sink,
    Tools, render,
};

/// What the store keeps as the handle: it says that the receiver knows the episode.
const KNOWN: &str = "known";
/// An alert that Alertmanager refuses is named in its answer; at most this much of that is shown.
const WORDS_CHARACTERS_MAX: usize = 200;
/// How long an alert fires whose recovery came before its firing could be sent, such as a dead letter that is retried. As
/// long as Alertmanager's own `resolve_timeout`.
const CLOSED_HOLD: Duration = Duration::from_mins(5);
/// A replica that is down must not hold up the alert that another has taken.
const GRACE: Duration = Duration::from_secs(1);

/// The kind.
#[derive(Debug)]
pub struct AlertmanagerKind;

static ABOUT: About = About {
    name: Cow::Borrowed("alertmanager"),
    title: Cow::Borrowed("Prometheus Alertmanager: every replica of a cluster"),
    group: Group::Machines,
    confidence: Confidence::Tested,
    feature: None,
    alternatives: &[],
    limits: Limits::NONE,
    digest: false,
};

const OWN: &[Setting] = &[
    required(
        "urls",
        Type::Texts,
        r#"["http://alertmanager-0:9093", "http://alertmanager-1:9093"]"#,
        "The address of every replica, with its path prefix if it has one.",
    ),
    optional(
        "username",
        Type::Text,
        r#""campanile""#,
        "For Basic authentication.",
    ),
    optional(
        "password",
        Type::Secret,
        r#"{ env = "ALERTMANAGER_PASSWORD" }"#,
        "For Basic authentication.",
    ),
    with(
        "labels",
        Type::Labels,
        "{}",
        "Labels for every alert, such as { team = \"infra\" }.",
    ),
    with(
        "hold",
        Type::Duration(120, 2_592_000),
        r#""1h""#,
        "How long Alertmanager keeps an open alert that is not sent again.",
    ),
    with(
        "resend",
        Type::Duration(10, 3600),
        r#""1m""#,
        "How often open alerts are sent again. Must be less than `hold`.",
    ),
];

impl Kind for AlertmanagerKind {
    fn about(&self) -> &About {
        &ABOUT
    }

    fn settings(&self) -> &[Setting] {
        static SETTINGS: LazyLock<Vec<Setting>> =
            LazyLock::new(|| OWN.iter().chain(reach::SETTINGS).cloned().collect());
        &SETTINGS
    }

    fn page(&self) -> String {
        page(include_str!("alertmanager.rs"))
    }

    fn build(&self, values: &Values, tools: &Tools<'_>) -> Result<Arc<dyn Sink>, BuildError> {
        let reach = Reach::of(values)?;
        let (hold, resend): (Duration, Duration) = (values.get("hold")?, values.get("resend")?);
        if resend >= hold {
            return Err(BuildError::new("resend", "it must be less than `hold`"));
        }
        let urls = values.texts("urls").iter().map(|url| endpoint(url, &reach));
        let urls: Vec<Url> = urls.collect::<Result<_, _>>()?;
        if urls.is_empty() {
            return Err(BuildError::new("urls", "write at least one address"));
        }
        let password: Option<Secret> = values.maybe("password");
        Ok(Arc::new(Alertmanager {
            urls,
            authorization: authorization(values.text("username"), password.as_ref())?,
            labels: values.get("labels")?,
            hold,
            resend,
            client: reach.client(tools.timeout)?,
            timeout: tools.timeout,
            ended: Mutex::default(),
            turn: RwLock::default(),
        }))
    }
}

fn endpoint(base: &str, reach: &Reach) -> Result<Url, BuildError> {
    let wrong = |problem: String| BuildError::new("urls", problem);
    let text = format!("{}/api/v2/alerts", base.trim_end_matches('/'));
    let url = http_url(&text).map_err(|problem| {
        wrong(format!(
            "one of them {problem}; write one such as `http://alertmanager:9093`"
        ))
    })?;
    admit_host(&url, reach.egress).map_err(|refused| wrong(refused.to_string()))?;
    Ok(url)
}

fn authorization(
    user: Option<&str>,
    password: Option<&Secret>,
) -> Result<Option<HeaderValue>, BuildError> {
    let (user, password) = match (user, password) {
        (Some(user), Some(password)) => (user, password.expose_secret()),
        (None, None) => return Ok(None),
        _ => {
            return Err(BuildError::new(
                "username",
                "set `username` and `password`, or none",
            ));
        }
    };
    let credentials = BASE64_STANDARD.encode(format!("{user}:{password}"));
    let mut value = HeaderValue::try_from(format!("Basic {credentials}"))
        .map_err(|_| BuildError::new("password", "this cannot be sent in a header"))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

struct Alertmanager {
    urls: Vec<Url>,
    authorization: Option<HeaderValue>,
    labels: BTreeMap<String, String>,
    hold: Duration,
    resend: Duration,
    client: Client,
    timeout: Duration,
    /// Problems that ended, and when: a refresh that was read before can still hold their firing.
    ended: Mutex<HashMap<Fingerprint, Timestamp>>,
    /// Read while a recovery is sent, written while a refresh is: a firing that is sent again never follows the recovery of
    /// its problem.
    turn: RwLock<()>,
}

impl Alertmanager {
    fn body(&self, message: &Message, alerts: &[&Alert]) -> Vec<u8> {
        let posted: Vec<Value> = alerts
            .iter()
            .map(|alert| self.posted(alert, message))
            .collect();
        serde_json::to_vec(&posted).unwrap_or_default()
    }

    fn posted(&self, alert: &Alert, message: &Message) -> Value {
        let opened = message.opened.as_deref().unwrap_or(alert);
        let start = opened
            .starts_at
            .unwrap_or(opened.received_at)
            .min(message.at);
        let end = match alert.status {
            Status::Firing if message.episode_open => later(message.at, self.hold),
            // It is over already, and nothing will send it again.
            Status::Firing => later(message.at, CLOSED_HOLD),
            // A vendor's clock that is ahead would let the alert fire until then.
            Status::Resolved => alert.ends_at.unwrap_or(alert.received_at).min(message.at),
        };
        let mut posted = json!({
            "labels": self.labels_of(opened),
            "annotations": annotations(alert),
            "startsAt": start.min(end),
            "endsAt": end,
        });
        if let Some(link) = alert.links.first() {
            posted["generatorURL"] = json!(link.url);
        }
        posted
    }

    /// The vendor's labels, ours and the operator's, with names that Alertmanager takes. Of two labels that get one name, the
    /// first stays.
    fn labels_of(&self, opened: &Alert) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::new();
        let own = self
            .labels
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()));
        let fingerprint = ("fingerprint".to_owned(), opened.fingerprint.to_string());
        let theirs = render::labels(opened).into_iter();
        let theirs = theirs.filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())));
        for (name, value) in own.chain([fingerprint]).chain(theirs) {
            if !value.is_empty() {
                labels.entry(label_name(&name)).or_insert(value);
            }
        }
        labels
    }

    /// Sends to all replicas at once. When one has taken it, the others get a short time more.
    async fn post(&self, at: Timestamp, body: Vec<u8>) -> Result<Delivered, Failure> {
        let body = bytes::Bytes::from(body);
        let mut calls: FuturesUnordered<_> = self
            .urls
            .iter()
            .map(|url| {
                let call = self.call(url, at, body.clone());
                async move { (url, call.await) }
            })
            .collect();
        let (mut taken, mut failures, mut waiting) = (None, Vec::new(), self.urls.len());
        while waiting > 0 {
            let next = calls.next();
            let next = match taken {
                None => next.await,
                Some(_) => tokio::time::timeout(GRACE, next).await.ok().flatten(),
            };
            let Some((url, result)) = next else {
                break;
            };
            waiting -= 1;
            match result {
                Ok(code) => taken = Some(code),
                Err(failure) => failures.push((url.host_str().unwrap_or_default(), failure)),
            }
        }
        let Some(code) = taken else {
            let first = failures.into_iter().next().map(|(_, failure)| failure);
            return Err(first.unwrap_or_else(|| Failure::new(Class::Operator, "no replica is set")));
        };
        Ok(Delivered {
            handle: Some(KNOWN.to_owned()),
            remark: remark(&failures, waiting),
            ..Delivered::with_code(code)
        })
    }

    async fn call(&self, url: &Url, at: Timestamp, body: bytes::Bytes) -> Result<u16, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(value) = &self.authorization {
            headers.insert(AUTHORIZATION, value.clone());
        }
        let request = Request {
            method: Method::POST,
            url: url.clone(),
            headers,
            body,
            at,
        };
        let response = self.client.exchange(request).await?;
        let failed = |class, reason| Failure {
            class,
            code: Some(response.status),
            retry_after: response.asked_wait(),
            reason,
        };
        match (response.status, classify(response.status)) {
            (200, _) => Ok(200),
            (status, Some(Class::Poison)) => {
                let words = String::from_utf8_lossy(&response.body);
                let words: String = words.chars().take(WORDS_CHARACTERS_MAX).collect();
                let words = words.replace(char::is_control, " ");
                Err(failed(
                    Class::Poison,
                    format!("{}. It said: {words}", explain(status)),
                ))
            }
            // An Alertmanager before 0.16 or a wrong path prefix: not a receiver that is gone.
            (status, Some(Class::Gone)) => Err(failed(Class::Operator, explain(status))),
            (status, Some(class)) => Err(failed(class, explain(status))),
            (status, None) => Err(failed(
                Class::Operator,
                format!(
                    "the receiver answered {status}, but not as Alertmanager does: check the address"
                ),
            )),
        }
    }

    async fn deliver(&self, message: &Message) -> Result<Delivered, Failure> {
        let alerts: Vec<&Alert> = message.alerts.iter().map(AsRef::as_ref).collect();
        let ends = alerts.iter().any(|alert| alert.status == Status::Resolved);
        let _turn = if ends {
            Some(self.turn.read().await)
        } else {
            None
        };
        for alert in &alerts {
            let mut ended = self.ended();
            match alert.status {
                Status::Firing => ended.remove(&alert.fingerprint),
                Status::Resolved => ended.insert(alert.fingerprint, message.at),
            };
        }
        self.post(message.at, self.body(message, &alerts)).await
    }

    async fn send_again(&self, message: &Message) -> Result<(), Failure> {
        let _turn = self.turn.write().await;
        let open: Vec<&Alert> = {
            let mut ended = self.ended();
            // A list of open episodes that is read later than this does not hold them.
            ended.retain(|_, at| message.at < later(*at, 2 * self.resend));
            let alerts = message.alerts.iter().map(AsRef::as_ref);
            alerts
                .filter(|alert: &&Alert| !ended.contains_key(&alert.fingerprint))
                .collect()
        };
        if open.is_empty() {
            return Ok(());
        }
        self.post(message.at, self.body(message, &open))
            .await
            .map(drop)
    }

    fn ended(&self) -> MutexGuard<'_, HashMap<Fingerprint, Timestamp>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names the replicas that did not take the message.
fn remark(failures: &[(&str, Failure)], waiting: usize) -> Option<String> {
    let named = failures
        .iter()
        .map(|(host, failure)| format!("{host}: {failure}"));
    let late = (waiting > 0).then(|| format!("{waiting} did not answer in time"));
    let all: Vec<String> = named.chain(late).collect();
    (!all.is_empty()).then(|| format!("some replicas did not take it: {}", all.join("; ")))
}

impl Sink for Alertmanager {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Failure>> {
        Box::pin(within(self.timeout, self.deliver(message)))
    }

    fn refresh_every(&self) -> Option<Duration> {
        Some(self.resend)
    }

    fn refresh<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(within(self.timeout, self.send_again(message)))
    }

    fn render(&self, message: &Message) -> Result<String, Failure> {
        let alerts: Vec<&Alert> = message.alerts.iter().map(AsRef::as_ref).collect();
        let mut out = String::new();
        for url in &self.urls {
            let _infallible = writeln!(out, "POST {url}");
        }
        let body = self.body(message, &alerts);
        Ok(out + "content-type: application/json\n\n" + &String::from_utf8_lossy(&body))
    }
}

fn annotations(alert: &Alert) -> Value {
    let mut annotations = json!({
        "summary": alert.title,
        "description": alert.description,
        "severity": alert.severity,
        "message_id": alert.message_id,
    });
    for (name, value) in [
        ("value", &alert.metric.value),
        ("threshold", &alert.metric.threshold),
    ] {
        if let Some(value) = value {
            // Annotations are texts.
            annotations[name] = json!(value.to_string());
        }
    }
    annotations
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`: what every version takes.
fn label_name(name: &str) -> String {
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut safe: String = name
        .chars()
        .map(|c| if valid(c) { c } else { '_' })
        .collect();
    if safe.starts_with(|c: char| c.is_ascii_digit()) {
        safe.insert(0, '_');
    }
    safe
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
