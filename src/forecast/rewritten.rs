//! What rewrites did to an alert, for the API, the command line and the page.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::pipeline::rewrite::Applied;
use crate::snapshot::Rewrites;

/// What one rewrite did to an alert.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RewriteApplied {
    /// The name of the rewrite, or its number from 1.
    pub name: String,
    /// The fields that it changed.
    pub changes: Vec<FieldChange>,
    /// What it could not do, each in one sentence.
    pub failed: Vec<String>,
}

/// A field before and after a rewrite. A redacted value is `***` in both.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FieldChange {
    /// The field of the alert, such as `labels.team`.
    pub field: String,
    /// Its value before; empty if it was absent.
    pub old: String,
    /// Its value now.
    pub new: String,
}

/// Each rewrite that matched, with its name.
pub(super) fn all(applied: Vec<Applied>, rewrites: &Rewrites) -> Vec<RewriteApplied> {
    let names: Vec<_> = rewrites.names().collect();
    let all = applied.into_iter().map(|applied| RewriteApplied {
        name: names
            .get(applied.rewrite)
            .map_or_else(String::new, ToString::to_string),
        changes: applied
            .changes
            .into_iter()
            .map(|change| FieldChange {
                field: change.field,
                old: change.old,
                new: change.new,
            })
            .collect(),
        failed: applied
            .failed
            .into_iter()
            .map(|failed| match failed.field.as_str() {
                "" => failed.words,
                field => format!("{field}: {}", failed.words),
            })
            .collect(),
    });
    all.collect()
}
