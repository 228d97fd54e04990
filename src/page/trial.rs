//! `/try`: what the gateway would do with a request. Sends and stores nothing.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use serde::Serialize;

use super::field::{self, Field};
use super::filter::Filter;
use super::form::Fields;
use super::moment::Moment;
use super::row;
use super::view::View;
use crate::api::error::ApiError;
use crate::api::trial::{self, Try};
use crate::api::types::{FieldOrigin, Forecast, Origin, Rendered, RewriteApplied, RouteSaid};
use crate::api::{Failing, alerts, callbacks, quarantine, simulate, sources};
use crate::http::Gateway;

/// Stored requests to choose from.
const STORED_MAX: &str = "10";

pub(super) fn routes(config: &mut web::ServiceConfig) {
    let limit = web::FormConfig::default().limit(trial::BYTES_MAX);
    config.service(
        web::resource("/try")
            .app_data(limit)
            .route(web::get().to(show))
            .route(web::post().to(pasted)),
    );
}

/// What the template sees.
#[derive(Serialize)]
struct Page {
    form: Form,
    sources: Vec<String>,
    stored: Vec<Stored>,
    examples: Vec<Example>,
    /// What is wrong with the form.
    mistake: Option<String>,
    result: Option<Shown>,
}

/// The fields of the form, as they were typed.
#[derive(Default, Serialize)]
struct Form {
    request: String,
    source: String,
    from: String,
    client_certificate: String,
    believe: bool,
}

/// A stored request.
#[derive(Serialize)]
struct Stored {
    received: Moment,
    source: String,
    verdict: String,
    href: String,
}

/// The built-in messages of the vendor of a source.
#[derive(Serialize)]
struct Example {
    source: String,
    cases: Vec<&'static str>,
}

/// A forecast.
#[derive(Serialize)]
struct Shown {
    /// Whether a vendor without proof would be refused, and a mark in the form can change that.
    rejected: bool,
    fates: Vec<Fate>,
    origins: Vec<FieldOrigin>,
    /// The vendor is read by code, so the origin of a field is not known.
    by_code: bool,
    #[serde(flatten)]
    forecast: Forecast,
}

/// An alert that the request would make.
#[derive(Serialize)]
struct Fate {
    title: String,
    status: String,
    severity: String,
    value: String,
    fields: Vec<Field>,
    rewrites: Vec<RewriteApplied>,
    routes: Vec<RouteSaid>,
    sinks: Vec<Rendered>,
}

impl Shown {
    fn of(mut forecast: Forecast) -> Self {
        let fates = std::mem::take(&mut forecast.alerts);
        let origins = match forecast.explained.take() {
            Some(Origin::Mapping { fields }) => fields,
            _ => vec![],
        };
        let is_read = !fates.is_empty();
        let items = origins
            .iter()
            .map(|origin| origin.item().unwrap_or_default());
        let items = items.max().map_or(0, |last| last + 1);
        // An item without an alert moves the numbers; then only the table of all origins is right.
        let each = items == fates.len();
        let of_alert = |number: usize| -> Vec<FieldOrigin> {
            let all = origins.iter().filter(|_| each);
            let own = all.filter(|origin| origin.item().unwrap_or_default() == number);
            own.cloned().collect()
        };
        let alerts = fates.into_iter().enumerate().map(|(number, fate)| Fate {
            title: row::title(&fate.alert),
            status: fate.alert.status.to_string(),
            severity: fate.alert.severity.to_string(),
            value: row::value(&fate.alert.metric),
            fields: field::all(&fate.alert, &of_alert(number)),
            rewrites: fate.rewrites,
            routes: fate.routes,
            sinks: fate.sinks,
        });
        Self {
            rejected: forecast.verdict == "rejected",
            fates: alerts.collect(),
            by_code: is_read && origins.is_empty(),
            origins,
            forecast,
        }
    }
}

async fn show(request: HttpRequest, gateway: web::Data<Gateway>) -> Failing<HttpResponse> {
    let view = View::of(&request, &gateway);
    let filter = Filter::of(request.query_string(), view.now())?;
    let (form, wanted) = chosen(&gateway, &filter).await?;
    let gateway = gateway.into_inner();
    let result = match wanted {
        Some(wanted) => Some(trial::forecast(&gateway, wanted).await),
        None => None,
    };
    page(&view, &gateway, form, result).await
}

