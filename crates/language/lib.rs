//! The one expression language: Jinja, by minijinja, in routes, webhook bodies, headers and success expressions.
//!
//! Everything is compiled and checked once, when the config is loaded: unknown names, severities that do not exist, a value
//! where true or false is expected. A field that is *absent* in one alert (a label, a resource's region) is undefined at run
//! time: it prints as nothing, equals nothing and is false. `is defined` tests for it.
//!
//! A run takes at most [`FUEL`] steps, creates values of at most [`WORK_BYTES_MAX`] bytes in total, and writes at most
//! [`OUTPUT_BYTES_MAX`]. There is no loader: a template cannot read files or other templates.
//!
//! The engine limits steps, but one step can use any amount of memory: `'x' * 99999999` is one step, and a text that is
//! doubled thirty times fills the memory. So the size of a value is counted *before* the value is created:
//!
//! - [`meter`] counts it in the filters, and refuses values that are too large;
//! - [`guard`] adds such a filter to the operands of operators, because the engine has no hook for operators.
//!
//! The total of a run counts against [`WORK_BYTES_MAX`], so the limit bounds time as well.

mod absent;
pub mod duration;
mod engine;
mod expression;
mod field;
pub mod filters;
mod formula;
pub mod guard;
mod known;
pub mod meter;
pub mod names;
mod nearest;
mod parameter;
mod pattern;
pub mod phone;
pub mod resource;
mod sample;
pub mod scope;
mod target;
pub mod time;
pub mod window;
mod words;

use std::io;

use campanile_model::Alert;
use minijinja::value::{Serde, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Value};

use engine::ENGINE;
use guard::Guarded;

pub use expression::Expression;
pub use field::{Field, NotAField};
pub use formula::{Formula, Row};
pub use nearest::nearest;
pub use parameter::Parameter;
pub use pattern::Pattern;
pub use sample::alerts as sample_alerts;
pub use target::{LABELS_MAX, Target, Unfit, VALUE_BYTES_MAX};

/// Bytes of all values that one run may create: 64 times the longest output.
pub const WORK_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The largest count argument of a filter or of `range`: items, blanks or digits.
pub const COUNT_MAX: usize = 1000;
/// How deep lists and maps may nest.
pub const DEPTH_MAX: usize = 64;
/// Steps that one run of a condition or template may take: a thousand times what a sensible template needs.
pub const FUEL: u64 = 100_000;
/// Steps that one expression of a mapping may take. The longest of the catalogue takes some hundred.
pub const FIELD_FUEL: u64 = 20_000;
/// Bytes that one run may write.
pub const OUTPUT_BYTES_MAX: usize = 256 * 1024;

/// An error in an expression or template, with its place in the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Mistake {
    /// The line in the text, from 1.
    pub line: usize,
    /// The column in that line, in characters, from 1.
    pub column: usize,
    /// The problem, what was expected, and the nearest valid word.
    pub message: String,
}

impl Mistake {
    /// A mistake at a byte of `text`.
    #[must_use]
    pub fn at(text: &str, byte: usize, message: impl Into<String>) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
            message: message.into(),
        }
    }

    /// The place where the engine stopped, as a place in the original text.
    fn of(text: &str, guarded: &Guarded, error: &Error) -> Self {
        let byte = error.range().map(|range| range.start).unwrap_or_default();
        Self::at(
            text,
            guarded.original(byte),
            Failed::from(error).to_string(),
        )
    }
}

/// A failed run. It names the kind of error and minijinja's detail, never a value of the alert.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failed(String);

impl From<&Error> for Failed {
    fn from(error: &Error) -> Self {
        let kind = error.kind();
        Self(match (kind, error.detail()) {
            (ErrorKind::OutOfFuel, _) => format!(
                "it takes more than {FUEL} steps (fewer when a long text is repeated): loop over fewer items"
            ),
            (ErrorKind::WriteFailure, _) => {
                format!("it writes more than {OUTPUT_BYTES_MAX} bytes: write less")
            }
            (_, Some(detail)) => format!("{kind}: {detail}"),
            (_, None) => kind.to_string(),
        })
    }
}

/// The values of an alert that expressions can use. Cheap to clone; build it once for all routes.
#[derive(Clone, Debug)]
pub struct Facts(Value);

