//! A message as facts, for receivers that show a table instead of lines.
//!
//! The texts are on one line each and hold no control characters. Nothing else is changed: who shows them escapes them.

use campanile_model::{Alert, Link, Status};
use jiff::Timestamp;

use super::{Locale, Room, is_urgent, measure, ranked};
use crate::{Class, Failure, Message, digest};

/// A title, a resource or the text of a fact.
const FACT_CHARACTERS_MAX: usize = 500;
/// So many labels are shown.
const LABELS_MAX: usize = 40;
/// So many links are shown.
const LINKS_MAX: usize = 5;

/// One alert.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    /// An emoji for the severity, or for what is resolved.
    pub(crate) sign: &'static str,
    /// The same as a word.
    pub(crate) word: &'a str,
    /// `resolved`, or the severity in English.
    pub(crate) level: &'static str,
    /// What is broken. The firing's own title, so that all messages of an episode have one.
    pub(crate) title: String,
    /// The name of the resource, or its id.
    pub(crate) resource: String,
    /// The source.
    pub(crate) source: String,
    /// What must be read first: the value and its limit, and since when; or how long it lasted.
    pub(crate) first: Vec<String>,
    /// Pairs of a word and a text: what `first` does not say.
    pub(crate) facts: Vec<(&'a str, String)>,
    /// The labels, each `name = value`.
    pub(crate) labels: Vec<String>,
    /// The vendor's text. Can have many lines.
    pub(crate) description: String,
    /// Pages with more, with addresses of the web only.
    pub(crate) links: Vec<&'a Link>,
}

impl Entry<'_> {
    /// Everything but the title, for a list.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &str> {
        let resource = Some(self.resource.as_str()).filter(|name| !self.title.contains(name));
        let parts = resource
            .into_iter()
            .chain(self.first.iter().map(String::as_str));
        parts
            .chain([self.source.as_str()])
            .filter(|part| !part.is_empty())
    }
}

impl Locale {
    /// One of the words that the kind has added.
    pub(crate) fn own(&self, name: &str) -> &str {
        let word = self.all.get(name).and_then(|word| word.as_str());
        word.unwrap_or_default()
    }

    /// The facts of one alert of a message.
    pub(crate) fn entry<'a>(&'a self, alert: &'a Alert, message: &'a Message) -> Entry<'a> {
        let (sign, word) = self.word(alert);
        let resolved = alert.status == Status::Resolved;
        let opened = message
            .opened
            .as_deref()
            .filter(|_| message.only().is_some());
        let named = opened.unwrap_or(alert);
        let resource = [&named.resource.name, &named.resource.id];
        let resource = resource.into_iter().flatten().map(|text| line(text));
        let labels = alert.labels.iter().take(LABELS_MAX);
        let web =
            |link: &&Link| link.url.starts_with("https://") || link.url.starts_with("http://");
        Entry {
            sign,
            word,
            level: if resolved {
                "resolved"
            } else {
                alert.severity.as_str()
            },
            title: line(&named.title),
            resource: resource
                .into_iter()
                .find(|text| !text.is_empty())
                .unwrap_or_default(),
            source: line(&alert.source),
            first: self.first(alert, opened),
            facts: self.facts(alert, opened),
            labels: labels
                .map(|(name, value)| line(&format!("{name} = {value}")))
                .collect(),
            description: lines(&alert.description),
            links: alert.links.iter().filter(web).take(LINKS_MAX).collect(),
        }
    }

    /// The operator's own text in place of the facts.
    pub(crate) fn own_text(&self, message: &Message) -> Result<Option<String>, Failure> {
        let Some(template) = &self.template else {
            return Ok(None);
        };
        let rendered = template.render(&digest::facts(message));
        let rendered = rendered
            .map_err(|failed| Failure::new(Class::Poison, format!("`template` fails: {failed}")))?;
        Ok(Some(lines(&rendered)))
    }

    /// How many alerts there are of each word, the worst first, joined by `·`.
    pub(crate) fn tally(&self, message: &Message) -> String {
        self.counts(&ranked(message)).join(" · ")
    }

    /// The alerts of a digest, the worst first.
    pub(crate) fn ranked(message: &Message) -> Vec<&Alert> {
        ranked(message)
    }

    /// One of the alerts fires and is critical.
    pub(crate) fn urgent(message: &Message) -> bool {
        message.alerts.iter().any(|alert| is_urgent(alert))
    }

    fn first(&self, alert: &Alert, opened: Option<&Alert>) -> Vec<String> {
        let (start, end) = measure::span(alert, opened);
        let since = start.map(|start| format!("{} {}", self.words.since, self.time(start)));
        let main = if alert.status == Status::Resolved {
            let lasted = start.zip(end).map(|(start, end)| self.lasted(start, end));
            lasted.map(|lasted| format!("{} {lasted}", self.words.duration))
        } else {
            measured(alert).map(|value| match limit(alert) {
                Some(limit) => format!("{value} ({} {limit})", self.words.limit),
                None => value,
            })
        };
        [main, since].into_iter().flatten().collect()
    }

    fn facts(&self, alert: &Alert, opened: Option<&Alert>) -> Vec<(&str, String)> {
        let resolved = alert.status == Status::Resolved;
        let (_, end) = measure::span(alert, opened);
        let end = end.filter(|_| resolved);
        // `first` says both for a firing.
        let value = measured(alert).filter(|_| resolved);
        let limit = limit(alert).filter(|_| resolved || alert.metric.value.is_none());
        let resource = &alert.resource;
        let names = [&resource.name, &resource.id, &resource.kind];
        let names = names.map(|name| name.as_deref().map(line));
        let vendor = alert.raw.get("severity").map(|word| line(word));
        let facts = [
            (self.own("resource"), joined(names)),
            (self.own("metric"), text(alert.metric.name.as_deref())),
            (&self.words.value, value.unwrap_or_default()),
            (&self.words.limit, limit.unwrap_or_default()),
            (self.own("until"), self.written(end)),
            (&self.words.source, line(&alert.source)),
            (&self.words.region, text(resource.region.as_deref())),
            (self.own("account"), text(resource.account.as_deref())),
            (self.own("vendor"), vendor.unwrap_or_default()),
        ];
        let facts = facts.into_iter();
        facts.filter(|(_, text)| !text.is_empty()).collect()
    }

    fn written(&self, at: Option<Timestamp>) -> String {
        at.map(|at| self.time(at)).unwrap_or_default()
    }
}

fn limit(alert: &Alert) -> Option<String> {
    measure::limit(alert).map(|text| line(&text))
}

fn measured(alert: &Alert) -> Option<String> {
    measure::value(alert).map(|text| line(&text))
}

fn text(text: Option<&str>) -> String {
    text.map(line).unwrap_or_default()
}

fn joined<const N: usize>(parts: [Option<String>; N]) -> String {
    let mut kept: Vec<String> = Vec::new();
    for part in parts.into_iter().flatten() {
        if !part.is_empty() && !kept.contains(&part) {
            kept.push(part);
        }
    }
    kept.join(" · ")
}

/// On one line, without control characters, cut.
fn line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    Room::Characters(FACT_CHARACTERS_MAX).cut(&words.join(" "))
}

/// The same for each line of a text. Empty lines stay.
fn lines(text: &str) -> String {
    let kept = |c: char| if c.is_control() && c != '\t' { ' ' } else { c };
    let lines = text
        .lines()
        .map(|line| line.chars().map(kept).collect::<String>());
    let lines: Vec<_> = lines.map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n").trim().to_owned()
}
