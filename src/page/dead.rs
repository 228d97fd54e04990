//! `/dead`: dead letters. An operator sends them again or drops them: some of a page, or all that match.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::answer;
use super::filter::Filter;
use super::form::Fields;
use super::list::List;
use super::moment::Moment;
use super::view::View;
use crate::api::bulk::{self, Act};
use crate::api::error::ApiError;
use crate::api::types::{Counted, DeadLetter, Selection};
use crate::api::{Actor, Failing, dead};
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

    fn act(self) -> Act {
        match self {
            Self::Retry => Act::DeadRetry,
            Self::Drop => Act::DeadDrop,
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
    #[serde(flatten)]
    counted: Counted,
    /// When the oldest became a dead letter.
    oldest: Option<Moment>,
    /// How many there are without those that ended.
    rest: u64,
    typed: bool,
    /// What was typed was not the number, or the number has changed.
    wrong: bool,
}

/// Sends dead letters again or drops them. First asks, with the exact number; the answer to the question carries this number.
async fn act(
    action: Action,
    request: &HttpRequest,
    fields: Fields,
    gateway: &Gateway,
) -> Failing<HttpResponse> {
    let actor = Actor::of(request)?;
    let selection = selected(&fields)?;
    let confirmed = fields.text("confirmed");
    if let Ok(count) = confirmed.parse() {
        let confirmed = Selection {
            count: Some(count),
            seen_to: fields.text("seen_to").parse().ok(),
            leave_out_ended: fields.text("ended") == "left_out",
            ..selection.clone()
        };
        match bulk::act(gateway, action.act(), &confirmed, &actor).await {
            Ok(acted) => {
                let count = acted.counted.count.to_string();
                let more = [("done", action.done()), ("count", &count)];
                return Ok(answer::see(&fields.address("/dead", &more)));
            }
            Err(error) if error.is_changed() => (),
            Err(error) => return Err(error),
        }
    }
    let view = View::of(request, gateway);
    let wrong = !confirmed.is_empty();
    let question = question(&view, gateway, (action, &actor), (selection, wrong)).await?;
    Ok(view.page("confirm.html", question))
}

async fn question(
    view: &View,
    gateway: &Gateway,
    (action, actor): (Action, &Actor),
    (selection, wrong): (Selection, bool),
) -> Failing<Question> {
    let count = async |leave_out_ended| {
        let dry = Selection {
            dry_run: true,
            leave_out_ended,
            ..selection.clone()
        };
        bulk::act(gateway, action.act(), &dry, actor).await
    };
    let counted = count(false).await?.counted;
    let rest = match counted.ended {
        0 => counted.count,
        _ => count(true).await?.counted.count,
    };
    Ok(Question {
        action,
        oldest: counted.oldest_at.map(|at| view.moment(at)),
        rest,
        typed: action == Action::Drop && counted.count > TYPED_ABOVE,
        counted,
        sink: selection.sink.unwrap_or_default(),
        ids: selection.ids.unwrap_or_default(),
        wrong,
    })
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
