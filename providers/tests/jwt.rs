//! Tokens of identity providers: which are accepted, and that every other one is refused.

#[path = "jwt/declaration.rs"]
mod declaration;
#[path = "jwt/edges.rs"]
mod edges;
#[path = "jwt/keys.rs"]
mod keys;
#[path = "jwt/mint.rs"]
mod mint;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use campanile_model::{Callback, Fetched, Secret};
use campanile_providers::{Document, Mapping, Provider, Refusal, Source, verify};
use proptest::prelude::*;
use serde_json::{Value, json};

use mint::{Mint, NOW};

/// The address of the keys in the mapping below.
const KEYS_URL: &str = "https://id.example.com/t-1/keys";

const RS256: &str = "kind = 'jwt'\nkeys = 'https://id.example.com/{tenant}/keys'\nalgorithms = ['RS256']\n\
                     issuer = 'https://id.example.com/{tenant}'\nclaims = { roles = 'alerts' }\nleeway = '30s'";

fn parse(proof: &str) -> Result<Mapping, Vec<String>> {
    let text = format!(
        "title = 'Lighthouse'\nconfidence = 'documented'\n[proof]\n{proof}\n[status]\ndefault = 'firing'\n\
         [alert]\nmessage_id = ['body.id']\nfingerprint = ['body.id']\n"
    );
    Mapping::parse("lighthouse", &text)
        .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect())
}

fn mapping(proof: &str) -> Mapping {
    parse(proof).unwrap_or_else(|mistakes| panic!("{proof}\n{mistakes:?}"))
}

fn source() -> Source {
    Source {
        name: "lighthouse/a".into(),
        ..Source::default()
    }
    .with("tenant", "t-1")
    .with(
        "audience",
        vec!["api://gateway".to_owned(), "gateway-id".to_owned()],
    )
}

/// A call with these `Authorization` headers, and with the keys fetched.
fn call(authorizations: &[String]) -> Callback {
    let raw = b"POST /callback/lighthouse/a HTTP/1.1\nContent-Type: application/json\n\n{\"id\":1}";
    let mut call = Callback::from_http(raw).expect("a request");
    let headers = authorizations.iter();
    call.headers
        .extend(headers.map(|value| ("authorization".to_owned(), value.clone())));
    call.received_at = jiff::Timestamp::from_second(NOW).ok();
    call.fetched = fetched(KEYS_URL, &mint::keys());
    call
}

fn fetched(url: &str, keys: &Value) -> Vec<Fetched> {
    vec![Fetched {
        url: url.to_owned(),
        body: keys.to_string().into_bytes().into(),
    }]
}

fn bearer(token: &str) -> Callback {
    call(&[format!("Bearer {token}")])
}

fn verdict(proof: &str, call: &Callback) -> Result<(), Refusal> {
    verify(&mapping(proof), call, &source())
}

/// The verdict on a token of a source that accepts RS256 from its issuer.
fn said(token: &str) -> Result<(), Refusal> {
    verdict(RS256, &bearer(token))
}

#[test]
fn a_token_of_the_issuer_for_us_is_believed_under_each_declared_algorithm() {
    assert_eq!(said(&Mint::new().rs256()), Ok(()));
    assert_eq!(
        said(&Mint::new().claim("aud", json!(["x", "gateway-id"])).rs256()),
        Ok(())
    );
    assert_eq!(
        said(&Mint::new().claim("roles", json!("alerts")).rs256()),
        Ok(())
    );
    let both = RS256.replace("['RS256']", "['RS256', 'ES256']");
    assert_eq!(verdict(&both, &bearer(&Mint::new().es256())), Ok(()));
    assert_eq!(verdict(&both, &bearer(&Mint::new().rs256())), Ok(()));
    let scheme = call(&[format!("bearer {}", Mint::new().rs256())]);
    assert_eq!(verdict(RS256, &scheme), Ok(()));
}

#[test]
fn a_token_that_says_anything_else_than_it_must_is_refused() {
    for (what, token) in [
        (
            "another issuer",
            Mint::new().claim("iss", json!("https://id.example.com/t-2")),
        ),
        (
            "an issuer with a slash more",
            Mint::new().claim("iss", json!("https://id.example.com/t-1/")),
        ),
        ("no issuer", Mint::new().without("iss")),
        (
            "issuers",
            Mint::new().claim("iss", json!(["https://id.example.com/t-1"])),
        ),
        (
            "another audience",
            Mint::new().claim("aud", json!("api://somebody")),
        ),
        (
            "a longer audience",
            Mint::new().claim("aud", json!("api://gateway.example")),
        ),
        (
            "other audiences",
            Mint::new().claim("aud", json!(["api://somebody", 1, null])),
        ),
        ("no audience", Mint::new().without("aud")),
        ("no role", Mint::new().without("roles")),
        (
            "another role",
            Mint::new().claim("roles", json!(["alerts.read"])),
        ),
        (
            "a role in an object",
            Mint::new().claim("roles", json!({"alerts": true})),
        ),
        (
            "a role that is not a text",
            Mint::new().claim("roles", json!(true)),
        ),
        ("no end", Mint::new().without("exp")),
        (
            "an end that is not a number",
            Mint::new().claim("exp", json!("4102444800")),
        ),
        (
            "a start that is not a number",
            Mint::new().claim("nbf", json!("0")),
        ),
    ] {
        assert_eq!(said(&token.rs256()), Err(Refusal::Wrong), "{what}");
    }
}

