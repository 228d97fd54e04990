//! In a route.

use std::fmt::Write as _;

use super::{Expected, load};

pub(crate) const MISTAKES: &[Expected] = &[
    (
        "[sinks.stdout.a]\n[[routes]]\nwhen = \"severity in\"\nsinks = [\"stdout/a\"]\n",
        (3, 18),
        &["`when` cannot be compiled"],
    ),
    (
        "[sinks.stdout.a]\n[[routes]]\nsinks = [\"stdout/b\"]\n",
        (3, 10),
        &["no sink `stdout/b`", "did you mean `stdout/a`"],
    ),
    (
        "[sinks.stdout.a]\n[[routes]]\n",
        (2, 1),
        &["has no `sinks`"],
    ),
    ("[routes]\nsinks = []\n", (1, 2), &["[[routes]]"]),
    (
        "[sinks.stdout.a]\n[[routes]]\nsinks = [\"stdout/a\"]\nmatch = { severty = \"critical\" }\n",
        (4, 21),
        &[
            "`match` has `severty`, which is not a field of an alert",
            "did you mean `severity`",
        ],
    ),
    (
        "[sinks.stdout.a]\n[[routes]]\nsinks = [\"stdout/a\"]\nmatch = { \"label.team\" = \"db\" }\n",
        (4, 26),
        &["`label.team`", "did you mean `labels.team`"],
    ),
    (
        "[sinks.stdout.a]\n[[routes]]\nsinks = [\"stdout/a\"]\nmatch = { severity = [\"critical\", \"eror\"] }\n",
        (4, 35),
        &["`match` has a value that does not exist", "critical, error"],
    ),
    (
        "[sinks.stdout.a]\n[[routes]]\nsinks = [\"stdout/a\"]\nmatch = { title = [] }\n",
        (4, 19),
        &["has no value for `title`"],
    ),
    (
        "[sinks.stdout.a]\n[[routes]]\nsinks = [\"stdout/a\"]\nmatch = {}\n",
        (4, 9),
        &["`match` is empty, so it would match every alert"],
    ),
    (
        "[sinks.stdout.a]\n[[routes]]\nsinks = [\"stdout/a\"]\nregex = { \"labels.host\" = \"db-[0-9\" }\n",
        (4, 27),
        &[
            "a pattern for `labels.host` that cannot be used",
            "unclosed",
        ],
    ),
    (
        "[sinks.stdout.a]\n[[routes]]\nsinks = [\"stdout/a\"]\nregex = { links = \"a\" }\n",
        (4, 19),
        &["`links`, which is a list: ask for it in `when`"],
    ),
    (
        "[sinks.stdout.a]\n[[routes]]\nsinks = [\"stdout/a\"]\nshare = 0\n",
        (4, 9),
        &["`share` is 0", "from 1 to 100"],
    ),
    (
        "[sinks.stdout.a]\n[[routes]]\nname = \"7\"\nsinks = [\"stdout/a\"]\n",
        (3, 8),
        &["`7` is not a valid name of a route", "not a number"],
    ),
    (
        "[sinks.stdout.a]\n[[routes]]\nname = \"a\"\nsinks = [\"stdout/a\"]\n\
         [[routes.routes]]\nname = \"a\"\nsinks = [\"stdout/a\"]\n",
        (6, 8),
        &["two routes are called `a`"],
    ),
    (
        "[sinks.stdout.a]\n[[routes]]\nsinks = [\"stdout/a\"]\n[[routes.routes]]\nsinks = [\"stdout/b\"]\n",
        (5, 10),
        &["no sink `stdout/b`"],
    ),
    (
        "[sinks.stdout.a]\n[[routes]]\nsinks = [\"stdout/a\"]\n[routes.routes]\nsinks = [\"stdout/a\"]\n",
        (4, 9),
        &["`routes` is not a list of tables"],
    ),
    (
        "[sinks.stdout.a]\n[routing]\notherwise = [\"stdout/b\"]\n",
        (3, 14),
        &["no sink `stdout/b`", "did you mean `stdout/a`"],
    ),
    (
        "[routing]\ntake = \"firts\"\n",
        (2, 8),
        &["`take` is `firts`", "did you mean `first`"],
    ),
    (
        "[routing]\ntkae = \"first\"\n",
        (2, 1),
        &["unknown setting `tkae`"],
    ),
];

#[test]
fn routes_nest_eight_deep_and_no_deeper() {
    let nested = |depth: usize| {
        let mut text = String::from("[sinks.stdout.a]\n");
        let mut path = String::from("routes");
        for _ in 0..depth {
            let _written = writeln!(text, "[[{path}]]\nsinks = ['stdout/a']");
            path += ".routes";
        }
        load(&text)
    };
    assert!(nested(8).is_ok());
    let said = nested(9).unwrap_err().to_string();
    assert!(
        said.contains("routes are nested more than 8 deep"),
        "{said}"
    );
}

#[test]
fn fields_of_match_may_be_tables_and_nested_routes_are_shown_like_others() {
    let text = "[sinks.stdout.a]\n[routing]\notherwise = ['stdout/a']\n[[routes]]\nsinks = ['stdout/a']\n\
        [routes.match]\nlabels.team = 'db'\nseverity = ['critical', 'error']\n\
        [[routes.routes]]\nname = 'inner'\nregex = { 'labels.k8s.pod' = 'db-.*' }\nsinks = ['stdout/a']\n";
    let config = load(text).unwrap();
    let route = &config.routes[0];
    assert_eq!(route.matching.matches["labels.team"], ["db"]);
    assert_eq!(route.matching.matches["severity"], ["critical", "error"]);
    assert_eq!(route.routes[0].matching.regex["labels.k8s.pod"], "db-.*");
    for shown in ["db-.*", "inner", "critical", "otherwise"] {
        assert!(config.text.contains(shown), "{shown}: {}", config.text);
    }
    assert!(!config.text.contains("***"), "{}", config.text);
}
