//! Campanile: one callback endpoint for every monitoring vendor.
//!
//! `docs/ARCHITECTURE.md` shows the way through and the code map. [`app::App`] is the only place that knows every part.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod fault;
pub mod http;
pub mod pipeline;
pub mod sinks;
pub mod store;
pub mod telemetry;
pub mod template;
