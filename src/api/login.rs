//! Logs a browser in and out, and limits how many tokens one address can try.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use actix_web::HttpRequest;
use actix_web::cookie::Cookie;
use jiff::{SignedDuration, Timestamp};

use super::error::ApiError;
use super::{Failing, auth, session};
use crate::http::{Gateway, address};

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
    /// Counts a login before its token is looked at. False: this address has tried too often.
    fn allows(&self, caller: IpAddr, now: Timestamp) -> bool {
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
        failures.count <= FAILURES_MAX
    }

    /// Forgets the failures of an address that logged in.
    fn succeeded(&self, caller: IpAddr) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(&caller);
    }
}

/// The cookie for the browser that sent this token.
pub(crate) fn log_in(
    request: &HttpRequest,
    gateway: &Gateway,
    logins: &Logins,
    given: &str,
) -> Failing<Cookie<'static>> {
    let (caller, now) = (caller(request, gateway), gateway.clock.now());
    if !logins.allows(network(caller), now) {
        gateway.metrics.login("limited");
        return Err(ApiError::too_many_logins());
    }
    let admin = &gateway.current().admin;
    let Some(token) = auth::token(given.trim(), admin) else {
        gateway.metrics.login("refused");
        tracing::warn!(%caller, "a login failed: no token has this secret");
        return Err(ApiError::wrong_login());
    };
    logins.succeeded(network(caller));
    gateway.metrics.login("accepted");
    let (who, role) = (&*token.name, token.role.as_str());
    tracing::info!(%caller, who, role, "an operator logged in");
    let name = session::name(request.headers(), admin);
    session::cookie(&token, now, name).ok_or_else(ApiError::wrong_login)
}

/// The cookie that ends the session of a browser.
pub(crate) fn log_out(request: &HttpRequest, gateway: &Gateway) -> Cookie<'static> {
    session::ended(session::name(request.headers(), &gateway.current().admin))
}

/// The address of the browser. A caller without a known address is counted with all others of that kind.
fn caller(request: &HttpRequest, gateway: &Gateway) -> IpAddr {
    let lines = request.headers().get_all("x-forwarded-for");
    let lines: Vec<_> = lines.map(|line| line.to_str().ok()).collect();
    let peer = request.peer_addr().map(|peer| peer.ip());
    let trusted = &gateway.current().snapshot.server.trusted_proxies;
    let caller = address::caller(peer, lines.into_iter(), trusted);
    caller.unwrap_or(Ipv4Addr::UNSPECIFIED.into())
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
