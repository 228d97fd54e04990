//! Named gateways, and which gateway a command uses.

use serde_json::json;
use tempfile::TempDir;

use super::peer::Peer;
use super::{Run, campanile};

use crate::patience::output;

const EMPTY: &str = r#"{"items":[],"next":null}"#;

/// A home folder with this `cli.toml`.
fn home(toml: &str) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".config/campanile");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("cli.toml"), toml).unwrap();
    home
}

fn run(home: &TempDir, args: &[&str], variables: &[(&str, &str)]) -> Run {
    let mut command = campanile(args);
    command
        .env("HOME", home.path())
        .env_remove("XDG_CONFIG_HOME");
    command.envs(variables.iter().copied());
    Run::from(output(&mut command))
}

/// Lists alerts, and returns the token that the gateway got.
fn token(
    args: &[&str],
    variables: &[(&str, &str)],
    toml: impl Fn(&str) -> String,
) -> Option<String> {
    let peer = Peer::answering(&[(200, EMPTY)]);
    let home = home(&toml(&peer.url));
    let run = run(&home, &[&["alerts", "list"], args].concat(), variables);
    assert_eq!(run.code, 0, "{}", run.err);
    let (asked, _) = peer.asked();
    asked[0].header("authorization").map(str::to_owned)
}

#[test]
fn a_named_gateway_gives_address_and_token() {
    let toml = |url: &str| {
        format!(
            "[gateways.prod]\nurl = '{url}'\ntoken = {{ env = 'PROD_TOKEN' }}\n[gateways.lab]\nurl = 'http://127.0.0.1:1'\n"
        )
    };
    let set = ("PROD_TOKEN", "the-token-of-prod");
    let expected = Some("Bearer the-token-of-prod".to_owned());
    assert_eq!(token(&["--gateway", "prod"], &[set], toml), expected);
    assert_eq!(
        token(&[], &[set, ("CAMPANILE_GATEWAY", "prod")], toml),
        expected
    );
    // A flag wins over variables for another gateway.
    let other = [
        set,
        ("CAMPANILE_URL", "http://127.0.0.1:1"),
        ("CAMPANILE_GATEWAY", "lab"),
    ];
    assert_eq!(token(&["--gateway", "prod"], &other, toml), expected);
    let flag = ["--gateway", "prod", "--token", "the-token-of-a-flag"];
    assert_eq!(
        token(&flag, &[set], toml),
        Some("Bearer the-token-of-a-flag".to_owned())
    );
}

#[test]
fn a_token_goes_only_to_its_own_gateway() {
    let toml = |url: &str| format!("[gateways.prod]\nurl = '{url}'\n");
    let variables = [("CAMPANILE_ADMIN_TOKEN", "the-token-of-another-one")];
    assert_eq!(token(&["--gateway", "prod"], &variables, toml), None);
}

#[test]
fn a_mistake_in_the_file_is_shown_with_its_place_and_without_the_secret() {
    let toml = "[gateways.prod]\nurl = 'example.com'\ntoken = 'the-token-of-prod'\ntokn = 'the-token-of-prod'\n";
    let shown = run(&home(toml), &["alerts", "list", "--gateway", "prod"], &[]);
    assert_eq!(shown.code, 2);
    shown.says("cli.toml:2:7");
    shown.says("unknown setting `tokn`");
    assert!(!shown.err.contains("the-token"), "{}", shown.err);
    let known = home("[gateways.prod]\nurl = 'http://127.0.0.1:1'\n");
    let shown = run(&known, &["alerts", "list", "--gateway", "prd"], &[]);
    assert_eq!(shown.code, 2);
    shown.says("`prd` is not a gateway of");
    shown.says("did you mean `prod`?");
    let shown = run(
        &tempfile::tempdir().unwrap(),
        &["open", "--gateway", "prod"],
        &[],
    );
    assert_eq!(shown.code, 2);
    shown.says("there is no file");
    shown.says("cli.toml");
}

#[test]
fn open_prints_the_address_of_a_page_and_asks_nobody() {
    let id = "0190a3c5-7e1d-7c3a-9f00-0000000000aa";
    let home = home("[gateways.prod]\nurl = 'https://campanile.example.com/ops/'\n");
    for (args, page) in [
        (&[][..], "http://127.0.0.1:8081/"),
        (&[id], &format!("http://127.0.0.1:8081/alerts/{id}")),
        (
            &["00d1c0de00d1c0de", "--gateway", "prod"],
            "https://campanile.example.com/ops/problems/00d1c0de00d1c0de",
        ),
    ] {
        let shown = run(&home, &[&["open"], args].concat(), &[]);
        assert_eq!(shown.out, format!("{page}\n"), "{}", shown.err);
    }
    let shown = run(&home, &["open", "17"], &[]);
    assert_eq!(shown.code, 2);
    shown.says("write the id of an alert, or a fingerprint");
    let config = home.path().join("c.toml");
    let settings = json!({"admin": {"public_url": "https://gw.example.com"}});
    std::fs::write(&config, toml::to_string(&settings).unwrap()).unwrap();
    // The flag wins over a variable for another gateway.
    let variables = [
        ("CAMPANILE_GATEWAY", "prod"),
        ("CAMPANILE_URL", "http://127.0.0.1:1"),
    ];
    let shown = run(
        &home,
        &["open", "--config", config.to_str().unwrap()],
        &variables,
    );
    assert_eq!(shown.out, "https://gw.example.com/\n", "{}", shown.err);
}
