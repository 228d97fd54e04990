//! The words that the tests know: two providers of which only the settings matter.

use std::sync::Arc;

use campanile::config::Vocabulary;
use campanile_model::{Callback, Fault};
use campanile_providers::{
    About, Answer, Asks, Outcome, Player, Position, Proof, Provider, Reading, Route, Source,
};
use campanile_settings::{Setting, Type, optional, with};

/// A provider of which only the settings matter here.
pub(crate) struct Fake(About);

impl Fake {
    pub(crate) fn new(name: &str, settings: &[Setting]) -> Self {
        Self(About {
            name: name.to_owned(),
            settings: settings.to_vec(),
            ..About::default()
        })
    }
}

pub(crate) fn ucloud() -> Fake {
    let setting = with(
        "demo_paths",
        Type::Flag,
        "false",
        "Also the demo server's paths.",
    );
    let route = Route {
        path: "/add",
        methods: &["POST"],
        asks: Asks::Take,
        position: Position::BeforeKey,
        switch: Some("demo_paths"),
        doc: "Accepts alarms.",
    };
    let mut fake = Fake::new("ucloud", &[setting]);
    fake.0.routes = vec![route];
    fake
}

pub(crate) fn jiankong() -> Fake {
    let setting = optional("token", Type::Secrets, "\"secret\"", "The callback token.");
    Fake::new("jiankong", &[setting])
}

impl Player for Fake {}

impl Provider for Fake {
    fn about(&self) -> &About {
        &self.0
    }

    fn recognizes(&self, _: &Callback) -> bool {
        false
    }

    fn proof<'a>(&self, _: &'a Callback, source: &'a Source) -> Proof<'a> {
        if self
            .0
            .settings
            .iter()
            .any(|setting| setting.takes.is_secret())
        {
            Proof::Secret {
                given: None,
                wanted: &source.tokens,
            }
        } else {
            Proof::Nothing
        }
    }

    fn read(&self, _: &Callback, _: &Source) -> Result<Reading, Fault> {
        unreachable!("nothing is read here")
    }

    fn answer(&self, _: &Callback, _: &Outcome<'_>) -> Answer {
        unreachable!("nothing is answered here")
    }
}

pub(crate) fn vocabulary() -> Vocabulary {
    Vocabulary {
        providers: vec![Arc::new(jiankong()), Arc::new(ucloud())],
        sinks: campanile_sinks::kinds().to_vec(),
    }
}

/// The built-in providers, and stand-ins for those that are not built in yet.
pub(crate) fn shipped_vocabulary() -> Vocabulary {
    let mut known = Vocabulary::built_in();
    for provider in vocabulary().providers {
        if known
            .providers
            .iter()
            .all(|built_in| built_in.name() != provider.name())
        {
            known.providers.push(provider);
        }
    }
    known
}
