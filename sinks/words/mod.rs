//! The text of a message for people, in the language and time zone of its sink.
//!
//! The first line alone is enough: sign and word, title, resource, value. The lines after it say what to do next. Raw text
//! is cut here, before a recipe escapes it, and mentions nobody.

#[cfg(feature = "email")]
mod entry;
mod measure;
mod room;

use campanile_language::Template;
use campanile_model::{Alert, Severity, Status};
use jiff::tz::TimeZone;
use jiff::{SpanRound, Timestamp, Unit};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Class, Failure, Message, digest};
#[cfg(feature = "email")]
pub(crate) use entry::Entry;
pub(crate) use room::Room;

/// A first line is shown whole by push notifications up to about this length.
const HEAD_CHARACTERS_MAX: usize = 80;
/// So many alerts of a digest are listed; the rest is a number.
const LISTED_MAX: usize = 10;
/// So many sources of a digest are named.
const SOURCES_MAX: usize = 5;
/// The vendor's own description is cut to this: the rest of it is in the API.
const DESCRIPTION: Room = Room::Characters(800);

/// How a sink speaks to people.
#[derive(Debug)]
pub(crate) struct Locale {
    words: Words,
    /// The same by name, and those of the recipe.
    all: Map<String, Value>,
    zone: TimeZone,
    /// The operator's own text in place of the details.
    template: Option<Template>,
}

/// What a recipe sees as `message`.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Wording {
    /// The first line, which is enough alone.
    pub(crate) head: String,
    /// The title of the alert that opened the episode, without severity and value. Of a digest, the first line.
    pub(crate) title: String,
    /// The name or id of what is broken, or nothing.
    pub(crate) resource: String,
    /// The details, cut.
    pub(crate) text: String,
    /// The lines of `text`.
    pub(crate) lines: Vec<String>,
    /// Both, cut.
    pub(crate) all: String,
    /// The first link, or nothing.
    pub(crate) link: String,
    /// How many alerts.
    pub(crate) count: usize,
    /// An emoji for the severity, or for what is resolved.
    pub(crate) sign: &'static str,
    /// The same as a word.
    pub(crate) word: String,
    /// One of the alerts fires and is critical.
    pub(crate) urgent: bool,
}

impl Wording {
    /// As a recipe sees it.
    pub(crate) fn seen(self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(seen)) => seen,
            _ => Map::new(),
        }
    }
}

/// The words of one language: a file of this folder.
#[derive(Clone, Debug, Deserialize)]
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
    days: String,
    hours: String,
    minutes: String,
    seconds: String,
}

fn words(text: &str) -> Map<String, Value> {
    toml::from_str(text).expect("each file of this folder is a table of text: a test reads each")
}

