//! One binary for all integration tests: they share a build and a harness.

mod receiver;
mod routes;
mod sinks;
mod templates;
