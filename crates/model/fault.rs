//! What cannot be read: the place and the problem.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why something could not be read, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct Fault {
    /// Where: `body.AlarmTime`, `query.task_status`, `body, line 1 column 17`.
    pub place: String,
    /// What is wrong there and what was expected. At most a short excerpt of the value, never a secret.
    pub problem: String,
}

impl Fault {
    /// A fault at `place`.
    pub fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            problem: problem.into(),
        }
    }
}
