//! The integration tests, one binary.

#![expect(
    clippy::unwrap_used,
    reason = "a test's own helpers may panic as its body may"
)]

mod delivery;
mod memory_store;
