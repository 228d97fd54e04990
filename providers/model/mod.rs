//! What a callback is, what it says, and what a provider has to be able to do.

pub(crate) mod alert;
pub(crate) mod answer;
pub(crate) mod callback;
pub(crate) mod page;
pub(crate) mod provider;
pub(crate) mod reading;
pub(crate) mod redact;
pub(crate) mod source;
