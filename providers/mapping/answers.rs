//! The answers of a mapping to the vendor.

use std::sync::Arc;

use minijinja::Value;
use minijinja::value::ValueKind;

use super::fields::names;
use super::form::{Form, Table};
use super::view::{Taking, View};
use crate::answer::{Answer, Outcome};
use campanile_language::Expression;
use campanile_language::filters;
use campanile_language::scope::ANSWER;
use campanile_model::Callback;

/// The `[answers]` table.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    accepted: Option<Wording>,
    duplicate: Option<Wording>,
    rejected: Option<Wording>,
}

#[derive(Debug)]
struct Wording {
    status: Option<u16>,
    body: Option<Expression>,
}

impl Answers {
    pub(crate) fn read(form: &mut Form<'_>, table: Table<'_>) -> Self {
        form.only(table, &["accepted", "duplicate", "rejected"]);
        Self {
            accepted: wording(form, table, "accepted"),
            duplicate: wording(form, table, "duplicate"),
            rejected: wording(form, table, "rejected"),
        }
    }

    /// The answer for `outcome`; a plain sentence if none is declared.
    pub(crate) fn of(&self, call: &Callback, outcome: &Outcome<'_>, taking: &Taking) -> Answer {
        let wording = match outcome {
            Outcome::Accepted { .. } | Outcome::Quarantined => self.accepted.as_ref(),
            Outcome::Duplicate => self.duplicate.as_ref().or(self.accepted.as_ref()),
            Outcome::Refused { .. } | Outcome::Rejected { .. } | Outcome::Unavailable => {
                self.rejected.as_ref()
            }
        };
        // A declared status applies to success only: a failure must stay a failure.
        let status = match outcome {
            Outcome::Accepted { .. } | Outcome::Duplicate | Outcome::Quarantined => {
                wording.and_then(|wording| wording.status)
            }
            _ => None,
        };
        let status = status.unwrap_or(outcome.status());
        let body = wording.and_then(|wording| said(wording.body.as_ref()?, call, outcome, taking));
        match body {
            Some(body) if body.kind() == ValueKind::Map => {
                Answer::json(status, &serde_json::to_value(&body).unwrap_or_default())
            }
            Some(body) => Answer::text(status, filters::text(&body).unwrap_or_default()),
            None => Answer::text(status, outcome.sentence()),
        }
    }
}

/// An expression for the body, or a table of `status` and `body`.
fn wording(form: &mut Form<'_>, table: Table<'_>, key: &'static str) -> Option<Wording> {
    let node = table.get(key)?;
    if node.get_ref().is_str() {
        let body = form.expression(table, key, ANSWER);
        return Some(Wording { status: None, body });
    }
    let inner = form.table(table, key)?;
    form.only(inner, &["status", "body"]);
    let status = inner.get("status").and_then(|node| {
        let status = node
            .get_ref()
            .as_integer()
            .and_then(|i| i.as_str().parse().ok());
        let status = status.filter(|status| (200..300).contains(status));
        if status.is_none() {
            form.mistake(
                node.span().start,
                "`status` must be a number from 200 to 299",
            );
        }
        status
    });
    Some(Wording {
        status,
        body: form.expression(inner, "body", ANSWER),
    })
}

fn said(
    body: &Expression,
    call: &Callback,
    outcome: &Outcome<'_>,
    taking: &Taking,
) -> Option<Value> {
    let mut view = View::of(call, taking, names([body])).unwrap_or_default();
    if let Outcome::Accepted { id } = outcome {
        view.id = Value::from(*id);
    }
    view.reason = Value::from(outcome.sentence());
    body.eval(&Arc::new(view)).ok()
}
