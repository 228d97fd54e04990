//! Reads a callback by a mapping.

use std::sync::Arc;

use jiff::tz::TimeZone;
use minijinja::Value;
use minijinja::value::ValueKind;

use super::Mapping;
use super::item::{Item, Scene};
use super::view::View;
use crate::reading::Reading;
use crate::source::Source;
use campanile_model::{Callback, Fault};

/// The most items of one callback. Further items are not read.
const ITEMS_MAX: usize = 10_000;

/// The most text in the alerts of one callback. It is bounded because each item of a long list can repeat a text that the
/// callback has once for the whole list.
const READING_BYTES_MAX: usize = 32 * 1024 * 1024;

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
                let problem = format!("has more than {ITEMS_MAX} alerts; the rest is not read");
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
        // A callback whose only item is unreadable is unreadable itself.
        if reading.reports.is_empty() && reading.unreadable.len() == 1 && items.len() == 1 {
            return Err(reading.unreadable.remove(0));
        }
        if reading.reports.is_empty() && reading.unreadable.is_empty() {
            let why = why.unwrap_or_else(|| "it contains no alert".to_owned());
            reading.ignored = Some(why.into());
        }
        Ok(reading)
    }

    /// The values of `call` for expressions, and the zone of times without a zone.
    pub(crate) fn view(&self, call: &Callback, source: &Source) -> Result<(View, TimeZone), Fault> {
        let zone = source
            .time_zone
            .clone()
            .unwrap_or_else(|| self.zone.clone());
        let mut view = View::of(call, &self.taking, self.names)?.in_zone(zone.clone());
        view.tables = self.tables.clone();
        Ok((view, zone))
    }

    /// The name of item `at` for people. A list that the mapping computes has no place in the callback.
    pub(crate) fn place(&self, list: &str, at: usize) -> String {
        match &self.each {
            None => list.to_owned(),
            Some(each) if each.is_place() => format!("{list}[{at}]"),
            Some(_) => format!("item {}", at + 1),
        }
    }

    /// The view of one item, with the facts of the mapping. If the facts fail, they are absent. A required value that uses
    /// them then fails with its own place.
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

    pub(crate) fn skipped(&self, view: &View, per_item: bool) -> Option<String> {
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

    /// The items, and the name of their list for people.
    pub(crate) fn items(&self, view: &View) -> Result<(Vec<Value>, String), Fault> {
        let Some(each) = &self.each else {
            return Ok((vec![Value::UNDEFINED], "body".to_owned()));
        };
        let place = each.place("body");
        let list = each.eval(&Arc::new(view.clone())).map_err(|problem| {
            let problem = format!("cannot be read as a list of alerts ({problem})");
            Fault::new(place.clone(), problem)
        })?;
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
