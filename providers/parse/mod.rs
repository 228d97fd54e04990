//! The pieces that providers are made of: bodies, times, proofs, word tables.

pub mod body;
pub mod proof;
pub mod signature;
