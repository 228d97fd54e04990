//! One binary for all tests that cross a boundary: HTTP, disk, process.

mod store;
