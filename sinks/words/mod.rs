//! The text of a message for people, in the language and time zone of its sink.
//!
//! The first line alone is enough: sign and word, title, resource, value. The lines after it say what to do next. Raw text
//! is cut here, before a recipe escapes it, and mentions nobody.

use std::sync::LazyLock;

use campanile_model::{Alert, Status};
use jiff::tz::TimeZone;
use jiff::{SpanRound, Timestamp, Unit};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::Message;

/// A first line is shown whole by push notifications up to about this length.
const HEAD_CHARACTERS_MAX: usize = 80;
/// So many alerts of a digest are listed; the rest is a number.
const LISTED_MAX: usize = 10;

/// How a sink speaks to people.
#[derive(Clone, Debug)]
pub(crate) struct Locale {
    words: &'static Words,
    zone: TimeZone,
}

/// How much text a receiver takes.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Room {
    /// In UTF-8.
    Bytes(usize),
    /// In Unicode characters.
    Characters(usize),
}

/// The words of one language: a file of this folder.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    critical: String,
    error: String,
    warning: String,
    info: String,
    unknown: String,
    resolved: String,
    value: String,
    limit: String,
    source: String,
    region: String,
    since: String,
    duration: String,
    alerts: String,
    more: String,
}

static ENGLISH: LazyLock<Words> = LazyLock::new(|| words(include_str!("en.toml")));
static HANS: LazyLock<Words> = LazyLock::new(|| words(include_str!("zh-Hans.toml")));
static HANT: LazyLock<Words> = LazyLock::new(|| words(include_str!("zh-Hant.toml")));

fn words(text: &str) -> Words {
    toml::from_str(text).expect("the files of this folder are complete: a test reads each")
}

impl Locale {
    /// The languages that a sink can be set to.
    pub(crate) const LANGUAGES: &'static [&'static str] = &["en", "zh-Hans", "zh-Hant"];

    pub(crate) fn new(language: &str, zone: TimeZone) -> Self {
        let words = match language {
            "zh-Hans" => &HANS,
            "zh-Hant" => &HANT,
            _ => &ENGLISH,
        };
        Self { words, zone }
    }

    /// What a recipe sees as `message`.
    pub(crate) fn message(&self, message: &Message, room: Room) -> Map<String, Value> {
        let (head, lines, link) = match message.only() {
            Some(alert) => (
                self.head(alert),
                self.lines(alert, message),
                alert.links.first().map(|link| link.url.clone()),
            ),
            None => (self.digest_head(message), self.listed(message), None),
        };
        let text = cut(&lines.join("\n"), room);
        let all = [head.as_str(), &text].join("\n");
        let text = if text.is_empty() { head.clone() } else { text };
        let mut seen = json!({ "head": head, "text": text, "all": cut(&all, room), "count": message.alerts.len() });
        if let (Some(link), Some(seen)) = (link, seen.as_object_mut()) {
            seen.insert("link".to_owned(), json!(link));
        }
        match seen {
            Value::Object(seen) => seen,
            _ => Map::new(),
        }
    }

    fn word(&self, alert: &Alert) -> (&'static str, &'static str) {
        let words = self.words;
        if alert.status == Status::Resolved {
            return ("✅", &words.resolved);
        }
        match alert.severity.as_str() {
            "critical" => ("🔴", &words.critical),
            "error" => ("🟠", &words.error),
            "warning" => ("🟡", &words.warning),
            "info" => ("🔵", &words.info),
            _ => ("⚪", &words.unknown),
        }
    }

    fn head(&self, alert: &Alert) -> String {
        let (sign, word) = self.word(alert);
        let title = plain(&alert.title);
        let resource = &alert.resource;
        let resource = resource.name.as_deref().or(resource.id.as_deref());
        let value = value(alert).filter(|_| alert.status == Status::Firing);
        let mut head = format!("{sign} {word} {title}");
        for part in [resource.map(plain), value].into_iter().flatten() {
            if !part.is_empty() && !head.contains(&part) {
                head = format!("{head} · {part}");
            }
        }
        cut(&head, Room::Characters(HEAD_CHARACTERS_MAX))
    }

    fn lines(&self, alert: &Alert, message: &Message) -> Vec<String> {
        let words = self.words;
        let limit = alert.metric.threshold.as_ref().map(|limit| {
            let comparator = alert.metric.comparator.as_deref().unwrap_or_default();
            let unit = alert.metric.unit.as_deref().unwrap_or_default();
            plain(&format!("{} {comparator} {limit} {unit}", words.limit))
        });
        let value = value(alert).map(|value| format!("{} {value}", words.value));
        let source = Some(format!("{} {}", words.source, alert.source));
        let region = alert.resource.region.as_deref();
        let region = region.map(|region| format!("{} {}", words.region, plain(region)));
        let lines = [
            joined([value, limit]),
            joined([source, region]),
            self.times(alert, message),
        ];
        lines.into_iter().filter(|line| !line.is_empty()).collect()
    }

    fn times(&self, alert: &Alert, message: &Message) -> String {
        let opened = message.opened.as_ref().and_then(|opened| opened.starts_at);
        let start = alert.starts_at.or(opened);
        let since = start.map(|start| format!("{} {}", self.words.since, self.time(start)));
        let end = alert.ends_at.unwrap_or(alert.received_at);
        let resolved = start.filter(|start| alert.status == Status::Resolved && *start <= end);
        let lasted =
            resolved.map(|start| format!("{} {}", self.words.duration, lasted(start, end)));
        joined([since, lasted])
    }

    fn time(&self, at: Timestamp) -> String {
        let at = at.to_zoned(self.zone.clone());
        at.strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
    }

    fn digest_head(&self, message: &Message) -> String {
        format!("📦 {} {}", message.alerts.len(), self.words.alerts)
    }

    /// How many there are of each word, in the order in which they come first.
    fn counts(&self, message: &Message) -> String {
        let mut counts: Vec<((&str, &str), usize)> = Vec::new();
        for alert in &message.alerts {
            let word = self.word(alert);
            match counts.iter_mut().find(|(known, _)| *known == word) {
                Some((_, count)) => *count += 1,
                None => counts.push((word, 1)),
            }
        }
        let counts = counts.iter();
        let counts = counts.map(|((sign, word), count)| format!("{sign} {word} {count}"));
        counts.collect::<Vec<_>>().join(" · ")
    }

    fn listed(&self, message: &Message) -> Vec<String> {
        let listed = message.alerts.iter().take(LISTED_MAX);
        let mut lines: Vec<_> = listed.map(|alert| self.head(alert)).collect();
        lines.insert(0, self.counts(message));
        let rest = message.alerts.len().saturating_sub(LISTED_MAX);
        if rest > 0 {
            lines.push(format!("+ {rest} {}", self.words.more));
        }
        lines
    }
}

