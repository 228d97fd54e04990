//! One binary for all integration tests.

mod api;
mod ingest;
mod standing;
