//! `[routing]` and `[[routes]]`.

use super::{Setting, Type, optional, required, with};

/// What `[routing]` is for.
pub(in crate::config) const ROUTING_DOC: &str = "What all routes have in common.";

/// What `[[routes]]` is for.
pub(in crate::config) const ROUTES_DOC: &str =
    "Which alerts go to which sinks. Without any route, every alert goes to every sink.";

/// What `[[routes.routes]]` is for.
pub(in crate::config) const NESTED_DOC: &str = "Routes inside of a route, at most 8 deep. They take the same settings, and are asked only about alerts that the \
    outer route matches. The sinks of the outer route are for what no nested route took. Nested routes inherit nothing.";

pub(in crate::config) const ROUTING: &[Setting] = &[
    with(
        "take",
        Type::Word(&["all", "first"]),
        "\"all\"",
        "Which routes take an alert: `all` that match, or only the `first` of each level, as in Alertmanager.",
    ),
    optional(
        "otherwise",
        Type::Sinks,
        r#"["webhook/example"]"#,
        "Where alerts go that no route took. Left out, such alerts are kept and counted, and sent nowhere.",
    ),
    optional(
        "zone",
        Type::Zone,
        "\"Asia/Shanghai\"",
        "The time zone of `[windows.NAME]` that name none. UTC is never assumed.",
    ),
    with(
        "orphans",
        Type::Word(&["route", "drop"]),
        r#""route""#,
        "A recovery goes where its firing went. This is for one whose firing is not known. route: it goes where the routes say. \
         drop: it is stored, and goes to no sink.",
    ),
];

pub(in crate::config) const ROUTE: &[Setting] = &[
    optional(
        "name",
        Type::Text,
        "\"db\"",
        "A name that no other route has. It is shown instead of the number of the route.",
    ),
    optional(
        "match",
        Type::Matches,
        r#"{ "labels.team" = "db", severity = ["critical", "error"] }"#,
        "Fields of the alert and the values that each may have. A field that an alert does not have is the empty text. \
         Routes with `match` are found through an index, so hundreds of them cost little.",
    ),
    optional(
        "regex",
        Type::Patterns,
        r#"{ "labels.host" = "db-[0-9]+" }"#,
        "Fields of the alert and a regular expression for the whole value of each.",
    ),
    optional(
        "when",
        Type::Condition,
        r#""severity in ['critical', 'error']""#,
        "A Jinja expression over the alert's fields, asked only if `match` and `regex` hold. Left out, every alert matches.",
    ),
    optional(
        "share",
        Type::Whole(1, 100),
        "5",
        "Only so many percent of the problems, chosen by fingerprint: a firing and its end are on the same side.",
    ),
    with(
        "continue",
        Type::Flag,
        "false",
        "With `take = \"first\"`: the routes after this one are asked too.",
    ),
    optional(
        "active",
        Type::Texts,
        r#"["worktime"]"#,
        "Windows: outside of all of them, the sinks of this route get nothing, as in a silence.",
    ),
    optional(
        "muted",
        Type::Texts,
        r#"["night"]"#,
        "Windows: while any of them is open, the sinks of this route get nothing, as in a silence.",
    ),
    with(
        "resolved",
        Type::Flag,
        "true",
        "false: the sinks of this route get no recoveries. If another route gives a sink the alert, that route counts.",
    ),
    required(
        "sinks",
        Type::Sinks,
        r#"["webhook/example"]"#,
        "Where alerts that match go. A sink gets an alert once, also if several routes name it.",
    ),
];
