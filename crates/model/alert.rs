//! The common form of an alert. Its JSON names are the public contract.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::Fault;

/// Whether a problem is on or over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The problem is there.
    Firing,
    /// The problem is over.
    Resolved,
}

/// How bad a problem is: the four levels of PD-CEF, and an honest fifth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// People must act now.
    Critical,
    /// Something does not work.
    Error,
    /// Something will not work soon.
    Warning,
    /// Good to know.
    Info,
    /// The vendor did not say, or used a word that nobody mapped.
    #[default]
    Unknown,
}

/// A word that is none of those allowed.
#[derive(Debug, thiserror::Error)]
#[error("`{word}` is not one of {allowed}")]
pub struct UnknownWord {
    /// What was written.
    pub word: String,
    /// What may be written, separated by commas.
    pub allowed: String,
}

macro_rules! words {
    ($type:ident: $($variant:ident = $word:literal),+) => {
        impl $type {
            /// Every value, in the order of the contract.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word that stands for it in JSON, config and expressions.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord {
                        word: word.to_owned(),
                        allowed: [$($word),+].join(", "),
                    }),
                }
            }
        }
    };
}

words!(Status: Firing = "firing", Resolved = "resolved");
words!(Severity: Critical = "critical", Error = "error", Warning = "warning", Info = "info", Unknown = "unknown");

/// Our name for a problem: the same for its firing and its resolved message.
///
/// Written as 16 hexadecimal digits: the first 64 bits of a SHA-256 over the provider's name and identity fields, each
/// preceded by its length, so that `("ab", "c")` and `("a", "bc")` are two problems.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, pattern = "^[0-9a-f]{16}$", example = "00d1c0de00d1c0de")]
pub struct Fingerprint(pub u64);

impl Fingerprint {
    /// The fingerprint of a problem of `provider` with these identity fields.
    pub fn of<'a>(provider: &'a str, identity: impl IntoIterator<Item = &'a str>) -> Self {
        let mut hash = Sha256::new();
        for part in std::iter::once(provider).chain(identity) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let digest: [u8; 32] = hash.finalize().into();
        let first = digest.first_chunk().copied().unwrap_or_default();
        Self(u64::from_be_bytes(first))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let sixteen = word.len() == 16 && word.bytes().all(|b| b.is_ascii_hexdigit());
        match u64::from_str_radix(word, 16) {
            Ok(bits) if sixteen => Ok(Self(bits)),
            _ => Err(UnknownWord {
                word: word.to_owned(),
                allowed: "16 hexadecimal digits".to_owned(),
            }),
        }
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        word.parse().map_err(serde::de::Error::custom)
    }
}

/// What the problem is about. Absent parts are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Resource {
    /// The vendor's kind of resource, such as `uhost`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The vendor's id of the resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The region it is in, in the vendor's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The account, project or tenant it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

/// What was measured. Absent parts are left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Metric {
    /// The vendor's name of the metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The value that was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>)]
    pub value: Option<serde_json::Number>,
    /// How value and threshold were compared: `<`, `<=`, `>`, `>=`, `==`, `!=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparator: Option<String>,
    /// The value that it was compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>)]
    pub threshold: Option<serde_json::Number>,
    /// The unit of both, in the vendor's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// A place where people can read on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Link {
    /// What is there.
    pub title: String,
    /// Where it is.
    pub url: String,
}

impl Link {
    /// A link to a page of the web; nothing where `url` is none, because people will click on it.
    pub fn web(title: impl Into<String>, url: &str) -> Option<Self> {
        let (scheme, rest) = url.trim().split_once("://")?;
        let is_web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
        (is_web && !rest.is_empty()).then(|| Self {
            title: title.into(),
            url: url.trim().to_owned(),
        })
    }
}

/// One alert as the vendor told it: all that can be known without a clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The vendor's id of this *message*; each provider documents how it is derived where the vendor has none.
    pub message_id: String,
    /// Our name for the *problem*.
    pub fingerprint: Fingerprint,
    /// Whether the problem is on or over.
    pub status: Status,
    /// How bad it is.
    pub severity: Severity,
    /// One line for people.
    pub title: String,
    /// The vendor's text, decoded.
    pub description: String,
    /// What it is about.
    pub resource: Resource,
    /// What was measured.
    pub metric: Metric,
    /// When the problem began, by the vendor's clock.
    pub starts_at: Option<Timestamp>,
    /// When it ended, by the vendor's clock.
    pub ends_at: Option<Timestamp>,
    /// Everything else worth matching on.
    pub labels: BTreeMap<String, String>,
    /// Where people can read on.
    pub links: Vec<Link>,
    /// The vendor's own words: under `severity` and `status` where they were mapped, under the name of a field, such as
    /// `starts_at`, where they cannot be read.
    pub raw: BTreeMap<String, String>,
    /// Why fields are missing that the callback has; see [`Self::leave_out`].
    pub left_out: Vec<Fault>,
}

