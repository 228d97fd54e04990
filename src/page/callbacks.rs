//! `/callbacks`: the last callbacks of every kind, also those that made no alert.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::filter::Filter;
use super::moment::Moment;
use super::view::View;
use crate::api::types::CallbackItem;
use crate::api::{Failing, callbacks, sources};
use crate::http::Gateway;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/callbacks", web::get().to(show));
}

/// What the template sees.
#[derive(Serialize)]
struct Callbacks {
    filter: Filter,
    sources: Vec<String>,
    verdicts: [&'static str; 6],
    rows: Vec<Row>,
    older: Option<String>,
    searched_to: Option<Moment>,
}

/// One callback.
#[derive(Serialize)]
pub(super) struct Row {
    received: Moment,
    #[serde(flatten)]
    item: CallbackItem,
}

impl Row {
    pub(super) fn of(view: &View, item: CallbackItem) -> Self {
        Self {
            received: view.moment(item.at),
            item,
        }
    }
}

async fn show(request: HttpRequest, gateway: web::Data<Gateway>) -> Failing<HttpResponse> {
    let view = View::of(&request, &gateway);
    let filter = Filter::of(request.query_string(), view.now())?;
    let found = callbacks::list(&gateway, &filter.query(&[], &[])).await?;
    let rows = found.items.into_iter().map(|item| Row::of(&view, item));
    let sources = sources::list(&gateway).items.into_iter();
    let older = found.next;
    let page = Callbacks {
        sources: sources.map(|source| source.name).collect(),
        verdicts: callbacks::VERDICTS,
        rows: rows.collect(),
        older: older.map(|next| filter.href("/callbacks", &[("before", &next)])),
        searched_to: found.searched_to.map(|at| view.moment(at)),
        filter,
    };
    Ok(view.page("callbacks.html", page))
}
