//! The only way out over HTTP: one guarded client, and the signature of Standard Webhooks.

pub mod client;
pub mod guard;
pub mod sign;
