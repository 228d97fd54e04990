//! The sender of a command, as the audit names them.

use std::future::{Ready, ready};
use std::net::IpAddr;

use actix_web::dev::Payload;
use actix_web::http::header::USER_AGENT;
use actix_web::{FromRequest, HttpRequest, web};

use super::error::ApiError;
use super::{Failing, Who, who};
use crate::http::{Gateway, callback};
use campanile_store::Act;

/// How the command line names itself in `User-Agent`, before its version.
pub(crate) const COMMAND_LINE: &str = "campanile/";

/// Who sends a command, with what, and from where. A handler that changes something takes it as an argument.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    who: Who,
    client: &'static str,
    from: Option<IpAddr>,
}

impl Actor {
    /// The sender of this request, whom [`super::admit`] has let in.
    pub(crate) fn of(request: &HttpRequest) -> Failing<Self> {
        let gateway = request.app_data::<web::Data<Gateway>>();
        Ok(Self {
            who: who(request).ok_or_else(ApiError::unauthorized)?,
            client: client(request),
            from: gateway.and_then(|gateway| caller(request, gateway)),
        })
    }

    /// Somebody whom [`super::admit`] does not know yet.
    pub(super) fn named(who: Who, request: &HttpRequest, gateway: &Gateway) -> Self {
        Self {
            who,
            client: client(request),
            from: caller(request, gateway),
        }
    }

    /// What they do now. `action` is a noun and a verb, such as `dead.retry`.
    pub(crate) fn does(&self, gateway: &Gateway, action: &str, target: impl Into<String>) -> Act {
        Act {
            who: self.who.name.clone(),
            role: self.who.role.as_str().to_owned(),
            via: self.who.via.to_string(),
            client: self.client.to_owned(),
            from: self.from,
            target: target.into(),
            ..Act::new(gateway.clock.now(), action)
        }
    }
}

impl FromRequest for Actor {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

/// Writes an act that has succeeded and changed nothing. The store itself writes those that changed something.
pub(super) async fn in_vain(gateway: &Gateway, act: Act, changed: u64) -> Failing<()> {
    if changed == 0 {
        gateway.store.record(act, 0).await?;
    }
    Ok(())
}

fn client(request: &HttpRequest) -> &'static str {
    let agent = request.headers().get(USER_AGENT);
    let agent = agent.and_then(|agent| agent.to_str().ok()).unwrap_or("");
    match request.path() {
        path if !path.starts_with("/api/") => "page",
        _ if agent.starts_with(COMMAND_LINE) => "cli",
        _ => "api",
    }
}

/// The address of the sender, as trusted proxies report it.
pub(super) fn caller(request: &HttpRequest, gateway: &Gateway) -> Option<IpAddr> {
    callback::peer(request, &gateway.current().snapshot.server)
}
