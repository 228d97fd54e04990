//! One binary for all integration tests: they share a build and a harness.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod receiver;
mod routes;
mod sinks;
mod templates;