#[test]
fn a_claim_that_is_a_number_or_a_truth_is_asked_for_as_it_is_written() {
    for (wanted, right, wrong) in [
        ("true", json!(true), json!(false)),
        ("false", json!(false), json!(true)),
        ("7", json!(7), json!(8)),
        ("7", json!("7"), json!(70)),
    ] {
        let proof = RS256.replace("'alerts'", &format!("'{wanted}'"));
        let says = |value: &Value| {
            let token = Mint::new().claim("roles", value.clone()).rs256();
            verdict(&proof, &bearer(&token))
        };
        assert_eq!(says(&right), Ok(()), "{right} for {wanted}");
        assert_eq!(says(&wrong), Err(Refusal::Wrong), "{wrong} for {wanted}");
    }
}

#[test]
fn a_token_holds_from_its_beginning_to_its_end_and_a_leeway_more() {
    let at = |claim: &str, apart: i64| said(&Mint::new().claim(claim, json!(NOW + apart)).rs256());
    assert_eq!(at("exp", -29), Ok(()));
    assert_eq!(at("exp", -30), Err(Refusal::Stale));
    assert_eq!(at("exp", i64::MIN / 2), Err(Refusal::Stale));
    assert_eq!(at("nbf", 30), Ok(()));
    assert_eq!(at("nbf", 31), Err(Refusal::Stale));
    assert_eq!(said(&Mint::new().without("nbf").rs256()), Ok(()));
    assert_eq!(
        said(&Mint::new().claim("exp", json!(1e300)).rs256()),
        Ok(())
    );
    let mut undated = bearer(&Mint::new().rs256());
    undated.received_at = None;
    assert_eq!(verdict(RS256, &undated), Err(Refusal::Stale));
}

#[test]
fn an_algorithm_that_is_not_declared_is_refused_whoever_signed() {
    let header = |algorithm: &str| Mint::new().header("alg", json!(algorithm));
    for algorithm in [
        "none", "None", "NONE", "", "HS256", "RS512", "PS256", "rs256", "EdDSA",
    ] {
        let token = header(algorithm);
        assert_eq!(
            said(&token.rs256()),
            Err(Refusal::Wrong),
            "{algorithm} with a signature"
        );
        assert_eq!(
            said(&token.unsigned()),
            Err(Refusal::Wrong),
            "{algorithm} without one"
        );
    }
    assert_eq!(
        said(&Mint::new().without_header("alg").rs256()),
        Err(Refusal::Wrong)
    );
    // The public key, in each form that a careless library could use as a shared secret.
    for secret in mint::public_key_as_text() {
        let token = header("HS256").hs256(&secret);
        assert_eq!(said(&token), Err(Refusal::Wrong));
    }
    assert_eq!(
        said(&Mint::new().es256()),
        Err(Refusal::Wrong),
        "ES256 where RS256 is declared"
    );
    let es256 = RS256.replace("RS256", "ES256");
    assert_eq!(
        verdict(&es256, &bearer(&Mint::new().rs256())),
        Err(Refusal::Wrong)
    );
    // The right algorithm with the key of the other algorithm.
    let crossed = Mint::new().header("kid", json!("ec-1"));
    assert_eq!(said(&crossed.rs256()), Err(Refusal::Wrong));
}

