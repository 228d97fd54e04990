//! What a form of a page sends.

use crate::api::Failing;
use crate::api::error::ApiError;
use crate::api::types::Selection;

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

/// The fields of a form. A name can occur more than once.
pub(super) struct Fields(pub(super) Vec<(String, String)>);

impl Fields {
    /// The values of a field.
    pub(super) fn each<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        let of_name = self.0.iter().filter(move |field| field.0 == name);
        of_name.map(|field| field.1.as_str())
    }

    /// The first value of a field, or an empty text.
    pub(super) fn text(&self, name: &str) -> &str {
        let field = self.0.iter().find(|field| field.0 == name);
        field.map_or("", |field| &field.1)
    }

    /// All items of the sink that the form names, or of all sinks.
    pub(super) fn all_that_match(&self) -> Selection {
        let sink = Some(self.text("sink")).filter(|sink| !sink.is_empty());
        Selection {
            all: sink.is_none(),
            sink: sink.map(ToOwned::to_owned),
            ..Selection::default()
        }
    }

    /// The address of the list from which the form came, with these parameters.
    pub(super) fn address(&self, path: &str, more: &[(&str, &str)]) -> String {
        let sink = Some(("sink", self.text("sink"))).filter(|sink| !sink.1.is_empty());
        let pairs: Vec<(&str, &str)> = sink.into_iter().chain(more.iter().copied()).collect();
        format!(
            "{path}?{}",
            serde_urlencoded::to_string(pairs).unwrap_or_default()
        )
    }
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
