//! Campanile: one callback endpoint for every monitoring vendor.
//!
//! `docs/ARCHITECTURE.md` shows the way through and the code map. [`app::App`] is the only place that knows every part.

pub mod api;
pub mod app;
pub mod cli;
pub mod config;
pub mod delivery;
pub mod http;
pub mod intake;
pub mod pipeline;
pub mod snapshot;
pub mod telemetry;
