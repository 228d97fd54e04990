//! Parsers that several providers use: fields, times, tables of words.

pub mod fields;
pub mod sentence;
pub mod table;
pub mod time;
pub(crate) mod topic;
