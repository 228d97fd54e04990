//! In a route.

use super::Expected;

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
];
