//! Requests in the form that providers get, and the sources for them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use campanile_model::{Callback, Fetched, Secret};
use campanile_providers::fixture::{CERTIFICATE, KEYS, RECEIVED_AT};
use campanile_providers::{Document, Fixture, Needed, Provider, Source, all, by_name, fixtures};

/// Separates two texts in one input.
const BETWEEN: &[u8] = b"\n=====\n";

/// A secret that an input can contain only by a guess.
const UNGUESSED: &str = "4f0c8e61b7d2935a6be1f7093c58da24e9b6710f";

/// A certificate whose private key no longer exists.
const UNTRUSTED: &[u8] = include_bytes!("untrusted.pem");

/// The two texts of an input. The second is empty when there is no separator.
pub(crate) fn halves(bytes: &[u8]) -> (&[u8], &[u8]) {
    let at = bytes.windows(BETWEEN.len()).position(|w| w == BETWEEN);
    let parted = at.and_then(|at| {
        let (first, rest) = bytes.split_at_checked(at)?;
        Some((first, rest.strip_prefix(BETWEEN)?))
    });
    parted.unwrap_or((bytes, &[]))
}

/// One input of two texts.
pub(crate) fn joined(first: &[u8], second: &[u8]) -> Vec<u8> {
    [first, BETWEEN, second].concat()
}

/// Every fixture of every vendor.
pub(crate) fn every_fixture() -> impl Iterator<Item = &'static Fixture> {
    all().iter().flat_map(|provider| fixtures(provider.name()))
}

/// The first firing fixture of this vendor.
pub(crate) fn firing(provider: &str) -> Option<&'static Fixture> {
    fixtures(provider).iter().find(|f| f.case == "firing")
}

/// The vendor that a path names, or else a vendor that the bytes of the path select.
pub(crate) fn addressed(path: &str) -> &'static dyn Provider {
    let named = path.strip_prefix("/callback/");
    let name = named
        .and_then(|rest| rest.split('/').next())
        .unwrap_or(path);
    let sum: usize = name.bytes().map(usize::from).sum();
    let found = by_name(name).unwrap_or_else(|| &all()[sum % all().len()]);
    &**found
}

/// `call` as the server passes it to providers.
pub(crate) fn served(mut call: Callback) -> Callback {
    let mut segments = call
        .path
        .strip_prefix("/callback/")
        .into_iter()
        .flat_map(|p| p.split('/'));
    call.key = segments.nth(2).map(str::to_owned);
    call.received_at = RECEIVED_AT.parse().ok();
    let provider = addressed(&call.path);
    let needed = provider.proof(&call, source(provider.name())).needs();
    call.fetched = needed.into_iter().map(fetched).collect();
    call
}

/// The answer of a vendor's host.
fn fetched(needed: Needed) -> Fetched {
    let body = match needed.document {
        Document::Certificate => CERTIFICATE,
        Document::Key(_) => KEYS,
    };
    Fetched {
        url: needed.url,
        body: body.into(),
    }
}

/// A source that accepts the fixtures of this vendor.
pub(crate) fn source(provider: &str) -> &'static Source {
    static SOURCES: LazyLock<BTreeMap<&str, Source>> = LazyLock::new(|| {
        let first = all().iter().filter_map(|p| fixtures(p.name()).first());
        first.map(|f| (f.provider, f.source())).collect()
    });
    static NONE: LazyLock<Source> = LazyLock::new(Source::default);
    SOURCES.get(provider).unwrap_or(&NONE)
}

/// The same source with secrets that no sender knows.
pub(crate) fn guarded(provider: &str) -> Source {
    let known = source(provider);
    let secret = || vec![Secret::from(UNGUESSED)];
    // The fixtures' tokens are signed with a key that is trusted here, so their audience must be another one.
    let audiences = known.own.texts("audience").iter();
    let audiences: Vec<_> = audiences.map(|_| UNGUESSED.to_owned()).collect();
    Source {
        keys: if known.keys.is_empty() {
            Vec::new()
        } else {
            secret()
        },
        tokens: secret(),
        ..known.clone()
    }
    .with("audience", audiences)
}

/// The same call with a certificate whose private key no longer exists.
pub(crate) fn with_strange_certificate(call: &Callback) -> Callback {
    let mut call = call.clone();
    for document in &mut call.fetched {
        document.body = UNTRUSTED.into();
    }
    call
}