#[test]
fn a_name_that_stands_twice_is_refused_because_readers_differ_on_which_counts() {
    let claims = json!(Mint::new().claims).to_string();
    let header = r#"{"alg":"RS256","kid":"rsa-1"}"#;
    assert_eq!(said(&mint::sealed(header, &claims)), Ok(()));
    let twice = claims.replacen('{', r#"{"aud":"api://gateway","#, 1);
    assert_eq!(said(&mint::sealed(header, &twice)), Err(Refusal::Wrong));
    let twice = r#"{"alg":"none","alg":"RS256","kid":"rsa-1"}"#;
    assert_eq!(said(&mint::sealed(twice, &claims)), Err(Refusal::Wrong));
}

#[test]
fn a_token_counts_as_the_one_bearer_token_of_the_call_and_nowhere_else() {
    let token = Mint::new().rs256();
    let other = Mint::new().claim("aud", json!("api://somebody")).rs256();
    for pair in [[&token, &other], [&other, &token], [&token, &token]] {
        let pair = pair.map(|token| format!("Bearer {token}"));
        assert_eq!(verdict(RS256, &call(&pair)), Err(Refusal::Wrong));
    }
    let second = call(&[format!("Bearer {token}"), "Basic Zm9vOmJhcg==".into()]);
    assert_eq!(verdict(RS256, &second), Err(Refusal::Wrong));
    for elsewhere in [
        String::new(),
        token.clone(),
        format!("Basic {token}"),
        format!("Bearer{token}"),
    ] {
        assert_eq!(verdict(RS256, &call(&[elsewhere])), Err(Refusal::Missing));
    }
    assert_eq!(verdict(RS256, &call(&[])), Err(Refusal::Missing));
    let mut query = call(&[]);
    query.query = format!("access_token={token}&token={token}");
    query
        .headers
        .push(("cookie".into(), format!("token={token}")));
    query.key = Some(token.clone());
    assert_eq!(verdict(RS256, &query), Err(Refusal::Missing));
}

#[test]
fn a_token_cut_off_or_with_any_bit_changed_is_refused() {
    let both = RS256.replace("['RS256']", "['RS256', 'ES256']");
    let (mapping, source) = (mapping(&both), source());
    let said = |token: &str| verify(&mapping, &bearer(token), &source);
    for token in [Mint::new().rs256(), Mint::new().es256()] {
        assert_eq!(said(&token), Ok(()));
        no_change_of_it_is_believed(&token, said);
    }
}

fn no_change_of_it_is_believed(token: &str, said: impl Fn(&str) -> Result<(), Refusal>) {
    for length in 0..token.len() {
        let (cut, _) = token.split_at(length);
        assert!(said(cut).is_err(), "{length} bytes");
    }
    for at in 0..token.len() {
        for bit in 0..7 {
            let mut bytes = token.as_bytes().to_vec();
            bytes[at] ^= 1 << bit;
            let changed = String::from_utf8(bytes).expect("ASCII");
            assert!(said(&changed).is_err(), "bit {bit} of byte {at}");
        }
    }
    assert_eq!(
        said(&format!("{token}{}", "A".repeat(8192))),
        Err(Refusal::Wrong)
    );
}

#[test]
fn a_token_written_otherwise_is_refused() {
    let token = Mint::new().rs256();
    let parts: Vec<&str> = token.split('.').collect();
    let bytes: Vec<Vec<u8>> = parts
        .iter()
        .map(|part| URL_SAFE_NO_PAD.decode(part).expect("base64url"))
        .collect();
    let rejoined = |of: &dyn Fn(&[u8]) -> String| {
        let parts: Vec<String> = bytes.iter().map(|part| of(part)).collect();
        parts.join(".")
    };
    assert_eq!(rejoined(&|part| URL_SAFE_NO_PAD.encode(part)), token);
    for other in [
        rejoined(&|part| URL_SAFE.encode(part)),
        rejoined(&|part| STANDARD_NO_PAD.encode(part)),
        format!(" {token}"),
        format!("{token} "),
        format!("{token}\n"),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{}", parts[2]),
        format!("{}..{}", parts[0], parts[2]),
        token.replace('.', ".."),
        token.replace('.', "%2E"),
    ] {
        assert_eq!(said(&other), Err(Refusal::Wrong), "{other}");
    }
    // The same claims with one more blank are not the signed text.
    let claims: Value = serde_json::from_slice(&bytes[1]).expect("JSON");
    let spaced = serde_json::to_vec_pretty(&claims).expect("JSON");
    let spaced = [parts[0], &URL_SAFE_NO_PAD.encode(spaced), parts[2]].join(".");
    assert_eq!(said(&spaced), Err(Refusal::Wrong));
}

proptest! {
    #[test]
    fn no_token_and_no_set_of_keys_makes_it_panic(
        token in "[A-Za-z0-9_.-]{0,200}|\\PC{0,50}",
        header in "\\PC{0,60}",
        keys in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let header = URL_SAFE_NO_PAD.encode(header);
        for token in [token.clone(), format!("{header}.{token}"), format!("{header}.e30.{token}")] {
            let mut call = bearer(&token);
            prop_assert!(verdict(RS256, &call).is_err());
            call.fetched[0].body = keys.clone().into();
            prop_assert!(verdict(RS256, &call).is_err());
        }
    }
}
