//! A value that cannot be read: the place and the problem.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A value that cannot be read, in words for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct Fault {
    /// The place: `body.AlarmTime`, `query.task_status`, `body, line 1 column 17`.
    pub place: String,
    /// The problem, and what was expected. Contains at most a short excerpt of the value, and never a secret.
    pub problem: String,
}

impl Fault {
    /// Creates a fault at `place`.
    pub fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            problem: problem.into(),
        }
    }
}
