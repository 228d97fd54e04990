//! The operator whom a proxy logged in, by its headers.

use actix_web::HttpRequest;

use super::auth::{Via, Who};
use crate::config::{Proxy, Role};

/// The longest name of an operator, in characters.
const NAME_CHARACTERS_MAX: usize = 128;

/// The operator whom the proxy names. None: the request does not come from the proxy, the proxy names nobody, or the operator
/// has no role.
pub(super) fn who(request: &HttpRequest, proxy: &Proxy) -> Option<Who> {
    // The address that connects. `X-Forwarded-For` does not count: any sender can set it.
    let peer = request.peer_addr()?.ip().to_canonical();
    if !proxy.from.iter().any(|net| net.contains(&peer)) {
        return None;
    }
    let name = single(request, &proxy.user_header)?;
    let valid = !name.is_empty() && !name.contains(char::is_control);
    if !valid || name.chars().count() > NAME_CHARACTERS_MAX {
        return None;
    }
    Some(Who {
        name: name.to_owned(),
        role: role(request, proxy)?,
        via: Via::Proxy,
    })
}

/// The highest role of the groups of the operator.
fn role(request: &HttpRequest, proxy: &Proxy) -> Option<Role> {
    let header = proxy.groups_header.as_ref();
    let groups = header.and_then(|header| single(request, header));
    let groups = groups.unwrap_or("").split(',').map(str::trim);
    let highest = groups.filter_map(|group| proxy.roles.get(group)).max();
    highest.copied().max(proxy.role)
}

/// The value of a header. If the header occurs twice, the browser set one of the two: then neither is used.
fn single<'r>(request: &'r HttpRequest, name: &str) -> Option<&'r str> {
    let mut lines = request.headers().get_all(name);
    let (first, second) = (lines.next()?, lines.next());
    let text = std::str::from_utf8(first.as_bytes()).ok()?;
    second.is_none().then(|| text.trim())
}
