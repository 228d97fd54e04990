//! The tests that drive the public surface, in one program.

mod config;
