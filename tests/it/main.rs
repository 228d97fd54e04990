//! One binary for all tests that cross a boundary: HTTP, disk, process.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod answers;
mod api;
mod bad_input;
mod canaries;
mod cli;
mod config;
mod crash;
mod delivery;
mod drift;
mod gateway;
mod ingest;
mod laws;
mod moody;
mod operations;
mod own_mapping;
mod pages;
mod peers;
mod process;
mod receiver;
mod renormalize;
mod routes;
mod secrets;
mod seeds;
mod senders;
mod sinks;
mod standing;
mod store;
mod templates;
