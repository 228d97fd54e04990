//! Campanile: one callback endpoint for every monitoring vendor.
//!
//! `docs/ARCHITECTURE.md` describes the path of a callback and has a code map. Only [`app::App`] knows all parts.

pub mod admin;
pub mod api;
pub mod app;
pub mod cli;
pub mod config;
pub mod delivery;
pub mod forecast;
pub mod http;
pub mod intake;
mod page;
pub mod pipeline;
pub mod snapshot;
pub mod telemetry;
