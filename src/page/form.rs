//! What a form of a page sends.

use crate::api::Failing;
use crate::api::error::ApiError;

/// The path to which a form leads back. Only a path of this listener: another address could be a trap.
pub(super) fn path_back(next: &str) -> Failing<&str> {
    let inside = next.starts_with('/') && !next.starts_with("//") && !next.contains('\\');
    if inside && next.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(next);
    }
    Err(ApiError::bad_request(
        "`next` is not a path of this listener, such as `/alerts/...`",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_leads_only_to_a_path_of_the_listener() {
        for path in ["/", "/alerts/1?tz=Asia/Taipei", "/?severity=critical"] {
            assert_eq!(path_back(path).unwrap(), path);
        }
        for trap in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/\r\nx: y",
            "javascript:1",
        ] {
            assert!(path_back(trap).is_err(), "{trap}");
        }
    }
}
