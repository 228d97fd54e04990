//! Who is believed, and whose provider knows a request.

use std::collections::BTreeSet;

use campanile_model::{Callback, Secret};
use campanile_providers::fixture::TOKEN;
use campanile_providers::{Reading, Source, Stamp, all, verify};

use super::{alerting, callback, cases, name};

#[test]
fn the_wrong_secret_is_refused() {
    let wrong = || vec![Secret::from("campanile-another-secret")];
    for (provider, fixture, _) in alerting() {
        let right = fixture.source();
        let keys = if right.keys.is_empty() {
            Vec::new()
        } else {
            wrong()
        };
        // Who issues a token for another audience has not issued it for us.
        let audiences = right.own.texts("audience").iter();
        let audiences: Vec<_> = audiences.map(|is| format!("{is}-another")).collect();
        let source = Source {
            keys,
            tokens: wrong(),
            ..right
        }
        .with("audience", audiences);
        assert!(
            verify(provider, &callback(fixture), &source).is_err(),
            "{}",
            name(fixture)
        );
    }
}

#[test]
fn a_source_without_any_proof_believes_nobody() {
    for (provider, fixture) in cases() {
        let source = Source::default();
        assert!(
            verify(provider, &callback(fixture), &source).is_err(),
            "{}",
            name(fixture)
        );
    }
}

#[test]
fn each_request_is_recognized_by_its_own_provider_and_by_no_other() {
    let mut wrong = Vec::new();
    for (provider, fixture, _) in alerting() {
        let call = callback(fixture);
        let takers: Vec<&str> = all()
            .iter()
            .filter(|p| p.recognizes(&call))
            .map(|p| p.name())
            .collect();
        if takers != [provider.name()] {
            wrong.push(format!("{} is recognized by {takers:?}", name(fixture)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_refreshed_fixture_is_believed_and_is_a_new_message_about_the_same() {
    let token = Secret::from(TOKEN);
    let at = "2026-11-21T08:09:10Z".parse().expect("a time");
    for (provider, fixture, old) in alerting() {
        let source = fixture.source();
        let fresh = |serial| {
            let stamp = Stamp {
                serial,
                at,
                token: Some(&token),
            };
            let sent = provider.refresh(callback(fixture), &stamp).to_http();
            let mut call = Callback::from_http(&sent).expect("a request");
            call.key = callback(fixture).key;
            call.received_at = Some(at);
            call.fetched = callback(fixture).fetched;
            let believed = verify(provider, &call, &source);
            believed.unwrap_or_else(|e| panic!("{} refreshed: {e}", name(fixture)));
            let read = provider.read(&call, &source);
            read.unwrap_or_else(|e| panic!("{} refreshed: {e}", name(fixture)))
        };
        let ids = |reading: &Reading| -> BTreeSet<String> {
            reading
                .reports
                .iter()
                .map(|r| r.message_id.clone())
                .collect()
        };
        let said = |reading: &Reading| -> Vec<_> {
            reading
                .reports
                .iter()
                .map(|r| (r.fingerprint, r.status))
                .collect()
        };
        let (one, two) = (fresh(7_000_001), fresh(7_000_002));
        assert!(
            ids(&one).is_disjoint(&ids(&two)),
            "{}: {:?}",
            name(fixture),
            ids(&one)
        );
        assert!(
            ids(&one).is_disjoint(&ids(&old)),
            "{}: {:?}",
            name(fixture),
            ids(&one)
        );
        assert_eq!(said(&one), said(&old), "{}", name(fixture));
    }
}