impl Facts {
    /// The fields of the alert, at the top level, with their JSON names.
    pub fn of(alert: &Alert) -> Self {
        Self(Value::from(Serde(alert)))
    }

    /// The fields of the alert, the whole alert as `alert`, and the fields of the delivery.
    pub fn of_delivery(
        alert: &Alert,
        delivery_id: &str,
        attempt: u32,
        retried_by_operator: bool,
    ) -> Self {
        let fields = Value::from(Serde(alert));
        let delivery = minijinja::context! {
            alert => fields.clone(), delivery_id, attempt, retried_by_operator
        };
        Self(minijinja::context! { ..delivery, ..fields })
    }

    /// The same with names that are shared. They win over those of the alert.
    #[must_use]
    pub fn sharing(self, shared: &Shared) -> Self {
        Self(minijinja::context! { ..shared.0.clone(), ..self.0 })
    }

    /// The same with more names, which win over those of the alert.
    #[must_use]
    pub fn with(self, more: &serde_json::Map<String, serde_json::Value>) -> Self {
        let more = Value::from(Serde(more));
        Self(minijinja::context! { ..more, ..self.0 })
    }
}

/// Names that are the same for many alerts, converted once.
#[derive(Clone)]
pub struct Shared(Value);

impl Shared {
    /// These names.
    pub fn of(names: &serde_json::Map<String, serde_json::Value>) -> Self {
        Self(Value::from(Serde(names)))
    }
}

/// A condition over an alert: `severity == 'critical' and labels.team == 'db'`.
#[derive(Debug)]
pub struct Condition(minijinja::Expression<'static, 'static>);

impl Condition {
    /// Compiles and checks it: syntax, names, severities, and that it gives true or false for the sample alerts.
    pub fn compile(text: &str) -> Result<Self, Mistake> {
        let (expression, guarded) = expression(text, scope::ROUTE)?;
        words::check(text)?;
        let condition = Self(expression);
        for alert in sample::alerts() {
            condition.try_on(text, &guarded, &Facts::of(&alert))?;
        }
        Ok(condition)
    }

