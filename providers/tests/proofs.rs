//! The matrix of proofs: every vendor's own proof, and every attack on it. Only a valid proof passes.
//! A new vendor needs no line here, because [`Proof`] describes its proof.

use campanile_model::{Callback, Secret};
use campanile_providers::fixture::{RECEIVED_AT, TOKEN};
use campanile_providers::{
    Fixture, Given, Proof, Provider, Refusal, Source, Stamp, all, fixtures, verify,
};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;

/// The basis of a proof: the signatures and secrets in the call, the signed message, and the time.
#[derive(Debug, Default, PartialEq)]
struct Basis {
    given: Vec<Vec<u8>>,
    message: Vec<u8>,
    at: Vec<Option<Timestamp>>,
    signs: bool,
}

fn basis(proof: &Proof<'_>) -> Basis {
    let mut basis = Basis::default();
    gather(proof, &mut basis);
    basis
}

fn gather(proof: &Proof<'_>, into: &mut Basis) {
    match proof {
        Proof::Secret { given, .. } => into
            .given
            .extend(given.iter().map(|g| g.as_bytes().to_vec())),
        // A proof that the call does not contain is not its basis.
        Proof::Signature { given, .. } if given.is_empty() => {}
        Proof::Md5 {
            given: Some(given),
            message,
            ..
        } => {
            // Digits in another case are the same digest.
            into.given.push(given.to_ascii_lowercase().into_bytes());
            into.message.extend_from_slice(message.as_bytes());
            into.signs = true;
        }
        Proof::Signature { given, message, .. } => {
            into.given.extend(given.iter().cloned());
            into.message
                .extend(message.iter().flat_map(|part| part.iter()));
            into.signs = true;
        }
        Proof::Recent { at, .. } => into.at.push(*at),
        // The address in another case is the same address, and the certificate is the proof.
        Proof::Certified(certified) => {
            into.given.push(certified.signature.clone());
            into.message.extend_from_slice(&certified.message);
            into.signs = true;
        }
        Proof::All(inner) | Proof::Any(inner) => inner.iter().for_each(|one| gather(one, into)),
        // It signs only itself, and its claims are tested in `jwt.rs`.
        Proof::Jwt(jwt) => match &jwt.token {
            Given::One(token) => into.given.push(token.expose_secret().as_bytes().to_vec()),
            Given::None | Given::Several => {}
        },
        Proof::Md5 { given: None, .. }
        | Proof::Nothing
        | Proof::Absent
        | Proof::Unset(_)
        | Proof::Wrong(_)
        | Proof::Never(_) => {}
    }
}

/// A call that is accepted for the vendor's own proof: the key of the path alone is not enough.
struct Case {
    provider: &'static dyn Provider,
    fixture: &'static Fixture,
    call: Callback,
    source: Source,
}

impl Case {
    fn believes(&self, call: &Callback) -> bool {
        verify(self.provider, call, &self.source).is_ok()
    }

    fn name(&self) -> String {
        format!("{}/{}", self.fixture.provider, self.fixture.case)
    }

    fn basis(&self, call: &Callback) -> Basis {
        basis(&self.provider.proof(call, &self.source))
    }

    /// The same request with these bytes.
    fn with(&self, raw: &[u8]) -> Option<Callback> {
        let mut call = Callback::from_http(raw).ok()?;
        call.key.clone_from(&self.call.key);
        call.received_at = self.call.received_at;
        call.fetched.clone_from(&self.call.fetched);
        Some(call)
    }
}

/// One accepted fixture of each vendor that has its own proof.
fn cases() -> Vec<Case> {
    let case = |provider: &'static dyn Provider| {
        let believed = fixtures(provider.name()).iter().filter_map(move |fixture| {
            let (call, source) = (fixture.callback().ok()?, fixture.source());
            let case = Case {
                provider,
                fixture,
                call,
                source,
            };
            let proves = !case.basis(&case.call).given.is_empty();
            (proves && case.believes(&case.call)).then_some(case)
        });
        // If a vendor either signs or sends a token, the fixture that signs.
        let mut believed: Vec<_> = believed.collect();
        believed.sort_by_key(|case| !case.basis(&case.call).signs);
        believed.into_iter().next()
    };
    all()
        .iter()
        .filter_map(|provider| case(&**provider))
        .collect()
}

