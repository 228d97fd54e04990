//! Shows the origin of every field of an alert, for people who write a mapping.

use std::sync::Arc;

use minijinja::Value;

use super::Mapping;
use crate::reading::Explained;
use crate::source::Source;
use campanile_language::Expression;
use campanile_language::filters;
use campanile_model::Callback;
use campanile_model::Fault;

impl Mapping {
    /// The origin of every field of every alert in `call`.
    pub fn explain(&self, call: &Callback, source: &Source) -> Result<Vec<Explained>, Fault> {
        let (view, _) = self.view(call, source)?;
        let (items, list) = self.items(&view)?;
        let mut explained = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let view = self.with_item(&view, item);
            let place = self.place(&list, at);
            let prefix = self
                .each
                .as_ref()
                .map_or_else(String::new, |_| format!("[{at}]."));
            for (field, expression) in self.expressions() {
                let value = expression.eval(&Arc::clone(&view));
                let text = value.as_ref().ok().and_then(filters::text);
                explained.push(Explained {
                    field: format!("{prefix}{field}"),
                    place: origin(expression, &place),
                    expression: expression.source.clone(),
                    default: text.is_none(),
                    value: text
                        .or_else(|| value.err().map(|e| format!("({e})")))
                        .unwrap_or_default(),
                });
            }
        }
        Ok(explained)
    }

    /// Evaluates one expression on `call`: its value for each item, for people who write a mapping.
    pub fn evaluate(
        &self,
        written: &str,
        call: &Callback,
        source: &Source,
    ) -> Result<Vec<String>, String> {
        let expression = Expression::compile(written, campanile_language::scope::FIELD)?;
        let (view, _) = self.view(call, source).map_err(|e| e.to_string())?;
        let (items, _) = self.items(&view).map_err(|e| e.to_string())?;
        let of = |item: &Value| {
            let value = expression.eval(&self.with_item(&view, item))?;
            Ok(filters::text(&value).unwrap_or_default())
        };
        items.iter().map(of).collect()
    }
}

/// The first place in an expression; a constant has none.
fn origin(expression: &Expression, item: &str) -> String {
    let written = expression.source.trim();
    let inner = written
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''));
    if inner.is_some_and(|text| !text.contains('\'')) {
        return "the mapping".to_owned();
    }
    expression.place(item)
}
