//! `/api/v1/sources`

use actix_web::{HttpResponse, web};

use super::error::ApiError;
use super::types::{Page, Source};
use super::{Failing, resource};
use crate::config;
use crate::http::{Gateway, Inlet, Plan};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/sources").get(index))
        .service(resource("/sources/{provider}/{name}").get(show));
}

/// Every source, where its vendor calls it, and what it received.
#[utoipa::path(
    get,
    path = "/api/v1/sources",
    responses((status = 200, body = Page<Source>))
)]
pub(super) async fn index(gateway: web::Data<Gateway>) -> HttpResponse {
    let plan = gateway.plan();
    HttpResponse::Ok().json(Page {
        items: plan
            .inlets
            .iter()
            .map(|inlet| shown(&plan, inlet))
            .collect(),
        next: None,
    })
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
    let plan = gateway.plan();
    let (provider, name) = name.into_inner();
    let inlet = plan.inlet(&format!("{provider}/{name}")).ok_or_else(|| {
        let names: Vec<&str> = plan.inlets.iter().map(|inlet| &*inlet.name).collect();
        let names = names.join(", ");
        ApiError::not_found(format!(
            "this source is not configured; the sources are: {names}"
        ))
    })?;
    Ok(HttpResponse::Ok().json(shown(&plan, inlet)))
}

fn shown(plan: &Plan, inlet: &Inlet) -> Source {
    let (source, provider, meters) = (inlet.source(), &*inlet.feed.provider, &inlet.meters);
    Source {
        name: inlet.name.to_string(),
        provider: provider.name().to_owned(),
        callback: config::whole(plan.public_url.as_ref(), &source.callback_path()),
        paths: source.paths(),
        proof: source.proof_in_words(provider),
        accepted: meters.accepted.get(),
        duplicates: meters.duplicates.get(),
        conflicts: meters.conflicts.get(),
        quarantined: meters.quarantined.get(),
        rejected: meters.rejected.get(),
        last_callback_at: meters.last_callback_at(),
        drift: meters.drift.seen(),
    }
}
