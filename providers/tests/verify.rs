//! The rules of `verify`, one by one: what must hold together, what is checked once, and what is always refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use campanile_model::{Callback, Secret};
use campanile_providers::{
    Mapping, Never, Player, Proof, Provider, Refusal, Source, Stamp, verify,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::ExposeSecret;

fn mapping(proof: &str) -> Mapping {
    let text = format!(
        "title = 'Lighthouse'\nconfidence = 'documented'\n[proof]\n{proof}\n[status]\ndefault = 'firing'\n\
         [alert]\nmessage_id = ['body.id']\nfingerprint = ['body.id']\n"
    );
    Mapping::parse("lighthouse", &text).unwrap_or_else(|e| panic!("{text}\n{e:?}"))
}

fn call(headers: &[(&str, &str)]) -> Callback {
    let raw = b"POST /callback/lighthouse/a HTTP/1.1\nContent-Type: application/json\n\n{\"id\":1}";
    let mut call = Callback::from_http(raw).expect("a request");
    let headers = headers.iter();
    call.headers
        .extend(headers.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    call
}

fn source(tokens: &[&str]) -> Source {
    Source {
        tokens: tokens.iter().map(|token| Secret::from(*token)).collect(),
        ..Source::default()
    }
}

fn mac(secret: &str, message: &str) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
    mac.update(message.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

#[test]
fn a_client_certificate_that_is_asked_for_must_be_there_and_be_the_named_one() {
    let certified = Source {
        client_certificates: vec!["a.example.com".into(), "b.example.com".into()],
        ..Source::default()
    };
    let key = mapping("kind = 'key'");
    for (subject, wanted) in [
        (None, Err(Refusal::Missing)),
        (Some("CN=b.example.com,O=Example"), Ok(())),
        (Some("CN=c.example.com,O=Example"), Err(Refusal::Wrong)),
        (Some("O=a.example.com"), Err(Refusal::Wrong)),
    ] {
        let mut call = call(&[]);
        call.client_certificate = subject.map(str::to_owned);
        assert_eq!(verify(&key, &call, &certified), wanted, "{subject:?}");
        let open = Source {
            open: true,
            ..certified.clone()
        };
        assert_eq!(verify(&key, &call, &open), wanted, "{subject:?}, open");
    }
}

#[test]
fn one_of_key_address_and_certificate_is_enough_where_the_vendor_proves_nothing() {
    let mut call = call(&[]);
    call.key = Some("the-key".into());
    call.peer = "192.0.2.7".parse().ok();
    call.client_certificate = Some("CN=a.example.com".into());
    let nothing = mapping("kind = 'key'");
    let keyed = Source {
        keys: vec![Secret::from("the-key")],
        ..Source::default()
    };
    let near = Source {
        allow_from: vec!["192.0.2.0/24".parse().expect("a range")],
        ..Source::default()
    };
    let certified = Source {
        client_certificates: vec!["a.example.com".into()],
        ..Source::default()
    };
    for enough in [keyed, near, certified] {
        assert_eq!(verify(&nothing, &call, &enough), Ok(()), "{enough:?}");
    }
    let verdict = verify(&nothing, &call, &Source::default());
    assert_eq!(verdict, Err(Refusal::Unprovable));
}

#[test]
fn what_is_right_twice_is_right() {
    let header = mapping("kind = 'header'\nname = 'X-Token'");
    let twice = source(&["a-long-token", "a-long-token"]);
    let sent = call(&[("x-token", "a-long-token")]);
    assert_eq!(verify(&header, &sent, &twice), Ok(()));
    let signed = mapping("kind = 'hmac'\nheader = 's'");
    let right = mac("a-long-token", "{\"id\":1}");
    let wrong = mac("another-token", "{\"id\":1}");
    let once = source(&["a-long-token"]);
    for given in [
        format!("{right},{right}"),
        format!("{wrong},{right}"),
        format!("{right},{wrong}"),
    ] {
        assert_eq!(verify(&signed, &call(&[("s", &given)]), &once), Ok(()));
    }
    let verdict = verify(&signed, &call(&[("s", &wrong)]), &once);
    assert_eq!(verdict, Err(Refusal::Wrong));
}

#[test]
fn all_of_the_message_is_signed_also_what_stands_behind_its_last_part() {
    let signed = mapping("kind = 'hmac'\nheader = 's'\nmessage = 'v0:{body}:end'");
    for (message, wanted) in [
        ("v0:{\"id\":1}:end", Ok(())),
        ("v0:{\"id\":1}", Err(Refusal::Wrong)),
        ("{\"id\":1}:end", Err(Refusal::Wrong)),
    ] {
        let sent = call(&[("s", &mac("a-long-token", message))]);
        assert_eq!(
            verify(&signed, &sent, &source(&["a-long-token"])),
            wanted,
            "{message}"
        );
    }
}

/// A digest that vendors send with a message can be as good as the secret.
#[test]
fn digests_that_a_call_shows_are_told_wherever_they_stand_in_a_proof() {
    let md5 = "{ kind = 'md5', from = 'body.token', message = '{body}' }";
    let header = "{ kind = 'header', name = 'X-Token' }";
    let mut sent = call(&[("x-token", "a-long-token")]);
    sent.body = br#"{"id":1,"token":"d41d8cd98f00b204"}"#.to_vec();
    for proof in [
        "kind = 'md5'\nfrom = 'body.token'\nmessage = '{body}'".to_owned(),
        format!("any = [{header}, {md5}]"),
        format!("all = [{md5}, {header}]"),
    ] {
        let (mapping, source) = (mapping(&proof), source(&["a-long-token"]));
        let digests = mapping.proof(&sent, &source).digests();
        let digests: Vec<_> = digests.iter().map(ExposeSecret::expose_secret).collect();
        assert_eq!(digests, ["d41d8cd98f00b204"], "{proof}");
    }
    let (mapping, source) = (
        mapping("kind = 'header'\nname = 'X-Token'"),
        source(&["a-long-token"]),
    );
    assert!(mapping.proof(&sent, &source).digests().is_empty());
}

#[test]
fn a_source_can_never_be_believed_if_one_of_all_or_each_of_any_never_holds() {
    let (some, none) = ([Secret::from("a-long-token")], []);
    let secret = |wanted| Proof::Secret {
        given: None,
        wanted,
    };
    let unset = || Some(Never::Unset(vec!["token"]));
    assert_eq!(secret(&some).never(), None);
    assert_eq!(secret(&none).never(), unset());
    for (proofs, all, any) in [
        (vec![secret(&some), secret(&none)], unset(), None),
        (vec![secret(&none), Proof::Never("why")], unset(), unset()),
        (vec![secret(&some), Proof::Absent], None, None),
    ] {
        assert_eq!(Proof::All(proofs.clone()).never(), all);
        assert_eq!(Proof::Any(proofs).never(), any);
    }
}

#[test]
fn a_try_is_signed_by_each_algorithm_as_it_is_verified_and_named() {
    let at = "2026-01-01T00:00:00Z".parse().expect("a time");
    let token = Secret::from("a-long-token");
    for (algorithm, name) in [
        ("sha1", "HMAC-SHA1"),
        ("sha256", "HMAC-SHA256"),
        ("sha512", "HMAC-SHA512"),
    ] {
        let proof = format!("kind = 'hmac'\nheader = 's'\nalgorithm = '{algorithm}'");
        let mapping = mapping(&proof);
        let stamp = Stamp {
            serial: 1,
            at,
            token: Some(&token),
        };
        let sent = mapping.refresh(call(&[]), &stamp);
        assert_eq!(
            verify(&mapping, &sent, &source(&["a-long-token"])),
            Ok(()),
            "{name}"
        );
        assert_eq!(mapping.about().proof, format!("{name} or path key"));
    }
}

#[test]
fn a_public_key_may_be_written_as_bare_base64() {
    // RFC 8032, test 2: the message is the one byte `r`.
    let public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    let signature = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                     085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
    let bare = STANDARD.encode(hex::decode(public).expect("hex"));
    let signed = mapping("kind = 'ed25519'\nheader = 's'");
    let mut sent = call(&[("s", signature)]);
    sent.body = b"r".to_vec();
    assert_eq!(verify(&signed, &sent, &source(&[&bare])), Ok(()));
    assert_eq!(signed.about().proof, "Ed25519 or path key");
}
