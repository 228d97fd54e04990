//! `/setup`: from no source to the address for the vendor. Its last step is `/sources/{provider}/{name}/setup`.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::filter::Filter;
use super::settings::Refused;
use super::view::View;
use crate::api::vendors::{self, VendorDetail, VendorItem};
use crate::api::{Failing, running, sources};
use crate::http::Gateway;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/setup", web::get().to(choose))
        .route("/setup/{vendor}", web::get().to(lines));
}

/// What the template of the list of vendors sees.
#[derive(Serialize)]
struct Vendors {
    q: String,
    vendors: Vec<VendorItem>,
}

async fn choose(request: HttpRequest, gateway: web::Data<Gateway>) -> Failing<HttpResponse> {
    let view = View::of(&request, &gateway);
    let filter = Filter::of(request.query_string(), view.now())?;
    let q = filter.text("q").to_owned();
    let page = Vendors {
        vendors: vendors::search(&q),
        q,
    };
    Ok(view.page("vendors.html", page))
}

/// What the template of a new source sees.
#[derive(Serialize)]
struct New {
    vendor: VendorItem,
    /// The name of the new source.
    name: String,
    /// The lines to copy. None while the page waits: a page that is loaded again would show another secret.
    lines: Option<String>,
    /// The source is in force.
    is_there: bool,
    /// A changed configuration that is not in force.
    refused: Option<Refused>,
}

async fn lines(
    vendor: web::Path<String>,
    request: HttpRequest,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    let view = View::of(&request, &gateway);
    let filter = Filter::of(request.query_string(), view.now())?;
    let name = match filter.text("name") {
        "" => "prod",
        name => name,
    };
    let VendorDetail { vendor, config } = vendors::detail(&vendor, name)?;
    let waits = filter.text("step") == "wait";
    let source = (vendor.name.clone(), name.to_owned());
    let refused = running::now(&gateway).refused;
    let page = New {
        is_there: sources::named(&gateway, &source).is_ok(),
        name: source.1,
        vendor,
        lines: (!waits).then_some(config),
        refused: refused.map(|refused| Refused::of(&view, refused)),
    };
    Ok(view.page("new_source.html", page))
}