impl Locale {
    /// The languages that a sink can be set to.
    pub(crate) const LANGUAGES: &'static [&'static str] = &["en", "zh-Hans", "zh-Hant"];

    /// The words of a recipe are added to those of the language; of the same name, the recipe's win.
    pub(crate) fn new<'w>(
        language: &str,
        zone: TimeZone,
        own: impl IntoIterator<Item = (&'w String, &'w String)>,
    ) -> Self {
        let mut all = words(match language {
            "zh-Hans" => include_str!("zh-Hans.toml"),
            "zh-Hant" => include_str!("zh-Hant.toml"),
            _ => include_str!("en.toml"),
        });
        let own = own.into_iter();
        all.extend(own.map(|(name, word)| (name.clone(), word.as_str().into())));
        let words = serde_json::from_value(Value::Object(all.clone()));
        Self {
            words: words.expect("the files of this folder are complete: a test reads each"),
            all,
            zone,
            template: None,
        }
    }

    /// What a recipe sees as `words`.
    pub(crate) fn words(&self) -> Value {
        Value::Object(self.all.clone())
    }

    /// The same with the operator's own template for the details.
    pub(crate) fn with_template(self, template: Option<Template>) -> Self {
        Self { template, ..self }
    }

    /// The text of a message, in which the details take at most this room. Fails if the operator's template does.
    pub(crate) fn text(&self, message: &Message, room: Room) -> Result<Wording, Failure> {
        let (sign, word) = self.heading(message);
        let head = match message.only() {
            Some(alert) => self.head(alert),
            None => self.digest_head(message),
        };
        let details = room.cut(&self.details(message)?);
        let all = [head.as_str(), &details].join("\n");
        let text = if details.is_empty() {
            head.clone()
        } else {
            details
        };
        let link = message.only().and_then(|alert| alert.links.first());
        let opening = message.opened.as_deref().or(message.only());
        let opening = message.only().and(opening);
        let title = opening.map(|alert| plain(&alert.title));
        let resource = opening.map(|alert| &alert.resource);
        let resource = resource.and_then(|it| it.name.as_deref().or(it.id.as_deref()));
        Ok(Wording {
            lines: text.lines().map(str::to_owned).collect(),
            all: room.cut(&all),
            link: link.map(|link| link.url.clone()).unwrap_or_default(),
            count: message.alerts.len(),
            word: word.to_owned(),
            urgent: message.alerts.iter().any(|alert| is_urgent(alert)),
            resource: resource.map(plain).unwrap_or_default(),
            title: title.unwrap_or_else(|| head.clone()),
            head,
            text,
            sign,
        })
    }

    fn heading(&self, message: &Message) -> (&'static str, &str) {
        let one = message.only().map(|alert| self.word(alert));
        one.unwrap_or(("📦", &self.words.alerts))
    }

    fn details(&self, message: &Message) -> Result<String, Failure> {
        if let Some(template) = &self.template {
            let rendered = template.render(&digest::facts(message));
            let rendered = rendered.map_err(|failed| {
                Failure::new(Class::Poison, format!("`template` fails: {failed}"))
            })?;
            let lines: Vec<_> = rendered.lines().map(plain).collect();
            return Ok(lines.join("\n").trim().to_owned());
        }
        let lines = match message.only() {
            Some(alert) => self.lines(alert, message),
            None => self.listed(message),
        };
        Ok(lines.join("\n"))
    }

    fn word(&self, alert: &Alert) -> (&'static str, &str) {
        let words = &self.words;
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
        Room::Characters(HEAD_CHARACTERS_MAX).cut(&head)
    }

    fn lines(&self, alert: &Alert, message: &Message) -> Vec<String> {
        let words = &self.words;
        let limit = measure::limit(alert).map(|limit| format!("{} {}", words.limit, plain(&limit)));
        let value = value(alert).map(|value| format!("{} {value}", words.value));
        let source = Some(format!("{} {}", words.source, alert.source));
        let region = alert.resource.region.as_deref();
        let region = region.map(|region| format!("{} {}", words.region, plain(region)));
        let mut lines = [
            joined([value, limit]),
            joined([source, region]),
            self.times(alert, message),
        ];
        if alert.status == Status::Resolved {
            // How long it lasted is what people ask first.
            lines.reverse();
        }
        let lines = lines.into_iter().chain(description(alert));
        lines.filter(|line| !line.is_empty()).collect()
    }

    fn times(&self, alert: &Alert, message: &Message) -> String {
        let (start, end) = measure::span(alert, message.opened.as_deref());
        let since = start.map(|start| format!("{} {}", self.words.since, self.time(start)));
        let ended = start.zip(end).filter(|_| alert.status == Status::Resolved);
        let lasted = ended
            .map(|(start, end)| format!("{} {}", self.words.duration, self.lasted(start, end)));
        joined([lasted, since])
    }

    /// The two largest units: `1h 5m`, `1 小时 5 分`.
    fn lasted(&self, from: Timestamp, to: Timestamp) -> String {
        let round = SpanRound::new().largest(Unit::Day).smallest(Unit::Second);
        let round = round.days_are_24_hours();
        let span = to.since(from).and_then(|span| span.round(round));
        let span = span.unwrap_or_default();
        let units = [
            (i64::from(span.get_days()), &self.words.days),
            (i64::from(span.get_hours()), &self.words.hours),
            (span.get_minutes(), &self.words.minutes),
            (span.get_seconds(), &self.words.seconds),
        ];
        let zero = format!("0{}", self.words.seconds);
        let units = units.into_iter().skip_while(|(count, _)| *count == 0);
        let units = units.take(2).filter(|(count, _)| *count > 0);
        let units = units.map(|(count, unit)| format!("{count}{unit}"));
        let units = units.collect::<Vec<_>>().join(" ");
        if units.is_empty() { zero } else { units }
    }

    fn time(&self, at: Timestamp) -> String {
        let at = at.to_zoned(self.zone.clone());
        at.strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
    }

    /// The number of alerts, and the number of the worst.
    fn digest_head(&self, message: &Message) -> String {
        let count = message.alerts.len();
        let worst = self.counts(&ranked(message)).into_iter().next();
        format!(
            "📦 {count} {} · {}",
            self.words.alerts,
            worst.unwrap_or_default()
        )
    }

    /// How many there are of each word, the worst first.
    fn counts(&self, ranked: &[&Alert]) -> Vec<String> {
        let words = ranked.iter().map(|alert| {
            let (sign, word) = self.word(alert);
            format!("{sign} {word}")
        });
        let counts = counted(words).into_iter();
        counts
            .map(|(word, count)| format!("{word} {count}"))
            .collect()
    }

    /// Where they come from, the most frequent first.
    fn sources(&self, ranked: &[&Alert]) -> String {
        let mut sources = counted(ranked.iter().map(|alert| alert.source.clone()));
        sources.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let shown = sources.iter().take(SOURCES_MAX);
        let shown = shown.map(|(source, count)| format!("{source} {count}"));
        let rest = if sources.len() > SOURCES_MAX {
            " …"
        } else {
            ""
        };
        let shown = shown.collect::<Vec<_>>().join(" · ");
        format!("{} {shown}{rest}", self.words.source)
    }

    fn listed(&self, message: &Message) -> Vec<String> {
        let ranked = ranked(message);
        let mut lines = vec![self.counts(&ranked).join(" · "), self.sources(&ranked)];
        lines.extend(ranked.iter().take(LISTED_MAX).map(|alert| self.head(alert)));
        let rest = ranked.len().saturating_sub(LISTED_MAX);
        if rest > 0 {
            lines.push(format!("… {rest} {}", self.words.more));
        }
        lines
    }
}

