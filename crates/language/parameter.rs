//! One parameter of a statement: an expression over an alert and its delivery that gives a value, not text.

use serde_json::Value as Json;

use super::{Facts, Failed, Mistake, expression, sample, scope, words};
use crate::guard::Guarded;

/// A parameter of a statement, such as `resource.region|default('')`.
#[derive(Debug)]
pub struct Parameter(minijinja::Expression<'static, 'static>);

impl Parameter {
    /// Compiles and checks it: syntax, names, severities, and that it gives a value for the sample alerts.
    ///
    /// # Errors
    ///
    /// The problem, its place, and the nearest valid word.
    pub fn compile(text: &str) -> Result<Self, Mistake> {
        let (expression, guarded) = expression(text, scope::TEMPLATE)?;
        words::check(text)?;
        let parameter = Self(expression);
        for alert in sample::alerts() {
            let facts = Facts::of_delivery(&alert, "dlv_0", 1, false);
            parameter.try_on(text, &guarded, &facts)?;
        }
        Ok(parameter)
    }

    fn try_on(&self, text: &str, guarded: &Guarded, facts: &Facts) -> Result<(), Mistake> {
        let value = self.0.eval(facts.0.clone());
        let value = value.map_err(|error| Mistake::of(text, guarded, &error))?;
        json(&value).map_err(|failed| Mistake::at(text, 0, failed.to_string()))?;
        Ok(())
    }

    /// Its value for these facts. `null` where the alert has none.
    ///
    /// # Errors
    ///
    /// The expression fails for this alert, takes too many steps, or gives a value that JSON cannot hold.
    pub fn value(&self, facts: &Facts) -> Result<Json, Failed> {
        let value = self.0.eval(facts.0.clone());
        json(&value.map_err(|error| Failed::from(&error))?)
    }
}

fn json(value: &minijinja::Value) -> Result<Json, Failed> {
    if value.is_undefined() {
        return Ok(Json::Null);
    }
    let kind = value.kind();
    serde_json::to_value(value).map_err(|_| Failed(format!("it gives a {kind} that is not JSON")))
}
