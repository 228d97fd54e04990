//! One statement of the operator, filled with the values of an alert: what the kinds that write into tables share.

mod implied;
mod scan;
pub(crate) mod server;
mod tally;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use campanile_language::{Facts, Mistake, Parameter, nearest};
use campanile_model::Alert;
use campanile_settings::{Setting, Type, Values, optional, with};
use serde_json::Value;

pub(crate) use scan::Dialect;
pub(crate) use tally::{Tally, Wrote};

use crate::{BuildError, Class, Failure, Message};
use implied::{Implied, implied};

/// What every kind that writes into a table takes.
pub(crate) const SETTINGS: &[Setting] = &[
    optional(
        "statement",
        Type::Text,
        r#""INSERT INTO warnings (id, at, title) VALUES (:id, :received_at, :title)""#,
        "The statement that is run for each alert. `:name` is a value, not text: it is never part of the statement. Without it, `table` is filled.",
    ),
    optional(
        "parameters",
        Type::Labels,
        r#"{ team = "labels.team|default('none')" }"#,
        "The values of names in `statement`, each a Jinja expression. Names of fields, such as `:title` and `:resource_id`, need none.",
    ),
    with(
        "table",
        Type::Text,
        r#""campanile_alerts""#,
        "The table that is filled where there is no `statement`. The page of this kind shows its columns.",
    ),
];

/// Words with which a statement can begin.
const VERBS: &[&str] = &[
    "CALL", "DELETE", "INSERT", "MERGE", "REPLACE", "SELECT", "UPDATE", "UPSERT", "WITH",
];

/// What differs between the kinds.
#[derive(Debug)]
pub(crate) struct Form {
    pub(crate) dialect: Dialect,
    /// The format of times, where the database does not read RFC 3339.
    pub(crate) time: Option<&'static str>,
    /// The statement that fills a table of this quoted name.
    pub(crate) fills: fn(&str) -> String,
    /// The mark around the name of a table.
    pub(crate) quote: char,
    /// `INSERT IGNORE` turns errors into warnings and cuts texts.
    pub(crate) refuses_ignore: bool,
}

/// A statement, ready to run.
#[derive(Debug)]
pub(crate) struct Statement {
    /// What the driver gets.
    pub(crate) text: String,
    /// It says what happens to a row whose key is there already.
    pub(crate) keeps_keys: bool,
    /// The quoted name of the table, if there is no statement of the operator.
    pub(crate) table: Option<String>,
    parameters: Vec<(String, Source)>,
}

/// Where the value of a parameter comes from.
#[derive(Debug)]
enum Source {
    /// The stored JSON of the alert.
    Stored,
    Expression(Parameter),
}

/// The values of one run, in the order of the placeholders.
pub(crate) type Row = Vec<Value>;

impl Statement {
    /// The statement of these settings.
    pub(crate) fn of(values: &Values, form: &Form) -> Result<Self, BuildError> {
        let given: BTreeMap<String, String> = values.maybe("parameters").unwrap_or_default();
        let Some(statement) = values.text("statement") else {
            if !given.is_empty() {
                let problem = "these are values of a `statement`: set it too";
                return Err(BuildError::new("parameters", problem));
            }
            let table = quoted(&values.get::<String>("table")?, form.quote)?;
            let mut own = Self::compiled(&(form.fills)(&table), &given, form)?;
            own.table = Some(table);
            return Ok(own);
        };
        begins(statement, form)
            .map_err(|problem| in_statement(Mistake::at(statement, 0, problem)))?;
        Self::compiled(statement, &given, form)
    }

    fn compiled(
        statement: &str,
        given: &BTreeMap<String, String>,
        form: &Form,
    ) -> Result<Self, BuildError> {
        let scanned = scan::scan(statement, &form.dialect).map_err(in_statement)?;
        let used = |name: &String| scanned.names.iter().any(|named| named.name == *name);
        if let Some(name) = given.keys().find(|name| !used(name)) {
            let problem =
                format!("the statement does not use `:{name}`: remove it, or write it there");
            return Err(BuildError::new(&format!("parameters.{name}"), problem));
        }
        let parameters = scanned.names.iter().map(|named| {
            let source = source(&named.name, given, form).map_err(|problem| match problem {
                Unusable::Unknown(problem) => {
                    in_statement(Mistake::at(statement, named.at, problem))
                }
                Unusable::Wrong(error) => error,
            })?;
            Ok((named.name.clone(), source))
        });
        Ok(Self {
            parameters: parameters.collect::<Result<_, BuildError>>()?,
            keeps_keys: keeps_keys(statement),
            table: None,
            text: scanned.text,
        })
    }

