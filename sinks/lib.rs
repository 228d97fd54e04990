//! Where alerts go: the contract of a sink, its kinds, and the guarded HTTP client.

#[cfg_attr(
    not(any(
        feature = "kafka",
        feature = "mqtt",
        feature = "nats",
        feature = "rabbitmq",
        feature = "redis"
    )),
    expect(dead_code, reason = "the drivers use the rest")
)]
mod address;
#[cfg_attr(
    not(feature = "full"),
    allow(
        dead_code,
        unused_imports,
        reason = "a build can have only some of the drivers"
    )
)]
mod broker;
pub mod catalog;
mod connections;
mod contract;
pub mod dial;
mod digest;
mod handshake;
pub mod http;
mod kind;
pub mod kinds;
pub mod policy;
mod reach;
pub mod recipe;
mod render;
mod secrets;
mod statement;
pub mod tls;
mod words;

use std::sync::{Arc, LazyLock};

pub use contract::{Class, Delivered, Failure, HANDLE_BYTES_MAX, Message, Sink, WAIT_MAX, Worth};
pub use kind::{
    About, BuildError, Confidence, Feature, Group, Kind, SinkSpec, Tools, build, page_of,
    settings_of,
};
pub use policy::{Limits, Policy};
pub use recipe::{Recipe, RecipeMistake};

/// Every built-in kind of sink, in alphabetical order of its name.
pub fn kinds() -> &'static [Arc<dyn Kind>] {
    static KINDS: LazyLock<Vec<Arc<dyn Kind>>> = LazyLock::new(|| {
        let mut kinds: Vec<_> = kinds::coded().into_iter().chain(catalog::kinds()).collect();
        kinds.sort_by(|one, other| one.about().name.cmp(&other.about().name));
        kinds
    });
    &KINDS
}
