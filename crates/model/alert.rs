//! The common form of an alert. Its JSON names are a public contract.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::Fault;

/// Whether a problem exists or is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The problem exists.
    Firing,
    /// The problem is over.
    Resolved,
}

/// How severe a problem is: the four levels of PD-CEF, and `unknown`.
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
    /// The vendor sent no severity, or a word that no mapping knows.
    #[default]
    Unknown,
}

/// A word that is not one of the allowed words.
#[derive(Debug, thiserror::Error)]
#[error("`{word}` is not one of {allowed}")]
pub struct UnknownWord {
    /// The word.
    pub word: String,
    /// The allowed words, separated by commas.
    pub allowed: String,
}

macro_rules! words {
    ($type:ident: $($variant:ident = $word:literal),+) => {
        impl $type {
            /// Every value, in the order of the contract.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word for it in JSON, config and expressions.
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

/// Identifies a problem: the firing and the resolved message of a problem have the same fingerprint.
///
/// Written as 16 hexadecimal digits: the first 64 bits of a SHA-256 over the provider's name and identity fields, each
/// preceded by its length, because `("ab", "c")` and `("a", "bc")` are two problems.
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

/// The resource that has the problem. Absent parts are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Resource {
    /// The vendor's kind of resource, such as `uhost`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The vendor's id of the resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The name of the resource for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The region of the resource, in the vendor's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The account, project or tenant that the resource belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

/// The measurement. Absent parts are left out.
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
    /// The value that the measured value was compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>)]
    pub threshold: Option<serde_json::Number>,
    /// The unit of the value and the threshold, in the vendor's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// A web page with more information.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Link {
    /// The title of the page.
    pub title: String,
    /// The address of the page.
    pub url: String,
}

impl Link {
    /// A link to a web page. `None` when `url` is not an HTTP or HTTPS address, because people click on it.
    pub fn web(title: impl Into<String>, url: &str) -> Option<Self> {
        let (scheme, rest) = url.trim().split_once("://")?;
        let is_web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
        (is_web && !rest.is_empty()).then(|| Self {
            title: title.into(),
            url: url.trim().to_owned(),
        })
    }
}

/// One alert as the vendor sent it, before the gateway adds its source and the time of receipt.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The vendor's id of this *message*; each provider documents how it is derived when the vendor sends none.
    pub message_id: String,
    /// Identifies the *problem*.
    pub fingerprint: Fingerprint,
    /// Whether the problem exists or is over.
    pub status: Status,
    /// How severe the problem is.
    pub severity: Severity,
    /// One line for people.
    pub title: String,
    /// The vendor's text, decoded.
    pub description: String,
    /// The resource that has the problem.
    pub resource: Resource,
    /// The measurement.
    pub metric: Metric,
    /// When the problem began, by the vendor's clock.
    pub starts_at: Option<Timestamp>,
    /// When the problem ended, by the vendor's clock.
    pub ends_at: Option<Timestamp>,
    /// All other values that a route can match.
    pub labels: BTreeMap<String, String>,
    /// Web pages with more information.
    pub links: Vec<Link>,
    /// The vendor's own words: under `severity` and `status` when a mapping translated them; under the name of a field,
    /// such as `starts_at`, when the value cannot be read.
    pub raw: BTreeMap<String, String>,
    /// The faults of optional fields that could not be read; see [`Self::leave_out`].
    pub left_out: Vec<Fault>,
}

/// The most faults that one report keeps, and the most characters of one value in `raw`. The rest is cut.
const LEFT_OUT_MAX: usize = 32;
const WORDS_CHARS_MAX: usize = 200;

impl Report {
    /// A report with a message id, a fingerprint and a status. All other fields are empty.
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

    /// Records that an optional field cannot be read. The value is kept in `raw` under the name of the field.
    pub fn leave_out(&mut self, field: &str, words: &str, fault: Fault) {
        if !words.is_empty() {
            self.keep_words(field, words);
        }
        if self.left_out.len() < LEFT_OUT_MAX {
            self.left_out.push(fault);
        }
    }

    /// Keeps the vendor's own value of a field in `raw`.
    pub fn keep_words(&mut self, field: &str, words: &str) {
        let words = words.chars().take(WORDS_CHARS_MAX).collect();
        self.raw.insert(field.to_owned(), words);
    }

    /// The bytes of text in this report, without the short texts in its resource and metric.
    pub fn text_bytes(&self) -> usize {
        let pairs = self.labels.iter().chain(&self.raw);
        let pairs = pairs.map(|(name, value)| name.len() + value.len());
        let links = self.links.iter().map(|l| l.title.len() + l.url.len());
        let own = [&self.message_id, &self.title, &self.description].map(String::len);
        pairs.chain(links).chain(own).sum()
    }

    /// Converts this report of `source` into an alert.
    ///
    /// The id is empty. The store assigns it, in the order of acceptance.
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

/// `text` in one line. Each line break becomes a space.
fn one_line(text: String) -> String {
    let breaks = ['\n', '\r'];
    if !text.contains(breaks) {
        return text;
    }
    let lines = text.split(breaks).map(str::trim);
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    lines.join(" ")
}

/// The common form of an alert, which every sink gets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Alert {
    /// The id that Campanile assigns: a UUID version 7, which sorts by acceptance. Empty until the store has assigned
    /// it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The configured source, such as `ucloud/prod`.
    pub source: String,
    /// The vendor's id of this message.
    pub message_id: String,
    /// Identifies the problem: the same for firing and resolved.
    pub fingerprint: Fingerprint,
    /// Whether the problem exists or is over.
    pub status: Status,
    /// How severe the problem is.
    pub severity: Severity,
    /// One line for people.
    pub title: String,
    /// The vendor's text, decoded.
    pub description: String,
    /// The resource that has the problem.
    pub resource: Resource,
    /// The measurement.
    pub metric: Metric,
    /// When the problem began, by the vendor's clock. Null when the vendor sends no time, or a time that cannot be read
    /// (then `raw` has it). The problem existed at `received_at` at the latest.
    pub starts_at: Option<Timestamp>,
    /// When the problem ended, by the vendor's clock. Null while the problem exists, or when the vendor sends no time.
    pub ends_at: Option<Timestamp>,
    /// When the gateway received the callback.
    pub received_at: Timestamp,
    /// All other values that a route can match.
    pub labels: BTreeMap<String, String>,
    /// Web pages with more information.
    pub links: Vec<Link>,
    /// The vendor's own words for values that a mapping translated or could not read.
    pub raw: BTreeMap<String, String>,
}
