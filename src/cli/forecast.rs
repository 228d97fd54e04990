//! What the gateway would do with a request. Uses the same intake and pipeline functions; stores and sends nothing.

use std::sync::Arc;

use campanile_model::{Alert, Callback, Fault, SinkId};
use campanile_providers::{Effect, Explained, Refusal};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::catalog;
use super::failure::Failure;
use crate::config::{Config, SinkSpec};
use crate::intake::target::{Target, normal};
use crate::intake::verdict::answer;
use crate::intake::{Kept, Taken, Trust, Turned, Verdict, take};
use crate::pipeline::{self, Match};
use crate::snapshot::{Snapshot, Source};
use campanile_sinks::{self, Message};

/// What the gateway would do with a request.
#[derive(Debug, Serialize)]
pub(crate) struct Forecast {
    /// The source that receives it; none if there is no such source.
    pub(crate) source: Option<String>,
    /// `accepted`, `ignored`, `quarantined` or `rejected`.
    pub(crate) verdict: &'static str,
    /// The reason, if it would not be accepted.
    pub(crate) reason: Option<String>,
    /// The answer to the vendor.
    pub(crate) answer: Reply,
    /// The alerts, each with its sinks.
    pub(crate) alerts: Vec<Fate>,
    /// What could not be read, with the place.
    pub(crate) faults: Vec<Fault>,
    /// Problems that did not prevent the callback from being read.
    pub(crate) remarks: Vec<String>,
    /// The URL that the gateway would fetch to confirm a subscription.
    pub(crate) confirms: Option<String>,
    /// The origin of each field. None without `--explain`, or if nothing was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) explained: Option<Origin>,
}

/// The origin of the fields of the alerts.
#[derive(Debug, Serialize)]
#[serde(tag = "read_by", rename_all = "lowercase")]
pub(crate) enum Origin {
    /// The vendor is read by a mapping.
    Mapping {
        /// The fields, in the order of the mapping.
        fields: Vec<Explained>,
    },
    /// The vendor is read by code.
    Code,
}

/// The answer to the vendor.
#[derive(Debug, Serialize)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
}

/// One alert with its routes and sinks.
#[derive(Debug, Serialize)]
pub(crate) struct Fate {
    pub(crate) alert: Arc<Alert>,
    /// The result of each route, in the order of the file.
    pub(crate) routes: Vec<RouteSaid>,
    pub(crate) sinks: Vec<Rendered>,
}

/// The result of one route for an alert.
#[derive(Debug, Serialize)]
pub(crate) struct RouteSaid {
    /// The condition; none matches every alert.
    pub(crate) when: Option<String>,
    /// `yes`, `no` or `failed`. A route whose condition failed is applied.
    pub(crate) matches: &'static str,
}

/// What one sink would send.
#[derive(Debug, Serialize)]
pub(crate) struct Rendered {
    pub(crate) name: String,
    /// The request or the line.
    pub(crate) request: Option<String>,
    /// The reason, if there is no request.
    pub(crate) error: Option<String>,
}

/// The arguments of `campanile try`.
pub(crate) struct Question<'a> {
    pub(crate) config: &'a Config,
    /// The source that receives the request; none means the source of its path.
    pub(crate) source: Option<&'a str>,
    /// Continue as if the sender were verified.
    pub(crate) believe: bool,
    /// Add the origin of each field.
    pub(crate) explain: bool,
    pub(crate) now: Timestamp,
}

