//! The name to which a message of a broker is published, made from an alert: subject, topic, routing key.
//!
//! What comes from an alert cannot add a level to the name: characters that have a meaning in it become `_`.

use campanile_language::{Facts, Template, sample_alerts};
use campanile_model::Alert;
use serde_json::{Map, Value};

use crate::{BuildError, Class, Failure};

/// More of one value than this is cut.
const VALUE_BYTES_MAX: usize = 100;

/// What a broker accepts as a name.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Between the levels. An empty level becomes `_`.
    pub(crate) separator: Option<char>,
    /// The characters of an alert that stay as they are.
    pub(crate) keeps: fn(char) -> bool,
    /// Whether the broker takes the whole name.
    pub(crate) accepts: fn(&str) -> bool,
    /// What it takes, to be read after "expected".
    pub(crate) expected: &'static str,
}

/// A template for a name.
#[derive(Debug)]
pub(crate) struct Topic {
    template: Template,
    setting: &'static str,
    rules: &'static Rules,
}

impl Topic {
    /// Compiles it and tries it with the sample alerts.
    pub(crate) fn compile(
        setting: &'static str,
        text: &str,
        rules: &'static Rules,
    ) -> Result<Self, BuildError> {
        let template = Template::compile(text);
        let template = template.map_err(|mistake| BuildError::in_text(setting, mistake))?;
        let topic = Self {
            template,
            setting,
            rules,
        };
        for alert in sample_alerts() {
            let tried = topic.of(&alert);
            tried.map_err(|failure| BuildError::new(setting, failure.reason))?;
        }
        Ok(topic)
    }

    /// The name for this alert.
    pub(crate) fn of(&self, alert: &Alert) -> Result<String, Failure> {
        let Self { setting, rules, .. } = self;
        let poison = |reason: String| Failure::new(Class::Poison, reason);
        let rendered = self.template.render(&self.facts(alert));
        let rendered = rendered
            .map_err(|failed| poison(format!("the template `{setting}` fails: {failed}")))?;
        let name = self.without_empty_levels(rendered.trim());
        if (rules.accepts)(&name) {
            return Ok(name);
        }
        let shown: String = name.chars().take(40).collect();
        Err(poison(format!(
            "`{setting}` gives `{shown}`: expected {}",
            rules.expected
        )))
    }

    /// The alert with texts that cannot add a level.
    fn facts(&self, alert: &Alert) -> Facts {
        let mut fields = match serde_json::to_value(alert) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        fields.values_mut().for_each(|value| self.escape(value));
        fields.insert("alert".to_owned(), Value::Object(fields.clone()));
        Facts::of(alert).with(&fields)
    }

    fn escape(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.escaped(text),
            Value::Array(values) => values.iter_mut().for_each(|value| self.escape(value)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.escape(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn escaped(&self, text: &str) -> String {
        let mut short = String::new();
        for c in text.chars() {
            let c = if (self.rules.keeps)(c) { c } else { '_' };
            if short.len() + c.len_utf8() > VALUE_BYTES_MAX {
                break;
            }
            short.push(c);
        }
        short
    }

    fn without_empty_levels(&self, name: &str) -> String {
        let filled = |level: &str| if level.is_empty() { "_" } else { level }.to_owned();
        match self.rules.separator {
            None => filled(name),
            Some(separator) => {
                let levels: Vec<_> = name.split(separator).map(filled).collect();
                levels.join(separator.encode_utf8(&mut [0; 4]))
            }
        }
    }
}

/// A letter or digit of ASCII, `_` or `-`.
pub(crate) fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}
