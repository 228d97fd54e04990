//! Vendors' callback protocols, read without any I/O.
//!
//! A [`Provider`] is the adapter of one vendor. It recognizes the vendor's request, says what must hold for the sender
//! to be believed, reads the request into [`Report`]s, and words the answer that the vendor expects. Nothing in this
//! crate opens a socket or a file, looks at a clock or at the environment: equal input gives equal output.
//!
//! The server drives a provider in this order: [`verify`], [`Provider::read`], then (with the alerts on disk)
//! [`Provider::answer`].

mod alertmanager_api;
mod cloudevents;
mod cloudwatch;
pub mod fixture;
mod huawei_smn;
mod jiankong;
pub mod language;
mod mapping;
mod model;
mod pagerduty_events;
pub mod parse;
mod ucloud;

use std::sync::LazyLock;

pub use fixture::{Fixture, fixtures};
pub use mapping::{Mapping, MappingMistake, catalog, catalog_files};
pub use model::alert::{
    Alert, Fingerprint, Link, Metric, Report, Resource, Severity, Status, UnknownWord,
};
pub use model::answer::{Answer, Outcome};
pub use model::callback::{Callback, Malformed};
pub use model::provider::{Provider, Setting, SettingKind, Stamp};
pub use model::reading::{Effect, Explained, Reading, Unreadable};
pub use model::source::{Secret, Source};
pub use parse::certificate::{Certified, Hash};
pub use parse::jwt::{Given, Jwt};
pub use parse::needed::{Document, Fetched, Needed};
pub use parse::proof::{Never, Proof, Refusal, verify};
pub use ucloud::demo_list;

/// The vendors whose protocol needs code, in alphabetical order.
const CODED: &[&dyn Provider] = &[
    &alertmanager_api::AlertmanagerApi,
    &cloudevents::CloudEvents,
    &cloudwatch::CloudWatch,
    &huawei_smn::HuaweiSmn,
    &jiankong::Jiankong,
    &pagerduty_events::PagerDutyEvents,
    &ucloud::UCloud,
];

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