    /// The same with the fields of a delivery and more names: samples of what [`Facts::with`] will give.
    pub fn compile_with(
        text: &str,
        more: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<Self, Mistake> {
        let (expression, guarded) = expression::compiled(&ENGINE, text)?;
        scope::check_with(text, expression.undeclared_variables(true), more)?;
        known::check(text)?;
        words::check(text)?;
        let condition = Self(expression);
        for alert in sample::alerts() {
            let facts = Facts::of_delivery(&alert, "dlv_0", 1, false).with(more);
            condition.try_on(text, &guarded, &facts)?;
        }
        Ok(condition)
    }

    fn try_on(&self, text: &str, guarded: &Guarded, facts: &Facts) -> Result<(), Mistake> {
        let value = self.0.eval(facts.0.clone());
        let value = value.map_err(|error| Mistake::of(text, guarded, &error))?;
        // An absent label alone is false, as users expect.
        if matches!(value.kind(), ValueKind::Bool | ValueKind::Undefined) {
            return Ok(());
        }
        let kind = value.kind();
        let message = format!(
            "this gives a {kind}, not true or false: compare it, as in `... == 'x'`, or write `... is defined`"
        );
        Err(Mistake::at(text, 0, message))
    }

    /// Whether it is true. Fails when it takes too many steps, or gives neither true nor false.
    pub fn holds(&self, facts: &Facts) -> Result<bool, Failed> {
        let value = self.0.eval(facts.0.clone()).map_err(|e| Failed::from(&e))?;
        match value.kind() {
            ValueKind::Undefined => Ok(false),
            ValueKind::Bool => Ok(value.is_true()),
            kind => Err(Failed(format!("it gives a {kind}, not true or false"))),
        }
    }
}

/// A text with expressions: `{"text": {{ title|tojson }}}`.
#[derive(Debug)]
pub struct Template(Environment<'static>);

/// The name of the single template in its engine.
const NAME: &str = "template";

impl Template {
    /// Compiles and checks it: syntax, names, and that it renders for the sample alerts.
    pub fn compile(text: &str) -> Result<Self, Mistake> {
        Self::compile_with(text, &serde_json::Map::new())
    }

    /// The same with more names than those of an alert: samples of what [`Facts::with`] will give.
    pub fn compile_with(
        text: &str,
        more: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<Self, Mistake> {
        let mut engine = ENGINE.clone();
        let guarded = guard::template(text);
        engine.set_fuel(Some(guarded.steps(FUEL)));
        engine
            .add_template_owned(NAME, guarded.text.clone())
            .map_err(|error| Mistake::of(text, &guarded, &error))?;
        let found = engine
            .get_template(NAME)
            .map(|t| t.undeclared_variables(true))
            .map_err(|error| Mistake::of(text, &guarded, &error))?;
        scope::check_with(text, found, more)?;
        let template = Self(engine);
        for alert in sample::alerts() {
            let facts = Facts::of_delivery(&alert, "dlv_0", 1, false).with(more);
            template
                .run(&facts)
                .map_err(|error| Mistake::of(text, &guarded, &error))?;
        }
        Ok(template)
    }

    /// Renders the text for these facts.
    pub fn render(&self, facts: &Facts) -> Result<String, Failed> {
        self.run(facts).map_err(|error| Failed::from(&error))
    }

    fn run(&self, facts: &Facts) -> Result<String, Error> {
        let mut out = Capped(Vec::new());
        self.0
            .get_template(NAME)?
            .render_captured_to(facts.0.clone(), &mut out)?;
        String::from_utf8(out.0).map_err(|_| ErrorKind::WriteFailure.into())
    }
}

/// A writer that refuses bytes after the limit.
struct Capped(Vec<u8>);

impl io::Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > OUTPUT_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A request and its response, as the expressions of a recipe see it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exchange<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The body of the response.
    pub body: &'a [u8],
    /// The body of the request.
    pub sent: &'a [u8],
    /// The receiver's own word for what happened, or nothing.
    pub code: &'a str,
}

/// The success expression of a receiver, over `status` and `body`, such as `body.errcode == 0`.
#[derive(Debug)]
pub struct Success {
    expression: minijinja::Expression<'static, 'static>,
    names_sent: bool,
}

impl Success {
    /// Compiles it. It can use only `status` and `body`; the content of the body is not checked.
    pub fn compile(text: &str) -> Result<Self, Mistake> {
        Self::within(text, scope::SUCCESS)
    }

    /// The same with the names of this scope.
    pub fn within(text: &str, scope: scope::Scope) -> Result<Self, Mistake> {
        let (expression, _) = expression(text, scope)?;
        let names_sent = expression.undeclared_variables(false).contains("sent");
        Ok(Self {
            expression,
            names_sent,
        })
    }

    /// Whether the response is a success. `body` is read as JSON, otherwise as text. The response is not a success when the
    /// expression fails or gives any other value than true.
    pub fn holds(&self, status: u16, body: &[u8]) -> bool {
        self.holds_for(Exchange {
            status,
            body,
            ..Exchange::default()
        })
    }

    /// The same for all of an exchange.
    pub fn holds_for(&self, exchange: Exchange<'_>) -> bool {
        let Exchange {
            status,
            body,
            sent,
            code,
        } = exchange;
        let text = || String::from_utf8_lossy(body).trim().into();
        let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_else(|_| text());
        let body = Value::from(Serde(&body));
        // A large body is copied only where it is read.
        let sent = String::from_utf8_lossy(if self.names_sent { sent } else { &[] });
        let verdict = self
            .expression
            .eval(minijinja::context! { status, body, sent, code });
        verdict.is_ok_and(|value| value.kind() == ValueKind::Bool && value.is_true())
    }
}

fn expression(
    text: &str,
    scope: scope::Scope,
) -> Result<(minijinja::Expression<'static, 'static>, Guarded), Mistake> {
    if text.trim().is_empty() {
        let message = "the expression is empty: write one such as `severity == 'critical'`";
        return Err(Mistake::at(text, 0, message));
    }
    let (expression, guarded) = expression::compiled(&ENGINE, text)?;
    scope::check(text, &expression.undeclared_variables(true), scope)?;
    known::check(text)?;
    Ok((expression, guarded))
}
