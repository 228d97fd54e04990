//! The words that the tests know: two providers of which only the settings matter.

use std::sync::Arc;

use campanile::config::Vocabulary;
use campanile_model::{Callback, Fault};
use campanile_providers::{
    Answer, Outcome, Proof, Provider, Reading, Setting, SettingKind, Source, Stamp,
};

/// A provider of which only the settings matter here.
pub(crate) struct Fake {
    pub(crate) name: &'static str,
    pub(crate) settings: &'static [Setting],
}

pub(crate) const UCLOUD: Fake = Fake {
    name: "ucloud",
    settings: &[Setting {
        name: "demo_paths",
        kind: SettingKind::DemoPaths,
        doc: "Also the demo server's paths.",
    }],
};

pub(crate) const JIANKONG: Fake = Fake {
    name: "jiankong",
    settings: &[Setting {
        name: "token",
        kind: SettingKind::Token,
        doc: "The callback token.",
    }],
};

impl Provider for Fake {
    fn name(&self) -> &str {
        self.name
    }

    fn title(&self) -> &str {
        self.name
    }

    fn doc(&self) -> &'static str {
        ""
    }

    fn settings(&self) -> &[Setting] {
        self.settings
    }

    fn proof_kind(&self) -> &'static str {
        "path key"
    }

    fn message_id_kind(&self) -> &'static str {
        "id"
    }

    fn confidence(&self) -> &'static str {
        "documented"
    }

    fn recognizes(&self, _: &Callback) -> bool {
        false
    }

    fn proof<'a>(&self, _: &'a Callback, source: &'a Source) -> Proof<'a> {
        if self
            .settings
            .iter()
            .any(|setting| setting.kind == SettingKind::Token)
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

    fn refresh(&self, call: Callback, _: &Stamp<'_>) -> Callback {
        call
    }
}

pub(crate) fn vocabulary() -> Vocabulary {
    Vocabulary {
        providers: vec![Arc::new(JIANKONG), Arc::new(UCLOUD)],
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
