//! `/audit`: what operators did.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::filter::Filter;
use super::moment::Moment;
use super::view::View;
use crate::api::Failing;
use crate::api::audit::{self, AuditItem};
use crate::http::Gateway;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/audit", web::get().to(show));
}

/// The nouns of the actions, for the filter.
const NOUNS: &[&str] = &[
    "alerts",
    "deliveries",
    "dead",
    "quarantine",
    "sinks",
    "silences",
    "sources",
    "login",
];

/// What the template sees.
#[derive(Serialize)]
struct Audit {
    filter: Filter,
    nouns: &'static [&'static str],
    rows: Vec<Row>,
    older: Option<String>,
    searched_to: Option<Moment>,
}

/// One act.
#[derive(Serialize)]
struct Row {
    done: Moment,
    #[serde(flatten)]
    item: AuditItem,
}

async fn show(request: HttpRequest, gateway: web::Data<Gateway>) -> Failing<HttpResponse> {
    let view = View::of(&request, &gateway);
    let filter = Filter::of(request.query_string(), view.now())?;
    let found = audit::list(&gateway, &filter.query(&[], &[])).await?;
    let rows = found.items.into_iter().map(|item| Row {
        done: view.moment(item.at),
        item,
    });
    let older = found.next;
    let page = Audit {
        nouns: NOUNS,
        rows: rows.collect(),
        older: older.map(|next| filter.href("/audit", &[("before", &next)])),
        searched_to: found.searched_to.map(|at| view.moment(at)),
        filter,
    };
    Ok(view.page("audit.html", page))
}
