//! `[tables.NAME]` and `[[rewrites]]`.

use super::{Setting, Type, optional, required};

/// What `[tables.NAME]` is for.
pub(in crate::config) const TABLES_DOC: &str = "A CSV file in which rewrites look up an alert, such as an inventory. Its first line names the columns. It is read \
    when the configuration is loaded, and again when it changes. At most 16 MiB and 200,000 rows, in UTF-8.";

/// What `[[rewrites]]` is for.
pub(in crate::config) const REWRITES_DOC: &str = "What is changed in an alert before its sinks are chosen and before it is stored. Rewrites run in the order of the \
    file, and each sees what the earlier ones left. They change neither which problem nor which message an alert is about.";

pub(in crate::config) const TABLE: &[Setting] = &[
    required(
        "file",
        Type::Path,
        r#""examples/rewrites/cmdb.csv""#,
        "The path of the file, from the folder of this file.",
    ),
    required(
        "key",
        Type::Field,
        r#""resource.id""#,
        "The field of the alert whose value is looked up.",
    ),
    optional(
        "column",
        Type::Text,
        r#""id""#,
        "The column in which it is looked up. Left out, the first column. No two rows may have the same value there.",
    ),
];

pub(in crate::config) const REWRITE: &[Setting] = &[
    optional(
        "name",
        Type::Text,
        r#""team""#,
        "A name that no other rewrite has. It is shown instead of the number of the rewrite.",
    ),
    optional(
        "match",
        Type::Matches,
        r#"{ source = "ucloud/prod" }"#,
        "Fields of the alert and the values that each may have, as in a route. Without `match`, `regex` and `when`, every alert is rewritten.",
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
        r#""metric.value is defined and metric.value > 95""#,
        "A Jinja expression over the alert's fields, asked only if `match` and `regex` hold. If it fails on an alert, `set` does not apply, and `redact` does.",
    ),
    optional(
        "table",
        Type::Text,
        r#""example""#,
        "The name of a `[tables.NAME]`. The expressions of `set` see the row of the alert as `table`, its columns by their names. If no row has \
         the key, nothing is set.",
    ),
    optional(
        "set",
        Type::Formulas,
        r#"{ "labels.team" = "'db'" }"#,
        "Fields and the Jinja expressions of their new values: `severity`, `title`, `description`, `labels.NAME`, `resource.type`, `resource.name`, \
         `resource.region` and `resource.account`. All expressions of one rewrite see the same alert. An absent value sets nothing; an empty text removes a label.",
    ),
    optional(
        "redact",
        Type::Targets,
        r#"["labels.password"]"#,
        "Fields whose values are replaced by `***`: in the alert, and in the stored request at each place of a value with at least 6 bytes.",
    ),
];