fn signing() -> Vec<Case> {
    let all = cases().into_iter();
    all.filter(|case| case.basis(&case.call).signs).collect()
}

#[test]
fn the_matrix_is_over_every_kind_of_proof() {
    let (all, signing) = (cases().len(), signing().len());
    assert!(
        all >= 30 && signing >= 6,
        "{all} vendors prove something, {signing} sign"
    );
}

/// For every flipped bit, the proof has the same basis as before, or it does not hold.
#[test]
fn a_flipped_bit_in_what_proves_or_is_proven_is_refused() {
    let mut tried = 0;
    for case in cases() {
        let (raw, right) = (case.call.to_http(), case.basis(&case.call));
        // One bit of every byte; in the head, where the signatures are, all eight. For a vendor that signs nothing, only the
        // head, where its secret can be.
        let head = raw.len() - case.call.body.len();
        let end = if right.signs { raw.len() } else { head };
        for at in 0..end {
            let bits = if at < head { 0..8 } else { at % 8..at % 8 + 1 };
            for bit in bits {
                let mut flipped = raw.clone();
                flipped[at] ^= 1 << bit;
                let Some(call) = case.with(&flipped) else {
                    continue;
                };
                match verify(case.provider, &call, &case.source) {
                    Ok(()) => {
                        let rests_on = case.basis(&call);
                        assert_eq!(rests_on, right, "{}: bit {bit} of byte {at}", case.name());
                    }
                    // The error is in the call. The operator would search for it in the config.
                    Err(refusal) => assert_ne!(
                        refusal,
                        Refusal::Unprovable,
                        "{}: bit {bit} of byte {at}",
                        case.name()
                    ),
                }
                tried += 1;
            }
        }
    }
    assert!(tried > 50_000, "{tried} flips");
}

#[test]
fn a_key_with_any_bit_flipped_is_refused() {
    for provider in all() {
        for fixture in fixtures(provider.name()) {
            let (call, source) = (fixture.callback().expect("a request"), fixture.source());
            let Some(key) = call.key.clone() else {
                continue;
            };
            if verify(&**provider, &call, &source).is_err() {
                continue;
            }
            for at in 0..key.len() * 8 {
                let mut bytes = key.clone().into_bytes();
                bytes[at / 8] ^= 1 << (at % 8);
                let mut wrong = call.clone();
                wrong.key = Some(String::from_utf8_lossy(&bytes).into_owned());
                assert!(
                    verify(&**provider, &wrong, &source).is_err(),
                    "{}",
                    provider.name()
                );
            }
        }
    }
}

/// The secrets of a source, changed.
#[test]
fn a_source_with_another_an_empty_or_a_shortened_secret_refuses() {
    for case in cases() {
        let longer = format!("{TOKEN}x");
        let shorter = TOKEN.split_at(TOKEN.len() - 1).0;
        let capitals = TOKEN.to_uppercase();
        for wrong in [
            "",
            " ",
            shorter,
            longer.as_str(),
            capitals.as_str(),
            "whsec_",
            "whsec_AAAA",
        ] {
            let source = Source {
                tokens: vec![Secret::from(wrong)],
                ..case.source.clone()
            };
            // The proof by a vendor's certificate needs no secret of the source.
            if verify(
                case.provider,
                &case.call,
                &Source {
                    tokens: Vec::new(),
                    ..source.clone()
                },
            )
            .is_ok()
            {
                continue;
            }
            let held = verify(case.provider, &case.call, &source);
            assert!(held.is_err(), "{} under `{wrong}`", case.name());
        }
    }
}

/// An empty secret is known to every sender, so a signature with it is refused. (A config with an empty secret is also
/// refused.)
#[test]
fn an_empty_secret_proves_nothing_to_anybody() {
    let empty = Secret::from("");
    let at: Timestamp = RECEIVED_AT.parse().expect("a time");
    for case in cases() {
        let source = Source {
            keys: Vec::new(),
            tokens: vec![empty.clone()],
            ..case.source.clone()
        };
        let stamp = Stamp {
            serial: 9,
            at,
            token: Some(&empty),
        };
        let mut forged = case.provider.refresh(case.call.clone(), &stamp);
        forged.received_at = Some(at);
        forged.fetched.clear();
        let held = verify(case.provider, &forged, &source);
        assert!(held.is_err(), "{}", case.name());
    }
    let keyed = Source {
        keys: vec![empty],
        ..Source::default()
    };
    let mut call = Callback::default();
    call.key = Some(String::new());
    for provider in all() {
        assert!(
            verify(&**provider, &call, &keyed).is_err(),
            "{}",
            provider.name()
        );
    }
}