/// The stored or built-in request that the address names, for the form and for the forecast.
async fn chosen(gateway: &Gateway, filter: &Filter) -> Failing<(Form, Option<Try>)> {
    let (alert, number, case) = (
        filter.text("alert"),
        filter.text("quarantine"),
        filter.text("case"),
    );
    let mut form = Form {
        source: filter.text("source").to_owned(),
        believe: true,
        ..Form::default()
    };
    let mut wanted = Try::default();
    if !alert.is_empty() {
        let detail = alerts::detail(gateway, alert).await?;
        form.source = detail.alert.source;
        form.request = detail.callback.unwrap_or_default();
        wanted.alert = Some(alert.to_owned());
    } else if !number.is_empty() {
        let detail = quarantine::detail(gateway, number).await?;
        form.source = detail.quarantined.source;
        form.request = detail.callback;
        wanted.quarantine = Some(detail.quarantined.id);
    } else if !case.is_empty() {
        form.request = simulate::example(gateway, &form.source, case)?;
        wanted = form.wanted()?;
    } else {
        form.believe = false;
        return Ok((form, None));
    }
    Ok((form, Some(wanted)))
}

async fn pasted(
    request: HttpRequest,
    fields: web::Form<Vec<(String, String)>>,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    let view = View::of(&request, &gateway);
    let form = Form::of(&Fields(fields.into_inner()));
    let gateway = gateway.into_inner();
    let result = match form.wanted() {
        Ok(wanted) => trial::forecast(&gateway, wanted).await,
        Err(mistake) => Err(mistake),
    };
    page(&view, &gateway, form, Some(result)).await
}

impl Form {
    fn of(fields: &Fields) -> Self {
        Self {
            request: fields.text("request").to_owned(),
            source: fields.text("source").to_owned(),
            from: fields.text("from").trim().to_owned(),
            client_certificate: fields.text("client_certificate").trim().to_owned(),
            believe: fields.text("believe") == "yes",
        }
    }

    fn wanted(&self) -> Failing<Try> {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let from = given(&self.from).map(|from| from.parse()).transpose();
        Ok(Try {
            request: Some(self.request.clone()),
            source: given(&self.source),
            believe: self.believe,
            from: from.map_err(|_| {
                let from = &self.from;
                ApiError::bad_request(format!("`{from:.40}` is not a valid IP address"))
            })?,
            client_certificate: given(&self.client_certificate),
            ..Try::default()
        })
    }
}

/// The page. A form with a mistake comes back as it was typed.
async fn page(
    view: &View,
    gateway: &Arc<Gateway>,
    form: Form,
    result: Option<Failing<Forecast>>,
) -> Failing<HttpResponse> {
    let (result, mistake) = match result {
        Some(Ok(forecast)) => (Some(Shown::of(forecast)), None),
        Some(Err(mistake)) => (None, Some(mistake)),
        None => (None, None),
    };
    let status = mistake
        .as_ref()
        .map_or(StatusCode::OK, ResponseError::status_code);
    let sources: Vec<String> = sources::list(gateway)
        .items
        .into_iter()
        .map(|s| s.name)
        .collect();
    let examples = sources.iter().map(|source| Example {
        cases: simulate::cases(gateway, source),
        source: source.clone(),
    });
    let page = Page {
        form,
        examples: examples
            .filter(|example| !example.cases.is_empty())
            .collect(),
        sources,
        stored: stored(view, gateway).await?,
        mistake: mistake.map(|mistake| mistake.to_string()),
        result,
    };
    Ok(view.page_with(status, "try.html", page))
}

/// The last requests that are stored.
async fn stored(view: &View, gateway: &Gateway) -> Failing<Vec<Stored>> {
    let found = callbacks::list(gateway, &format!("limit={STORED_MAX}")).await?;
    let stored = found.items.into_iter().filter_map(|item| {
        let href = match (&item.alert_id, item.quarantine) {
            (Some(id), _) => format!("/try?alert={id}"),
            (None, Some(number)) => format!("/try?quarantine={number}"),
            (None, None) => return None,
        };
        Some(Stored {
            received: view.moment(item.at),
            source: item.source.unwrap_or_default(),
            verdict: item.verdict,
            href,
        })
    });
    Ok(stored.collect())
}
