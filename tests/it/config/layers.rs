//! Files, folders and the environment: which wins, and what is said of each.

use campanile::config::{self, Environment, Location};
use secrecy::ExposeSecret;

use super::load_files;

#[test]
fn the_environment_wins_over_the_files() {
    let files = [(
        "campanile.toml",
        "[server]\nlisten = '127.0.0.1:1'\nworkers = 1\n[providers.ucloud.prod]\nkey = { env = 'A' }\n",
    )];
    let variables = [
        ("CAMPANILE__SERVER__LISTEN", "127.0.0.1:2"),
        ("CAMPANILE__SERVER__WORKERS", "3"),
        (
            "CAMPANILE__SERVER__TRUSTED_PROXIES",
            "10.0.0.0/8, 192.168.0.0/16",
        ),
        ("CAMPANILE__PROVIDERS__UCLOUD__PROD__KEY", "0123456789012"),
        ("CAMPANILE_ADMIN_TOKEN", "not a setting: one underscore"),
    ];
    let config = load_files(&files, &variables).1.unwrap();
    assert_eq!(config.server.listen.port(), 2);
    assert_eq!(config.server.workers, 3);
    assert_eq!(config.server.trusted_proxies.len(), 2);
    // Not read as a number: it would lose its zero.
    assert_eq!(
        config.sources[0].source.keys[0].expose_secret(),
        "0123456789012"
    );
}

#[test]
fn a_mistake_in_a_variable_names_the_variable() {
    let variables = [
        ("CAMPANILE__SERVER__LISTEN", "nowhere"),
        ("CAMPANILE__SEVER__LISTEN", "x"),
    ];
    let mistakes = load_files(&[("a.toml", "")], &variables).1.unwrap_err();
    let named: Vec<_> = mistakes
        .iter()
        .map(|mistake| match &mistake.location {
            Location::Variable { variable } => variable.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        named,
        ["CAMPANILE__SERVER__LISTEN", "CAMPANILE__SEVER__LISTEN"]
    );
    assert!(
        mistakes
            .to_string()
            .contains("--> environment variable CAMPANILE__SERVER__LISTEN")
    );
}

#[test]
fn a_folder_is_merged_in_the_order_of_names() {
    let files = [
        (
            "10-base.toml",
            "[server]\nlisten = '127.0.0.1:1'\nworkers = 1\n[sinks.stdout.a]\n[[routes]]\nsinks = ['stdout/a']\n",
        ),
        (
            "20-site.toml",
            "[server]\nlisten = '127.0.0.1:2'\n[sinks.stdout.b]\n[[routes]]\nsinks = ['stdout/b']\n",
        ),
        (".hidden.toml", "nonsense"),
        ("README.md", "nonsense"),
    ];
    let config = load_files(&files, &[]).1.unwrap();
    assert_eq!((config.server.listen.port(), config.server.workers), (2, 1));
    let routed: Vec<_> = config.routes.iter().map(|route| route.sinks[0]).collect();
    assert_eq!(routed, [0, 1], "routes of both files count");
}

#[test]
fn one_name_in_two_files_is_refused() {
    let files = [
        ("a.toml", "[sinks.stdout.x]\n"),
        ("b.toml", "\n[sinks.stdout.x]\n"),
    ];
    let mistakes = load_files(&files, &[]).1.unwrap_err();
    let drawn = mistakes.to_string();
    assert!(
        drawn.contains("is defined in two files")
            && drawn.contains("b.toml:2:15")
            && drawn.contains("a.toml:1"),
        "{drawn}"
    );
}

#[test]
fn other_files_are_checked_beside_one_that_is_not_toml() {
    let files = [
        ("a.toml", "[sinks.stdout.x\n"),
        (
            "b.toml",
            "[log]\nfromat = 'x'\n[[routes]]\nsinks = ['stdout/x']\n",
        ),
    ];
    let mistakes = load_files(&files, &[]).1.unwrap_err();
    let drawn = mistakes.to_string();
    assert!(
        drawn.contains("a.toml:1:") && drawn.contains("`fromat`"),
        "{drawn}"
    );
    assert!(
        !drawn.contains("no sink"),
        "it may be in the broken file: {drawn}"
    );
}

#[test]
fn a_path_that_is_not_there_is_a_mistake() {
    let drawn = config::load(&["/does/not/exist.toml".into()], &Environment::new())
        .unwrap_err()
        .to_string();
    assert!(
        drawn.contains("--> /does/not/exist.toml") && drawn.contains("cannot be read"),
        "{drawn}"
    );
}
