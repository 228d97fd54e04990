//! From what is written to what is meant, one value at a time. No problem told here holds a secret.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use campanile_model::{Secret, Severity};
use ipnet::IpNet;
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use secrecy::ExposeSecret;
use url::Url;

use super::Environment;
use super::mistake::nearest;
use super::node::{Node, Place, Written};
use super::secret;
use super::settings::Kind;
use super::tls::Tls;

/// What is wrong with a value: follows the name of the setting in a sentence.
pub(super) struct Problem {
    pub(super) what: String,
    /// Instead of what the kind of setting expects.
    pub(super) expected: Option<String>,
    pub(super) nearest: Option<String>,
    /// Instead of the whole value.
    pub(super) place: Option<Place>,
}

pub(super) type Read<T> = Result<T, Problem>;

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

    pub(super) fn near(mut self, nearest: Option<String>) -> Self {
        self.nearest = nearest;
        self
    }

    /// The most precise place wins: the first that is set.
    pub(super) fn at(mut self, node: &Node) -> Self {
        self.place.get_or_insert_with(|| node.place.clone());
        self
    }

    fn type_of(node: &Node) -> Self {
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

pub(super) fn whole(node: &Node, from: u64, to: u64) -> Read<u64> {
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

pub(super) fn duration(node: &Node, from: u64, to: u64) -> Read<Duration> {
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

/// Every item of a list; from a variable, what its commas separate.
fn items(node: &Node) -> Read<Vec<Node>> {
    match (&node.value, &node.place) {
        (Written::List(items), _) => Ok(items.clone()),
        (Written::Text(text), place @ Place::Variable(_)) => {
            let parts = text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty());
            Ok(parts
                .map(|part| Node {
                    place: place.clone(),
                    value: Written::Text(part.to_owned()),
                })
                .collect())
        }
        _ => Err(Problem::type_of(node)),
    }
}

fn each<T>(node: &Node, read: impl Fn(&Node) -> Read<T>) -> Read<Vec<T>> {
    let items = items(node)?;
    items
        .iter()
        .map(|item| read(item).map_err(|problem| problem.at(item)))
        .collect()
}

pub(super) fn schedule(node: &Node) -> Read<Vec<Duration>> {
    let waits = each(node, |item| duration(item, 1, 86_400))?;
    match waits.len() {
        0 => Err(Problem::new("is empty")),
        1..=64 => Ok(waits),
        _ => Err(Problem::new("has more than 64 waits")),
    }
}

pub(super) fn address(node: &Node) -> Read<SocketAddr> {
    let text = text(node)?;
    text.parse()
        .map_err(|_| match text.strip_prefix("localhost:") {
            Some(port) => {
                Problem::new("is a name, not an IP address").near(Some(format!("127.0.0.1:{port}")))
            }
            None => Problem::new("is not an IP address and a port"),
        })
}

pub(super) fn networks(node: &Node) -> Read<Vec<IpNet>> {
    each(node, |item| {
        let text = text(item)?;
        let alone = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse::<IpNet>()
            .or_else(|_| alone())
            .map_err(|_| Problem::new(format!("has `{text}`, which is not an address range")))
    })
}

pub(super) fn word(node: &Node, words: &[&str]) -> Read<String> {
    let text = text(node)?;
    if words.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(Problem::new(format!("is `{text}`")).near(nearest(text, words.iter().copied())))
}

pub(super) fn severity(node: &Node) -> Read<Severity> {
    let words: Vec<_> = Severity::ALL
        .iter()
        .map(|severity| severity.as_str())
        .collect();
    let written = word(node, &words)?;
    Severity::from_str(&written).map_err(|_| Problem::new("is no severity"))
}

pub(super) fn store_path(node: &Node) -> Read<PathBuf> {
    let text = text(node)?;
    if text.starts_with("postgres:") || text.starts_with("postgresql:") {
        return Err(Problem::new(
            "is PostgreSQL, and this build has SQLite only for now",
        ));
    }
    match text
        .strip_prefix("sqlite:")
        .map(|path| path.strip_prefix("//").unwrap_or(path))
    {
        None => Err(Problem::new("names no store that is known")),
        Some("") => Err(Problem::new("has no path")),
        // Campanile promises that nothing is lost; a database in memory is lost at once.
        Some(path) if path.starts_with(":memory:") || path.contains('?') => {
            Err(Problem::new("is not the path of a file"))
        }
        Some(path) => Ok(path.into()),
    }
}

pub(super) fn zone(node: &Node) -> Read<TimeZone> {
    let text = text(node)?;
    TimeZone::get(text).map_err(|_| {
        let names: Vec<_> = jiff::tz::db()
            .available()
            .map(|name| name.to_string())
            .collect();
        Problem::new(format!("is `{text}`, which no zone is called"))
            .near(nearest(text, names.iter().map(String::as_str)))
    })
}

pub(super) fn level(node: &Node) -> Read<String> {
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
pub(super) fn labels(node: &Node) -> Read<BTreeMap<String, String>> {
    table(node, |item| Ok(text(item)?.to_owned()))
}

pub(super) fn severities(node: &Node) -> Read<BTreeMap<String, Severity>> {
    table(node, |item| {
        severity(item).map_err(|problem| problem.expecting(super::settings::SEVERITY.expected()))
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

pub(super) fn headers(node: &Node, environment: &Environment) -> Read<Vec<(String, Secret)>> {
    let Written::Table(entries) = &node.value else {
        return Err(Problem::type_of(node));
    };
    let entries = entries.iter().map(|(name, item)| {
        if reqwest::header::HeaderName::from_str(name).is_err() {
            let shown = secret::stray_key(name).unwrap_or_else(|| name.clone());
            return Err(Problem::new(format!("has `{shown}`, which cannot be a header")).at(item));
        }
        let value = secret::plain(item, environment).map_err(|problem| problem.at(item))?;
        Ok((name.clone(), value))
    });
    entries.collect()
}

pub(super) fn url(node: &Node, environment: &Environment) -> Read<Secret> {
    let secret = secret::plain(node, environment)?;
    let parsed = Url::parse(secret.expose_secret()).map_err(|_| Problem::new("is not a URL"))?;
    match parsed.scheme() {
        "http" | "https" => Ok(secret),
        _ => Err(Problem::new("begins with neither http:// nor https://")),
    }
}

/// One secret or a list of them.
pub(super) fn secrets(node: &Node, environment: &Environment) -> Read<Vec<Secret>> {
    if !matches!(node.value, Written::List(_)) {
        return Ok(vec![secret::strong(node, environment)?]);
    }
    let all = each(node, |item| secret::strong(item, environment))?;
    if all.is_empty() {
        return Err(Problem::new("is empty"));
    }
    Ok(all)
}

pub(super) fn signing_secrets(node: &Node, environment: &Environment) -> Read<Vec<Secret>> {
    let one = |item: &Node| {
        let secret = secret::plain(item, environment)?;
        let key = secret.expose_secret().strip_prefix("whsec_");
        let bytes = key.and_then(|key| STANDARD.decode(key).ok());
        match bytes.map(|bytes| bytes.len()) {
            Some(24..=64) => Ok(secret),
            Some(length) => Err(Problem::new(format!("has {length} bytes"))),
            None => Err(Problem::new("is not a signing secret")),
        }
        .map_err(|problem| {
            problem.expecting(
                "`whsec_` and the base64 of 24 to 64 random bytes; `openssl rand -base64 32` makes some",
            )
        })
    };
    match &node.value {
        Written::List(items) if items.is_empty() => Err(Problem::new("is empty")),
        Written::List(_) => each(node, one),
        _ => Ok(vec![one(node)?]),
    }
}

pub(super) fn names(node: &Node) -> Read<Vec<Node>> {
    let names = items(node)?;
    for name in &names {
        text(name).map_err(|problem| problem.at(name))?;
    }
    if names.is_empty() {
        return Err(Problem::new("is empty"));
    }
    Ok(names)
}

/// Whether a value is what its setting takes.
/// The certificate and the key of a listener. Both files are read.
pub(super) fn tls(node: &Node) -> Read<Tls> {
    const WORDS: &[&str] = &["certificate", "key"];
    let Written::Table(entries) = &node.value else {
        return Err(Problem::type_of(node));
    };
    if let Some((key, item)) = entries
        .iter()
        .find(|(key, _)| !WORDS.contains(&key.as_str()))
    {
        return Err(Problem::new("has an unknown word")
            .at(item)
            .expecting("`certificate` and `key`")
            .near(nearest(key, WORDS.iter().copied())));
    }
    let path = |word: &str| {
        let missing = || Problem::new(format!("has no `{word}`")).at(node);
        let item = node.get(word).ok_or_else(missing)?;
        filled(item).map_err(|problem| problem.at(item))
    };
    Tls::read(&path("certificate")?, &path("key")?).map_err(|unfit| {
        Problem::new(unfit.what)
            .at(node.get(unfit.word).unwrap_or(node))
            .expecting(unfit.expected)
    })
}

pub(super) fn check(kind: Kind, node: &Node, environment: &Environment) -> Read<()> {
    match kind {
        Kind::Text | Kind::Path | Kind::Template | Kind::Condition | Kind::Success => {
            filled(node).map(drop)
        }
        Kind::Flag => flag(node).map(drop),
        Kind::Whole(from, to) => whole(node, from, to).map(drop),
        Kind::Duration(from, to) => duration(node, from, to).map(drop),
        Kind::Schedule => schedule(node).map(drop),
        Kind::Address => address(node).map(drop),
        Kind::Networks => networks(node).map(drop),
        Kind::Word(words) => word(node, words).map(drop),
        Kind::StoreUrl => store_path(node).map(drop),
        Kind::Zone => zone(node).map(drop),
        Kind::Level => level(node).map(drop),
        Kind::Secret => secret::strong(node, environment).map(drop),
        Kind::Secrets => secrets(node, environment).map(drop),
        Kind::SigningSecrets => signing_secrets(node, environment).map(drop),
        Kind::Url => url(node, environment).map(drop),
        Kind::Labels => labels(node).map(drop),
        Kind::Severities => severities(node).map(drop),
        Kind::Headers => headers(node, environment).map(drop),
        Kind::Sinks | Kind::Texts => names(node).map(drop),
        Kind::Tls => tls(node).map(drop),
    }
}
