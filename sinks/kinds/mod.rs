//! The kinds that need code, one file each.

pub mod file;
pub mod stdout;
pub mod webhook;
