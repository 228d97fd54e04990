//! The laws that hold for any bytes: the bodies of the fuzz targets, and the seeds of their corpora.
//!
//! A law is a function over bytes that panics when the law is broken. A fuzz target (in `fuzz/targets/`) is one call of
//! it. An ordinary test runs the same law over its seeds, without a fuzzer. Seeds are made from `fixtures/` and from
//! the catalog. The repository keeps no corpus, only the inputs that once broke a law (`regressions/`).

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

/// The first inputs of a fuzzer.
pub type Seeds = Vec<Vec<u8>>;

/// One fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of the target: the name of its file in `fuzz/targets/`.
    pub name: &'static str,
    /// Panics when the law is broken.
    pub holds: fn(&[u8]),
    /// The first inputs of a fuzzer.
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
