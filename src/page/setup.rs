//! `/sources/{provider}/{name}/setup`: the address for the vendor, the steps in its console, and its first callback.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::answer;
use super::callbacks::Row;
use super::filter::Filter;
use super::form::Fields;
use super::sources::Detail;
use super::view::View;
use crate::api::types::Simulate;
use crate::api::{Actor, Failing, callbacks, simulate, sources};
use crate::http::Gateway;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/sources/{provider}/{name}/setup", web::get().to(show))
        .route("/sources/{provider}/{name}/simulate", web::post().to(play));
}

/// What the template sees.
#[derive(Serialize)]
struct Setup {
    steps: Vec<Block>,
    calls: Vec<Row>,
    cases: Vec<&'static str>,
    sinks: Vec<String>,
    /// The id of the alert that was just simulated.
    alert: String,
    done: String,
    #[serde(flatten)]
    detail: Detail,
}

/// A paragraph or an example of the page of a vendor.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Block {
    is_code: bool,
    text: String,
}

async fn show(
    name: web::Path<(String, String)>,
    request: HttpRequest,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    let view = View::of(&request, &gateway);
    let filter = Filter::of(request.query_string(), view.now())?;
    let source = sources::named(&gateway, &name)?;
    let query = serde_urlencoded::to_string([("source", &*source.name), ("limit", "10")]);
    let calls = callbacks::list(&gateway, &query.unwrap_or_default()).await?;
    let vendor = sources::vendor(&gateway, &source.name);
    let states = gateway.sinks.states().into_iter();
    let page = Setup {
        steps: blocks(&vendor.steps),
        calls: calls
            .items
            .into_iter()
            .map(|item| Row::of(&view, item))
            .collect(),
        cases: simulate::cases(&gateway, &source.name),
        sinks: states.map(|state| state.name.to_string()).collect(),
        alert: filter.text("alert").to_owned(),
        done: filter.text("done").to_owned(),
        detail: Detail::of(&view, &gateway, source),
    };
    Ok(view.page("setup.html", page))
}

/// Takes a message of the vendor, for the marked sinks only.
async fn play(
    name: web::Path<(String, String)>,
    fields: web::Form<Vec<(String, String)>>,
    gateway: web::Data<Gateway>,
    actor: Actor,
) -> Failing<HttpResponse> {
    let fields = Fields(fields.into_inner());
    let wanted = Simulate {
        case: fields.text("case").to_owned(),
        sinks: fields.each("sink").map(ToOwned::to_owned).collect(),
    };
    let played = simulate::play(&gateway, &name, wanted, &actor).await?;
    let done = if played.proven { "proven" } else { "trusted" };
    let alert = played.alert_ids.first().map_or("", String::as_str);
    let (provider, name) = name.into_inner();
    Ok(answer::see(&format!(
        "/sources/{provider}/{name}/setup?done={done}&alert={alert}"
    )))
}

/// The paragraphs and examples of a text in Markdown.
fn blocks(text: &str) -> Vec<Block> {
    let mut all = Vec::new();
    for (number, part) in text.split("```").enumerate() {
        let is_code = number % 2 == 1;
        if is_code {
            // The first line is the language.
            let code = part.split_once('\n').map_or("", |part| part.1);
            all.push(Block {
                is_code,
                text: code.trim_end().to_owned(),
            });
            continue;
        }
        let paragraphs = part.split("\n\n").map(str::trim);
        all.extend(
            paragraphs
                .filter(|text| !text.is_empty())
                .map(|text| Block {
                    is_code,
                    text: text.to_owned(),
                }),
        );
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_and_examples_of_a_vendors_page_are_separate() {
        let found = blocks("One\nline.\n\nTwo.\n\n```toml\nkey = 1\n```\n\nThree.\n");
        let found: Vec<_> = found.iter().map(|b| (b.is_code, &*b.text)).collect();
        let wanted = [
            (false, "One\nline."),
            (false, "Two."),
            (true, "key = 1"),
            (false, "Three."),
        ];
        assert_eq!(found, wanted);
    }
}
