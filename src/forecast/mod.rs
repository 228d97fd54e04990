//! What the gateway would do with a request. Uses the same intake and pipeline functions; stores and sends nothing.

pub(crate) mod rewritten;
pub(crate) mod said;
mod types;

use std::collections::HashMap;
use std::sync::Arc;

use campanile_model::{Alert, Callback, Fingerprint, Secret, SinkId, Status};
use campanile_providers::{Effect, Refusal};
use campanile_sinks::{Message, Sink};
use jiff::Timestamp;
use uuid::Uuid;

pub use rewritten::{FieldChange, RewriteApplied};
pub use said::RouteSaid;
pub use types::{Fate, FieldOrigin, Forecast, Origin, Rendered, Reply};

use crate::intake::target::{Target, normal};
use crate::intake::verdict::answer;
use crate::intake::{Kept, Taken, Trust, Turned, Verdict, take};
use crate::pipeline::redaction::hide;
use crate::pipeline::{self, Decision};
use crate::snapshot::{Snapshot, Source};

/// The reason why there is no forecast.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No source has the path of the request, and none was named.
    #[error("no source has the path `{0}` of the request")]
    NoPath(String),
    /// The named source is not configured.
    #[error("`{0}` is not a configured source")]
    NoSource(String),
}

/// The sink with a full name, or the reason why there is none.
pub type SinkOf<'a> = &'a dyn Fn(&str) -> Result<Arc<dyn Sink>, String>;

/// What is asked about a request.
pub struct Question<'a> {
    /// The configuration.
    pub snapshot: &'a Snapshot,
    /// Gives the sinks, which render the alerts.
    pub sink: SinkOf<'a>,
    /// The source that receives the request; none means the source of its path.
    pub source: Option<&'a str>,
    /// Continue as if the sender were verified.
    pub believe: bool,
    /// Add the origin of each field.
    pub explain: bool,
    /// Only so many alerts are routed and rendered.
    pub alerts_max: usize,
    /// The time of messages, and of a request that has no other.
    pub now: Timestamp,
}

