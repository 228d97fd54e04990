//! The only way out over HTTP: one guarded client, headers by template, and signatures.

pub mod client;
pub mod guard;
pub mod headers;
pub(crate) mod said;
pub mod sign;
