//! `/deliveries`: what is pending, for which sink, and until when.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::answer;
use super::filter::Filter;
use super::form::Fields;
use super::list::List;
use super::moment::Moment;
use super::view::View;
use crate::api::bulk::{self, Act};
use crate::api::types::Delivery;
use crate::api::{Actor, Failing, deliveries};
use crate::http::Gateway;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/deliveries", web::get().to(show))
        .route("/deliveries/retry", web::post().to(retry));
}

#[derive(Serialize)]
struct Row {
    since: Moment,
    /// Nothing is sent before the sink works again.
    stopped: bool,
    due: Option<Moment>,
    #[serde(flatten)]
    delivery: Delivery,
}

async fn show(request: HttpRequest, gateway: web::Data<Gateway>) -> Failing<HttpResponse> {
    let view = View::of(&request, &gateway);
    let filter = Filter::of(request.query_string(), view.now())?;
    let page = deliveries::list(&gateway, &filter.query(&[], &[])).await?;
    let rows = page.items.into_iter().map(|delivery| Row {
        stopped: view.is_stopped(&delivery.sink),
        since: view.moment(delivery.pending_since),
        due: delivery.due_at.map(|at| view.moment(at)),
        delivery,
    });
    let page = List::new("/deliveries", rows, page.next, filter, &gateway);
    Ok(view.page("deliveries.html", page))
}

/// Attempts the pending deliveries of a sink, or of all sinks, now.
async fn retry(
    fields: web::Form<Vec<(String, String)>>,
    gateway: web::Data<Gateway>,
    actor: Actor,
) -> Failing<HttpResponse> {
    let fields = Fields(fields.into_inner());
    let acted = bulk::act(
        &gateway,
        Act::DeliveriesRetry,
        &fields.all_that_match(),
        &actor,
    )
    .await?;
    let count = acted.counted.count;
    let shown = fields.address(
        "/deliveries",
        &[("done", "hurried"), ("count", &count.to_string())],
    );
    Ok(answer::see(&shown))
}
