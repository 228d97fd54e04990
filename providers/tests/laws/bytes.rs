//! Whatever bytes come, nothing panics.

use campanile_model::Callback;
use campanile_providers::{Outcome, Provider, Source, fixture, verify};
use proptest::prelude::*;

use super::cases;

const OUTCOMES: &[Outcome<'_>] = &[
    Outcome::Accepted { id: "" },
    Outcome::Accepted {
        id: "0198c5a8-7b1e-7c3e-8f00-000000000001",
    },
    Outcome::Duplicate,
    Outcome::Quarantined,
    Outcome::Refused { status: 401 },
    Outcome::Refused { status: 403 },
    Outcome::Rejected {
        status: 413,
        reason: "the body is larger than this gateway takes",
    },
    Outcome::Unavailable,
];

/// Drives everything that the server would, with bytes that mean nothing.
fn survives(provider: &dyn Provider, raw: &[u8], source: &Source) {
    let Ok(mut call) = Callback::from_http(raw) else {
        return;
    };
    call.key = Some(fixture::KEY.to_owned());
    let _known = provider.recognizes(&call);
    let _believed = verify(provider, &call, source);
    let _reading = provider.read(&call, source);
    for outcome in OUTCOMES {
        let answer = provider.answer(&call, outcome);
        // A vendor may want a 202 for success; a failure has an error status.
        let success = (200..300).contains(&outcome.status());
        let succeeded = (200..300).contains(&answer.status);
        assert!(succeeded == success, "{outcome:?}: {}", answer.status);
        assert!(success || answer.status == outcome.status(), "{outcome:?}");
    }
    let _kept = call.to_http_without(&source.tokens);
}

#[test]
fn a_request_cut_off_at_any_byte_never_panics() {
    for (provider, fixture) in cases() {
        let source = fixture.source();
        for length in 0..=fixture.request.len() {
            let (raw, _) = fixture.request.split_at(length);
            survives(provider, raw, &source);
        }
    }
}

proptest! {
    #[test]
    fn a_request_with_any_bytes_changed_never_panics(
        pick in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let cases: Vec<_> = cases().collect();
        let (provider, fixture) = pick.get(&cases);
        let mut raw = fixture.request.to_vec();
        for (at, byte) in changes {
            *at.get_mut(&mut raw) = byte;
        }
        survives(*provider, &raw, &fixture.source());
    }
}
