//! `/dead`: dead letters. An operator sends them again or drops them: some of a page, or all that match.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use uuid::Uuid;

use super::filter::Filter;
use super::form::Fields;
use super::list::List;
use super::moment::Moment;
use super::view::View;
use super::{answer, dead_job};
use crate::api::bulk::{self, Act, Call};
use crate::api::error::ApiError;
use crate::api::types::{Counted, DeadLetter, Selection};
use crate::api::{Failing, Jobs, dead};
use crate::http::Gateway;

/// Above this number, an operator types it before dead letters are dropped.
const TYPED_ABOVE: u64 = 100;

/// Above this number, dead letters are changed in the background.
const WAITED_FOR: u64 = 500;

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

/// What the template of the list sees.
#[derive(Serialize)]
struct Letters {
    #[serde(flatten)]
    list: List<Row>,
    /// What runs in the background.
    running: Vec<Uuid>,
}

async fn show(
    request: HttpRequest,
    gateway: web::Data<Gateway>,
    jobs: web::Data<Jobs>,
) -> Failing<HttpResponse> {
    let view = View::of(&request, &gateway);
    let filter = Filter::of(request.query_string(), view.now())?;
    let page = dead::list(&gateway, &filter.query(&[], &[])).await?;
    let rows = page.items.into_iter().map(|letter| Row {
        died: view.moment(letter.at),
        letter,
    });
    let jobs = jobs.list().into_iter();
    let running = jobs.filter(|job| job.ended_at.is_none() && job.action.starts_with("dead."));
    let letters = Letters {
        list: List::new("/dead", rows, page.next, filter, &gateway),
        running: running.map(|job| job.id).collect(),
    };
    Ok(view.page("dead.html", letters))
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
    call: Call,
) -> Failing<HttpResponse> {
    act(Action::Retry, &request, Fields(fields.into_inner()), call).await
}

async fn remove(
    request: HttpRequest,
    fields: web::Form<Vec<(String, String)>>,
    call: Call,
) -> Failing<HttpResponse> {
    act(Action::Drop, &request, Fields(fields.into_inner()), call).await
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
    call: Call,
) -> Failing<HttpResponse> {
    let selection = selected(&fields)?;
    let confirmed = fields.text("confirmed");
    if let Ok(count) = confirmed.parse() {
        let confirmed = Selection {
            count: Some(count),
            seen_to: fields.text("seen_to").parse().ok(),
            leave_out_ended: fields.text("ended") == "left_out",
            ..selection.clone()
        };
        match change(action, confirmed, &call).await {
            Ok(Changed::Now(count)) => {
                let more = [("done", action.done()), ("count", &count.to_string())];
                return Ok(answer::see(&fields.address("/dead", &more)));
            }
            Ok(Changed::Begun(page)) => return Ok(answer::see(&page)),
            Err(error) if error.is_changed() => (),
            Err(error) => return Err(error),
        }
    }
    let view = View::of(request, &call.gateway);
    let wrong = !confirmed.is_empty();
    let question = question(&view, &call, action, (selection, wrong)).await?;
    Ok(view.page("confirm.html", question))
}

/// What became of an action.
enum Changed {
    Now(u64),
    /// The page of the job.
    Begun(String),
}

/// Changes a few dead letters at once, and many in the background.
async fn change(action: Action, selection: Selection, call: &Call) -> Failing<Changed> {
    let act = action.act();
    if selection.count > Some(WAITED_FOR) {
        return Ok(Changed::Begun(dead_job::address(
            &call.begin(act, selection).await?,
        )));
    }
    let acted = bulk::act(&call.gateway, act, &selection, &call.actor).await?;
    Ok(Changed::Now(acted.counted.count))
}

async fn question(
    view: &View,
    call: &Call,
    action: Action,
    (selection, wrong): (Selection, bool),
) -> Failing<Question> {
    let count = async |leave_out_ended| {
        let dry = Selection {
            dry_run: true,
            leave_out_ended,
            ..selection.clone()
        };
        bulk::act(&call.gateway, action.act(), &dry, &call.actor).await
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