impl<'a> Question<'a> {
    /// Returns what the gateway would do with `call`.
    ///
    /// # Errors
    /// No source would receive it.
    pub fn ask(&self, mut call: Callback) -> Result<Forecast, Error> {
        call.received_at.get_or_insert(self.now);
        let path = normal(&call.path).into_owned();
        let target = self.target(&path)?;
        target.mark(&path, &mut call);
        Ok(match self.taken(&target, &call) {
            Taken::Kept(source, kept) => self.kept(source, kept, &call),
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
    fn target<'p>(&self, path: &'p str) -> Result<Target<'a, 'p>, Error> {
        let target = Target::of(path, self.snapshot);
        let Some(name) = self.source else {
            return target.ok_or_else(|| Error::NoPath(path.to_owned()));
        };
        let source = self.snapshot.source(name);
        let source = source.ok_or_else(|| Error::NoSource(name.to_owned()))?;
        Ok(target.map_or_else(|| Target::named(source), |target| target.only(source)))
    }

    /// A verified sender is treated as usual. With `believe`, any other sender is treated as verified.
    fn taken(&self, target: &Target<'a, '_>, call: &Callback) -> Taken<'a> {
        match take(target, call, self.snapshot, Trust::Proven) {
            Taken::Turned(_) | Taken::Needs(..) if self.believe => {
                take(target, call, self.snapshot, Trust::Given)
            }
            taken => taken,
        }
    }

    fn kept(&self, source: &Source, kept: Kept, call: &Callback) -> Forecast {
        let read = kept.read;
        let new = read.alerts.iter().map(|_| Uuid::nil()).collect();
        let verdict = Verdict::of(new, !read.faults.is_empty(), read.alerts.len());
        let more_alerts = read.alerts.len().saturating_sub(self.alerts_max);
        let mut alerts: Vec<Alert> = read
            .alerts
            .into_iter()
            .take(self.alerts_max)
            .map(|identified| identified.alert)
            .collect();
        let mut each: Vec<&mut Alert> = alerts.iter_mut().collect();
        let (decisions, rewritten) = pipeline::prepare(&mut each, self.snapshot);
        let mut rewrites = rewritten.alerts.into_iter();
        let mut plans = Plans::new();
        let fates = alerts.into_iter().zip(decisions).map(|(alert, decision)| {
            let rewrites = rewrites.next().unwrap_or_default();
            let rewrites = rewritten::all(rewrites, &self.snapshot.rewrites);
            let fate = self.fate(alert, &decision, &mut plans);
            Fate { rewrites, ..fate }
        });
        let fates: Vec<Fate> = fates.collect();
        let secrets = rewritten.secrets;
        let forecast = bare(Some(source), &verdict, call);
        let reason = match verdict {
            Verdict::Quarantined => read.faults.first().map(ToString::to_string),
            _ => read.ignored.map(std::borrow::Cow::into_owned),
        };
        Forecast {
            reason,
            alerts: fates,
            more_alerts,
            faults: read.faults,
            remarks: read.remarks.iter().map(ToString::to_string).collect(),
            confirms: read.effect.map(|Effect::Confirm { url }| url),
            explained: self.explain.then(|| self.origin(source, call, &secrets)),
            ..forecast
        }
    }

    fn fate(&self, mut alert: Alert, decision: &Decision<'_>, plans: &mut Plans) -> Fate {
        alert.id = Uuid::nil().to_string();
        let routes = self.snapshot.routes.written.iter().cloned();
        let routes = said::all(routes.zip(decision.because.iter().copied()).collect());
        let sinks = planned(&alert, &decision.sinks, plans);
        let alert = Arc::new(alert);
        let message = Message::of(Arc::clone(&alert), Uuid::nil().to_string(), self.now);
        let sinks = self.names(&sinks);
        Fate {
            rewrites: Vec::new(),
            routes,
            sinks: sinks.map(|name| self.render(name, &message)).collect(),
            alert,
        }
    }

    /// The origin of the fields. A callback that cannot be read has none; its fault gives the reason.
    fn origin(&self, source: &Source, call: &Callback, secrets: &[Secret]) -> Origin {
        let mut origin = origin(source, call);
        if let Origin::Mapping { fields } = &mut origin {
            fields.retain(|field| field.item().unwrap_or_default() < self.alerts_max);
        }
        hidden(origin, secrets)
    }

    /// The names of these sinks, in the order of the file.
    fn names<'s>(&'s self, ids: &'s [SinkId]) -> impl Iterator<Item = &'s str> {
        let all = self.snapshot.sinks.iter();
        let wanted = all.filter(|(id, _)| ids.contains(id));
        wanted.map(|(_, name)| &**name)
    }

    fn render(&self, name: &str, message: &Message) -> Rendered {
        let sink = (self.sink)(name);
        let rendered = sink.and_then(|sink| sink.render(message).map_err(|failure| failure.reason));
        let (request, error) = match rendered {
            Ok(request) => (Some(request), None),
            Err(error) => (None, Some(error)),
        };
        Rendered {
            name: name.to_owned(),
            request,
            error,
        }
    }
}

/// The sinks of the episodes that the alerts of the request have opened so far.
type Plans = HashMap<Fingerprint, Vec<SinkId>>;

/// The sinks of an alert, as the store decides it from the earlier alerts of the same request. Others are not known here.
fn planned(alert: &Alert, routed: &[SinkId], plans: &mut Plans) -> Vec<SinkId> {
    match alert.status {
        Status::Firing => {
            let plan = plans.entry(alert.fingerprint).or_default();
            plan.extend(routed);
            plan.clone()
        }
        Status::Resolved => plans
            .remove(&alert.fingerprint)
            .unwrap_or_else(|| routed.to_vec()),
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
        verdict: verdict.word().to_owned(),
        reason,
        answer: Reply {
            status: answer.status,
            content_type: answer.content_type.to_owned(),
            body: answer.body,
        },
        alerts: Vec::new(),
        more_alerts: 0,
        faults: Vec::new(),
        remarks: Vec::new(),
        confirms: None,
        explained: None,
    }
}

/// Rewrites the alerts of a stored callback that was read again. Returns the values that the rewrites redacted.
pub fn rewrite<'a>(
    alerts: impl IntoIterator<Item = &'a mut Alert>,
    snapshot: &Snapshot,
) -> Vec<Secret> {
    pipeline::rewrite::rewrite(alerts, &snapshot.rewrites).secrets
}

/// The same origin without these values.
pub fn hidden(mut origin: Origin, secrets: &[Secret]) -> Origin {
    if let Origin::Mapping { fields } = &mut origin {
        for field in fields {
            hide(&mut field.value, secrets);
        }
    }
    origin
}

/// The origin of all fields of a callback.
pub fn origin(source: &Source, call: &Callback) -> Origin {
    match source.provider.explained(call, &source.settings) {
        Some(fields) => Origin::Mapping {
            fields: fields
                .into_iter()
                .flatten()
                .map(FieldOrigin::from)
                .collect(),
        },
        None => Origin::Code,
    }
}
