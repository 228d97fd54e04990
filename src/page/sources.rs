//! `/sources`: the sources, their addresses for the vendors, and what they received.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::moment::Moment;
use super::sparkline::{self, Sparkline};
use super::view::View;
use crate::api::types::Source;
use crate::api::{Actor, Failing, sources};
use crate::http::Gateway;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/sources", web::get().to(index))
        .route("/sources/{provider}/{name}", web::get().to(show))
        .route("/sources/{provider}/{name}/key", web::post().to(key));
}

/// What the template of the list sees.
#[derive(Serialize)]
struct Sources {
    sources: Vec<Listed>,
    /// Whether the store could be read, so that a source without a chart sent nothing.
    counted: bool,
}

/// One source of the list.
#[derive(Serialize)]
struct Listed {
    /// The alerts of the last 24 hours. None if there are none.
    chart: Option<Sparkline>,
    #[serde(flatten)]
    shown: Shown,
}

/// One source.
#[derive(Serialize)]
struct Shown {
    last: Option<Moment>,
    /// The name of the vendor for people, such as `UCloud`.
    vendor: String,
    #[serde(flatten)]
    source: Source,
}

impl Shown {
    fn of(view: &View, gateway: &Gateway, source: Source) -> Self {
        Self {
            last: source.last_callback_at.map(|at| view.moment(at)),
            vendor: sources::vendor(gateway, &source.name).title,
            source,
        }
    }
}

async fn index(request: HttpRequest, gateway: web::Data<Gateway>) -> HttpResponse {
    let view = View::of(&request, &gateway);
    let sources = sources::list(&gateway).items.into_iter();
    let mut charts = sparkline::all(&view, &gateway).await;
    let listed = sources.map(|source| Listed {
        chart: charts
            .as_mut()
            .ok()
            .and_then(|charts| charts.remove(&source.name)),
        shown: Shown::of(&view, &gateway, source),
    });
    let listed = listed.collect();
    let page = Sources {
        sources: listed,
        counted: charts.is_ok(),
    };
    view.page("sources.html", page)
}

async fn show(
    name: web::Path<(String, String)>,
    request: HttpRequest,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    let view = View::of(&request, &gateway);
    let source = sources::named(&gateway, &name)?;
    let page = Detail::of(&view, &gateway, source);
    Ok(view.page("source.html", page))
}

/// The addresses with the keys, alone on a page and not compressed.
async fn key(
    name: web::Path<(String, String)>,
    request: HttpRequest,
    gateway: web::Data<Gateway>,
    actor: Actor,
) -> Failing<HttpResponse> {
    let view = View::of(&request, &gateway).uncompressed();
    let addresses = sources::with_keys(&gateway, &name, &actor).await?;
    let (provider, name) = name.into_inner();
    let page = Key {
        name: format!("{provider}/{name}"),
        addresses: addresses.callbacks,
    };
    Ok(view.page("key.html", page))
}

/// What the template of the keys sees.
#[derive(Serialize)]
struct Key {
    name: String,
    addresses: Vec<String>,
}

/// What the template of one source sees.
#[derive(Serialize)]
pub(super) struct Detail {
    /// The address has a place for the key, which is never shown.
    has_key: bool,
    /// The address can be given to the vendor without the host being added.
    is_whole: bool,
    /// Numbers of callbacks by the words for them, in `sources`.
    counters: [(&'static str, u64); 6],
    /// Words for severity that no mapping knows.
    unknown: Vec<(String, u64)>,
    #[serde(flatten)]
    shown: Shown,
}

impl Detail {
    pub(super) fn of(view: &View, gateway: &Gateway, source: Source) -> Self {
        let shown = Shown::of(view, gateway, source);
        let source = &shown.source;
        Self {
            has_key: source.callback.contains("<key>"),
            is_whole: !source.callback.starts_with('/'),
            counters: [
                ("accepted", source.accepted),
                ("ignored", source.ignored),
                ("duplicates", source.duplicates),
                ("conflicts", source.conflicts),
                ("quarantined", source.quarantined),
                ("rejected", source.rejected),
            ],
            unknown: source.drift.unknown_words.clone().into_iter().collect(),
            shown,
        }
    }
}
