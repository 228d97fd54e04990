//! What would become of a request, found out without storing or sending anything.

use std::sync::Arc;

use campanile_model::{Alert, Callback, Fault};
use campanile_providers::{Effect, Explained, Outcome, Reading, verify};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use uuid::Uuid;

use super::catalog;
use super::failure::Failure;
use crate::config::{Config, Feed, SinkSpec};
use crate::pipeline::route::Router;
use campanile_sinks::{self, Message};

/// How the callback would end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// Its alerts would be kept and delivered.
    Accepted,
    /// It is understood and holds no alert.
    Ignored,
    /// It would be kept for an operator, because it cannot be read.
    Quarantined,
    /// The sender would not be believed.
    Refused,
    /// Neither believed nor readable.
    Rejected,
}

/// What would become of a request.
#[derive(Debug, Serialize)]
pub(crate) struct Forecast {
    /// The source that takes it.
    pub(crate) source: String,
    /// How it would end.
    pub(crate) verdict: Verdict,
    /// Why, where it would not be accepted.
    pub(crate) reason: Option<String>,
    /// What the vendor would be told.
    pub(crate) answer: Told,
    /// Its alerts, each with those who would get it.
    pub(crate) alerts: Vec<Fate>,
    /// What could not be read, and where.
    pub(crate) faults: Vec<Fault>,
    /// A URL that the server would fetch to confirm a subscription.
    pub(crate) confirms: Option<String>,
    /// Where each field came from. None where nobody asked, or nothing is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) explained: Option<Origin>,
}

/// Where the fields of the alerts came from.
#[derive(Debug, Serialize)]
#[serde(tag = "read_by", rename_all = "lowercase")]
pub(crate) enum Origin {
    /// The vendor is a mapping: field by field.
    Mapping {
        /// In the order of the mapping.
        fields: Vec<Explained>,
    },
    /// The vendor's protocol needs code.
    Code,
}

/// What is asked beside the request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    /// Go on as if the sender were believed.
    pub(crate) believe: bool,
    /// Say where each field came from.
    pub(crate) explain: bool,
}

/// What the vendor would be told.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
}

/// One alert and where it would go.
#[derive(Debug, Serialize)]
pub(crate) struct Fate {
    pub(crate) alert: Arc<Alert>,
    pub(crate) sinks: Vec<Rendered>,
}

/// What one sink would send.
#[derive(Debug, Serialize)]
pub(crate) struct Rendered {
    pub(crate) name: String,
    /// The request or the line.
    pub(crate) request: Option<String>,
    /// Why there is none.
    pub(crate) error: Option<String>,
}

/// Finds out what would become of `call` at `feed` at the time `now`.
pub(crate) fn forecast(
    config: &Config,
    feed: &Feed,
    call: &Callback,
    asked: Asked,
    now: Timestamp,
) -> Result<Forecast, Failure> {
    let (provider, source) = (&*feed.provider, &*feed.source);
    let proven = if asked.believe {
        Ok(())
    } else {
        verify(provider, call, source)
    };
    let read = provider.read(call, source);
    let (verdict, reason) = match (&proven, &read) {
        (Ok(()), Ok(reading)) => ending(reading),
        (Ok(()), Err(fault)) => (Verdict::Quarantined, Some(fault.to_string())),
        (Err(refusal), Ok(_)) => (Verdict::Refused, Some(refusal.to_string())),
        (Err(refusal), Err(fault)) => (Verdict::Rejected, Some(format!("{refusal}; {fault}"))),
    };
    let answer = provider.answer(call, &outcome(verdict, proven.err()));
    let explained = (asked.explain && proven.is_ok()).then(|| origin(feed, call));
    let (reading, faults) = match read {
        _ if proven.is_err() => (Reading::default(), Vec::new()),
        Ok(reading) => {
            let faults = reading.unreadable.clone();
            (reading, faults)
        }
        Err(fault) => (Reading::default(), vec![fault]),
    };
    let router = router(config)?;
    let alerts = reading.reports.into_iter().map(|report| {
        let mut alert = report.into_alert(&source.name, now);
        alert.id = Uuid::nil().to_string();
        fate(config, &router, alert, now)
    });
    Ok(Forecast {
        source: source.name.clone(),
        verdict,
        reason,
        answer: Told {
            status: answer.status,
            content_type: answer.content_type,
            body: answer.body,
        },
        alerts: alerts.collect(),
        faults,
        confirms: reading.effect.map(|Effect::Confirm { url }| url),
        explained,
    })
}

/// Where the fields came from. Of a callback that cannot be read at all there are none: its fault says why.
fn origin(feed: &Feed, call: &Callback) -> Origin {
    match feed.provider.explained(call, &feed.source) {
        Some(fields) => Origin::Mapping {
            fields: fields.unwrap_or_default(),
        },
        None => Origin::Code,
    }
}

