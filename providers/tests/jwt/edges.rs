//! The longest token, the validity of a token that `send` makes, and its set of keys.

use campanile_providers::fixture::KEYS;
use campanile_providers::{Player, Provider, Refusal, Stamp, verify};
use jiff::SignedDuration;
use serde_json::json;

use super::mint::{self, Mint, NOW};
use super::{RS256, bearer, mapping, said, source};

/// The length of an RSA signature of 256 bytes in base64url.
const SIGNATURE_CHARS: usize = 342;

/// The longest token. A longer one would cost too much to check, and no issuer makes one.
#[test]
fn a_token_of_more_than_eight_kibibytes_is_refused_however_right_it_is() {
    // Base64url has four characters for three bytes, so the claims alone cannot give every length.
    let of_length = |wanted: usize| {
        let mut mints = (0..4).flat_map(|in_header| {
            (5_600..5_800).map(move |in_claims| {
                let header = Mint::new().header("pad", json!("x".repeat(in_header)));
                header.claim("pad", json!("x".repeat(in_claims)))
            })
        });
        let found = mints.find(|mint| mint.unsigned().len() + SIGNATURE_CHARS == wanted);
        found.expect("a token of this length").rs256()
    };
    for (length, wanted) in [
        (8 * 1024, Ok(())),
        (8 * 1024 + 1, Err(Refusal::Wrong)),
        (8 * 1024 + 9, Err(Refusal::Wrong)),
    ] {
        let token = of_length(length);
        assert_eq!(token.len(), length);
        assert_eq!(said(&token), wanted, "{length} characters");
    }
}

#[test]
fn a_set_of_keys_serves_only_where_the_key_that_the_token_names_is_in_it() {
    let mut call = bearer(&Mint::new().rs256());
    call.fetched.clear();
    let (mapping, source) = (mapping(RS256), source());
    let needed = mapping.proof(&call, &source).needs().expect("the keys");
    let mut keys = mint::keys();
    assert!(needed.is_in(keys.to_string().as_bytes()));
    keys["keys"][0]["kid"] = json!("rsa-2");
    let other = keys.to_string();
    assert!(needed.is(other.as_bytes()), "it is a set of keys");
    assert!(!needed.is_in(other.as_bytes()), "but not with this one");
    assert!(!needed.is(b"<html>Sign in to the hotel's network</html>"));
}

#[test]
fn a_token_that_is_made_anew_for_a_try_is_over_after_an_hour() {
    let at = jiff::Timestamp::from_second(NOW + 7 * 24 * 3600).expect("a time");
    let (mapping, source) = (mapping(RS256), source());
    let stamp = Stamp {
        serial: 1,
        at,
        token: None,
    };
    let mut call = mapping.refresh(bearer(&Mint::new().rs256()), &stamp);
    call.fetched[0].body = KEYS.into();
    for (minutes, wanted) in [(0, Ok(())), (59, Ok(())), (61, Err(Refusal::Stale))] {
        call.received_at = Some(at + SignedDuration::from_mins(minutes));
        assert_eq!(verify(&mapping, &call, &source), wanted, "{minutes} min");
    }
}
