//! `GET /api/v1/gateway`: the program, how long it runs, and its configuration without secrets.

use actix_web::{HttpResponse, web};

use super::resource;
use super::types::{ConfigRefused, Running};
use crate::http::Gateway;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/gateway").get(show));
}

/// The program, how long it runs, and its configuration without secrets.
#[utoipa::path(
    get,
    path = "/api/v1/gateway",
    responses((status = 200, body = Running))
)]
pub(super) async fn show(gateway: web::Data<Gateway>) -> HttpResponse {
    HttpResponse::Ok().json(now(&gateway))
}

/// The gateway as it runs now.
pub(crate) fn now(gateway: &Gateway) -> Running {
    let refused = gateway.refused();
    Running {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: gateway.started_at,
        config: gateway.current().snapshot.text.to_string(),
        refused: refused.map(|refused| ConfigRefused {
            at: refused.at,
            reason: refused.reason,
        }),
        gateways: gateway.sinks.gateways(),
    }
}
