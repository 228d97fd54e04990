//! The pieces that providers are made of: bodies, fields, times, proofs, word tables.

pub(crate) mod authorization;
pub mod body;
pub mod certificate;
pub(crate) mod distinguished;
pub mod fields;
pub mod jwt;
pub mod keys;
pub mod needed;
pub mod proof;
pub mod sentence;
pub mod signature;
pub mod table;
pub mod time;
pub(crate) mod topic;
pub mod urlencoded;
