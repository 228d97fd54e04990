//! The `Authorization` header: Bearer tokens and HTTP Basic.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::proof::Proof;
use crate::source::Source;
use campanile_model::Callback;

/// One of the source's tokens, as a Bearer token or as the password of HTTP Basic. The user name of Basic is
/// checked only if the source has one. The proof of a source without tokens is its key or its addresses.
pub(crate) fn bearer_or_basic<'a>(call: &'a Callback, source: &'a Source) -> Proof<'a> {
    if source.tokens.is_empty() {
        return Proof::Nothing;
    }
    Proof::Any(vec![bearer(call, source), basic(call, source)])
}

/// One of the source's tokens, as a Bearer token.
pub(crate) fn bearer<'a>(call: &'a Callback, source: &'a Source) -> Proof<'a> {
    Proof::Secret {
        given: credentials(call, "Bearer").map(Cow::Borrowed),
        wanted: &source.tokens,
    }
}

fn basic<'a>(call: &'a Callback, source: &'a Source) -> Proof<'a> {
    let pair = pair(call);
    if let (Some(wanted), Some((given, _))) = (source.own.text("user"), &pair)
        && wanted != given
    {
        return Proof::Wrong("wrong user");
    }
    Proof::Secret {
        given: pair.map(|(_, password)| Cow::Owned(password)),
        wanted: &source.tokens,
    }
}

/// User and password of HTTP Basic.
fn pair(call: &Callback) -> Option<(String, String)> {
    let bytes = STANDARD.decode(credentials(call, "Basic")?).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// The text after the scheme. The case of the scheme does not matter.
fn credentials<'c>(call: &'c Callback, scheme: &str) -> Option<&'c str> {
    let (given, rest) = call.header("authorization")?.split_once(' ')?;
    given.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}
