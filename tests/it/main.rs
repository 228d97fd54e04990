//! The tests that drive the public surface, in one program.

mod cli;
mod config;
