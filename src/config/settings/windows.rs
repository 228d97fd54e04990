//! `[windows.NAME]` and `[silences.NAME]`.

use super::{Setting, Type, optional, required, with};

/// Tables whose names the operator chooses: their section, what they are for, and what they take.
pub(in crate::config) const NAMED: &[(&str, &str, &[Setting])] = &[
    (
        "windows",
        "Parts of the day, the week, the month or the year. Routes and silences name them. All settings must hold, and one item of \
         each list.",
        WINDOW,
    ),
    (
        "silences",
        "Alerts that are not sent while a window is open. What begins and ends inside of it is not sent; what fires at its end is \
         sent then. Silences for some hours are made with `campanile silences add`.",
        SILENCE,
    ),
];

pub(in crate::config) const WINDOW: &[Setting] = &[
    optional(
        "times",
        Type::Texts,
        r#"["22:00-06:00"]"#,
        "Times of the day; the second is not in it. A time over midnight belongs to the day on which it begins.",
    ),
    optional(
        "weekdays",
        Type::Texts,
        r#"["mon-fri"]"#,
        "Weekdays, or from one to another.",
    ),
    optional(
        "days",
        Type::Texts,
        r#"["1:7", "-1"]"#,
        "Days of the month, or from one to another; negative ones count from the end.",
    ),
    optional(
        "months",
        Type::Texts,
        r#"["dec", "jul-aug"]"#,
        "Months, or from one to another.",
    ),
    optional(
        "years",
        Type::Texts,
        r#"["2026-2028"]"#,
        "Years, or from one to another.",
    ),
    optional(
        "zone",
        Type::Zone,
        "\"Asia/Shanghai\"",
        "The time zone. Left out: `[routing] zone`. One of the two must be set.",
    ),
];

pub(in crate::config) const SILENCE: &[Setting] = &[
    optional(
        "match",
        Type::Matches,
        r#"{ "labels.job" = "backup" }"#,
        "Fields of the alert and the values that each may have.",
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
        r#""severity != 'critical'""#,
        "A Jinja expression over the alert's fields. If it fails on an alert, the alert is sent.",
    ),
    required(
        "during",
        Type::Texts,
        r#"["night"]"#,
        "The windows in which it holds: while any of them is open.",
    ),
    with(
        "after",
        Type::Word(&["tell", "forget"]),
        r#""tell""#,
        "What still fires when the window ends. tell: it is sent then. forget: it is not.",
    ),
    optional("comment", Type::Text, "\"backups run at night\"", "Why."),
    with(
        "everything",
        Type::Flag,
        "false",
        "It may match every alert.",
    ),
];
