//! The keys for a token, and when they are fetched.

use super::*;

#[test]
fn only_the_key_that_the_token_names_in_the_pinned_set_counts() {
    let token = Mint::new().rs256();
    let with = |keys: Value| {
        let mut call = bearer(&token);
        call.fetched = fetched(KEYS_URL, &keys);
        verdict(RS256, &call)
    };
    let changed = |field: &str, value: Value| {
        let mut keys = mint::keys();
        keys["keys"][0][field] = value;
        with(keys)
    };
    assert_eq!(with(mint::keys()), Ok(()));
    let wrong = Err(Refusal::Wrong);
    assert_eq!(
        changed("n", json!(mint::ANOTHER_MODULUS)),
        wrong,
        "another key"
    );
    assert_eq!(changed("kid", json!("rsa-2")), wrong, "an unknown id");
    assert_eq!(changed("kid", Value::Null), wrong, "no id");
    assert_eq!(changed("use", json!("enc")), wrong, "a key to encrypt with");
    assert_eq!(
        changed("alg", json!("RS512")),
        wrong,
        "a key for another algorithm"
    );
    assert_eq!(changed("kty", json!("EC")), wrong, "another kind of key");
    assert_eq!(
        changed("n", json!("AQAB")),
        wrong,
        "a key that is too short"
    );
    assert_eq!(changed("n", json!(7)), wrong, "a key that is none");
    assert_eq!(changed("e", json!("AQ")), wrong, "an exponent of one");
    for nothing in [
        json!({}),
        json!([]),
        json!({"keys": {}}),
        json!({"keys": [1, "x", {}]}),
    ] {
        assert_eq!(with(nothing), wrong);
    }
    // The same numbers on another curve are another key.
    let es256 = RS256.replace("RS256", "ES256");
    for (curve, wanted) in [
        (json!("P-256"), Ok(())),
        (json!("P-384"), wrong),
        (Value::Null, wrong),
    ] {
        let mut keys = mint::keys();
        keys["keys"][1]["crv"] = curve.clone();
        let mut call = bearer(&Mint::new().es256());
        call.fetched = fetched(KEYS_URL, &keys);
        assert_eq!(verdict(&es256, &call), wanted, "curve {curve}");
    }
    // A set from another address is not used.
    let mut elsewhere = bearer(&token);
    elsewhere.fetched = fetched("https://id.example.com/t-2/keys", &mint::keys());
    assert_eq!(verdict(RS256, &elsewhere), Err(Refusal::Uncertified));
}

#[test]
fn what_the_header_says_of_keys_is_never_followed_and_what_must_be_understood_is_refused() {
    let needs = |token: &str| {
        let mut call = bearer(token);
        call.fetched.clear();
        let (mapping, source) = (mapping(RS256), source());
        mapping.proof(&call, &source).needs()
    };
    for (name, value) in [
        ("jku", json!("https://evil.example.com/keys")),
        ("x5u", json!("https://evil.example.com/certificate")),
        ("jwk", mint::keys()["keys"][1].clone()),
        ("x5c", json!(["AAAA"])),
    ] {
        let token = Mint::new().header(name, value);
        let needed = needs(&token.rs256()).expect("the keys");
        assert_eq!(needed.url, KEYS_URL, "{name}");
        assert_eq!(needed.document, Document::Key("rsa-1".into()), "{name}");
        let own = token
            .header("alg", json!("ES256"))
            .header("kid", json!("mine"));
        assert_eq!(said(&own.es256()), Err(Refusal::Wrong), "{name}");
    }
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", Value::Null),
        ("typ", json!("dpop+jwt")),
        ("typ", json!("logout+jwt")),
        ("typ", json!(["JWT"])),
        ("kid", json!(["rsa-1"])),
        ("kid", json!("k".repeat(300))),
    ] {
        let token = Mint::new().header(name, value).rs256();
        assert_eq!(said(&token), Err(Refusal::Wrong), "{name}");
        assert_eq!(needs(&token), None, "{name}");
    }
    assert_eq!(
        said(&Mint::new().without_header("kid").rs256()),
        Err(Refusal::Wrong)
    );
    assert_eq!(said(&Mint::new().without_header("typ").rs256()), Ok(()));
    assert_eq!(
        said(&Mint::new().header("typ", json!("at+JWT")).rs256()),
        Ok(())
    );
}

#[test]
fn keys_are_asked_for_only_where_nothing_else_is_wrong() {
    let needs = |proof: &str, tokens: &[&str], token: &str| {
        let mut call = bearer(token);
        call.fetched.clear();
        let source = Source {
            tokens: tokens.iter().map(|token| Secret::from(*token)).collect(),
            ..source()
        };
        let mapping = mapping(proof);
        let verdict = verify(&mapping, &call, &source);
        (
            verdict,
            mapping
                .proof(&call, &source)
                .needs()
                .map(|needed| needed.url),
        )
    };
    let jwt = format!("{{ {} }}", RS256.replace('\n', ", "));
    let header = "{ kind = 'header', name = 'X-Token' }";
    // It is always present, and is never the secret.
    let bad = "{ kind = 'field', from = 'body.id' }";
    let keys = || Some(KEYS_URL.to_owned());
    let (right, wrong) = (Mint::new().rs256(), Mint::new().without("roles").rs256());
    let waits = (Err(Refusal::Uncertified), keys());
    assert_eq!(needs(RS256, &[], &right), waits);
    assert_eq!(needs(RS256, &[], &wrong), (Err(Refusal::Wrong), None));
    // A proof that can still hold has priority over one that is wrong or missing.
    for any in [
        format!("any = [{jwt}, {header}]"),
        format!("any = [{header}, {jwt}]"),
    ] {
        assert_eq!(needs(&any, &["secret"], &right), waits);
        assert_eq!(needs(&any, &["secret"], &wrong).0, Err(Refusal::Wrong));
    }
    for any in [
        format!("any = [{jwt}, {bad}]"),
        format!("any = [{bad}, {jwt}]"),
    ] {
        assert_eq!(needs(&any, &["secret"], &right), waits, "with a wrong one");
    }
    // Nothing is fetched for a call without the other proof.
    for all in [
        format!("all = [{jwt}, {header}]"),
        format!("all = [{header}, {jwt}]"),
    ] {
        assert_eq!(needs(&all, &["secret"], &right).0, Err(Refusal::Missing));
    }
}
