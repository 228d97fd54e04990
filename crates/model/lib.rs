//! The types that every part shares: the [`Alert`], the [`Callback`] that carried it, names and ids, secrets, the
//! clock.
//!
//! This crate opens no file and no socket. Only [`Clock`] calls the operating system.

pub mod alert;
pub mod body;
pub mod callback;
pub mod charset;
pub mod clock;
pub mod failpoint;
pub mod fault;
mod harmless;
pub mod ids;
pub mod lenient;
mod multipart;
pub mod redact;
pub mod remark;
pub mod store_copies;
pub mod store_url;
pub mod trace;
pub mod urlencoded;
pub mod worth;

pub use alert::{
    Alert, Fingerprint, Link, Metric, Report, Resource, Severity, Status, UnknownWord,
};
pub use callback::{Callback, Fetched, Malformed};
pub use clock::Clock;
pub use fault::Fault;
pub use harmless::harmless;
pub use ids::{DedupKey, Seq, SinkId, UNTOLD};
pub use remark::Remark;
pub use store_copies::StoreCopies;
pub use store_url::StoreUrl;
pub use worth::Worth;

/// A secret. Its `Debug` output hides the value.
pub type Secret = secrecy::SecretString;