fn joined(parts: [Option<String>; 2]) -> String {
    let parts = parts.into_iter().flatten().map(|part| {
        let words: Vec<_> = part.split_whitespace().collect();
        words.join(" ")
    });
    parts.collect::<Vec<_>>().join(" · ")
}

fn value(alert: &Alert) -> Option<String> {
    let value = alert.metric.value.as_ref()?;
    let unit = alert.metric.unit.as_deref().unwrap_or_default();
    Some(plain(&format!("{value} {unit}")).trim().to_owned())
}

/// Whole units, the two largest: `1h 5m`.
fn lasted(from: Timestamp, to: Timestamp) -> String {
    let round = SpanRound::new().largest(Unit::Hour).smallest(Unit::Second);
    let span = to.since(from).and_then(|span| span.round(round));
    span.map_or_else(|_| String::new(), |span| format!("{span:#}"))
}

/// A vendor's text on one line, without control characters, in which nothing is a mention.
fn plain(text: &str) -> String {
    let shown = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut safe = String::with_capacity(text.len());
    for c in shown {
        safe.push(c);
        if matches!(c, '@') {
            // A zero-width space: the text reads the same and is not a mention.
            safe.push('\u{200b}');
        }
    }
    safe.replace("<!", "<\u{200b}!")
}

/// At most so much, on a border of characters, with `…` where something is missing.
fn cut(text: &str, room: Room) -> String {
    const MARK: char = '…';
    let size = |c: char| match room {
        Room::Bytes(_) => c.len_utf8(),
        Room::Characters(_) => 1,
    };
    let (Room::Bytes(most) | Room::Characters(most)) = room;
    if text.chars().map(size).sum::<usize>() <= most {
        return text.to_owned();
    }
    let mut left = most.saturating_sub(size(MARK));
    let fits = |c: &char| {
        let room = left.checked_sub(size(*c));
        left = room.unwrap_or(left);
        room.is_some()
    };
    let kept: String = text.chars().take_while(fits).collect();
    kept + "…"
}

impl Room {
    /// Half of it, for a receiver that found the message too long.
    pub(crate) fn half(self) -> Self {
        match self {
            Self::Bytes(most) => Self::Bytes(most / 2),
            Self::Characters(most) => Self::Characters(most / 2),
        }
    }
}
