//! Vendors' callback protocols, read without any I/O.
//!
//! A [`Provider`] is the adapter of one vendor. It recognizes the vendor's request, says what must hold for the sender
//! to be believed, reads the request into [`Report`](campanile_model::Report)s, and words the answer that the vendor expects. Nothing in this
//! crate opens a socket or a file, looks at a clock or at the environment: equal input gives equal output.
//!
//! The server drives a provider in this order: [`verify`], [`Provider::read`], then (with the alerts on disk)
//! [`Provider::answer`].

mod answer;
pub mod fixture;
mod kinds;
mod mapping;
mod page;
pub mod parse;
mod provider;
mod reading;
mod source;
pub mod trust;

use std::sync::LazyLock;

use kinds::CODED;

pub use answer::{Answer, Outcome};
pub use fixture::{Fixture, fixtures};
pub use kinds::ucloud::demo_list;
pub use mapping::{Mapping, MappingMistake, catalog, catalog_files};
pub use provider::{Provider, Setting, SettingKind, Stamp, expects_chinese};
pub use reading::{Effect, Explained, Reading};
pub use source::Source;
pub use trust::certificate::{Certified, Hash};
pub use trust::jwt::{Given, Jwt};
pub use trust::needed::{Document, Needed};
pub use trust::proof::{Never, Proof, Refusal, verify};

/// Every built-in provider, in alphabetical order of its name.
pub fn all() -> &'static [&'static dyn Provider] {
    static ALL: LazyLock<Vec<&'static dyn Provider>> = LazyLock::new(|| {
        let mapped = catalog().iter().map(|mapping| mapping as &dyn Provider);
        let mut all: Vec<_> = CODED.iter().copied().chain(mapped).collect();
        all.sort_by(|one, other| (**one).name().cmp((**other).name()));
        all
    });
    &ALL
}
