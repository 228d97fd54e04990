//! Puts a Bearer token into a request.

use campanile_model::Callback;

/// Returns `call` with this Bearer token.
pub(super) fn with_bearer(mut call: Callback, token: &str) -> Callback {
    call.headers.retain(|(name, _)| name != "authorization");
    call.headers
        .push(("authorization".to_owned(), format!("Bearer {token}")));
    call
}
