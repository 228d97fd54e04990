//! `POST /api/v1/sources/{provider}/{name}/simulate`: takes a built-in message of the vendor, as if the vendor had sent it.

use actix_web::{HttpResponse, web};
use campanile_model::Callback;
use campanile_providers::{Fixture, Stamp, fixtures};
use jiff::Timestamp;
use secrecy::ExposeSecret;

use super::actor::{Actor, in_vain};
use super::error::ApiError;
use super::types::{Retry, Simulate, Simulated};
use super::{Failing, alerts, body, resource, sources};
use crate::http::Gateway;
use crate::http::commit;
use crate::intake::{Kept, Taken, Target, Trust, take};
use crate::snapshot::routes::sorted;
use crate::snapshot::{Snapshot, Source};
use campanile_store::{Act, Appended, Appending, Entry};

/// The label of each simulated alert, for routes and receivers.
pub(super) const LABEL: &str = "campanile_simulated";

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/sources/{provider}/{name}/simulate").post(simulate));
}

/// Takes a built-in message of the vendor, as if the vendor had sent it. Its alerts have the label `campanile_simulated=yes`,
/// and only the named sinks get them.
#[utoipa::path(
    post,
    path = "/api/v1/sources/{provider}/{name}/simulate",
    params(
        ("provider" = String, Path, description = "Such as `ucloud`"),
        ("name" = String, Path, description = "Such as `prod`"),
    ),
    request_body = Simulate,
    responses((status = 200, body = Simulated))
)]
pub(super) async fn simulate(
    name: web::Path<(String, String)>,
    bytes: web::Bytes,
    gateway: web::Data<Gateway>,
    actor: Actor,
) -> Failing<HttpResponse> {
    let wanted = body::read(
        &bytes,
        "the body is not valid: send `{\"case\":\"firing\",\"sinks\":[\"webhook/oncall\"]}` as JSON",
    )?;
    Ok(HttpResponse::Ok().json(play(&gateway, &name, wanted, &actor).await?))
}

/// The messages that can be simulated for a source.
pub(crate) fn cases(gateway: &Gateway, source: &str) -> Vec<&'static str> {
    let current = gateway.current();
    let vendor = current.snapshot.source(source).map(Source::vendor);
    let all = vendor.map_or(&[][..], fixtures).iter();
    let cases = all.map(|fixture| fixture.case);
    cases
        .filter(|case| ["firing", "resolved"].contains(case))
        .collect()
}

/// A built-in message of the vendor of a source, as text.
pub(crate) fn example(gateway: &Gateway, source: &str, case: &str) -> Failing<String> {
    let current = gateway.current();
    let snapshot = &current.snapshot;
    let source = snapshot
        .source(source)
        .ok_or_else(|| sources::absent(snapshot))?;
    let fixture = fixture(source.vendor(), case)?;
    Ok(String::from_utf8_lossy(fixture.request).into_owned())
}

fn fixture(vendor: &str, case: &str) -> Failing<&'static Fixture> {
    let found = fixtures(vendor).iter().find(|fixture| fixture.case == case);
    found.ok_or_else(|| {
        ApiError::bad_request(format!(
            "the vendor `{vendor}` has no built-in message `{case:.40}`"
        ))
    })
}

/// Takes a message of the vendor and stores its alerts for the named sinks.
pub(crate) async fn play(
    gateway: &Gateway,
    name: &(String, String),
    wanted: Simulate,
    actor: &Actor,
) -> Failing<Simulated> {
    let current = gateway.current();
    let snapshot = &current.snapshot;
    let source = snapshot
        .source(&format!("{}/{}", name.0, name.1))
        .ok_or_else(|| sources::absent(snapshot))?;
    let sinks = alerts::sinks_of(
        gateway,
        Retry {
            sinks: Some(wanted.sinks),
        },
    )
    .await?;
    let call = message(source, &wanted.case, gateway.clock.now())?;
    let (kept, proven) = taken(source, call, snapshot)?;
    let mut entry = entry(gateway, source, kept, snapshot)?;
    for alert in &mut entry.alerts {
        alert.sinks = sorted(sinks.iter().map(|(id, _)| *id).collect());
    }
    let names: Vec<&str> = sinks.iter().map(|(_, name)| name.as_str()).collect();
    let act = Act {
        detail: format!("{} for {}", wanted.case, names.join(", ")),
        ..actor.does(gateway, "sources.simulate", &*source.name)
    };
    let appended = gateway.store.append_by(entry, act.clone()).await?;
    commit::wake(&*gateway.sinks, &gateway.news, &appended);
    in_vain(gateway, act, ids(&appended).len() as u64).await?;
    Ok(Simulated {
        proven,
        alert_ids: ids(&appended),
    })
}

/// The fixture as a new message of now, signed with the secret of the source.
fn message(source: &Source, case: &str, now: Timestamp) -> Failing<Callback> {
    let fixture = fixture(source.vendor(), case)?;
    let call = Callback::from_http(fixture.request)
        .map_err(|error| ApiError::bad_request(format!("the built-in message: {error}")))?;
    let millisecond = u64::try_from(now.as_millisecond()).unwrap_or(0);
    let stamp = Stamp {
        // As `campanile send` does: two messages have the same id only in the same millisecond.
        serial: millisecond << 20,
        at: now,
        token: source.settings.tokens.first(),
    };
    let mut call = source.provider.refresh(call, &stamp);
    call.received_at = Some(now);
    Ok(call)
}

/// The message as intake reads it, and whether its proof held. A proof that only the vendor can give is not asked for.
fn taken(source: &Source, mut call: Callback, snapshot: &Snapshot) -> Failing<(Kept, bool)> {
    let target = Target::named(source);
    let path = source.settings.callback_path().replace("<key>", "***");
    target.mark(&path, &mut call);
    let key = source.settings.keys.first();
    call.key = key.map(|key| key.expose_secret().to_owned());
    for (trust, proven) in [(Trust::Proven, true), (Trust::Given, false)] {
        if let Taken::Kept(_, kept) = take(&target, &call, snapshot, trust) {
            return Ok((kept, proven));
        }
    }
    Err(ApiError::bad_request(
        "the gateway does not take the built-in message; `campanile try` with a request of the vendor gives the reason",
    ))
}

/// What is stored. A message that cannot be read is refused here, so that no simulation goes to quarantine.
fn entry(
    gateway: &Gateway,
    source: &Source,
    mut kept: Kept,
    snapshot: &Snapshot,
) -> Failing<Entry> {
    if let Some(fault) = kept.read.faults.first() {
        return Err(ApiError::bad_request(format!(
            "the built-in message cannot be read with the settings of this source: {fault}"
        )));
    }
    for identified in &mut kept.read.alerts {
        let labels = &mut identified.alert.labels;
        labels.insert(LABEL.to_owned(), "yes".to_owned());
    }
    Ok(commit::entry(
        &source.name,
        kept,
        snapshot,
        &gateway.metrics,
    ))
}

fn ids(appended: &Appended) -> Vec<String> {
    let ids = appended.alerts.iter().filter_map(|alert| match alert {
        Appending::Accepted { id, .. } => Some(id.to_string()),
        Appending::Duplicate { .. } => None,
    });
    ids.collect()
}
