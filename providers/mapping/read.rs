//! Reads a callback by a mapping.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::Value;
use minijinja::value::ValueKind;

use super::Mapping;
use super::expression::Expression;
use super::fields::When;
use super::filters;
use super::time::Moment;
use super::view::View;
use crate::reading::Reading;
use crate::source::Source;
use campanile_model::Callback;
use campanile_model::Fault;
use campanile_model::{Fingerprint, Link, Metric, Report, Resource, Severity, Status};

/// More items in one callback than this are not read.
const ITEMS_MAX: usize = 10_000;

/// More text than this in the alerts of one callback is not kept: each item of a long list may repeat what stands beside the
/// list once.
const READING_BYTES_MAX: usize = 32 * 1024 * 1024;

/// More labels than this are not kept.
const LABELS_MAX: usize = 256;

/// What one item says.
pub(crate) enum Item {
    Alert(Box<Report>),
    Ignored(String),
}

/// One item of a callback, with all that its expressions see.
pub(crate) struct Scene<'m> {
    pub(crate) mapping: &'m Mapping,
    pub(crate) source: &'m Source,
    pub(crate) view: Arc<View>,
    pub(crate) zone: TimeZone,
    /// What `item` is called for people.
    pub(crate) place: String,
}

impl Mapping {
    pub(crate) fn reading(&self, call: &Callback, source: &Source) -> Result<Reading, Fault> {
        let (view, zone) = self.view(call, source)?;
        if let Some(why) = self.skipped(&view, false) {
            return Ok(Reading::ignored(why));
        }
        let (items, list) = self.items(&view)?;
        let mut reading = Reading::default();
        let mut why = None;
        let mut bytes = 0;
        for (at, item) in items.iter().enumerate() {
            if at >= ITEMS_MAX {
                let problem = format!("holds more than {ITEMS_MAX} alerts; the rest is not read");
                reading.unreadable.push(Fault::new(list.clone(), problem));
                break;
            }
            let scene = Scene {
                mapping: self,
                source,
                view: self.with_item(&view, item),
                zone: zone.clone(),
                place: self.place(&list, at),
            };
            match scene.read() {
                Ok(Item::Alert(report)) => {
                    bytes += report.text_bytes();
                    if bytes > READING_BYTES_MAX {
                        let problem = format!(
                            "gives more than {READING_BYTES_MAX} bytes of alerts; the rest is not read"
                        );
                        reading.unreadable.push(Fault::new(list, problem));
                        break;
                    }
                    reading.reports.push(*report);
                }
                Ok(Item::Ignored(because)) => why = Some(because),
                Err(unreadable) => reading.unreadable.push(unreadable),
            }
        }
        // A callback with one item, and that unreadable, is unreadable itself.
        if reading.reports.is_empty() && reading.unreadable.len() == 1 && items.len() == 1 {
            return Err(reading.unreadable.remove(0));
        }
        if reading.reports.is_empty() && reading.unreadable.is_empty() {
            let why = why.unwrap_or_else(|| "there is no alert in it".to_owned());
            reading.ignored = Some(why.into());
        }
        Ok(reading)
    }

    /// What the expressions see of `call`, and the zone of its zone-less times.
    pub(crate) fn view(&self, call: &Callback, source: &Source) -> Result<(View, TimeZone), Fault> {
        let zone = source
            .time_zone
            .clone()
            .unwrap_or_else(|| self.zone.clone());
        let mut view = View::of(call, &self.taking, self.names)?.in_zone(zone.clone());
        view.tables = self.tables.clone();
        Ok((view, zone))
    }

    /// What item `at` is called for people. A list that the mapping itself put together has no place in the callback.
    pub(crate) fn place(&self, list: &str, at: usize) -> String {
        match &self.each {
            None => list.to_owned(),
            Some(each) if each.is_place() => format!("{list}[{at}]"),
            Some(_) => format!("item {}", at + 1),
        }
    }

    /// The view of one item, with the facts that the mapping draws from it. Facts that cannot be drawn are absent, as a
    /// field is that is missing; what is made of them and required then names its place.
    pub(crate) fn with_item(&self, view: &View, item: &Value) -> Arc<View> {
        let mut view = view.clone();
        view.item = item.clone();
        let mut view = Arc::new(view);
        if let Some(facts) = &self.facts {
            let drawn = facts.eval(&view).unwrap_or_default();
            Arc::make_mut(&mut view).facts = drawn;
        }
        view
    }

