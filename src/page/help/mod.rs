//! `/help`: the docs of the project, for readers without another copy or without a network.

mod library;
mod render;

use actix_web::{HttpRequest, HttpResponse, web};
use minijinja::Value;
use serde::{Deserialize, Serialize};

use super::answer;
use super::language::Language;
use super::view::View;
use crate::api::error::ApiError;
use crate::api::{CODES, Failing};
use crate::http::Gateway;
use library::Document;

/// The part of help about each page, by the start of its path. The first that fits counts.
const PARTS: &[(&str, &str)] = &[
    ("/sinks", "/help/sinks"),
    ("/sources", "/help/providers"),
    ("/setup", "/help/providers"),
    ("/deliveries", "/help/operations#watch-it"),
    ("/dead", "/help/operations#dead-letters"),
    ("/callbacks", "/help/operations#an-alert-did-not-arrive"),
    ("/quarantine", "/help/operations#quarantine"),
    ("/try", "/help/operations#an-alert-did-not-arrive"),
    ("/audit", "/help/api#who-did-what"),
    ("/settings", "/help/operations#change-it"),
    ("/help", "/help"),
    ("/", "/help/operations#watch-it"),
];

/// The part of help about the page with this path.
pub(super) fn part(path: &str) -> &'static str {
    let part = PARTS.iter().find(|part| path.starts_with(part.0));
    part.map_or(library::HELP, |part| part.1)
}

/// Adds the paths of help. They come before `/problems/{fingerprint}`, because a code is not a fingerprint.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    for code in CODES {
        let explained = move || async move { answer::see(&format!("/help/problems#{code}")) };
        config.route(&code.path(), web::get().to(explained));
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_page_leads_to_a_part_of_help_that_exists_in_each_language() {
        let problems = CODES.iter().map(|code| format!("/help/problems#{code}"));
        let parts = PARTS.iter().map(|part| part.1.to_owned());
        for address in parts.chain(problems) {
            let (path, anchor) = address.split_once('#').unwrap_or((&address, ""));
            let Some(name) = path.strip_prefix("/help/") else {
                continue;
            };
            for language in Language::ALL {
                let html = render::html(library::named(name, language).unwrap());
                let exists = anchor.is_empty() || html.contains(&format!(" id=\"{anchor}\""));
                assert!(exists, "{address} in {}", language.tag());
            }
        }
        assert_eq!(part("/dead"), "/help/operations#dead-letters");
        assert_eq!(part("/alerts/1"), "/help/operations#watch-it");
    }

    #[test]
    fn a_translation_has_the_headings_of_its_original_in_the_same_order() {
        let outline = |document: Document| {
            let lines = document.text.split("```").step_by(2).flat_map(str::lines);
            let levels = lines.filter(|line| line.starts_with('#'));
            levels.filter_map(|line| line.find(' ')).collect::<Vec<_>>()
        };
        for document in library::documents() {
            let (translated, original) = (outline(document), outline(document.original()));
            // The Chinese page of a vendor has only how to set it up.
            let whole = !document.name().starts_with("providers/");
            assert!(original.starts_with(&translated), "{}", document.path);
            assert!(
                !whole || translated.len() == original.len(),
                "{}",
                document.path
            );
        }
    }
}
