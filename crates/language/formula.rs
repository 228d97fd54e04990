//! An expression that gives the new value of a field: `set` of a rewrite.

use std::collections::HashSet;

use campanile_model::Alert;
use minijinja::value::{Serde, ValueKind};
use minijinja::{Expression, Value};
use serde_json::{Map, Value as Json};

use super::engine::ENGINE;
use super::scope::hint;
use super::{Facts, Failed, Mistake, Target, expression, filters, known, sample, scope, words};

/// The name under which an expression sees the row of a table.
const TABLE: &str = "table";

/// One row of a table: each column with its text.
pub type Row = Map<String, Json>;

/// An expression over an alert, and over a row of a table.
#[derive(Debug)]
pub struct Formula(Expression<'static, 'static>);

impl Formula {
    /// Compiles and checks it: syntax, names, columns, and that it runs for the sample alerts. `row` is a row of the table;
    /// without it the expression cannot name `table`.
    ///
    /// # Errors
    /// The problem, its place, and the nearest valid word.
    pub fn compile(text: &str, target: &Target, row: Option<&Row>) -> Result<Self, Mistake> {
        if text.trim().is_empty() {
            let message = "the expression is empty: write one such as `'db'` or `table.team`";
            return Err(Mistake::at(text, 0, message));
        }
        let (compiled, guarded) = expression::compiled(&ENGINE, text)?;
        let found = compiled.undeclared_variables(true);
        let (of_table, of_alert): (HashSet<_>, HashSet<_>) =
            found.into_iter().partition(|path| is_of_table(path));
        scope::check(text, &of_alert, scope::ROUTE)?;
        columns(text, &of_table, row)?;
        known::check(text)?;
        words::check(text)?;
        let formula = Self(compiled);
        for alert in sample::alerts() {
            let value = formula.run(&Facts::of(&alert).with_row(row));
            let value = value.map_err(|error| Mistake::of(text, &guarded, &error))?;
            // A row is one of many: only a value that does not depend on it must be valid.
            if of_table.is_empty() {
                fits(text, target, &value)?;
            }
        }
        Ok(formula)
    }

    /// Its value for these facts as text. None: it is absent.
    ///
    /// # Errors
    /// The expression fails for this alert, or takes too many steps.
    pub fn value(&self, facts: &Facts) -> Result<Option<String>, Failed> {
        let value = self.run(facts).map_err(|error| Failed::from(&error))?;
        Ok(text_of(&value))
    }

    fn run(&self, facts: &Facts) -> Result<Value, minijinja::Error> {
        self.0.eval(facts.0.clone())
    }
}

impl Facts {
    /// The same with the row of a table.
    #[must_use]
    pub fn with_row(self, row: Option<&Row>) -> Self {
        let Some(row) = row else {
            return self;
        };
        let table = Value::from(Serde(row));
        Self(minijinja::context! { table, ..self.0 })
    }

    /// The fields of the alert and the row of a table.
    #[must_use]
    pub fn of_row(alert: &Alert, row: Option<&Row>) -> Self {
        Self::of(alert).with_row(row)
    }
}

/// An empty text is a value: it removes a label.
fn text_of(value: &Value) -> Option<String> {
    match value.kind() {
        ValueKind::String => value.as_str().map(str::to_owned),
        _ => filters::text(value),
    }
}

fn is_of_table(path: &str) -> bool {
    path.split('.').next() == Some(TABLE)
}

/// Refuses a column that the table does not have.
fn columns(text: &str, found: &HashSet<String>, row: Option<&Row>) -> Result<(), Mistake> {
    let mut found: Vec<&String> = found.iter().collect();
    found.sort();
    let Some(path) = found.first() else {
        return Ok(());
    };
    let Some(row) = row else {
        let message = "there is no `table`: the rewrite names none";
        return Err(Mistake::at(text, scope::place(text, path), message));
    };
    for path in found {
        let Some((_, column)) = path.split_once('.') else {
            continue;
        };
        let first = column.split('.').next().unwrap_or_default();
        if row.contains_key(column) || row.contains_key(first) {
            continue;
        }
        let known = row.keys().map(String::as_str);
        let message = format!("the table has no column `{first}`{}", hint(first, known));
        return Err(Mistake::at(text, scope::place(text, path), message));
    }
    Ok(())
}

/// Refuses a severity that does not exist.
fn fits(text: &str, target: &Target, value: &Value) -> Result<(), Mistake> {
    let Some(value) = text_of(value).filter(|value| !value.is_empty()) else {
        return Ok(());
    };
    let takes = target.field().takes(&value);
    takes.map_err(|said| Mistake::at(text, 0, said))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample_alerts;
    use serde_json::json;

    fn row() -> Row {
        let row =
            json!({"id": "uhost-1", "team": "storage", "tier": "1", "cost center": "", "n.a": "x"});
        row.as_object().cloned().unwrap_or_default()
    }

    fn value(text: &str) -> Option<String> {
        let target = Target::parse("labels.team").unwrap();
        let formula = Formula::compile(text, &target, Some(&row()));
        let formula = formula.unwrap_or_else(|mistake| panic!("{text}: {mistake}"));
        let [alert, _] = sample_alerts();
        formula.value(&Facts::of_row(&alert, Some(&row()))).unwrap()
    }

    #[test]
    fn an_expression_sees_the_alert_and_the_row() {
        assert_eq!(value("table.team").as_deref(), Some("storage"));
        assert_eq!(
            value("labels.team ~ '-' ~ table.tier").as_deref(),
            Some("db-1")
        );
        assert_eq!(value("table['cost center']").as_deref(), Some(""));
        assert_eq!(value("table['n.a']").as_deref(), Some("x"));
        assert_eq!(value("table.tier|int + 1").as_deref(), Some("2"));
        assert_eq!(value("labels.none"), None);
        assert_eq!(value("labels.none == ''").as_deref(), Some("false"));
    }

    #[test]
    fn a_mistake_is_found_when_the_config_is_loaded_and_has_a_place() {
        let said = |text: &str, target: &str, row: Option<&Row>| {
            let mistake = Formula::compile(text, &Target::parse(target).unwrap(), row).unwrap_err();
            (mistake.column, mistake.message)
        };
        let all = Some(row());
        let (column, message) = said("'x' ~ table.taem", "labels.a", all.as_ref());
        assert_eq!(column, 7, "{message}");
        assert!(message.contains("did you mean `team`?"), "{message}");
        let none = said("table.team", "labels.a", None).1;
        assert!(none.contains("names none"), "{none}");
        assert!(
            said("lables.team", "labels.a", None)
                .1
                .contains("did you mean `labels`")
        );
        assert!(
            said("'crit'", "severity", None)
                .1
                .contains("critical, error")
        );
        assert!(
            said("title|lowr", "title", None)
                .1
                .contains("did you mean `lower`")
        );
        assert!(said(" ", "title", None).1.contains("is empty"));
        assert!(said("title ~", "title", None).1.contains("syntax"));
    }
}
