//! One binary for all integration tests.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod api;
mod ingest;
mod standing;
