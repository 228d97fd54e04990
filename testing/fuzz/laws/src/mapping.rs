//! Any text as a mapping, and any request that it reads: mistakes have a place in the text, and each run ends.

use campanile_model::Callback;
use campanile_providers::{Mapping, MappingMistake, Provider, Source, catalog_files, verify};

use crate::{Seeds, request};

/// The input: the TOML of a mapping, and a raw request for it.
pub fn holds(bytes: &[u8]) {
    let (text, raw) = request::halves(bytes);
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    match Mapping::parse("fuzzed", text) {
        Err(mistakes) => have_places(&mistakes, text),
        Ok(mapping) => {
            let again = Mapping::parse(
                "fuzzed",
                mapping.about().toml.as_deref().unwrap_or_default(),
            );
            assert!(
                again.is_ok(),
                "the printed form of a mapping is not a valid mapping"
            );
            reads(&mapping, raw);
        }
    }
}

/// Every mapping of the catalog with a request of its vendor.
pub fn seeds() -> Seeds {
    let seed = |(name, text): &(&str, &str)| {
        let raw = request::firing(name).map_or(&[][..], |fixture| fixture.request);
        request::joined(text.as_bytes(), raw)
    };
    catalog_files().iter().map(seed).collect()
}

fn have_places(mistakes: &[MappingMistake], text: &str) {
    assert!(!mistakes.is_empty(), "refused without a mistake");
    let lines = text.lines().count().max(1);
    for mistake in mistakes {
        assert!(!mistake.message.is_empty(), "a mistake without a message");
        assert!(
            (1..=lines + 1).contains(&mistake.line),
            "line {} of {lines}",
            mistake.line
        );
        assert!(mistake.column >= 1, "a mistake with column 0");
    }
}

pub(crate) fn reads(mapping: &Mapping, raw: &[u8]) {
    let Ok(call) = Callback::from_http(raw) else {
        return;
    };
    let call = request::served(call);
    let source = Source::default();
    let _known = mapping.recognizes(&call);
    assert!(
        verify(mapping, &call, &source).is_err(),
        "a source without a proof accepts a request"
    );
    let reading = mapping.read(&call, &source);
    assert_eq!(
        reading,
        mapping.read(&call.clone(), &source),
        "read differently the second time"
    );
    let explained = mapping.explained(&call, &source);
    assert!(
        explained.is_some(),
        "a mapping cannot explain the origin of its fields"
    );
}
