//! What holds of any bytes: the bodies of the fuzz targets, and the seeds of their corpora.
//!
//! A law is a function over bytes that panics where it is broken. A fuzz target (in `fuzz/targets/`) is one line around
//! it, so that the same law is also an ordinary test over its seeds, without a fuzzer. Seeds are made from `fixtures/` and
//! from the catalog; nothing of a corpus is kept in the repository but what once broke a law (`regressions/`).

pub mod body;
pub mod callback;
pub mod expression;
pub mod jwt;
pub mod mapping;
pub mod provider;
pub mod signature;
pub mod stretch;
pub mod time;

#[cfg(feature = "gateway")]
pub mod address;
#[cfg(feature = "gateway")]
pub mod codec;
#[cfg(feature = "gateway")]
pub mod config;
#[cfg(feature = "gateway")]
pub mod template;

mod request;

/// Where a fuzzer begins.
pub type Seeds = Vec<Vec<u8>>;

/// One fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: that of its file in `fuzz/targets/`.
    pub name: &'static str,
    /// Panics where the law is broken.
    pub holds: fn(&[u8]),
    /// Where a fuzzer begins.
    pub seeds: fn() -> Seeds,
}

macro_rules! targets {
    ($($(#[$when:meta])? $name:ident),+ $(,)?) => {
        &[$($(#[$when])? Target {
            name: stringify!($name),
            holds: $name::holds,
            seeds: $name::seeds,
        }),+]
    };
}

/// Every target, in alphabetical order.
pub const TARGETS: &[Target] = targets![
    #[cfg(feature = "gateway")]
    address,
    body,
    callback,
    #[cfg(feature = "gateway")]
    codec,
    #[cfg(feature = "gateway")]
    config,
    expression,
    jwt,
    mapping,
    provider,
    signature,
    stretch,
    #[cfg(feature = "gateway")]
    template,
    time,
];
