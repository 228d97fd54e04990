//! The whole, driven from outside.

mod cli;
