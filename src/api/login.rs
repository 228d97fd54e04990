//! Logs a browser in and out, and limits how many tokens one address can try.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use actix_web::HttpRequest;
use actix_web::cookie::Cookie;
use jiff::{SignedDuration, Timestamp};

use super::actor::{Actor, caller};
use super::error::ApiError;
use super::{Failing, Via, Who, auth, session};
use crate::config::Role;
use crate::http::Gateway;

/// So many logins of one address may fail in [`WINDOW`]. Later ones are refused until it ends.
const FAILURES_MAX: u32 = 5;

const WINDOW: SignedDuration = SignedDuration::from_mins(1);

/// Addresses with failed logins that are remembered. All others share one count.
const ADDRESSES_MAX: usize = 4096;

/// The failed logins of the last minute.
#[derive(Default)]
pub(crate) struct Logins(Mutex<HashMap<IpAddr, Failures>>);

/// The failed logins of one address.
#[derive(Clone, Copy)]
struct Failures {
    since: Timestamp,
    count: u32,
}

impl Failures {
    fn is_over(self, now: Timestamp) -> bool {
        now.duration_since(self.since) >= WINDOW
    }
}

impl Logins {
    /// Counts a login before its token is looked at. An address that has more than [`FAILURES_MAX`] is refused.
    fn count(&self, caller: IpAddr, now: Timestamp) -> u32 {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= ADDRESSES_MAX {
            known.retain(|_, failures| !failures.is_over(now));
        }
        let full = known.len() >= ADDRESSES_MAX && !known.contains_key(&caller);
        let key = if full {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            caller
        };
        let fresh = Failures {
            since: now,
            count: 0,
        };
        let failures = known.entry(key).or_insert(fresh);
        if failures.is_over(now) {
            *failures = fresh;
        }
        failures.count = failures.count.saturating_add(1);
        failures.count
    }

    /// Forgets the failures of an address that logged in.
    fn succeeded(&self, caller: IpAddr) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(&caller);
    }
}

/// The cookie for the browser that sent this token.
pub(crate) async fn log_in(
    request: &HttpRequest,
    gateway: &Gateway,
    logins: &Logins,
    given: &str,
) -> Failing<Cookie<'static>> {
    // A caller without a known address is counted with all others of that kind.
    let caller = caller(request, gateway).unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    let now = gateway.clock.now();
    let tries = logins.count(network(caller), now);
    if tries > FAILURES_MAX {
        gateway.metrics.login("limited");
        if tries == FAILURES_MAX + 1 {
            let nobody = Who {
                name: String::new(),
                role: Role::Viewer,
                via: Via::Open,
            };
            record(request, gateway, nobody, "login.limited").await;
        }
        return Err(ApiError::too_many_logins());
    }
    let current = gateway.current();
    let admin = &current.admin;
    let Some(token) = auth::token(given.trim(), admin) else {
        gateway.metrics.login("refused");
        tracing::warn!(%caller, "a login failed: no token has this secret");
        return Err(ApiError::wrong_login());
    };
    logins.succeeded(network(caller));
    gateway.metrics.login("accepted");
    let (who, role) = (&*token.name, token.role.as_str());
    tracing::info!(%caller, who, role, "an operator logged in");
    let known = Who {
        name: token.name.clone(),
        role: token.role,
        via: Via::Token,
    };
    record(request, gateway, known, "login").await;
    let name = session::name(request.headers(), admin);
    session::cookie(&token, now, name).ok_or_else(ApiError::wrong_login)
}

/// The cookie that ends the session of a browser.
pub(crate) fn log_out(request: &HttpRequest, gateway: &Gateway) -> Cookie<'static> {
    session::ended(session::name(request.headers(), &gateway.current().admin))
}

/// Writes a login to the audit. An operator must be able to log in when the disk is full, so a failure is only logged.
async fn record(request: &HttpRequest, gateway: &Gateway, who: Who, action: &str) {
    let act = Actor::named(who, request, gateway).does(gateway, action, "");
    if let Err(error) = gateway.store.record(act, 1).await {
        tracing::warn!(action, %error, "a login cannot be written to the audit");
    }
}

/// One sender of IPv6 has a whole /64 of addresses.
fn network(caller: IpAddr) -> IpAddr {
    match caller {
        IpAddr::V4(_) => caller,
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}
