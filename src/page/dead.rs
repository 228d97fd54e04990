//! `/dead`: dead letters. An operator sends them again or drops them: some of a page, or all that match.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::answer;
use super::filter::Filter;
use super::form::Fields;
use super::list::List;
use super::moment::Moment;
use super::view::View;
use crate::api::error::ApiError;
use crate::api::types::{Counted, DeadLetter, Selection};
use crate::api::{Failing, dead};
use crate::http::Gateway;

/// Above this number, an operator types it before dead letters are dropped.
const TYPED_ABOVE: u64 = 100;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/dead", web::get().to(show))
        .route("/dead/retry", web::post().to(retry))
        .route("/dead/drop", web::post().to(remove));
}

#[derive(Serialize)]
struct Row {
    died: Moment,
    #[serde(flatten)]
    letter: DeadLetter,
}

async fn show(request: HttpRequest, gateway: web::Data<Gateway>) -> Failing<HttpResponse> {
    let view = View::of(&request, &gateway);
    let filter = Filter::of(request.query_string(), view.now())?;
    let page = dead::list(&gateway, &filter.query(&[], &[])).await?;
    let rows = page.items.into_iter().map(|letter| Row {
        died: view.moment(letter.at),
        letter,
    });
    let page = List::new("/dead", rows, page.next, filter, &gateway);
    Ok(view.page("dead.html", page))
}

/// What happens to dead letters.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Retry,
    Drop,
}

impl Action {
    /// The word for the list that says what was done.
    fn done(self) -> &'static str {
        match self {
            Self::Retry => "retried",
            Self::Drop => "dropped",
        }
    }

    async fn change(self, gateway: &Gateway, selection: &Selection) -> Failing<Counted> {
        match self {
            Self::Retry => dead::send_again(gateway, selection).await,
            Self::Drop => dead::drop_selected(gateway, selection).await,
        }
    }
}

async fn retry(
    request: HttpRequest,
    fields: web::Form<Vec<(String, String)>>,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    act(
        Action::Retry,
        &request,
        Fields(fields.into_inner()),
        &gateway,
    )
    .await
}

async fn remove(
    request: HttpRequest,
    fields: web::Form<Vec<(String, String)>>,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    act(
        Action::Drop,
        &request,
        Fields(fields.into_inner()),
        &gateway,
    )
    .await
}

/// What the template of the question sees.
#[derive(Serialize)]
struct Question {
    action: Action,
    sink: String,
    ids: Vec<i64>,
    count: u64,
    typed: bool,
    /// What was typed was not the number.
    wrong: bool,
}

/// Sends dead letters again or drops them. First asks, with the exact number; the answer to the question carries this number.
async fn act(
    action: Action,
    request: &HttpRequest,
    fields: Fields,
    gateway: &Gateway,
) -> Failing<HttpResponse> {
    let selection = selected(&fields)?;
    let dry = Selection {
        dry_run: true,
        ..selection.clone()
    };
    let count = action.change(gateway, &dry).await?.count;
    if fields.text("confirmed") == count.to_string() {
        let count = action.change(gateway, &selection).await?.count;
        let more = [("done", action.done()), ("count", &count.to_string())];
        return Ok(answer::see(&fields.address("/dead", &more)));
    }
    let question = Question {
        action,
        sink: fields.text("sink").to_owned(),
        ids: selection.ids.unwrap_or_default(),
        count,
        typed: action == Action::Drop && count > TYPED_ABOVE,
        wrong: !fields.text("confirmed").is_empty(),
    };
    Ok(View::of(request, gateway).page("confirm.html", question))
}

/// The dead letters that the form names: the marked ones, or all that match its filter.
fn selected(fields: &Fields) -> Failing<Selection> {
    if fields.text("scope") == "all" {
        return Ok(fields.all_that_match());
    }
    let ids: Result<Vec<i64>, _> = fields.each("id").map(str::parse).collect();
    match ids {
        Ok(ids) if !ids.is_empty() => Ok(Selection {
            ids: Some(ids),
            ..Selection::default()
        }),
        _ => Err(ApiError::bad_request(
            "no dead letter is marked: mark some, or choose all that match",
        )),
    }
}
