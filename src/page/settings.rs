//! `/settings`: how the reader wants to see the pages, who they are, and what runs.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::filter::Filter;
use super::form::Fields;
use super::moment::Moment;
use super::preferences;
use super::view::View;
use crate::api::types::ConfigRefused;
use crate::api::{Failing, Who, running, who};
use crate::http::{Gateway, PeerState};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/settings", web::get().to(show))
        .route("/settings", web::post().to(keep));
}

/// What the template sees.
#[derive(Serialize)]
struct Settings {
    /// The chosen time zone as it was typed. Empty: that of the browser.
    zone: String,
    /// The zone is not one that the gateway knows.
    mistake: bool,
    done: bool,
    /// What showed who the reader is: `token`, `cookie`, `proxy` or `open`.
    via: String,
    version: String,
    started: Moment,
    config: String,
    refused: Option<Refused>,
    /// The gateways that share the store.
    gateways: Vec<PeerState>,
}

/// A changed configuration that is not in force.
#[derive(Serialize)]
pub(super) struct Refused {
    at: Moment,
    reason: String,
}

impl Refused {
    pub(super) fn of(view: &View, refused: ConfigRefused) -> Self {
        Self {
            at: view.moment(refused.at),
            reason: refused.reason,
        }
    }
}

impl Settings {
    fn of(view: &View, request: &HttpRequest, gateway: &Gateway) -> Self {
        let running = running::now(gateway);
        Self {
            zone: preferences::chosen_zone(request).unwrap_or_default(),
            mistake: false,
            done: false,
            via: who(request).map_or_else(String::new, |Who { via, .. }| via.to_string()),
            version: running.version,
            started: view.moment(running.started_at),
            config: running.config,
            refused: running.refused.map(|refused| Refused::of(view, refused)),
            gateways: running.gateways,
        }
    }
}

async fn show(request: HttpRequest, gateway: web::Data<Gateway>) -> Failing<HttpResponse> {
    let view = View::of(&request, &gateway);
    let filter = Filter::of(request.query_string(), view.now())?;
    let page = Settings {
        done: filter.text("done") == "kept",
        ..Settings::of(&view, &request, &gateway)
    };
    Ok(view.page("settings.html", page))
}

/// Keeps the preferences in cookies. A zone that is not known comes back as it was typed.
async fn keep(
    request: HttpRequest,
    fields: web::Form<Vec<(String, String)>>,
    gateway: web::Data<Gateway>,
) -> HttpResponse {
    let fields = Fields(fields.into_inner());
    let zone = fields.text("zone").trim();
    if let Some(answer) = preferences::kept("/settings?done=kept", &fields, zone) {
        return answer;
    }
    let view = View::of(&request, &gateway);
    let page = Settings {
        zone: zone.to_owned(),
        mistake: true,
        ..Settings::of(&view, &request, &gateway)
    };
    view.page_with(StatusCode::BAD_REQUEST, "settings.html", page)
}
