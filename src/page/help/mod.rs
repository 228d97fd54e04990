//! `/help`: the docs of the project, for readers without another copy or without a network.

mod library;
mod render;

use actix_web::{HttpRequest, HttpResponse, web};
use minijinja::Value;
use serde::{Deserialize, Serialize};

use super::language::Language;
use super::view::View;
use crate::api::Failing;
use crate::api::error::ApiError;
use crate::http::Gateway;
use library::Document;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/help", web::get().to(list))
        .route("/help/files/{name}", web::get().to(file))
        .route("/help/{name:.+}", web::get().to(show));
}

/// What the template of the list sees.
#[derive(Serialize)]
struct List {
    groups: Vec<Group>,
}

#[derive(Serialize)]
struct Group {
    key: &'static str,
    links: Vec<Link>,
}

#[derive(Serialize)]
struct Link {
    address: String,
    title: String,
    language: &'static str,
}

async fn list(request: HttpRequest, gateway: web::Data<Gateway>) -> HttpResponse {
    let view = View::of(&request, &gateway);
    let groups = library::groups(view.language).into_iter();
    let groups = groups.map(|group| Group {
        key: group.key,
        links: group.documents.iter().map(Link::of).collect(),
    });
    let groups = groups.collect();
    view.page("help_list.html", List { groups })
}

impl Link {
    fn of(document: &Document) -> Self {
        Self {
            address: document.address(),
            title: document.title().replace('`', ""),
            language: document.language().tag(),
        }
    }
}

/// What the template of a document sees.
#[derive(Serialize)]
struct Page {
    title: String,
    language: &'static str,
    /// Whether the reader's language has no translation.
    foreign: bool,
    html: Value,
}

/// The language that a link names, in place of that of the reader.
#[derive(Deserialize)]
struct Wish {
    lang: Option<String>,
}

async fn show(
    request: HttpRequest,
    name: web::Path<String>,
    wish: web::Query<Wish>,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    let view = View::of(&request, &gateway);
    let wish = wish.lang.as_deref().and_then(Language::of_tag);
    let language = wish.unwrap_or(view.language);
    let document = library::named(&name, language).ok_or_else(nothing)?;
    let page = Page {
        title: document.title().replace('`', ""),
        language: document.language().tag(),
        foreign: document.language() != language,
        html: Value::from_safe_string(render::html(document)),
    };
    Ok(view.page("help.html", page))
}

async fn file(name: web::Path<String>) -> Failing<HttpResponse> {
    let text = library::file(&name).ok_or_else(nothing)?;
    Ok(HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .body(text))
}

fn nothing() -> ApiError {
    ApiError::not_found("help has no page with this name; `/help` lists all pages")
}
