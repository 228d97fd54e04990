//! One binary for all tests that cross a boundary: HTTP, disk, process.

//! One binary for all integration tests.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod api;
mod cli;
mod config;
mod delivery;
mod ingest;
mod memory_store;
mod pages;
mod receiver;
mod routes;
mod sinks;
mod standing;
mod store;
mod templates;