/// What fires first, the worst first; the order of acceptance among equals.
fn ranked(message: &Message) -> Vec<&Alert> {
    let mut alerts: Vec<&Alert> = message.alerts.iter().map(AsRef::as_ref).collect();
    let severities = Severity::ALL;
    alerts.sort_by_key(|alert| {
        let rank = severities.iter().position(|known| *known == alert.severity);
        (alert.status == Status::Resolved, rank)
    });
    alerts
}

/// Each text once with its number, in the order in which they come first.
fn counted(texts: impl Iterator<Item = String>) -> Vec<(String, usize)> {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for text in texts {
        match counts.iter_mut().find(|(known, _)| *known == text) {
            Some((_, count)) => *count += 1,
            None => counts.push((text, 1)),
        }
    }
    counts
}

/// The lines of the vendor's own text, for what fires, unless the title says the same.
fn description(alert: &Alert) -> Vec<String> {
    let text = alert.description.trim();
    if alert.status == Status::Resolved || alert.title.contains(text) {
        return Vec::new();
    }
    DESCRIPTION.cut(text).lines().map(plain).collect()
}

fn is_urgent(alert: &Alert) -> bool {
    alert.status == Status::Firing && alert.severity == Severity::Critical
}

fn joined(parts: [Option<String>; 2]) -> String {
    let parts = parts.into_iter().flatten().map(|part| {
        let words: Vec<_> = part.split_whitespace().collect();
        words.join(" ")
    });
    parts.collect::<Vec<_>>().join(" · ")
}

fn value(alert: &Alert) -> Option<String> {
    let value = measure::value(alert)?;
    Some(plain(&value).trim().to_owned())
}

/// A vendor's text on one line, without control characters, in which nothing is a mention or a tag: a zero-width space
/// after `@`, and after `<` where a name follows. The text reads the same.
fn plain(text: &str) -> String {
    const BREAK: char = '\u{200b}';
    let mut safe = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        safe.push(if c.is_control() { ' ' } else { c });
        let tag = |next: &char| next.is_alphabetic() || matches!(next, '!' | '@' | '/' | '#');
        if c == '@' || (c == '<' && chars.peek().is_some_and(tag)) {
            safe.push(BREAK);
        }
    }
    safe
}
