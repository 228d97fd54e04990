//! Which role each operation needs.

use actix_web::http::Method;

use crate::config::Role;

/// The role for each operation that is not a plain look: method, path, role.
const NEEDS: &[(&str, &str, Role)] = &[
    // These compare or forecast, and change nothing.
    ("POST", "/api/v1/renormalize", Role::Viewer),
    ("POST", "/api/v1/try", Role::Viewer),
    ("POST", "/try", Role::Viewer),
    ("POST", "/api/v1/alerts/{id}/retry", Role::Operator),
    ("POST", "/api/v1/deliveries/retry", Role::Operator),
    ("POST", "/api/v1/dead/retry", Role::Operator),
    ("POST", "/api/v1/quarantine/retry", Role::Operator),
    ("POST", "/api/v1/silences/preview", Role::Viewer),
    ("POST", "/api/v1/silences", Role::Operator),
    ("POST", "/api/v1/silences/{id}/extend", Role::Operator),
    ("POST", "/api/v1/silences/{id}/end", Role::Operator),
    ("POST", "/silences/preview", Role::Viewer),
    ("POST", "/silences", Role::Operator),
    ("POST", "/silences/{id}/extend", Role::Operator),
    ("POST", "/silences/{id}/end", Role::Operator),
    ("POST", "/api/v1/jobs/{id}/stop", Role::Operator),
    ("POST", "/api/v1/sinks/{kind}/{name}/pause", Role::Operator),
    ("POST", "/api/v1/sinks/{kind}/{name}/resume", Role::Operator),
    ("POST", "/api/v1/sinks/{kind}/{name}/test", Role::Operator),
    (
        "POST",
        "/api/v1/sources/{provider}/{name}/simulate",
        Role::Operator,
    ),
    ("POST", "/alerts/{id}/retry", Role::Operator),
    (
        "POST",
        "/sources/{provider}/{name}/simulate",
        Role::Operator,
    ),
    ("POST", "/deliveries/retry", Role::Operator),
    ("POST", "/dead/retry", Role::Operator),
    ("POST", "/dead/jobs/{id}/stop", Role::Operator),
    ("POST", "/sinks/{kind}/{name}/pause", Role::Operator),
    ("POST", "/sinks/{kind}/{name}/resume", Role::Operator),
    ("POST", "/sinks/{kind}/{name}/test", Role::Operator),
    ("POST", "/dead/drop", Role::Admin),
    ("POST", "/sources/{provider}/{name}/key", Role::Admin),
    ("POST", "/api/v1/sources/{provider}/{name}/key", Role::Admin),
    ("POST", "/quarantine/retry", Role::Operator),
    ("POST", "/quarantine/{id}/retry", Role::Operator),
    // Its tools only read.
    ("POST", "/mcp", Role::Viewer),
    // A cookie of the reader.
    ("POST", "/preferences", Role::Viewer),
    ("POST", "/settings", Role::Viewer),
    ("POST", "/api/v1/deliveries/drop", Role::Admin),
    ("POST", "/api/v1/dead/drop", Role::Admin),
    ("POST", "/api/v1/quarantine/drop", Role::Admin),
    ("POST", "/quarantine/{id}/drop", Role::Admin),
    ("DELETE", "/api/v1/deliveries/{alert_id}", Role::Admin),
];

/// The role for the operation at the path `pattern`, such as `/api/v1/alerts/{id}`. What [`NEEDS`] does not name needs
/// `viewer` to look and `admin` to change anything, so that a forgotten line refuses.
pub(super) fn needed(method: &Method, pattern: &str) -> Role {
    let mut needs = NEEDS.iter();
    let named = needs.find(|need| need.0 == method.as_str() && need.1 == pattern);
    match named {
        Some((.., role)) => *role,
        None if matches!(*method, Method::GET | Method::HEAD) => Role::Viewer,
        None => Role::Admin,
    }
}

/// Whether the operation at the path `pattern` changes something, or shows a secret. What a viewer may send only reads, or sets
/// a cookie of the reader.
pub(super) fn acts(method: &Method, pattern: &str) -> bool {
    needed(method, pattern) > Role::Viewer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_without_a_line_can_be_read_by_all_and_changed_by_an_admin() {
        assert_eq!(needed(&Method::GET, "/api/v1/new"), Role::Viewer);
        assert_eq!(needed(&Method::PATCH, "/api/v1/new"), Role::Admin);
        assert_eq!(needed(&Method::POST, ""), Role::Admin);
    }

    #[test]
    fn what_a_viewer_may_send_does_not_act() {
        for reads in ["/mcp", "/api/v1/try", "/api/v1/renormalize", "/settings"] {
            assert!(!acts(&Method::POST, reads), "{reads}");
        }
        for acting in ["/api/v1/dead/retry", "/api/v1/dead/drop", "/api/v1/new"] {
            assert!(acts(&Method::POST, acting), "{acting}");
        }
        assert!(acts(&Method::DELETE, "/api/v1/deliveries/{alert_id}"));
        assert!(!acts(&Method::GET, "/api/v1/dead"));
    }
}
