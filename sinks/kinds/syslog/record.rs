//! One message of RFC 5424, made from one alert.

use campanile_model::{Alert, Severity, Status};
use campanile_settings::Values;
use jiff::Timestamp;

use crate::broker::{Part, SHORTENED};
use crate::render::happened;
use crate::words::Room;
use crate::{BuildError, Class, Failure};

/// Each at the place of its number.
pub(super) const FACILITIES: &[&str] = &[
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];
/// Each at the place of its number.
pub(super) const SEVERITIES: &[&str] = &[
    "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug",
];
/// Bytes of a host name.
const HOST_MAX: usize = 255;
/// What is not known.
const NIL: &str = "-";
/// Says that the text is UTF-8.
const MARK: &str = "\u{feff}";
/// The word by which readers find JSON in a message.
const CEE: &str = "@cee: ";
const CUT: &str = "the text of the message was cut: raise `max_bytes` to send more";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    Text,
    Json,
    Cee,
}

/// How an alert becomes a message.
pub(super) struct Form {
    facility: usize,
    resolved: usize,
    host: String,
    enterprise: u32,
    body: Body,
    bytes_max: usize,
}

/// A message, and what the operator must know about it.
pub(super) struct Record {
    pub(super) bytes: Vec<u8>,
    pub(super) remark: Option<&'static str>,
}

impl Form {
    pub(super) fn new(values: &Values, bytes_max: usize) -> Result<Self, BuildError> {
        let number = |name: &str, words: &[&str]| -> Result<usize, BuildError> {
            let word: String = values.get(name)?;
            Ok(words.iter().position(|one| *one == word).unwrap_or(0))
        };
        let host = match values.maybe::<String>("hostname") {
            Some(host) if is_host(&host) => host,
            Some(_) => {
                let problem = "this is not a valid host name: write at most 255 ASCII characters without blanks";
                return Err(BuildError::new("hostname", problem));
            }
            None => machine().filter(|host| is_host(host)).unwrap_or(NIL.into()),
        };
        Ok(Self {
            facility: number("facility", FACILITIES)?,
            resolved: number("resolved_severity", SEVERITIES)?,
            host,
            enterprise: values.get("enterprise_number")?,
            body: match &*values.get::<String>("format")? {
                "json" => Body::Json,
                "cee" => Body::Cee,
                _ => Body::Text,
            },
            bytes_max,
        })
    }

    /// The message of one alert. Only its text is ever cut.
    pub(super) fn record(&self, part: &Part<'_>) -> Result<Record, Failure> {
        let head = format!("{} {} ", self.header(part.alert), self.data(part));
        let too_long = || {
            let max = self.bytes_max;
            let reason = format!("the message is longer than {max} bytes: raise `max_bytes`");
            Failure::new(Class::Poison, reason)
        };
        let room = self.bytes_max.checked_sub(head.len());
        let room = room.ok_or_else(too_long)?;
        let (body, remark) = match self.body {
            Body::Text => text(part.alert, room),
            Body::Json => json(part, "", room),
            Body::Cee => json(part, CEE, room),
        }
        .ok_or_else(too_long)?;
        let bytes = [head.into_bytes(), body].concat();
        Ok(Record { bytes, remark })
    }

    fn header(&self, alert: &Alert) -> String {
        let (severity, id) = match alert.status {
            Status::Firing => (number(alert.severity), "FIRING"),
            Status::Resolved => (self.resolved, "RESOLVED"),
        };
        let priority = self.facility * 8 + severity;
        let (time, process) = (time(happened(alert)), std::process::id());
        format!(
            "<{priority}>1 {time} {} campanile {process} {id}",
            self.host
        )
    }

    fn data(&self, part: &Part<'_>) -> String {
        let alert = part.alert;
        let resource = &alert.resource;
        let resource = resource.name.as_deref().or(resource.id.as_deref());
        let params = [
            ("id", part.id.as_str()),
            ("fp", &alert.fingerprint.to_string()),
            ("source", &alert.source),
            ("status", alert.status.as_str()),
            ("severity", alert.severity.as_str()),
            ("resource", resource.unwrap_or_default()),
            ("message_id", &alert.message_id),
        ];
        let params = params.iter().filter(|(_, value)| !value.is_empty());
        let params = params.map(|(name, value)| format!(" {name}=\"{}\"", escaped(value)));
        let params: String = params.collect();
        format!("[campanile@{}{params}]", self.enterprise)
    }
}

/// Title and description on one line, cut to this room. None if there is no room for any text.
fn text(alert: &Alert, room: usize) -> Option<(Vec<u8>, Option<&'static str>)> {
    let parts = [one_line(&alert.title), one_line(&alert.description)];
    let [title, description] = &parts;
    let all = if description.is_empty() || description == title {
        title.clone()
    } else {
        format!("{title}: {description}")
    };
    let room = room.checked_sub(MARK.len())?;
    let cut = Room::Bytes(room).cut(&all);
    (cut.len() <= room).then(|| {
        let remark = (cut != all).then_some(CUT);
        (format!("{MARK}{cut}").into_bytes(), remark)
    })
}

/// The alert as JSON, without its less important parts if there is no room for them.
fn json(part: &Part<'_>, before: &str, room: usize) -> Option<(Vec<u8>, Option<&'static str>)> {
    let room = room.checked_sub(before.len())?;
    let framed = |json: &[u8]| [before.as_bytes(), json].concat();
    if part.json.len() <= room {
        return Some((framed(&part.json), None));
    }
    let shorter = part.shortened().filter(|part| part.json.len() <= room)?;
    Some((framed(&shorter.json), Some(SHORTENED)))
}

fn number(severity: Severity) -> usize {
    match severity {
        Severity::Critical => 2,
        Severity::Error => 3,
        Severity::Warning => 4,
        Severity::Unknown => 5,
        Severity::Info => 6,
    }
}

/// In UTC, with the six digits that the RFC allows. A time before 1970 is a mistake of the vendor, and some have no valid form.
fn time(at: Timestamp) -> String {
    if at < Timestamp::UNIX_EPOCH {
        return NIL.to_owned();
    }
    at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

fn is_host(host: &str) -> bool {
    (1..=HOST_MAX).contains(&host.len()) && host.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(unix)]
fn machine() -> Option<String> {
    let name = rustix::system::uname();
    name.nodename().to_str().ok().map(str::to_owned)
}

#[cfg(not(unix))]
fn machine() -> Option<String> {
    std::env::var("COMPUTERNAME").ok()
}

/// The value of a parameter.
fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '"' | '\\' | ']') {
            escaped.push('\\');
        }
        escaped.push(if c.is_control() { ' ' } else { c });
    }
    escaped
}

/// Without line breaks, which end a message in some framings, and without control characters.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ").trim().to_owned()
}
