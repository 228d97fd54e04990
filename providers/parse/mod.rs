//! The pieces that providers are made of: fields, times, word tables.

pub mod fields;
pub(crate) mod resource;
pub mod sentence;
pub mod table;
pub mod time;
pub(crate) mod topic;
