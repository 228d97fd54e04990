//! The parts of a mapping that describe the alert: `[alert]`, `[severity]`, `[status]`, `skip` and `[tables]`.

use minijinja::Value;
use toml::de::DeValue;

use super::form::{Form, Table};
use campanile_language::Expression;
use campanile_language::names::Names;
use campanile_language::scope::FIELD;
use campanile_model::Severity;

/// The `[alert]` table.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    pub(crate) message_id: Vec<Expression>,
    pub(crate) fingerprint: Vec<Expression>,
    pub(crate) title: Option<Expression>,
    pub(crate) description: Option<Expression>,
    pub(crate) resource: Vec<(&'static str, Expression)>,
    pub(crate) metric: Vec<(&'static str, Expression)>,
    pub(crate) starts_at: Option<Expression>,
    pub(crate) ends_at: Option<Expression>,
    /// Expressions whose values are maps.
    pub(crate) label_maps: Vec<Expression>,
    pub(crate) labels: Vec<(String, Expression)>,
    pub(crate) links: Vec<(String, Expression)>,
}

const RESOURCE: [&str; 5] = ["type", "id", "name", "region", "account"];
const METRIC: [&str; 5] = ["name", "value", "comparator", "threshold", "unit"];

impl Fields {
    pub(crate) fn read(form: &mut Form<'_>, table: Table<'_>) -> Self {
        form.only(
            table,
            &[
                "message_id",
                "fingerprint",
                "title",
                "description",
                "resource",
                "metric",
                "starts_at",
                "ends_at",
                "labels",
                "links",
            ],
        );
        for key in ["message_id", "fingerprint"] {
            if table.get(key).is_none() {
                form.missing(table, key);
            }
        }
        let (label_maps, labels) = labels(form, table);
        Self {
            message_id: form.expressions(table, "message_id", FIELD),
            fingerprint: form.expressions(table, "fingerprint", FIELD),
            title: form.expression(table, "title", FIELD),
            description: form.expression(table, "description", FIELD),
            resource: parts(form, table, "resource", &RESOURCE),
            metric: parts(form, table, "metric", &METRIC),
            starts_at: form.expression(table, "starts_at", FIELD),
            ends_at: form.expression(table, "ends_at", FIELD),
            label_maps,
            labels,
            links: links(form, table),
        }
    }

    /// Every expression with the name of its field.
    pub(crate) fn each(&self) -> impl Iterator<Item = (String, &Expression)> {
        let single = [
            ("title", &self.title),
            ("description", &self.description),
            ("starts_at", &self.starts_at),
            ("ends_at", &self.ends_at),
        ];
        let mut all = listed("message_id", &self.message_id);
        all.extend(listed("fingerprint", &self.fingerprint));
        all.extend(
            single
                .into_iter()
                .filter_map(|(name, e)| Some((name.to_owned(), e.as_ref()?))),
        );
        all.extend(
            self.resource
                .iter()
                .map(|(part, e)| (format!("resource.{part}"), e)),
        );
        all.extend(
            self.metric
                .iter()
                .map(|(part, e)| (format!("metric.{part}"), e)),
        );
        all.extend(listed("labels", &self.label_maps));
        all.extend(
            self.labels
                .iter()
                .map(|(name, e)| (format!("labels.{name}"), e)),
        );
        all.extend(
            self.links
                .iter()
                .map(|(title, e)| (format!("links.{title}"), e)),
        );
        all.into_iter()
    }
}

fn listed<'e>(name: &str, expressions: &'e [Expression]) -> Vec<(String, &'e Expression)> {
    expressions.iter().map(|e| (name.to_owned(), e)).collect()
}

fn parts(
    form: &mut Form<'_>,
    table: Table<'_>,
    key: &'static str,
    known: &[&'static str],
) -> Vec<(&'static str, Expression)> {
    let Some(inner) = form.table(table, key) else {
        return Vec::new();
    };
    form.only(inner, known);
    known
        .iter()
        .filter_map(|part| Some((*part, form.expression(inner, part, FIELD)?)))
        .collect()
}

/// `labels = "item.labels"`, `labels = ["item.labels", "{'team': body.team}"]` or a table of names and expressions, in
/// which `"*"` has the maps.
fn labels(form: &mut Form<'_>, table: Table<'_>) -> (Vec<Expression>, Vec<(String, Expression)>) {
    let is_table = table
        .get("labels")
        .is_some_and(|node| matches!(node.get_ref(), DeValue::Table(_)));
    if !is_table {
        return (form.expressions(table, "labels", FIELD), Vec::new());
    }
    let Some(inner) = form.table(table, "labels") else {
        return Default::default();
    };
    let maps = form.expressions(inner, "*", FIELD);
    let names: Vec<&str> = inner
        .entries()
        .map(|(name, _, _)| name)
        .filter(|name| *name != "*")
        .collect();
    let single = names
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), form.expression(inner, name, FIELD)?)));
    (maps, single.collect())
}