fn router(config: &Config) -> Result<Router, Failure> {
    Router::compile(&config.routes, config.sinks.len()).map_err(|mistakes| {
        let wrong: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        Failure::usage(wrong.join("\n"))
    })
}

fn ending(reading: &Reading) -> (Verdict, Option<String>) {
    match (reading.ignored.clone(), reading.unreadable.first()) {
        (Some(why), _) => (Verdict::Ignored, Some(why.into_owned())),
        (None, Some(fault)) if reading.reports.is_empty() => {
            (Verdict::Quarantined, Some(fault.to_string()))
        }
        _ => (Verdict::Accepted, None),
    }
}

fn outcome(verdict: Verdict, refusal: Option<campanile_providers::Refusal>) -> Outcome<'static> {
    match (verdict, refusal) {
        (Verdict::Accepted, _) => Outcome::Accepted {
            id: "00000000-0000-0000-0000-000000000000",
        },
        (Verdict::Ignored, _) => Outcome::Accepted { id: "" },
        (Verdict::Quarantined, _) => Outcome::Quarantined,
        (Verdict::Rejected, _) => Outcome::Rejected {
            status: 400,
            reason: "the request cannot be read",
        },
        (Verdict::Refused, Some(campanile_providers::Refusal::Missing)) => {
            Outcome::Refused { status: 401 }
        }
        (Verdict::Refused, _) => Outcome::Refused { status: 403 },
    }
}

fn fate(config: &Config, router: &Router, alert: Alert, now: Timestamp) -> Fate {
    let goes_to = router.sinks(&alert);
    let alert = Arc::new(alert);
    let message = Message::of(Arc::clone(&alert), Uuid::nil().to_string(), now);
    let specs = goes_to.into_iter().filter_map(|at| config.sinks.get(at));
    Fate {
        sinks: specs.map(|spec| render(spec, &message)).collect(),
        alert,
    }
}

fn render(spec: &SinkSpec, message: &Message) -> Rendered {
    let built = campanile_sinks::build(spec).map_err(|mistake| mistake.to_string());
    let rendered = built.and_then(|sink| sink.render(message).map_err(|failure| failure.reason));
    let (request, error) = match rendered {
        Ok(request) => (Some(request), None),
        Err(error) => (None, Some(error)),
    };
    Rendered {
        name: spec.name.clone(),
        request,
        error,
    }
}

/// The source that takes the request, by name where one is given, else by its path. Puts the key in its place.
pub(crate) fn locate<'c>(
    config: &'c Config,
    call: &mut Callback,
    name: Option<&str>,
) -> Result<&'c Feed, Failure> {
    let path = call.path.clone();
    let segments: Vec<&str> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    let key = match segments.as_slice() {
        ["callback", _, _, key] | ["callback" | "add", key] => Some(*key),
        _ => None,
    };
    call.key = key.map(|key| percent_decode_str(key).decode_utf8_lossy().into_owned());
    match (name, segments.as_slice()) {
        (Some(name), _) => named(config, name),
        (None, ["callback", provider, name, ..]) => named(config, &format!("{provider}/{name}")),
        (None, ["callback"] | ["callback", _]) => recognized(config, call),
        (None, ["add" | "get"] | ["add", _]) => {
            let mut feeds = config.feeds.iter();
            let demo = feeds.find(|feed| feed.source.demo_paths);
            demo.ok_or_else(|| nowhere(&path))
        }
        _ => Err(nowhere(&path)),
    }
}

fn named<'c>(config: &'c Config, name: &str) -> Result<&'c Feed, Failure> {
    let names = || config.feeds.iter().map(|feed| feed.source.name.as_str());
    let found = config.feeds.iter().find(|feed| feed.source.name == name);
    let lister = "campanile check";
    found.ok_or_else(|| catalog::unknown("source", name, names(), lister))
}

/// The first source that knows the request and believes it; else the first that knows it.
fn recognized<'c>(config: &'c Config, call: &Callback) -> Result<&'c Feed, Failure> {
    let knows = |feed: &&Feed| feed.provider.recognizes(call);
    let believes = |feed: &&Feed| verify(&*feed.provider, call, &feed.source).is_ok();
    let mut knowing = config.feeds.iter().filter(knows);
    let first = knowing.clone().next();
    knowing
        .find(believes)
        .or(first)
        .ok_or_else(|| Failure::failed("no source recognizes this request"))
}

fn nowhere(path: &str) -> Failure {
    Failure::usage(format!("the request's path `{path}` leads to no source"))
        .hint("name the source: --source ucloud/prod")
}
