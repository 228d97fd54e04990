//! Reads one value into its type. No problem that is reported here holds a secret.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use campanile_language::nearest;
use campanile_model::{Secret, Severity, StoreUrl};
use ipnet::IpNet;
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use secrecy::ExposeSecret;
use url::Url;

use super::fields;
use super::node::{Node, Place, Written};
use super::secret;
use super::signing::{SIGNING_KEY_FORM, signing_key};
use super::types::{SEVERITY, Type};
use super::values::{TlsFiles, Value};
use super::{Environment, http_url, is_header};

/// What is wrong with a value: follows the name of the setting in a sentence.
#[derive(Debug)]
pub struct Problem {
    pub(super) what: String,
    /// Instead of what the type of the setting expects.
    pub(super) expected: Option<String>,
    pub(super) nearest: Option<String>,
    /// Instead of the whole value.
    pub(super) place: Option<Place>,
}

/// A value, or what is wrong with it.
pub type Read<T> = Result<T, Problem>;

impl Problem {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            expected: None,
            nearest: None,
            place: None,
        }
    }

    pub(super) fn expecting(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    pub(super) fn near(mut self, nearest: Option<&str>) -> Self {
        self.nearest = nearest.map(str::to_owned);
        self
    }

    /// The most precise place wins: the first that is set.
    pub(super) fn at(mut self, node: &Node) -> Self {
        self.place.get_or_insert_with(|| node.place.clone());
        self
    }

    pub(super) fn type_of(node: &Node) -> Self {
        Self::new(match &node.value {
            Written::Text(_) => "is text",
            Written::Whole(_) => "is a number",
            Written::Fraction => "is a fraction, a date or a number that is too large",
            Written::Flag(_) => "is `true` or `false`",
            Written::List(_) => "is a list",
            Written::Table(_) => "is a table",
        })
        .at(node)
    }
}

pub(super) fn text(node: &Node) -> Read<&str> {
    match &node.value {
        Written::Text(text) => Ok(text),
        _ => Err(Problem::type_of(node)),
    }
}

pub(super) fn filled(node: &Node) -> Read<String> {
    match text(node)? {
        "" => Err(Problem::new("is empty")),
        text => Ok(text.to_owned()),
    }
}

pub(super) fn flag(node: &Node) -> Read<bool> {
    match (&node.value, &node.place) {
        (Written::Flag(flag), _) => Ok(*flag),
        (Written::Text(text), Place::Variable(_)) => {
            text.parse().map_err(|_| Problem::new("is neither"))
        }
        _ => Err(Problem::type_of(node)),
    }
}

fn whole(node: &Node, from: u64, to: u64) -> Read<u64> {
    let number = match (&node.value, &node.place) {
        (Written::Whole(number), _) => i128::from(*number),
        (Written::Text(text), Place::Variable(_)) => text
            .trim()
            .parse()
            .map_err(|_| Problem::new("is not a number"))?,
        _ => return Err(Problem::type_of(node)),
    };
    let inside = u64::try_from(number)
        .ok()
        .filter(|number| (from..=to).contains(number));
    inside.ok_or_else(|| Problem::new(format!("is {number}")))
}

fn duration(node: &Node, from: u64, to: u64) -> Read<Duration> {
    let text = text(node)?;
    let parsed: SignedDuration = text
        .parse()
        .map_err(|_| Problem::new("is not a duration"))?;
    let parsed = Duration::try_from(parsed).map_err(|_| Problem::new("is negative"))?;
    let (least, most) = (Duration::from_secs(from), Duration::from_secs(to));
    if parsed < least {
        return Err(Problem::new("is too short"));
    }
    if parsed > most {
        return Err(Problem::new("is too long"));
    }
    Ok(parsed)
}

pub(super) fn each<T>(node: &Node, read: impl Fn(&Node) -> Read<T>) -> Read<Vec<T>> {
    let items = node.items().ok_or_else(|| Problem::type_of(node))?;
    items
        .iter()
        .map(|item| read(item).map_err(|problem| problem.at(item)))
        .collect()
}

fn schedule(node: &Node) -> Read<Vec<Duration>> {
    let waits = each(node, |item| duration(item, 1, 86_400))?;
    match waits.len() {
        0 => Err(Problem::new("is empty")),
        1..=64 => Ok(waits),
        _ => Err(Problem::new("has more than 64 waits")),
    }
}