    fn skipped(&self, view: &View, per_item: bool) -> Option<String> {
        let rules = self
            .skip
            .iter()
            .filter(|rule| rule.when.names.has("item") == per_item);
        let mut rules = rules.peekable();
        rules.peek()?;
        let view = Arc::new(view.clone());
        rules
            .find(|rule| rule.when.holds(&view))
            .map(|rule| rule.why.clone())
    }

    /// The items, and what their list is called for people.
    pub(crate) fn items(&self, view: &View) -> Result<(Vec<Value>, String), Fault> {
        let Some(each) = &self.each else {
            return Ok((vec![Value::UNDEFINED], "body".to_owned()));
        };
        let place = each.place("body");
        let list = each
            .eval(&Arc::new(view.clone()))
            .map_err(|problem| Fault::new(place.clone(), problem))?;
        match list.kind() {
            ValueKind::Seq | ValueKind::Iterable => {
                let items = list.try_iter().map(Iterator::collect).unwrap_or_default();
                Ok((items, place))
            }
            ValueKind::Map => Ok((vec![list], place)),
            ValueKind::Undefined | ValueKind::None => Err(Fault::new(
                place,
                "is absent; a list of alerts is expected here",
            )),
            _ => Err(Fault::new(
                place,
                "is not a list; a list of alerts is expected here",
            )),
        }
    }
}

