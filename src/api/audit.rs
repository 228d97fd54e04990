//! `/api/v1/audit`: what operators did.

use std::net::IpAddr;

use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::query::{Query, searched};
use super::types::Searched;
use super::{Failing, fresh, resource};
use crate::http::Gateway;
use campanile_store::{AuditFilter, AuditRow};

const FILTERS: &[&str] = &["who", "action", "since", "before", "limit"];

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/audit").get(index));
}

/// What an operator did.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AuditItem {
    /// Its number.
    pub(crate) id: i64,
    /// When.
    pub(crate) at: Timestamp,
    /// The name of the token, or of the operator whom the proxy named.
    pub(crate) who: String,
    /// The role then: `viewer`, `operator` or `admin`.
    pub(crate) role: String,
    /// What showed who it was: `token`, `cookie`, `proxy`, or `open` if no token was configured.
    pub(crate) via: String,
    /// What was used: `page`, `cli` or `api`.
    pub(crate) client: String,
    /// The address, as trusted proxies report it.
    #[schema(value_type = Option<String>)]
    pub(crate) from: Option<IpAddr>,
    /// A noun and a verb, such as `dead.retry`.
    pub(crate) action: String,
    /// What it was done to: a sink, a source, an alert, numbers, or `all`.
    pub(crate) target: String,
    /// The number of items that it changed.
    pub(crate) count: u64,
    /// More about it.
    pub(crate) detail: String,
}

/// What operators did, newest first: each action with who, when, from where and on how many. Kept for a year longer than alerts.
#[utoipa::path(
    get,
    path = "/api/v1/audit",
    params(
        ("who" = Option<String>, Query, description = "Only of the operator with this name"),
        ("action" = Option<String>, Query, description = "Only this action, such as `dead.retry`, or all of one noun, such as `dead`"),
        ("since" = Option<String>, Query, description = "Only at or after this time"),
        ("before" = Option<String>, Query, description = "The `next` of the previous page"),
        ("limit" = Option<u32>, Query, description = "Items per page, from 1 to 500"),
    ),
    responses((status = 200, body = Searched<AuditItem>))
)]
pub(super) async fn index(
    request: HttpRequest,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    fresh(&request, &gateway, list(&gateway, request.query_string())).await
}

/// What operators did and matches a query, newest first.
pub(crate) async fn list(gateway: &Gateway, query: &str) -> Failing<Searched<AuditItem>> {
    let query = Query::of(query, FILTERS)?;
    let limit = query.limit()?;
    let filter = AuditFilter {
        who: query.text("who").map(str::to_owned),
        action: query.text("action").map(str::to_owned),
        since: query.time("since")?,
        before: query.cursor()?,
        limit: limit + 1,
    };
    let listed = gateway.store.audit(filter).await?;
    let page = searched(listed, limit, |row| row.number);
    Ok(Searched {
        items: page.items.into_iter().map(shown).collect(),
        next: page.next,
        searched_to: page.searched_to,
    })
}

fn shown(row: AuditRow) -> AuditItem {
    let act = row.act;
    AuditItem {
        id: row.number,
        at: act.at,
        who: act.who,
        role: act.role,
        via: act.via,
        client: act.client,
        from: act.from,
        action: act.action,
        target: act.target,
        count: row.count,
        detail: act.detail,
    }
}