fn address(node: &Node) -> Read<SocketAddr> {
    let text = text(node)?;
    text.parse()
        .map_err(|_| match text.strip_prefix("localhost:") {
            Some(port) => {
                let near = format!("127.0.0.1:{port}");
                Problem::new("is a name, not an IP address").near(Some(&near))
            }
            None => Problem::new("is not an IP address and a port"),
        })
}

fn networks(node: &Node) -> Read<Vec<IpNet>> {
    each(node, |item| {
        let text = text(item)?;
        let alone = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse::<IpNet>()
            .or_else(|_| alone())
            .map_err(|_| Problem::new(format!("has `{text}`, which is not an address range")))
    })
}

fn word(node: &Node, words: &[&str]) -> Read<String> {
    if let Written::Whole(number) = node.value
        && words.contains(&&*number.to_string())
    {
        return Ok(number.to_string());
    }
    let text = text(node)?;
    if words.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(Problem::new(format!("is `{text}`")).near(nearest(text, words.iter().copied())))
}

fn severity(node: &Node) -> Read<Severity> {
    let written = word(node, SEVERITY)?;
    Severity::from_str(&written).map_err(|_| Problem::new("is not a severity"))
}

fn store_url(node: &Node, environment: &Environment) -> Read<StoreUrl> {
    let written = secret::plain(node, environment)?;
    written.expose_secret().parse().map_err(Problem::new)
}

fn zone(node: &Node) -> Read<TimeZone> {
    let text = text(node)?;
    TimeZone::get(text).map_err(|_| {
        let names: Vec<_> = jiff::tz::db()
            .available()
            .map(|name| name.to_string())
            .collect();
        Problem::new(format!("is `{text}`, which is not a known time zone"))
            .near(nearest(text, names.iter().map(String::as_str)))
    })
}

fn level(node: &Node) -> Read<String> {
    let text = filled(node)?;
    let bare = !text.contains(['=', ',', '[']);
    let words = ["error", "warn", "info", "debug", "trace", "off"];
    if bare && !words.contains(&text.to_lowercase().as_str()) {
        return Err(Problem::new(format!("is `{text}`")).near(nearest(&text, words)));
    }
    match text.parse::<tracing_subscriber::EnvFilter>() {
        Ok(_) => Ok(text),
        Err(_) => Err(Problem::new("is not a filter")),
    }
}

/// A table of text.
fn labels(node: &Node) -> Read<BTreeMap<String, String>> {
    table(node, |item| Ok(text(item)?.to_owned()))
}

fn severities(node: &Node) -> Read<BTreeMap<String, Severity>> {
    table(node, |item| {
        severity(item).map_err(|problem| problem.expecting(Type::Severity.expected()))
    })
}

fn table<T>(node: &Node, read: impl Fn(&Node) -> Read<T>) -> Read<BTreeMap<String, T>> {
    let Written::Table(entries) = &node.value else {
        return Err(Problem::type_of(node));
    };
    let entries = entries.iter().map(|(key, item)| {
        let value = read(item).map_err(|problem| problem.at(item))?;
        Ok((key.clone(), value))
    });
    entries.collect()
}

fn headers(node: &Node, environment: &Environment) -> Read<Vec<(String, Secret)>> {
    let Written::Table(entries) = &node.value else {
        return Err(Problem::type_of(node));
    };
    let entries = entries.iter().map(|(name, item)| {
        if !is_header(name) {
            let shown = secret::stray_key(name).unwrap_or_else(|| name.clone());
            return Err(
                Problem::new(format!("has `{shown}`, which is not a valid header name")).at(item),
            );
        }
        let value = secret::plain(item, environment).map_err(|problem| problem.at(item))?;
        Ok((name.clone(), value))
    });
    entries.collect()
}

fn url(node: &Node, environment: &Environment) -> Read<Secret> {
    let secret = secret::plain(node, environment)?;
    http_url(secret.expose_secret()).map_err(Problem::new)?;
    Ok(secret)
}

/// The address of one of our own listeners, as others reach it.
fn public_url(node: &Node) -> Read<Url> {
    let parsed = http_url(text(node)?).map_err(Problem::new)?;
    let bare = parsed.username().is_empty() && parsed.password().is_none();
    match (parsed.query(), parsed.fragment()) {
        (None, None) if bare => Ok(parsed),
        _ => Err(Problem::new("has a user, a query or a fragment")),
    }
}

/// One secret or a list of them.
fn secrets(node: &Node, environment: &Environment) -> Read<Vec<Secret>> {
    if !matches!(node.value, Written::List(_)) {
        return Ok(vec![secret::strong(node, environment)?]);
    }
    let all = each(node, |item| secret::strong(item, environment))?;
    if all.is_empty() {
        return Err(Problem::new("is empty"));
    }
    Ok(all)
}

