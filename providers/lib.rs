//! Vendors' callback protocols, read without any I/O.
//!
//! A [`Provider`] is the adapter of one vendor. It recognizes the vendor's request, gives the proof that the sender needs,
//! reads the request into [`Report`](campanile_model::Report)s, and writes the answer that the vendor expects. This crate does not open
//! sockets or files and does not read the clock or the environment: equal input gives equal output.
//!
//! The server calls a provider in this order: [`verify`], [`Provider::read`], and after the alerts are on disk
//! [`Provider::answer`].

mod about;
mod answer;
mod kinds;
mod mapping;
mod page;
pub mod parse;
mod play;
mod provider;
mod reading;
mod source;
pub mod trust;

use std::sync::{Arc, LazyLock};

pub use about::{About, Asks, Position, Route};
pub use answer::{Answer, Outcome};
pub use mapping::{Mapping, MappingMistake, catalog, catalog_files};
pub use play::fixture::{self, Fixture, fixtures};
pub use provider::{Player, Provider, Stamp, expects_chinese};
pub use reading::{Effect, Explained, Reading};
pub use source::Source;
pub use trust::certificate::{Certified, Hash};
pub use trust::jwt::{Given, Jwt};
pub use trust::needed::{Document, Needed};
pub use trust::proof::{Never, Proof, Refusal, verify};

/// Every built-in provider, in alphabetical order of its name.
pub fn all() -> &'static [Arc<dyn Provider>] {
    static ALL: LazyLock<Vec<Arc<dyn Provider>>> = LazyLock::new(|| {
        let mapped = catalog().iter().cloned();
        let mapped = mapped.map(|mapping| mapping as Arc<dyn Provider>);
        let mut all: Vec<_> = kinds::coded().into_iter().chain(mapped).collect();
        all.sort_by(|one, other| one.name().cmp(other.name()));
        all
    });
    &ALL
}

/// The built-in provider of this name.
pub fn by_name(name: &str) -> Option<&'static Arc<dyn Provider>> {
    let found = all().binary_search_by(|provider| provider.name().cmp(name));
    all().get(found.ok()?)
}
