//! Reads one item of a callback.
//!
//! Only a missing identity or status withholds an alert. Any other unreadable field is left out; see
//! [`Report::leave_out`].

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::Value;
use minijinja::value::ValueKind;

use super::Mapping;
use super::fields::When;
use super::view::View;
use crate::parse::table;
use crate::source::Source;
use campanile_language::Expression;
use campanile_language::filters;
use campanile_language::time::Moment;
use campanile_model::{Fault, Fingerprint, Link, Metric, Report, Resource, Severity, Status};

/// The most labels of one alert. Further labels are not kept.
const LABELS_MAX: usize = 256;

/// The result of reading one item.
pub(crate) enum Item {
    Alert(Box<Report>),
    Ignored(String),
}

/// One item of a callback, with everything that its expressions can use.
pub(crate) struct Scene<'m> {
    pub(crate) mapping: &'m Mapping,
    pub(crate) source: &'m Source,
    pub(crate) view: Arc<View>,
    pub(crate) zone: TimeZone,
    /// The name of `item` for people.
    pub(crate) place: String,
}

impl Scene<'_> {
    pub(crate) fn read(&self) -> Result<Item, Fault> {
        if let Some(why) = self.mapping.skipped(&self.view, true) {
            return Ok(Item::Ignored(why));
        }
        let status_word = self.status_word();
        let Some(status) = self.status(status_word.as_deref())? else {
            let word = status_word.unwrap_or_default();
            return Ok(Item::Ignored(format!(
                "the status `{word:.40}` is not an alert"
            )));
        };
        let fields = &self.mapping.fields;
        let identity = self.parts(&fields.fingerprint)?;
        let fingerprint = Fingerprint::of(
            &self.mapping.about.name,
            identity.iter().map(String::as_str),
        );
        let message_id = message_id(&self.parts(&fields.message_id)?);
        let mut report = Report::new(message_id, fingerprint, status);
        let severity = self.mapping.severity.from.as_ref();
        let severity_word = severity.and_then(|from| self.text(&mut report, from));
        report.severity = self.severity(severity_word.as_deref());
        for (name, word) in [("severity", severity_word), ("status", status_word)] {
            if let Some(word) = word {
                report.raw.insert(name.to_owned(), word);
            }
        }
        report.description = self
            .optional_text(&mut report, fields.description.as_ref())
            .unwrap_or_default();
        report.resource = self.resource(&mut report);
        report.metric = self.metric(&mut report);
        report.title = self.title(&mut report);
        report.starts_at = self.time(&mut report, "starts_at", fields.starts_at.as_ref());
        report.ends_at = self.time(&mut report, "ends_at", fields.ends_at.as_ref());
        self.label(&mut report);
        report.links = self.links(&mut report);
        Ok(Item::Alert(Box::new(report)))
    }

    /// The value of `expression` for an optional field. If it fails, the field is left out.
    fn value(&self, report: &mut Report, expression: &Expression) -> Value {
        expression.eval(&self.view).unwrap_or_else(|problem| {
            if !expression.optional {
                let fault = Fault::new(expression.place(&self.place), problem);
                report.leave_out("", "", fault);
            }
            Value::UNDEFINED
        })
    }

    fn text(&self, report: &mut Report, expression: &Expression) -> Option<String> {
        filters::text(&self.value(report, expression))
    }

    fn optional_text(
        &self,
        report: &mut Report,
        expression: Option<&Expression>,
    ) -> Option<String> {
        expression.and_then(|expression| self.text(report, expression))
    }

    /// The parts of an identity. Each needs a value, unless its expression ends with `?`: without a part, different problems
    /// would have the same identity.
    fn parts(&self, expressions: &[Expression]) -> Result<Vec<String>, Fault> {
        let part = |expression: &Expression| {
            let value = expression.eval(&self.view);
            let problem = match value.as_ref().map(filters::text) {
                Ok(Some(text)) => return Ok(text),
                _ if expression.optional => return Ok(String::new()),
                Ok(None) => "is absent or empty".to_owned(),
                Err(problem) => format!("cannot be read ({problem})"),
            };
            let problem = format!(
                "{problem}, and `{}` identifies the alert",
                expression.source
            );
            Err(Fault::new(expression.place(&self.place), problem))
        };
        expressions.iter().map(part).collect()
    }

    /// An unreadable word is absent: [`Self::status`] then reports it as missing.
    fn status_word(&self) -> Option<String> {
        let from = self.mapping.status.from.as_ref()?;
        let value = from.eval(&self.view).ok()?;
        filters::text(&value).map(|word| word.trim().to_owned())
    }

    /// The status; nothing if the message is not an alert. A condition that fails does not hold.
    fn status(&self, word: Option<&str>) -> Result<Option<Status>, Fault> {
        let words = &self.mapping.status;
        let lower = word.map(str::to_lowercase);
        let is = |when: &When| match when {
            When::Never => false,
            When::Words(words) => lower.as_ref().is_some_and(|word| words.contains(word)),
            When::Holds(expression) => expression.holds(&self.view),
        };
        if is(&words.ignored) {
            return Ok(None);
        }
        if is(&words.resolved) {
            return Ok(Some(Status::Resolved));
        }
        if is(&words.firing) {
            return Ok(Some(Status::Firing));
        }
        if words.default.is_some() {
            return Ok(words.default);
        }
        let place = words
            .expressions()
            .last()
            .map_or_else(|| self.place.clone(), |from| from.place(&self.place));
        Err(Fault::new(
            place,
            match word {
                Some(word) => format!("the status `{word:.40}` is not known"),
                None => "has no value that means firing or resolved".to_owned(),
            },
        ))
    }

    fn severity(&self, word: Option<&str>) -> Severity {
        let Some(word) = word else {
            return self.source.severity.unwrap_or_default();
        };
        table::operators(self.source, word).unwrap_or_else(|| self.mapping.severity.of(word))
    }

    fn title(&self, report: &mut Report) -> String {
        let declared = self.optional_text(report, self.mapping.fields.title.as_ref());
        let first_line = |text: &str| {
            let line = text.lines().map(str::trim).find(|line| !line.is_empty());
            line.map(str::to_owned)
        };
        declared
            .as_deref()
            .and_then(first_line)
            .or_else(|| first_line(&report.description))
            .unwrap_or_else(|| format!("{} alert", self.mapping.about.title))
    }

    fn resource(&self, report: &mut Report) -> Resource {
        let mut resource = Resource::default();
        for (part, expression) in &self.mapping.fields.resource {
            let slot = match *part {
                "type" => &mut resource.kind,
                "id" => &mut resource.id,
                "name" => &mut resource.name,
                "region" => &mut resource.region,
                _ => &mut resource.account,
            };
            let text = self.text(report, expression);
            *slot = text.map(|text| text.trim().to_owned());
        }
        resource
    }

    fn metric(&self, report: &mut Report) -> Metric {
        let mut metric = Metric::default();
        for (part, expression) in &self.mapping.fields.metric {
            let value = self.value(report, expression);
            match *part {
                "name" => metric.name = filters::text(&value),
                "value" => metric.value = measured(report, "value", &value),
                "comparator" => {
                    metric.comparator = filters::text(&value).and_then(|word| comparator(&word));
                }
                "threshold" => metric.threshold = measured(report, "threshold", &value),
                _ => metric.unit = filters::text(&value),
            }
        }
        metric
    }

    /// A time. An unreadable time is left out, and its text is kept in `raw`.
    fn time(
        &self,
        report: &mut Report,
        field: &str,
        expression: Option<&Expression>,
    ) -> Option<Timestamp> {
        let expression = expression?;
        let (words, problem) = match expression.eval(&self.view) {
            Ok(value) => match filters::moment(&value, &self.zone) {
                Moment::At(at) => return Some(at),
                Moment::Never => return None,
                Moment::Fault => {
                    let words = filters::text(&value).unwrap_or_default();
                    let problem = format!("`{words:.40}` is not a time in a known form");
                    (words, problem)
                }
            },
            Err(problem) => {
                let words = filters::text(&expression.first(&self.view));
                (words.unwrap_or_default(), problem)
            }
        };
        if !expression.optional {
            let fault = Fault::new(expression.place(&self.place), problem);
            report.leave_out(field, &words, fault);
        }
        None
    }

    fn label(&self, report: &mut Report) {
        let fields = &self.mapping.fields;
        for map in &fields.label_maps {
            let map = self.value(report, map);
            if map.kind() != ValueKind::Map {
                continue;
            }
            for key in map.try_iter().into_iter().flatten() {
                let value = map.get_item(&key).unwrap_or_default();
                keep(report, filters::text(&key), filters::text(&value));
            }
        }
        for (name, expression) in &fields.labels {
            let value = self.text(report, expression);
            keep(report, Some(name.clone()), value);
        }
        for (name, value) in &self.source.labels {
            report.labels.insert(name.clone(), value.clone());
        }
    }

    fn links(&self, report: &mut Report) -> Vec<Link> {
        let mut links = Vec::new();
        for (title, expression) in &self.mapping.fields.links {
            let url = self.text(report, expression);
            let url = url.filter(|url| url.starts_with("http://") || url.starts_with("https://"));
            links.extend(url.map(|url| Link {
                title: title.clone(),
                url,
            }));
        }
        links
    }
}

