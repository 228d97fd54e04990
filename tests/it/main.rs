//! One binary for all tests that cross a boundary: HTTP, disk, process.

mod store;
//! The integration tests, one binary.

#![expect(
    clippy::unwrap_used,
    reason = "a test's own helpers may panic as its body may"
)]

mod delivery;
mod memory_store;
//! One binary for all integration tests: they share a build and a harness.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod receiver;
mod routes;
mod sinks;
mod templates;
//! The tests that drive the public surface, in one program.

mod config;
//! One binary for all integration tests.

mod api;
mod ingest;
mod standing;