    /// The values for each alert of the message, in its order.
    pub(crate) fn rows(&self, message: &Message) -> Vec<Result<Row, Failure>> {
        let alerts = message.alerts.iter().zip(message.json()).enumerate();
        let rows = alerts.map(|(index, (alert, json))| {
            let id = delivery_id(message, index);
            self.row(message, alert, &id, &json)
        });
        rows.collect()
    }

    fn row(
        &self,
        message: &Message,
        alert: &Alert,
        delivery_id: &str,
        json: &[u8],
    ) -> Result<Row, Failure> {
        let facts = Facts::of_delivery(
            alert,
            delivery_id,
            message.attempt,
            message.retried_by_operator,
        );
        let values = self.parameters.iter().map(|(name, source)| match source {
            Source::Stored => Ok(String::from_utf8_lossy(json).into()),
            Source::Expression(expression) => expression.value(&facts).map_err(|failed| {
                let reason = format!("the parameter `:{name}` fails for this alert: {failed}");
                Failure::new(Class::Poison, reason)
            }),
        });
        values.collect()
    }

    /// The statement and the values of each alert, for people.
    pub(crate) fn render(&self, message: &Message) -> Result<String, Failure> {
        let mut shown = format!("{}\n", self.text.trim_end());
        for row in self.rows(message) {
            shown.push('\n');
            for (number, ((name, _), value)) in self.parameters.iter().zip(row?).enumerate() {
                // Writing into a text cannot fail.
                let _written = writeln!(shown, "{}  :{name} = {value}", number + 1);
            }
        }
        Ok(shown)
    }
}

/// The id of a delivery. The alerts of a digest have one delivery: each gets its number, so that none has the key of another.
fn delivery_id(message: &Message, index: usize) -> String {
    match message.only() {
        Some(_) => message.delivery_id.clone(),
        None => format!("{}.{}", message.delivery_id, index + 1),
    }
}

/// Why a parameter cannot be used.
enum Unusable {
    Unknown(String),
    Wrong(BuildError),
}

fn source(name: &str, given: &BTreeMap<String, String>, form: &Form) -> Result<Source, Unusable> {
    let setting = format!("parameters.{name}");
    let compiled = |text: &str| {
        let parameter = Parameter::compile(text);
        parameter.map_err(|mistake| Unusable::Wrong(BuildError::in_text(&setting, mistake)))
    };
    if let Some(text) = given.get(name) {
        return compiled(text).map(Source::Expression);
    }
    match implied(name, form.time) {
        Some(Implied::Stored) => Ok(Source::Stored),
        Some(Implied::Expression(text)) => compiled(&text).map(Source::Expression),
        None => {
            let given = given.keys().map(String::as_str);
            let known: Vec<&str> = implied::names().chain(given).collect();
            let near = nearest(name, known).map(|near| format!("; did you mean `:{near}`?"));
            let near = near.unwrap_or_default();
            Err(Unusable::Unknown(format!(
                "`:{name}` has no value: add `{name} = \"...\"` to `parameters`{near}"
            )))
        }
    }
}

fn in_statement(mistake: Mistake) -> BuildError {
    BuildError::in_text("statement", mistake)
}

/// Refuses a statement that changes no row, or that hides errors.
fn begins(statement: &str, form: &Form) -> Result<(), String> {
    let words = scan::first_words(statement);
    let verb = words.first().map_or("", String::as_str);
    if !VERBS.contains(&verb) {
        let verbs = VERBS.join(", ");
        return Err(format!(
            "a sink runs one statement that begins with one of {verbs}"
        ));
    }
    if form.refuses_ignore && words.iter().any(|word| word == "IGNORE") {
        return Err(
            "`IGNORE` hides errors and cuts texts: write `ON DUPLICATE KEY UPDATE` instead"
                .to_owned(),
        );
    }
    Ok(())
}

/// Whether the statement says what happens to a row whose key is there already.
fn keeps_keys(statement: &str) -> bool {
    let upper = statement.to_uppercase();
    let words = upper.split_whitespace().collect::<Vec<_>>().join(" ");
    ["ON CONFLICT", "ON DUPLICATE KEY", "OR REPLACE", "OR IGNORE"]
        .iter()
        .any(|clause| words.contains(clause))
}

/// The name of a table, with its schema if it has one, quoted.
fn quoted(table: &str, quote: char) -> Result<String, BuildError> {
    let parts: Vec<_> = table.split('.').collect();
    let fits = |part: &&str| !part.is_empty() && !part.contains([quote, '\0', ':', ';', '?']);
    if parts.len() > 2 || !parts.iter().all(fits) {
        let problem =
            "this is not the name of a table, such as `campanile_alerts` or `monitoring.alerts`";
        return Err(BuildError::new("table", problem));
    }
    let parts = parts.iter().map(|part| format!("{quote}{part}{quote}"));
    Ok(parts.collect::<Vec<_>>().join("."))
}
