//! The integration tests, one binary.

mod delivery;
mod memory_store;