#[test]
fn a_truncated_or_doubled_proof_is_refused() {
    for case in cases() {
        let right = case.basis(&case.call);
        for (at, (name, value)) in case.call.headers.iter().enumerate() {
            let mut cut = case.call.clone();
            let shorter: String = value
                .chars()
                .take(value.chars().count().saturating_sub(1))
                .collect();
            cut.headers[at].1 = shorter;
            let same = case.basis(&cut) == right;
            assert!(same || !case.believes(&cut), "{}: {name} cut", case.name());
            // A second header with the same name, before or after: the right one is accepted only if it is the first.
            let mut before = case.call.clone();
            before
                .headers
                .insert(at, (name.clone(), "wrong".to_owned()));
            let same = case.basis(&before) == right;
            assert!(
                same || !case.believes(&before),
                "{}: a wrong {name} first",
                case.name()
            );
            let mut after = case.call.clone();
            after
                .headers
                .insert(at + 1, (name.clone(), "wrong".to_owned()));
            if case.believes(&after) {
                assert_eq!(
                    case.basis(&after),
                    right,
                    "{}: a wrong {name} after",
                    case.name()
                );
                let read = |call: &Callback| case.provider.read(call, &case.source);
                assert_eq!(
                    read(&after),
                    read(&case.call),
                    "{}: {name} twice",
                    case.name()
                );
            }
        }
    }
}

/// The bytes are signed: the same JSON in another form, a part of it, or another body is another message.
#[test]
fn a_body_that_is_rewritten_shortened_or_swapped_is_refused_where_it_is_signed() {
    let mut whole = 0;
    for case in signing() {
        let message = case.basis(&case.call).message;
        let body = &case.call.body;
        let signs_body = !body.is_empty()
            && message
                .windows(body.len())
                .any(|part| part == body.as_slice());
        if !signs_body {
            continue;
        }
        whole += 1;
        let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let pretty = serde_json::to_vec_pretty(&json).expect("JSON");
        let compact = serde_json::to_vec(&json).expect("JSON");
        let longer = [body.as_slice(), b" "].concat();
        let (shorter, _) = body.split_at(body.len() - 1);
        let others = fixtures(case.fixture.provider)
            .iter()
            .filter_map(|f| f.callback().ok());
        let swapped = others.map(|other| other.body);
        let all = swapped.chain([pretty, compact, longer, shorter.to_vec(), Vec::new()]);
        for other in all.filter(|other| other != body) {
            let mut forged = case.call.clone();
            forged.body = other;
            assert!(
                !case.believes(&forged),
                "{}: {:?}",
                case.name(),
                String::from_utf8_lossy(&forged.body)
            );
        }
    }
    assert!(whole >= 5, "{whole} vendors sign their bodies");
}

/// A proof with a time is valid near that time: a later replay is refused, and so is one from the future.
#[test]
fn a_proof_that_says_when_is_refused_long_before_and_long_after() {
    let mut dated = 0;
    for case in cases() {
        if case.basis(&case.call).at.is_empty() {
            continue;
        }
        dated += 1;
        let now: Timestamp = RECEIVED_AT.parse().expect("a time");
        for days in [-400, -1, 1, 400] {
            let mut replayed = case.call.clone();
            replayed.received_at = Some(now + SignedDuration::from_hours(24 * days));
            assert!(
                !case.believes(&replayed),
                "{} {days} days later",
                case.name()
            );
        }
        let mut timeless = case.call.clone();
        timeless.received_at = None;
        assert!(!case.believes(&timeless), "{} without a clock", case.name());
    }
    assert!(dated >= 1, "{dated} vendors say when");
}

/// Two secrets are valid while one is rotated, in either order, and each alone.
#[test]
fn either_of_two_secrets_is_believed() {
    for case in cases() {
        let other = || Secret::from("campanile-another-secret");
        for tokens in [
            vec![Secret::from(TOKEN), other()],
            vec![other(), Secret::from(TOKEN)],
        ] {
            let source = Source {
                tokens,
                ..case.source.clone()
            };
            assert!(
                verify(case.provider, &case.call, &source).is_ok(),
                "{}",
                case.name()
            );
        }
    }
}
