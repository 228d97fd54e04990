//! `/quarantine`: verified callbacks that could not be read. An operator has them read again, an admin drops one.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::answer;
use super::filter::Filter;
use super::form::Fields;
use super::moment::Moment;
use super::view::View;
use crate::api::bulk::{self, Act};
use crate::api::error::ApiError;
use crate::api::types::{Quarantined, QuarantinedDetail, Selection};
use crate::api::{Actor, Failing, quarantine, sources};
use crate::http::Gateway;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/quarantine", web::get().to(index))
        .route("/quarantine/retry", web::post().to(retry))
        .route("/quarantine/{id}", web::get().to(show))
        .route("/quarantine/{id}/retry", web::post().to(retry_one))
        .route("/quarantine/{id}/drop", web::post().to(remove));
}

/// What the template of the list sees.
#[derive(Serialize)]
struct List {
    filter: Filter,
    sources: Vec<String>,
    rows: Vec<Row>,
    older: Option<String>,
    done: Done,
}

/// What the reader just did.
#[derive(Serialize)]
struct Done {
    what: String,
    count: u64,
    /// Callbacks that still cannot be read.
    still: u64,
}

impl Done {
    fn of(filter: &Filter) -> Self {
        let number = |name| filter.text(name).parse().unwrap_or_default();
        Self {
            what: filter.text("done").to_owned(),
            count: number("count"),
            still: number("still"),
        }
    }
}

#[derive(Serialize)]
struct Row {
    received: Moment,
    #[serde(flatten)]
    callback: Quarantined,
}

async fn index(request: HttpRequest, gateway: web::Data<Gateway>) -> Failing<HttpResponse> {
    let view = View::of(&request, &gateway);
    let filter = Filter::of(request.query_string(), view.now())?;
    let found = quarantine::list(&gateway, &filter.query(&["still"], &[])).await?;
    let rows = found.items.into_iter().map(|callback| Row {
        received: view.moment(callback.received_at),
        callback,
    });
    let sources = sources::list(&gateway).items.into_iter();
    let older = found.next;
    let page = List {
        sources: sources.map(|source| source.name).collect(),
        rows: rows.collect(),
        older: older.map(|next| filter.href("/quarantine", &[("before", &next)])),
        done: Done::of(&filter),
        filter,
    };
    Ok(view.page("quarantine.html", page))
}

/// What the template of one callback sees.
#[derive(Serialize)]
struct Detail {
    received: Moment,
    done: String,
    #[serde(flatten)]
    callback: QuarantinedDetail,
}

async fn show(
    id: web::Path<String>,
    request: HttpRequest,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    let view = View::of(&request, &gateway);
    let filter = Filter::of(request.query_string(), view.now())?;
    let callback = quarantine::detail(&gateway, &id).await?;
    let page = Detail {
        received: view.moment(callback.quarantined.received_at),
        done: filter.text("done").to_owned(),
        callback,
    };
    Ok(view.page("quarantined.html", page))
}

/// Reads all callbacks again, or those of one source.
async fn retry(
    fields: web::Form<Vec<(String, String)>>,
    gateway: web::Data<Gateway>,
    actor: Actor,
) -> Failing<HttpResponse> {
    let fields = Fields(fields.into_inner());
    let source = Some(fields.text("source")).filter(|source| !source.is_empty());
    let selection = Selection {
        all: source.is_none(),
        source: source.map(ToOwned::to_owned),
        ..Selection::default()
    };
    let answer = quarantine::read_selected(&gateway, &selection, &actor).await?;
    let (count, still) = (answer.released, answer.still_unreadable.len());
    Ok(answer::see(&format!(
        "/quarantine?done=read&count={count}&still={still}"
    )))
}

async fn retry_one(
    id: web::Path<String>,
    gateway: web::Data<Gateway>,
    actor: Actor,
) -> Failing<HttpResponse> {
    let answer = quarantine::read_selected(&gateway, &one(&id)?, &actor).await?;
    let still = answer.still_unreadable.first();
    let path = match still {
        Some(still) => format!("/quarantine/{}?done=still", still.id),
        None => format!("/quarantine?done=read&count={}", answer.released),
    };
    Ok(answer::see(&path))
}

async fn remove(
    id: web::Path<String>,
    gateway: web::Data<Gateway>,
    actor: Actor,
) -> Failing<HttpResponse> {
    let dropped = bulk::act(&gateway, Act::QuarantineDrop, &one(&id)?, &actor).await?;
    let count = dropped.counted.count;
    Ok(answer::see(&format!(
        "/quarantine?done=dropped&count={count}"
    )))
}

fn one(id: &str) -> Failing<Selection> {
    let id = id
        .parse()
        .map_err(|_| ApiError::not_found("no quarantined callback has this number"))?;
    Ok(Selection {
        ids: Some(vec![id]),
        ..Selection::default()
    })
}
