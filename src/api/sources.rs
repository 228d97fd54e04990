//! `/api/v1/sources`: sources, their addresses and counters.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use campanile_model::Secret;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::ExposeSecret;

use super::error::ApiError;
use super::types::{Addresses, Page, Source};
use super::{Actor, Failing, resource};
use crate::http::{Current, Gateway};
use crate::snapshot;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/sources").get(index))
        .service(resource("/sources/{provider}/{name}").get(show))
        .service(resource("/sources/{provider}/{name}/key").post(key));
}

/// All sources with the address for the vendor and counters.
#[utoipa::path(
    get,
    path = "/api/v1/sources",
    responses((status = 200, body = Page<Source>))
)]
pub(super) async fn index(gateway: web::Data<Gateway>) -> HttpResponse {
    HttpResponse::Ok().json(list(&gateway))
}

/// The configured sources, in the order of the file.
pub(crate) fn list(gateway: &Gateway) -> Page<Source> {
    let current = gateway.current();
    let sources = current.snapshot.sources.iter();
    Page {
        items: sources
            .filter_map(|source| shown(&current, source))
            .collect(),
        next: None,
    }
}

/// One source.
#[utoipa::path(
    get,
    path = "/api/v1/sources/{provider}/{name}",
    params(
        ("provider" = String, Path, description = "Such as `ucloud`"),
        ("name" = String, Path, description = "Such as `prod`"),
    ),
    responses((status = 200, body = Source))
)]
pub(super) async fn show(
    name: web::Path<(String, String)>,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    Ok(HttpResponse::Ok().json(named(&gateway, &name)?))
}

/// The addresses of a source for its vendor, with its keys: the only response that shows a secret.
#[utoipa::path(
    post,
    path = "/api/v1/sources/{provider}/{name}/key",
    params(
        ("provider" = String, Path, description = "Such as `ucloud`"),
        ("name" = String, Path, description = "Such as `prod`"),
    ),
    responses((status = 200, body = Addresses))
)]
pub(super) async fn key(
    name: web::Path<(String, String)>,
    gateway: web::Data<Gateway>,
    actor: Actor,
) -> Failing<HttpResponse> {
    let addresses = with_keys(&gateway, &name, &actor).await?;
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, "no-store"));
    Ok(response.json(addresses))
}

/// The addresses of a source with its keys. The audit has a row of it first.
pub(crate) async fn with_keys(
    gateway: &Gateway,
    (provider, name): &(String, String),
    actor: &Actor,
) -> Failing<Addresses> {
    let current = gateway.current();
    let snapshot = &current.snapshot;
    let name = format!("{provider}/{name}");
    let source = snapshot.source(&name).ok_or_else(|| absent(snapshot))?;
    let keys = &source.settings.keys;
    if keys.is_empty() {
        return Err(ApiError::bad_request(
            "this source has no `key`: its address has no secret",
        ));
    }
    let act = actor.does(gateway, "sources.show_key", &*name);
    gateway.store.record(act, 1).await?;
    let address = snapshot.server.address(&source.settings);
    let with = |key: &Secret| {
        let key = utf8_percent_encode(key.expose_secret(), NON_ALPHANUMERIC);
        address.replace("<key>", &key.to_string())
    };
    Ok(Addresses {
        callbacks: keys.iter().map(with).collect(),
    })
}

/// The source with this provider and this name.
pub(crate) fn named(gateway: &Gateway, name: &(String, String)) -> Failing<Source> {
    let current = gateway.current();
    let source = current.snapshot.source(&format!("{}/{}", name.0, name.1));
    let shown = source.and_then(|source| shown(&current, source));
    shown.ok_or_else(|| absent(&current.snapshot))
}

/// The error for a source that is not configured.
pub(super) fn absent(snapshot: &snapshot::Snapshot) -> ApiError {
    let sources = snapshot.sources.iter();
    let names: Vec<&str> = sources.map(|source| &*source.name).collect();
    let names = names.join(", ");
    ApiError::not_found(format!(
        "this source is not configured; the sources are: {names}"
    ))
}

/// The vendor of a configured source.
pub(crate) struct Vendor {
    /// Its name for people, such as `UCloud`.
    pub(crate) title: String,
    /// The steps in its console, in Markdown. Empty for a vendor of the operator's own mapping.
    pub(crate) steps: String,
}

/// The vendor of a source. A source that a reload has removed has an empty one.
pub(crate) fn vendor(gateway: &Gateway, source: &str) -> Vendor {
    let current = gateway.current();
    let about = current.snapshot.source(source);
    let about = about.map(|source| source.provider.about());
    Vendor {
        title: about.map_or_else(String::new, |about| about.title.clone()),
        steps: about.map_or_else(String::new, |about| steps(&about.doc).to_owned()),
    }
}

/// The section of a vendor's page that an operator follows in the console of the vendor.
fn steps(page: &str) -> &str {
    let after = page.split_once("# Point it here\n");
    let section = after.map_or("", |(_, rest)| rest);
    section.split("\n# ").next().unwrap_or("").trim()
}

fn shown(current: &Current, source: &snapshot::Source) -> Option<Source> {
    let meters = current.meters(source)?;
    let (settings, server) = (&source.settings, &current.snapshot.server);
    let paths = settings.paths(&*source.provider);
    Some(Source {
        name: source.name.to_string(),
        provider: source.vendor().to_owned(),
        callback: server.address(settings),
        paths: paths.iter().map(|path| server.whole(path)).collect(),
        proof: settings.proof_in_words(&*source.provider),
        accepted: meters.accepted.get(),
        ignored: meters.ignored.get(),
        duplicates: meters.duplicates.get(),
        conflicts: meters.conflicts.get(),
        quarantined: meters.quarantined.get(),
        rejected: meters.rejected.get(),
        last_callback_at: meters.last_callback_at(),
        drift: meters.drift.seen(),
    })
}
