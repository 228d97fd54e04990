//! `/silences`: which alerts are not sent for a while. An operator looks at what a silence would match before it is made.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::answer;
use super::filter::Filter;
use super::form::Fields;
use super::moment::Moment;
use super::view::View;
use crate::api::error::ApiError;
use crate::api::types::{Extended, OneOrMore, SilenceHits, SilenceItem, WantedSilence};
use crate::api::{Actor, Failing, silences};
use crate::http::Gateway;

/// What the form offers: how long a silence lasts.
const LASTS: &[&str] = &["1h", "2h", "4h", "8h", "1d", "3d", "7d"];

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/silences", web::get().to(show))
        .route("/silences", web::post().to(add))
        .route("/silences/preview", web::post().to(preview))
        .route("/silences/{id}/extend", web::post().to(extend))
        .route("/silences/{id}/end", web::post().to(end));
}

/// What the template sees.
#[derive(Serialize)]
struct Page {
    rows: Vec<Row>,
    older: Option<String>,
    /// Also those that have ended.
    all: bool,
    /// What the form has.
    form: BTreeMap<&'static str, String>,
    lasts: &'static [&'static str],
    /// What the silence of the form would match.
    hits: Option<SilenceHits>,
    /// Why the silence of the form is not valid.
    wrong: Option<String>,
    /// What the reader just did.
    done: String,
}

/// One silence.
#[derive(Serialize)]
struct Row {
    begins: Moment,
    ends: Moment,
    matching: Vec<String>,
    #[serde(flatten)]
    silence: SilenceItem,
}

impl Row {
    fn of(view: &View, silence: SilenceItem) -> Self {
        let equal = silence.matches.iter();
        let equal = equal.map(|(field, values)| format!("{field} = {}", values.join(" | ")));
        let regex = silence.regex.iter();
        let regex = regex.map(|(field, pattern)| format!("{field} ~ {pattern}"));
        Self {
            begins: view.moment(silence.from),
            ends: view.moment(silence.until),
            matching: equal.chain(regex).chain(silence.when.clone()).collect(),
            silence,
        }
    }
}

async fn show(request: HttpRequest, gateway: web::Data<Gateway>) -> Failing<HttpResponse> {
    let view = View::of(&request, &gateway);
    let filter = Filter::of(request.query_string(), view.now())?;
    // A link from an alert names what is to be silenced.
    let form = FIELDS.map(|name| (name, filter.text(name).to_owned()));
    let page = page(&view, &gateway, &filter, form.into()).await?;
    Ok(view.page("silences.html", page))
}

/// The fields of the form.
const FIELDS: [&str; 5] = ["match", "regex", "when", "for", "comment"];

async fn page(
    view: &View,
    gateway: &Gateway,
    filter: &Filter,
    form: BTreeMap<&'static str, String>,
) -> Failing<Page> {
    let own = [&FIELDS[..], &["after", "everything"]].concat();
    let listed = silences::list(gateway, &filter.query(&own, &[])).await?;
    let rows = listed.items.into_iter().map(|item| Row::of(view, item));
    let older = listed.next;
    Ok(Page {
        rows: rows.collect(),
        older: older.map(|next| filter.href("/silences", &[("before", &next)])),
        all: filter.text("state") == "all",
        form,
        lasts: LASTS,
        hits: None,
        wrong: None,
        done: filter.text("done").to_owned(),
    })
}

/// What the form asks for. Each line of a field is `FIELD=VALUE`.
fn wanted(fields: &Fields) -> Result<WantedSilence, ApiError> {
    let mut wanted = WantedSilence {
        when: Some(fields.text("when").trim().to_owned()).filter(|when| !when.is_empty()),
        lasts: Some(fields.text("for").to_owned()),
        after: Some(fields.text("after").to_owned()).filter(|after| !after.is_empty()),
        comment: fields.text("comment").to_owned(),
        everything: fields.text("everything") == "yes",
        ..WantedSilence::default()
    };
    for (field, value) in pairs(fields.text("match"))? {
        let values = wanted.matches.entry(field);
        if let OneOrMore::Many(values) = values.or_insert(OneOrMore::Many(Vec::new())) {
            values.push(value);
        }
    }
    wanted.regex = pairs(fields.text("regex"))?.into_iter().collect();
    Ok(wanted)
}

fn pairs(text: &str) -> Result<Vec<(String, String)>, ApiError> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let pair = |line: &str| match line.split_once('=') {
        Some((field, value)) => Ok((field.trim().to_owned(), value.trim().to_owned())),
        None => Err(ApiError::bad_request(format!(
            "`{line:.80}` has no `=`: write one field and its value on each line, such as labels.team=db"
        ))),
    };
    lines.map(pair).collect()
}

/// Shows what a silence would match, with the form as it was sent.
async fn preview(
    request: HttpRequest,
    fields: web::Form<Vec<(String, String)>>,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    let fields = Fields(fields.into_inner());
    let looked = async { silences::look(&gateway, &wanted(&fields)?).await };
    again(&request, &gateway, &fields, looked.await).await
}

/// Makes a silence. What is wrong with it is shown with the form as it was sent.
async fn add(
    request: HttpRequest,
    fields: web::Form<Vec<(String, String)>>,
    gateway: web::Data<Gateway>,
    actor: Actor,
) -> Failing<HttpResponse> {
    let fields = Fields(fields.into_inner());
    let made = async { silences::make(&gateway, &wanted(&fields)?, &actor).await };
    match made.await {
        Ok(_) => Ok(answer::see("/silences?done=made")),
        Err(wrong) => again(&request, &gateway, &fields, Err(wrong)).await,
    }
}

/// The page with the form as it was sent.
async fn again(
    request: &HttpRequest,
    gateway: &web::Data<Gateway>,
    fields: &Fields,
    looked: Failing<SilenceHits>,
) -> Failing<HttpResponse> {
    let view = View::of(request, gateway);
    let filter = Filter::of("", view.now())?;
    let form = FIELDS.map(|name| (name, fields.text(name).to_owned()));
    let mut shown = page(&view, gateway, &filter, form.into()).await?;
    match looked {
        Ok(hits) => shown.hits = Some(hits),
        Err(error) => shown.wrong = Some(error.to_string()),
    }
    Ok(view.page("silences.html", shown))
}

async fn extend(
    id: web::Path<String>,
    fields: web::Form<Vec<(String, String)>>,
    gateway: web::Data<Gateway>,
    actor: Actor,
) -> Failing<HttpResponse> {
    let fields = Fields(fields.into_inner());
    let extended = Extended {
        until: None,
        lasts: Some(fields.text("for").to_owned()),
    };
    silences::change(&gateway, &id, &actor, Some(&extended)).await?;
    Ok(answer::see("/silences?done=extended"))
}

async fn end(
    id: web::Path<String>,
    gateway: web::Data<Gateway>,
    actor: Actor,
) -> Failing<HttpResponse> {
    silences::change(&gateway, &id, &actor, None).await?;
    Ok(answer::see("/silences?done=ended"))
}