fn signing_secrets(node: &Node, environment: &Environment) -> Read<Vec<Secret>> {
    let one = |item: &Node| {
        let secret = secret::plain(item, environment)?;
        match signing_key(&secret) {
            Ok(_) => Ok(secret),
            Err(wrong) => Err(Problem::new(wrong.to_string()).expecting(SIGNING_KEY_FORM)),
        }
    };
    match &node.value {
        Written::List(items) if items.is_empty() => Err(Problem::new("is empty")),
        Written::List(_) => each(node, one),
        _ => Ok(vec![one(node)?]),
    }
}

/// A list of texts. What they name is checked where the names are known.
fn names(node: &Node) -> Read<Vec<String>> {
    let names = each(node, |name| Ok(text(name)?.to_owned()))?;
    if names.is_empty() {
        return Err(Problem::new("is empty"));
    }
    Ok(names)
}

/// The paths alone: the listener that serves TLS reads the files.
fn tls(node: &Node) -> Read<TlsFiles> {
    const WORDS: &[&str] = &["certificate", "key"];
    let Written::Table(entries) = &node.value else {
        return Err(Problem::type_of(node));
    };
    let unknown = |(key, _): &&(String, Node)| !WORDS.contains(&key.as_str());
    if let Some((key, item)) = entries.iter().find(unknown) {
        return Err(Problem::new("has an unknown word")
            .at(item)
            .expecting("`certificate` and `key`")
            .near(nearest(key, WORDS.iter().copied())));
    }
    let path = |word: &str| {
        let missing = || Problem::new(format!("has no `{word}`")).at(node);
        let item = node.get(word).ok_or_else(missing)?;
        let path = filled(item).map_err(|problem| problem.at(item))?;
        Ok(path.into())
    };
    Ok(TlsFiles {
        certificate: path("certificate")?,
        key: path("key")?,
    })
}

fn header(node: &Node) -> Read<String> {
    let name = filled(node)?;
    if !is_header(&name) {
        return Err(Problem::new("is not a valid header name"));
    }
    Ok(name.to_ascii_lowercase())
}

impl Type {
    /// The value, or why a setting of this type does not take it.
    pub fn read(&self, node: &Node, environment: &Environment) -> Read<Value> {
        Ok(match self {
            Self::Text | Self::Template | Self::Condition | Self::Success => {
                Value::Text(filled(node)?)
            }
            Self::Flag => Value::Flag(flag(node)?),
            Self::Whole(from, to) => Value::Whole(whole(node, *from, *to)?),
            Self::Duration(from, to) => Value::Duration(duration(node, *from, *to)?),
            Self::Schedule => Value::Durations(schedule(node)?),
            Self::Address => Value::Address(address(node)?),
            Self::Networks => Value::Networks(networks(node)?),
            Self::Word(words) => Value::Text(word(node, words)?),
            Self::Choice(words) => {
                let words: Vec<_> = words.iter().map(String::as_str).collect();
                Value::Text(word(node, &words)?)
            }
            Self::StoreUrl => Value::Store(store_url(node, environment)?),
            Self::Path => Value::Path(filled(node)?.into()),
            Self::Zone => Value::Zone(zone(node)?),
            Self::Level => Value::Text(level(node)?),
            Self::Header => Value::Text(header(node)?),
            Self::Severity => Value::Severity(severity(node)?),
            Self::Secret => Value::Secret(secret::strong(node, environment)?),
            Self::Secrets => Value::Secrets(secrets(node, environment)?),
            Self::SigningSecrets => Value::Secrets(signing_secrets(node, environment)?),
            Self::PublicUrl => Value::Url(public_url(node)?),
            Self::Url => Value::Secret(url(node, environment)?),
            Self::Labels => Value::Labels(labels(node)?),
            Self::Matches => Value::Matches(fields::matches(node)?),
            Self::Patterns => Value::Labels(fields::patterns(node)?),
            Self::Field => Value::Text(fields::field(node)?),
            Self::Formulas => Value::Labels(fields::formulas(node)?),
            Self::Targets => Value::Texts(fields::targets(node)?),
            Self::Severities => Value::Severities(severities(node)?),
            Self::Headers => Value::Headers(headers(node, environment)?),
            Self::Sinks | Self::Texts => Value::Texts(names(node)?),
            Self::Tls => Value::Tls(tls(node)?),
        })
    }
}
