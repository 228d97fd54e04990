//! Verifies senders: proofs as data, and the code that checks them.

pub(crate) mod authorization;
pub mod certificate;
pub(crate) mod distinguished;
pub mod jwt;
pub mod keys;
pub mod needed;
pub mod proof;
pub mod signature;
