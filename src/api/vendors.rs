//! `/api/v1/providers`: the vendors, and the lines of a configuration for a new source.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use campanile_providers::Provider;
use campanile_settings::{is_name, names_expected};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::ApiError;
use super::query::Query;
use super::types::Page;
use super::{Failing, resource};
use crate::config::example;

/// The name of a new source, if none is given.
const NAME: &str = "prod";

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/providers").get(index))
        .service(resource("/providers/{name}").get(show));
}

/// A built-in vendor.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct VendorItem {
    /// The word in the configuration, such as `ucloud`.
    pub(crate) name: String,
    /// Its name for people, such as `UCloud`.
    pub(crate) title: String,
    /// The HTTP methods that it uses.
    pub(crate) methods: Vec<String>,
    /// How a sender is verified, in a few words.
    pub(crate) proof: String,
    /// What the message id is made of.
    pub(crate) message_id: String,
    /// How sure it is: `documented`, `seen in code` or `inferred`.
    pub(crate) confidence: String,
}

/// A vendor with the lines for a new source.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct VendorDetail {
    /// The vendor.
    #[serde(flatten)]
    pub(crate) vendor: VendorItem,
    /// The lines for the configuration, in TOML. Its secret is new and random, and is not kept.
    pub(crate) config: String,
}

/// The built-in vendors, in the order of their names.
#[utoipa::path(
    get,
    path = "/api/v1/providers",
    params(("q" = Option<String>, Query, description = "Only with these words in name or title")),
    responses((status = 200, body = Page<VendorItem>))
)]
pub(super) async fn index(request: HttpRequest) -> Failing<HttpResponse> {
    let query = Query::of(request.query_string(), &["q"])?;
    Ok(HttpResponse::Ok().json(Page {
        items: search(query.text("q").unwrap_or_default()),
        next: None,
    }))
}

/// A vendor with the lines of a configuration for a new source. Each answer has another random secret.
#[utoipa::path(
    get,
    path = "/api/v1/providers/{name}",
    params(
        ("name" = String, Path, description = "Such as `ucloud`"),
        ("source" = Option<String>, Query, description = "The name of the new source. Default: `prod`"),
    ),
    responses((status = 200, body = VendorDetail))
)]
pub(super) async fn show(name: web::Path<String>, request: HttpRequest) -> Failing<HttpResponse> {
    let query = Query::of(request.query_string(), &["source"])?;
    let detail = detail(&name, query.text("source").unwrap_or(NAME))?;
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, "no-store"));
    Ok(response.json(detail))
}

/// The vendors whose name or title has all of these words.
pub(crate) fn search(words: &str) -> Vec<VendorItem> {
    let words = words.to_lowercase();
    let all = campanile_providers::all().iter();
    let found = all.filter(|provider| {
        let text = format!("{} {}", provider.name(), provider.about().title).to_lowercase();
        words.split_whitespace().all(|word| text.contains(word))
    });
    found.map(|provider| item(&**provider)).collect()
}

/// The vendor of this name, with the lines for a new source.
pub(crate) fn detail(vendor: &str, source: &str) -> Failing<VendorDetail> {
    let provider = campanile_providers::by_name(vendor).ok_or_else(|| {
        ApiError::not_found("no built-in vendor has this name; `/api/v1/providers` lists them")
    })?;
    if !is_name(source) {
        let expected = names_expected();
        let message =
            format!("`{source:.40}` is not a valid name of a source; a name is {expected}");
        return Err(ApiError::bad_request(message).at_parameter("source"));
    }
    let secret = format!("{:032x}", rand::random::<u128>());
    Ok(VendorDetail {
        config: example::source(&**provider, source, Some(&secret)),
        vendor: item(&**provider),
    })
}

fn item(provider: &dyn Provider) -> VendorItem {
    let about = provider.about();
    let methods = about.methods.iter();
    VendorItem {
        name: about.name.clone(),
        title: about.title.clone(),
        methods: methods.map(|method| (*method).to_owned()).collect(),
        proof: about.proof.clone(),
        message_id: about.message_id.clone(),
        confidence: about.confidence.clone(),
    }
}
