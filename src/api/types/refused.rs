//! The response if a request was refused or failed.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The response if a request was refused or failed, in the form of RFC 9457.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Refused {
    /// The kind of error: the path on this listener that leads to its explanation, such as `/problems/not_found`.
    pub r#type: String,
    /// The kind of error in words, the same for each error of this kind.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// A sentence for the operator: the problem and the fix.
    pub detail: String,
    /// The parts of the request that are wrong, if they are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Mistake>,
    /// Code and message, the earlier form of this response. The next release leaves it out.
    pub error: Reason,
}

/// A part of a request that is wrong: a parameter, or a place in the body.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Mistake {
    /// The parameter of the query, or the header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// The place in the body: a JSON pointer as the fragment of a URI, such as `#/ids/0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// The problem.
    pub detail: String,
}

/// The reason why a request was refused or failed.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    /// One word for programs, such as `not_found`.
    pub code: String,
    /// A sentence for the operator: the problem and the fix.
    pub message: String,
}