/// The measured number. A text that is not a number is kept in `raw`.
fn measured(report: &mut Report, field: &str, value: &Value) -> Option<serde_json::Number> {
    let number = number(value);
    if number.is_none()
        && let Some(words) = filters::text(value)
    {
        report.keep_words(field, &words);
    }
    number
}

fn keep(report: &mut Report, name: Option<String>, value: Option<String>) {
    if let (Some(name), Some(value)) = (name, value)
        && report.labels.len() < LABELS_MAX
    {
        report.labels.insert(name, value);
    }
}

/// The parts in one text. Several parts are joined by `/`, and a `/` in a part is escaped. So two different lists of parts
/// never give the same id.
fn message_id(parts: &[String]) -> String {
    if let [one] = parts {
        return one.clone();
    }
    let escape = |part: &String| part.replace('%', "%25").replace('/', "%2F");
    let escaped: Vec<_> = parts.iter().map(escape).collect();
    escaped.join("/")
}

fn number(value: &Value) -> Option<serde_json::Number> {
    let value = filters::number(value)?;
    let whole = i64::try_from(value.clone())
        .ok()
        .filter(|_| value.is_integer());
    if let Some(whole) = whole {
        return Some(whole.into());
    }
    serde_json::Number::from_f64(f64::try_from(value).ok()?)
}

/// The sign of a comparison, from a vendor's word or sign.
fn comparator(word: &str) -> Option<String> {
    let bare: String = word
        .chars()
        .filter(|c| !matches!(c, ' ' | '_' | '-'))
        .flat_map(char::to_lowercase)
        .collect();
    let bare = bare
        .replace("threshold", "")
        .replace("than", "")
        .replace("to", "");
    let sign = match bare.as_str() {
        "<" | "lt" | "less" | "lower" | "below" | "under" => "<",
        "<=" | "=<" | "≤" | "lte" | "le" | "lessorequal" | "lowerorequal" | "beloworequal" => {
            "<="
        }
        ">" | "gt" | "greater" | "above" | "over" | "higher" => ">",
        ">=" | "=>" | "≥" | "gte" | "ge" | "greaterorequal" | "higherorequal" => ">=",
        "=" | "==" | "eq" | "equal" | "equals" => "==",
        "!=" | "<>" | "≠" | "ne" | "neq" | "notequal" | "notequals" => "!=",
        _ => return None,
    };
    Some(sign.to_owned())
}