/// More faults of one report than this are not kept, nor longer words.
const LEFT_OUT_MAX: usize = 32;
const WORDS_CHARS_MAX: usize = 200;

impl Report {
    /// A report with nothing but its three identities; the rest is empty.
    pub fn new(message_id: impl Into<String>, fingerprint: Fingerprint, status: Status) -> Self {
        Self {
            message_id: bounded(message_id.into()),
            fingerprint,
            status,
            severity: Severity::Unknown,
            title: String::new(),
            description: String::new(),
            resource: Resource::default(),
            metric: Metric::default(),
            starts_at: None,
            ends_at: None,
            labels: BTreeMap::new(),
            links: Vec::new(),
            raw: BTreeMap::new(),
            left_out: Vec::new(),
        }
    }

    /// Notes that an optional field cannot be read. Its words are kept in `raw` under the field's name.
    pub fn leave_out(&mut self, field: &str, words: &str, fault: Fault) {
        if !words.is_empty() {
            self.keep_words(field, words);
        }
        if self.left_out.len() < LEFT_OUT_MAX {
            self.left_out.push(fault);
        }
    }

    /// Keeps the vendor's words for a field that has no room for them.
    pub fn keep_words(&mut self, field: &str, words: &str) {
        let words = words.chars().take(WORDS_CHARS_MAX).collect();
        self.raw.insert(field.to_owned(), words);
    }

    /// The bytes of text in it, without the few that its resource and metric are named with.
    pub fn text_bytes(&self) -> usize {
        let pairs = self.labels.iter().chain(&self.raw);
        let pairs = pairs.map(|(name, value)| name.len() + value.len());
        let links = self.links.iter().map(|l| l.title.len() + l.url.len());
        let own = [&self.message_id, &self.title, &self.description].map(String::len);
        pairs.chain(links).chain(own).sum()
    }

    /// The alert that this report becomes when `source` is believed at `received_at`.
    ///
    /// The id is given by the store, in the order of acceptance; until then it is empty.
    pub fn into_alert(self, source: &str, received_at: Timestamp) -> Alert {
        Alert {
            id: String::new(),
            source: source.to_owned(),
            message_id: self.message_id,
            fingerprint: self.fingerprint,
            status: self.status,
            severity: self.severity,
            title: one_line(self.title),
            description: self.description,
            resource: self.resource,
            metric: self.metric,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            received_at,
            labels: self.labels,
            links: self.links,
            raw: self.raw,
        }
    }
}

/// A message id longer than this is kept as its hash.
const MESSAGE_ID_BYTES_MAX: usize = 200;

fn bounded(id: String) -> String {
    if id.len() <= MESSAGE_ID_BYTES_MAX {
        return id;
    }
    format!("sha256:{}", hex::encode(Sha256::digest(id.as_bytes())))
}

/// `text` in one line: a break of a line in it is a blank.
fn one_line(text: String) -> String {
    let breaks = ['\n', '\r'];
    if !text.contains(breaks) {
        return text;
    }
    let lines = text.split(breaks).map(str::trim);
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    lines.join(" ")
}

/// The common form: what every sink gets, whoever sent it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Alert {
    /// Ours: a UUID version 7, which sorts by acceptance. Empty until the store has given it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The configured source, such as `ucloud/prod`.
    pub source: String,
    /// The vendor's id of this message.
    pub message_id: String,
    /// Our name for the problem.
    pub fingerprint: Fingerprint,
    /// Whether the problem is on or over.
    pub status: Status,
    /// How bad it is.
    pub severity: Severity,
    /// One line for people.
    pub title: String,
    /// The vendor's text, decoded.
    pub description: String,
    /// What it is about.
    pub resource: Resource,
    /// What was measured.
    pub metric: Metric,
    /// When the problem began, by the vendor's clock; null where the vendor does not say, or says it in a form that cannot be
    /// read (then the words are in `raw`). The problem was there at `received_at` at the latest.
    pub starts_at: Option<Timestamp>,
    /// When it ended, by the vendor's clock; null while it lasts or where the vendor does not say.
    pub ends_at: Option<Timestamp>,
    /// When we got it.
    pub received_at: Timestamp,
    /// Everything else worth matching on.
    pub labels: BTreeMap<String, String>,
    /// Where people can read on.
    pub links: Vec<Link>,
    /// The vendor's own words where they were mapped.
    pub raw: BTreeMap<String, String>,
}