impl Scene<'_> {
    fn read(&self) -> Result<Item, Fault> {
        if let Some(why) = self.mapping.skipped(&self.view, true) {
            return Ok(Item::Ignored(why));
        }
        let status_word = self.status_word()?;
        let Some(status) = self.status(status_word.as_deref())? else {
            let word = status_word.unwrap_or_default();
            return Ok(Item::Ignored(format!(
                "the status `{word:.40}` is no alert"
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
        let severity_word = match &self.mapping.severity.from {
            Some(from) => self.text(from)?,
            None => None,
        };
        report.severity = self.severity(severity_word.as_deref());
        for (name, word) in [("severity", severity_word), ("status", status_word)] {
            if let Some(word) = word {
                report.raw.insert(name.to_owned(), word);
            }
        }
        report.description = self
            .optional_text(fields.description.as_ref())?
            .unwrap_or_default();
        report.resource = self.resource()?;
        report.metric = self.metric()?;
        report.title = self.title(&report)?;
        report.starts_at = self.time(fields.starts_at.as_ref())?;
        report.ends_at = self.time(fields.ends_at.as_ref())?;
        self.label(&mut report)?;
        report.links = self.links()?;
        Ok(Item::Alert(Box::new(report)))
    }

    pub(crate) fn value(&self, expression: &Expression) -> Result<Value, Fault> {
        match expression.eval(&self.view) {
            Ok(value) => Ok(value),
            Err(_) if expression.optional => Ok(Value::UNDEFINED),
            Err(problem) => Err(Fault::new(expression.place(&self.place), problem)),
        }
    }

    fn text(&self, expression: &Expression) -> Result<Option<String>, Fault> {
        Ok(filters::text(&self.value(expression)?))
    }

    fn optional_text(&self, expression: Option<&Expression>) -> Result<Option<String>, Fault> {
        expression.map_or(Ok(None), |expression| self.text(expression))
    }

    /// The parts of an identity. Each must say something, unless a `?` says that it need not: an identity with a hole
    /// would make one problem of many.
    fn parts(&self, expressions: &[Expression]) -> Result<Vec<String>, Fault> {
        let part = |expression: &Expression| match self.text(expression)? {
            Some(text) => Ok(text),
            None if expression.optional => Ok(String::new()),
            None => Err(Fault::new(
                expression.place(&self.place),
                format!(
                    "is absent or empty, and `{}` names the alert",
                    expression.source
                ),
            )),
        };
        expressions.iter().map(part).collect()
    }

    fn status_word(&self) -> Result<Option<String>, Fault> {
        let from = self.mapping.status.from.as_ref();
        Ok(self.optional_text(from)?.map(|word| word.trim().to_owned()))
    }

    /// The status; nothing where the vendor says something that is no alert.
    fn status(&self, word: Option<&str>) -> Result<Option<Status>, Fault> {
        let words = &self.mapping.status;
        let lower = word.map(str::to_lowercase);
        let is = |when: &When| match when {
            When::Never => Ok(false),
            When::Words(words) => Ok(lower.as_ref().is_some_and(|word| words.contains(word))),
            When::Holds(expression) => self.value(expression).map(|value| value.is_true()),
        };
        if is(&words.ignored)? {
            return Ok(None);
        }
        if is(&words.resolved)? {
            return Ok(Some(Status::Resolved));
        }
        if is(&words.firing)? {
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
                None => "says neither that the problem is on nor that it is over".to_owned(),
            },
        ))
    }

    fn severity(&self, word: Option<&str>) -> Severity {
        let Some(word) = word else {
            return self.source.severity.unwrap_or_default();
        };
        let own = self
            .source
            .severities
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(word.trim()));
        own.map_or_else(|| self.mapping.severity.of(word), |(_, severity)| *severity)
    }

    fn title(&self, report: &Report) -> Result<String, Fault> {
        let declared = self.optional_text(self.mapping.fields.title.as_ref())?;
        let first_line = |text: &str| {
            let line = text.lines().map(str::trim).find(|line| !line.is_empty());
            line.map(str::to_owned)
        };
        let title = declared
            .as_deref()
            .and_then(first_line)
            .or_else(|| first_line(&report.description))
            .unwrap_or_else(|| format!("{} alert", self.mapping.about.title));
        Ok(title)
    }

    fn resource(&self) -> Result<Resource, Fault> {
        let mut resource = Resource::default();
        for (part, expression) in &self.mapping.fields.resource {
            let slot = match *part {
                "type" => &mut resource.kind,
                "id" => &mut resource.id,
                "name" => &mut resource.name,
                "region" => &mut resource.region,
                _ => &mut resource.account,
            };
            *slot = self.text(expression)?.map(|text| text.trim().to_owned());
        }
        Ok(resource)
    }

    fn metric(&self) -> Result<Metric, Fault> {
        let mut metric = Metric::default();
        for (part, expression) in &self.mapping.fields.metric {
            let value = self.value(expression)?;
            match *part {
                "name" => metric.name = filters::text(&value),
                "value" => metric.value = number(&value),
                "comparator" => {
                    metric.comparator = filters::text(&value).and_then(|word| comparator(&word));
                }
                "threshold" => metric.threshold = number(&value),
                _ => metric.unit = filters::text(&value),
            }
        }
        Ok(metric)
    }

    fn time(&self, expression: Option<&Expression>) -> Result<Option<Timestamp>, Fault> {
        let Some(expression) = expression else {
            return Ok(None);
        };
        let value = self.value(expression)?;
        match filters::moment(&value, &self.zone) {
            Moment::At(at) => Ok(Some(at)),
            Moment::Never => Ok(None),
            Moment::Fault if expression.optional => Ok(None),
            Moment::Fault => {
                let said = filters::text(&value).unwrap_or_default();
                let problem = format!("`{said:.40}` is not a time that is known here");
                Err(Fault::new(expression.place(&self.place), problem))
            }
        }
    }

    fn label(&self, report: &mut Report) -> Result<(), Fault> {
        let fields = &self.mapping.fields;
        for map in &fields.label_maps {
            let map = self.value(map)?;
            if map.kind() != ValueKind::Map {
                continue;
            }
            for key in map.try_iter().into_iter().flatten() {
                let value = map.get_item(&key).unwrap_or_default();
                keep(report, filters::text(&key), filters::text(&value));
            }
        }
        for (name, expression) in &fields.labels {
            keep(report, Some(name.clone()), self.text(expression)?);
        }
        for (name, value) in &self.source.labels {
            report.labels.insert(name.clone(), value.clone());
        }
        Ok(())
    }

    fn links(&self) -> Result<Vec<Link>, Fault> {
        let mut links = Vec::new();
        for (title, expression) in &self.mapping.fields.links {
            let url = self.text(expression)?;
            let url = url.filter(|url| url.starts_with("http://") || url.starts_with("https://"));
            links.extend(url.map(|url| Link {
                title: title.clone(),
                url,
            }));
        }
        Ok(links)
    }
}

fn keep(report: &mut Report, name: Option<String>, value: Option<String>) {
    if let (Some(name), Some(value)) = (name, value)
        && report.labels.len() < LABELS_MAX
    {
        report.labels.insert(name, value);
    }
}

/// The parts in one text. With more than one, `/` joins them, and a `/` in a part is escaped, so that no two lists of
/// parts give the same id.
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

/// The sign for a comparison in a vendor's word or sign.
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
        "<=" | "=<" | "≤" | "lte" | "le" | "lessorequal" | "loweror equal" | "belowor equal" => {
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