/// `[alert.links]`: a title and an expression for the URL.
fn links(form: &mut Form<'_>, table: Table<'_>) -> Vec<(String, Expression)> {
    let Some(inner) = form.table(table, "links") else {
        return Vec::new();
    };
    let titles: Vec<&str> = inner.entries().map(|(title, _, _)| title).collect();
    titles
        .into_iter()
        .filter_map(|title| Some((title.to_owned(), form.expression(inner, title, FIELD)?)))
        .collect()
}

/// The `[severity]` table: the vendor's words for each severity.
#[derive(Debug, Default)]
pub(crate) struct SeverityWords {
    pub(crate) from: Option<Expression>,
    words: Vec<(String, Severity)>,
}

impl SeverityWords {
    pub(crate) fn read(form: &mut Form<'_>, table: Table<'_>) -> Self {
        form.only(
            table,
            &["from", "critical", "error", "warning", "info", "unknown"],
        );
        let from = form.required_expression(table, "from", FIELD);
        let mut words = Vec::new();
        for severity in Severity::ALL {
            let listed = form.texts(table, severity.as_str());
            words.extend(
                listed
                    .into_iter()
                    .map(|(word, _)| (word.to_lowercase(), *severity)),
            );
        }
        Self { from, words }
    }

    /// The severity for the vendor's word. Campanile's own words need not be listed.
    pub(crate) fn of(&self, word: &str) -> Severity {
        let word = word.trim().to_lowercase();
        let listed = self.words.iter().find(|(known, _)| *known == word);
        listed
            .map(|(_, severity)| *severity)
            .or_else(|| word.parse().ok())
            .unwrap_or_default()
    }
}

/// The condition for a status: listed words of the vendor, or an expression.
#[derive(Debug)]
pub(crate) enum When {
    Never,
    Words(Vec<String>),
    Holds(Expression),
}

/// The `[status]` table.
#[derive(Debug)]
pub(crate) struct StatusWords {
    pub(crate) from: Option<Expression>,
    pub(crate) resolved: When,
    pub(crate) ignored: When,
    pub(crate) firing: When,
    /// The status if no condition holds.
    pub(crate) default: Option<campanile_model::Status>,
}

impl StatusWords {
    pub(crate) fn read(form: &mut Form<'_>, table: Table<'_>) -> Self {
        form.only(table, &["from", "firing", "resolved", "ignored", "default"]);
        let default = form.text(table, "default").map(str::parse);
        if let Some(Err(_)) = default {
            form.mistake(table.at, "`status.default` must be firing or resolved");
        }
        let words = Self {
            from: form.expression(table, "from", FIELD),
            resolved: when(form, table, "resolved"),
            ignored: when(form, table, "ignored"),
            firing: when(form, table, "firing"),
            default: default.and_then(Result::ok),
        };
        let needs_from = [&words.resolved, &words.ignored, &words.firing]
            .iter()
            .any(|when| matches!(when, When::Words(_)));
        if needs_from && table.get("from").is_none() {
            form.missing(table, "from");
        }
        words
    }

    pub(crate) fn expressions(&self) -> impl Iterator<Item = &Expression> {
        let conditions = [&self.resolved, &self.ignored, &self.firing];
        let conditions = conditions.into_iter().filter_map(|when| match when {
            When::Holds(expression) => Some(expression),
            _ => None,
        });
        conditions.chain(self.from.as_ref())
    }
}

/// A list has words; a text is a condition.
fn when(form: &mut Form<'_>, table: Table<'_>, key: &str) -> When {
    let Some(node) = table.get(key) else {
        return When::Never;
    };
    if node.get_ref().is_array() {
        let words = form.texts(table, key);
        return When::Words(
            words
                .into_iter()
                .map(|(word, _)| word.to_lowercase())
                .collect(),
        );
    }
    form.expression(table, key, FIELD)
        .map_or(When::Never, When::Holds)
}

/// One entry of `skip`.
#[derive(Debug)]
pub(crate) struct Skip {
    pub(crate) when: Expression,
    pub(crate) why: String,
}

impl Skip {
    pub(crate) fn read(form: &mut Form<'_>, table: Table<'_>) -> Option<Self> {
        form.only(table, &["when", "why"]);
        let why = form.required(table, "why")?.to_owned();
        let when = form.required_expression(table, "when", FIELD)?;
        Some(Self { when, why })
    }
}

/// The `[tables]` as a value for `lookup`.
pub(crate) fn tables(form: &mut Form<'_>, table: Table<'_>) -> Value {
    let names: Vec<&str> = table.entries().map(|(name, _, _)| name).collect();
    let tables = names.into_iter().filter_map(|name| {
        let inner = form.table(table, name)?;
        let words: Vec<&str> = inner.entries().map(|(word, _, _)| word).collect();
        let pairs = words
            .into_iter()
            .filter_map(|word| Some((word.to_owned(), form.text(inner, word)?.to_owned())));
        Some((
            name.to_owned(),
            Value::from_pairs(pairs.collect::<Vec<_>>()),
        ))
    });
    Value::from_pairs(tables.collect::<Vec<_>>())
}

/// All names that `expressions` use.
pub(crate) fn names<'e>(expressions: impl IntoIterator<Item = &'e Expression>) -> Names {
    expressions
        .into_iter()
        .fold(Names::default(), |names, expression| {
            names.and(expression.names)
        })
}