impl Question<'_> {
    /// Returns what the gateway would do with `call`.
    pub(crate) fn ask(&self, mut call: Callback) -> Result<Forecast, Failure> {
        let sinks: Vec<SinkId> = (0..self.config.sinks.len()).filter_map(number).collect();
        let snapshot = Snapshot::new(self.config, &sinks).map_err(|mistakes| {
            let wrong: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            Failure::usage(wrong.join("\n"))
        })?;
        call.received_at = Some(self.now);
        let path = normal(&call.path).into_owned();
        let target = self.target(&path, &snapshot)?;
        target.mark(&path, &mut call);
        Ok(match self.taken(&target, &call, &snapshot) {
            Taken::Kept(source, kept) => self.kept(source, kept, &call, &snapshot),
            Taken::List(source) => bare(Some(source), &Verdict::Ignored, &call),
            Taken::Consent(_) => bare(target.source(), &Verdict::Ignored, &call),
            Taken::Needs(source, _) => {
                let verdict = Verdict::Refused(Refusal::Uncertified);
                bare(Some(source), &verdict, &call)
            }
            Taken::Turned(Turned { source, verdict }) => bare(source, &verdict, &call),
        })
    }

    /// The target of the request: by its path, or the named source.
    fn target<'s, 'p>(
        &self,
        path: &'p str,
        snapshot: &'s Snapshot,
    ) -> Result<Target<'s, 'p>, Failure> {
        let target = Target::of(path, snapshot);
        let Some(name) = self.source else {
            return target.ok_or_else(|| {
                Failure::usage(format!("no source has the path `{path}` of the request"))
                    .hint("give the source, for example --source ucloud/prod")
            });
        };
        let source = snapshot.source(name).ok_or_else(|| {
            let names = snapshot.sources.iter().map(|source| &*source.name);
            catalog::unknown("source", name, names, "campanile check")
        })?;
        Ok(target.map_or_else(|| Target::named(source), |target| target.only(source)))
    }

    /// A verified sender is treated as usual. With `--believe`, any other sender is treated as verified.
    fn taken<'s>(
        &self,
        target: &Target<'s, '_>,
        call: &Callback,
        snapshot: &'s Snapshot,
    ) -> Taken<'s> {
        match take(target, call, snapshot, Trust::Proven) {
            Taken::Turned(_) | Taken::Needs(..) if self.believe => {
                take(target, call, snapshot, Trust::Given)
            }
            taken => taken,
        }
    }

    fn kept(&self, source: &Source, kept: Kept, call: &Callback, snapshot: &Snapshot) -> Forecast {
        let read = kept.read;
        let new = read.alerts.iter().map(|_| Uuid::nil()).collect();
        let verdict = Verdict::of(new, !read.faults.is_empty(), read.alerts.len());
        let alerts = read.alerts.into_iter();
        let fates = alerts.map(|identified| self.fate(identified.alert, snapshot));
        let forecast = bare(Some(source), &verdict, call);
        let reason = match verdict {
            Verdict::Quarantined => read.faults.first().map(ToString::to_string),
            _ => read.ignored.map(std::borrow::Cow::into_owned),
        };
        Forecast {
            reason,
            alerts: fates.collect(),
            faults: read.faults,
            remarks: read.remarks.iter().map(ToString::to_string).collect(),
            confirms: read.effect.map(|Effect::Confirm { url }| url),
            explained: self.explain.then(|| origin(source, call)),
            ..forecast
        }
    }

    fn fate(&self, mut alert: Alert, snapshot: &Snapshot) -> Fate {
        alert.id = Uuid::nil().to_string();
        let decision = pipeline::decide(&alert, snapshot);
        let routes = snapshot.routes.all.iter().zip(&decision.because);
        let routes = routes.map(|(route, said)| RouteSaid {
            when: route.text.clone(),
            matches: match said {
                Match::Yes => "yes",
                Match::No => "no",
                Match::Failed => "failed",
            },
        });
        let alert = Arc::new(alert);
        let message = Message::of(Arc::clone(&alert), Uuid::nil().to_string(), self.now);
        let places = decision.sinks.iter().map(|id| usize::try_from(*id));
        let specs = places.filter_map(|place| self.config.sinks.get(place.ok()?));
        Fate {
            routes: routes.collect(),
            sinks: specs.map(|spec| render(spec, &message)).collect(),
            alert,
        }
    }
}

/// A forecast without alerts.
fn bare(source: Option<&Source>, verdict: &Verdict, call: &Callback) -> Forecast {
    let answer = answer(source, call, verdict);
    let reason = match verdict {
        Verdict::Refused(refusal) => Some(refusal.to_string()),
        Verdict::Rejected(reason) => Some(reason.sentence().to_owned()),
        _ => None,
    };
    Forecast {
        source: source.map(|source| source.name.to_string()),
        verdict: verdict.word(),
        reason,
        answer: Reply {
            status: answer.status,
            content_type: answer.content_type,
            body: answer.body,
        },
        alerts: Vec::new(),
        faults: Vec::new(),
        remarks: Vec::new(),
        confirms: None,
        explained: None,
    }
}

/// The id for the sink at this position of the configuration.
fn number(place: usize) -> Option<SinkId> {
    SinkId::try_from(place).ok()
}

/// The origin of the fields. A callback that cannot be read has none; its fault gives the reason.
fn origin(source: &Source, call: &Callback) -> Origin {
    match source.provider.explained(call, &source.settings) {
        Some(fields) => Origin::Mapping {
            fields: fields.unwrap_or_default(),
        },
        None => Origin::Code,
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
