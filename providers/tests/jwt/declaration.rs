//! The declaration of tokens in a mapping, and the settings that a source needs for it.

use campanile_providers::{Never, Provider, Source, verify};

use super::mint::Mint;
use super::{RS256, bearer, mapping, parse, source};

#[test]
fn a_source_that_lacks_a_setting_believes_nobody_and_says_which() {
    let token = bearer(&Mint::new().rs256());
    let never = |proof: &str, source: &Source| {
        assert!(verify(&mapping(proof), &token, source).is_err());
        mapping(proof).proof(&token, source).never()
    };
    let lacks = |settings: &[&'static str]| Some(Never::Unset(settings.to_vec()));
    let (whole, bare) = (source(), Source::default());
    assert_eq!(mapping(RS256).proof(&token, &whole).never(), None);
    assert_eq!(
        never(RS256, &whole.clone().without("tenant")),
        lacks(&["tenant"])
    );
    assert_eq!(
        never(RS256, &whole.clone().without("audience")),
        lacks(&["audience"])
    );
    assert_eq!(
        never(&format!("required = true\n{RS256}"), &bare),
        lacks(&["tenant", "audience"])
    );
    assert_eq!(
        never(RS256, &bare),
        None,
        "then the source needs a key or addresses"
    );
    let named = RS256.replace("'alerts'", "'{user}'");
    assert_eq!(never(&named, &whole), lacks(&["user"]));
    for tenant in [
        "",
        "..",
        "a/b",
        "a.b",
        "t?x",
        "t#x",
        "t%2Fx",
        "t 1",
        "é",
        &"t".repeat(65),
    ] {
        let elsewhere = whole.clone().with("tenant", tenant);
        let verdict = never(RS256, &elsewhere);
        assert!(
            matches!(verdict, Some(Never::Because(why)) if why.contains("tenant")),
            "{tenant}"
        );
    }
}

#[test]
fn a_declaration_pins_its_keys_and_its_algorithms() {
    for (from, to, word) in [
        ("https://id", "http://id", "`keys` must be an https address"),
        (
            "https://id.example.com/{tenant}/keys",
            "https://{tenant}.example.com/keys",
            "with a fixed host",
        ),
        (
            "https://id.example.com/{tenant}/keys",
            "https://id.example.com/k{tenant}/keys",
            "with a fixed host",
        ),
        (
            "https://id.example.com/{tenant}/keys",
            "https://id.example.com/keys?of={tenant}",
            "with a fixed host",
        ),
        (
            "https://id.example.com/{tenant}/keys",
            "https://u@id.example.com/keys",
            "with a fixed host",
        ),
        (
            "https://id.example.com/{tenant}/keys",
            "https://id.example.com/{host}/keys",
            "`{host}` is not a valid placeholder",
        ),
        (
            "https://id.example.com/",
            "https://id.example.com:{tenant}/",
            "with a fixed host",
        ),
        (
            "https://id.example.com/",
            "https://id.example.com:443@evil.example.com/",
            "with a fixed host",
        ),
        ("'RS256'", "'none'", "must be one of RS256, ES256"),
        ("'RS256'", "'HS256'", "must be one of RS256, ES256"),
        ("algorithms = ['RS256']\n", "", "`algorithms` is missing"),
        (
            "issuer = 'https://id.example.com/{tenant}'\n",
            "",
            "`issuer` is missing",
        ),
        ("'30s'", "'1h'", "at most 5m"),
        ("'30s'", "'-1s'", "at most 5m"),
        ("leeway", "leway", "did you mean `leeway`?"),
    ] {
        let changed = RS256.replacen(from, to, 1);
        assert_ne!(changed, RS256);
        let mistakes = parse(&changed).expect_err(to).join("\n");
        assert!(mistakes.contains(word), "{to}: {mistakes}");
    }
    // The third line is `[proof]`: the place is that of the value, or of the table.
    for (from, to, place) in [
        ("https://id", "http://id", "line 5, column 8:"),
        ("'30s'", "'1h'", "line 9, column 10:"),
    ] {
        let mistakes = parse(&RS256.replacen(from, to, 1)).expect_err(to);
        assert!(mistakes[0].starts_with(place), "{mistakes:?}");
    }
}

#[test]
fn the_settings_of_a_source_are_those_that_its_declaration_asks_for() {
    let names = |proof: &str| -> Vec<String> {
        let mapping = mapping(proof);
        mapping
            .about()
            .settings
            .iter()
            .map(|setting| setting.name.to_string())
            .collect()
    };
    assert_eq!(names(RS256), ["tenant", "audience"]);
    assert_eq!(names(&RS256.replace("{tenant}", "x")), ["audience"]);
    let jwt = format!("{{ {} }}", RS256.replace('\n', ", "));
    assert_eq!(
        names(&format!("any = [{{ kind = 'bearer' }}, {jwt}]")),
        ["token", "user", "tenant", "audience"]
    );
    assert_eq!(mapping(RS256).about().proof, "JWT or path key");
    assert_eq!(
        mapping(&format!("required = true\n{RS256}")).about().proof,
        "JWT"
    );
    for (proof, words) in [
        ("kind = 'bearer'", "bearer token or path key"),
        (
            "kind = 'header'\nname = 'X-Token'",
            "header x-token or path key",
        ),
    ] {
        assert_eq!(mapping(proof).about().proof, words);
    }
}
