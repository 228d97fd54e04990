//! `[answer]`: what a response means.

use std::time::Duration;

use campanile_language::{Exchange, Success, scope};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::Value;

use super::form::{Text, Wrong};
use crate::http::client::{Response, classify, explain};
use crate::http::said::{self, short};
use crate::secrets::Secrets;
use crate::{Class, Delivered, Failure, HANDLE_BYTES_MAX, Worth};

/// Expressions over `status`, `body` and `code`, asked in this order. The first that holds decides. `success` sees `sent` too, the
/// body of the request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Judge {
    success: Text,
    /// JSON pointers to what expressions see as `code`: the receiver's own word for what happened. The first that names one.
    code: Option<Places>,
    too_large: Option<Text>,
    never: Option<Text>,
    gone: Option<Text>,
    operator: Option<Text>,
    again: Option<Text>,
    /// The message named by the handle is not there: sent once more without it.
    stale: Option<Text>,
    /// The markup or the content is refused: sent once more as plain text.
    plain: Option<Text>,
    /// The remark about a message that was sent once more because of `plain`.
    plain_says: Option<String>,
    #[serde(default)]
    later: Vec<Later>,
    /// Where the receiver says how long to wait: a JSON pointer, or `header:NAME`. One that ends in `_ms` names milliseconds.
    wait: Option<String>,
    #[serde(default)]
    remarks: Vec<Remark>,
    /// What a success means.
    #[serde(default)]
    worth: Meaning,
    /// JSON pointers to the receiver's own words about a failure: the first that names some. Empty: the whole body, if it is
    /// not a web page.
    reason: Option<Places>,
    /// A JSON pointer to the name of the message at the receiver.
    handle: Option<String>,
}

/// One place, or several in the order in which they are tried.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Places {
    One(String),
    Several(Vec<String>),
}

impl From<Places> for Vec<String> {
    fn from(places: Places) -> Self {
        match places {
            Places::One(place) => vec![place],
            Places::Several(places) => places,
        }
    }
}

/// A success that the operator must know more about.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Remark {
    when: Text,
    says: String,
    /// A JSON pointer to the names of those who are missing.
    names: Option<String>,
}

/// See [`Worth`].
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Meaning {
    Committed,
    #[default]
    Accepted,
    Written,
}

/// The form in which a refused message is sent once more, within the same attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// With half the text.
    Shorter,
    /// As plain text.
    Plain,
    /// Without the handle: as a new message.
    WithoutHandle,
    /// With a new access token.
    NewToken,
}

/// A quota that ends after a known time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Later {
    when: Text,
    seconds: Option<u64>,
    /// The quota ends at midnight in this time zone.
    midnight: Option<Text>,
    /// Where the receiver says when the quota ends, as in [`Judge::wait`]. `seconds` is then the least.
    wait: Option<String>,
}

/// How long a quota holds.
#[derive(Clone, Debug)]
enum Quota {
    For(Duration),
    UntilMidnight(TimeZone),
    Named(String, Duration),
}

/// The same, compiled.
#[derive(Debug)]
pub(super) struct Verdicts {
    title: String,
    success: Success,
    code: Vec<String>,
    classes: Vec<(Success, Class, Option<Quota>)>,
    repeats: Vec<(Success, Repeat)>,
    remarks: Vec<(Success, Remark)>,
    worth: Worth,
    wait: Option<String>,
    reason: Vec<String>,
    handle: Option<String>,
    pub(super) plain_says: Option<String>,
}

fn expression(part: &str, text: &Text) -> Result<Success, Wrong> {
    let scope = match part {
        "success" => scope::EXCHANGE,
        _ => scope::RESPONSE,
    };
    let compiled = Success::within(text.get_ref(), scope);
    compiled.map_err(|mistake| Wrong::new(&format!("answer.{part}"), text, mistake))
}

impl Later {
    fn quota(&self) -> Result<Quota, Wrong> {
        let seconds = self.seconds.map(Duration::from_secs);
        match (seconds, &self.midnight, &self.wait) {
            (Some(seconds), None, None) => Ok(Quota::For(seconds)),
            (least, None, Some(place)) => {
                Ok(Quota::Named(place.clone(), least.unwrap_or_default()))
            }
            (None, Some(zone), None) => TimeZone::get(zone.get_ref())
                .map(Quota::UntilMidnight)
                .map_err(|_| {
                    let problem = "this is not a known time zone, such as `Asia/Shanghai`";
                    Wrong::whole("answer.later", zone, problem)
                }),
            _ => {
                let problem = "write `seconds`, `wait` or both of them, or `midnight`";
                Err(Wrong::whole("answer.later", &self.when, problem))
            }
        }
    }
}

impl Quota {
    fn wait(&self, response: &Response, at: Timestamp) -> Option<Duration> {
        match self {
            Self::Named(place, least) => {
                Some(asked(place, response, at).unwrap_or_default().max(*least))
            }
            Self::For(wait) => Some(*wait),
            Self::UntilMidnight(zone) => {
                let day = at.to_zoned(zone.clone()).tomorrow().ok()?;
                let midnight = day.start_of_day().ok()?.timestamp();
                midnight.duration_since(at).try_into().ok()
            }
        }
    }
}

impl Judge {
    /// `title` is the receiver's name in sentences about it.
    pub(super) fn compile(&self, title: &str) -> Result<Verdicts, Wrong> {
        let plain = [
            ("too_large", &self.too_large, Class::TooLarge),
            ("never", &self.never, Class::Poison),
            ("gone", &self.gone, Class::Gone),
            ("operator", &self.operator, Class::Operator),
            ("again", &self.again, Class::Transient),
        ];
        let mut classes = Vec::new();
        for (part, text, class) in plain {
            if let Some(text) = text {
                classes.push((expression(part, text)?, class, None));
            }
        }
        for later in &self.later {
            let when = expression("later", &later.when)?;
            classes.push((when, Class::Transient, Some(later.quota()?)));
        }
        let mut repeats = Vec::new();
        for (part, text, repeat) in [
            ("stale", &self.stale, Repeat::WithoutHandle),
            ("plain", &self.plain, Repeat::Plain),
            ("too_large", &self.too_large, Repeat::Shorter),
        ] {
            if let Some(text) = text {
                repeats.push((expression(part, text)?, repeat));
            }
        }
        let remarks = self.remarks.iter().map(|remark| {
            let when = expression("remarks", &remark.when)?;
            Ok((when, remark.clone()))
        });
        Ok(Verdicts {
            title: title.split(':').next().unwrap_or(title).to_owned(),
            repeats,
            remarks: remarks.collect::<Result<_, _>>()?,
            worth: match self.worth {
                Meaning::Committed => Worth::Committed,
                Meaning::Accepted => Worth::Accepted,
                Meaning::Written => Worth::Written,
            },
            success: expression("success", &self.success)?,
            code: self.code.clone().map(Vec::from).unwrap_or_default(),
            classes,
            wait: self.wait.clone(),
            reason: self.reason.clone().map(Vec::from).unwrap_or_default(),
            handle: self.handle.clone(),
            plain_says: self.plain_says.clone(),
        })
    }
}

impl Verdicts {
    /// What follows from a response to a message with this body that was sent at this time.
    pub(super) fn judge(
        &self,
        response: &Response,
        sent: &[u8],
        at: Timestamp,
        secrets: &Secrets,
    ) -> Result<Delivered, (Failure, Option<Repeat>)> {
        let (status, body) = (response.status, response.body.as_slice());
        let code = self.code(body);
        let exchange = exchange(response, sent, &code);
        if !self.success.holds_for(exchange) {
            let failure = self.failure(response, at, secrets);
            let mut repeats = self.repeats.iter();
            let named = repeats.find(|(when, _)| when.holds_for(exchange));
            let long = (failure.class == Class::TooLarge).then_some(Repeat::Shorter);
            return Err((failure, named.map(|(_, repeat)| *repeat).or(long)));
        }
        let handle = pointed(self.handle.as_deref(), body);
        Ok(Delivered {
            handle: handle.filter(|handle| handle.len() <= HANDLE_BYTES_MAX),
            worth: self.worth,
            remark: self.remark(exchange).map(|remark| secrets.hidden(&remark)),
            ..Delivered::with_code(status)
        })
    }

    /// What follows from a response that is not a success.
    pub(super) fn failure(&self, response: &Response, at: Timestamp, secrets: &Secrets) -> Failure {
        let (status, body) = (response.status, response.body.as_slice());
        let code = self.code(body);
        let exchange = exchange(response, &[], &code);
        let mut classes = self.classes.iter();
        let named = classes.find(|(when, ..)| when.holds_for(exchange));
        let class = match (named, classify(status)) {
            (Some((_, class, _)), _) => *class,
            (None, Some(class)) => class,
            (None, None) => Class::Operator,
        };
        let quota = named.and_then(|(.., quota)| quota.as_ref()?.wait(response, at));
        // Some receivers name the end of their limit in every response. Only one that passes holds the sink.
        let place = self.wait.as_deref().filter(|_| class == Class::Transient);
        let asked = place.and_then(|place| asked(place, response, at));
        let reason = self.reason(status, named.is_some(), body, secrets);
        Failure {
            class,
            code: Some(status),
            retry_after: response.asked_wait().max(quota).max(asked),
            reason,
        }
    }

    fn code(&self, body: &[u8]) -> String {
        let mut places = self.code.iter();
        let code = places.find_map(|place| pointed(Some(place), body));
        code.unwrap_or_default()
    }

    fn remark(&self, exchange: Exchange<'_>) -> Option<String> {
        let mut remarks = self.remarks.iter();
        let (_, remark) = remarks.find(|(when, _)| when.holds_for(exchange))?;
        let names = pointed(remark.names.as_deref(), exchange.body);
        Some(match names {
            Some(names) => format!("{}: {}", remark.says, short(&names)),
            None => remark.says.clone(),
        })
    }

    fn reason(&self, status: u16, named: bool, body: &[u8], secrets: &Secrets) -> String {
        let title = &self.title;
        let reason = match classify(status) {
            Some(_) => explain(status),
            None if named => format!("{title} answered {status} and refused the message"),
            None => format!(
                "the receiver answered {status}, but not as {title} does: check the address"
            ),
        };
        let words = self.reason.iter().find_map(|place| said(place, body));
        said::with_words(reason, words, secrets)
    }
}

fn exchange<'a>(response: &'a Response, sent: &'a [u8], code: &'a str) -> Exchange<'a> {
    Exchange {
        status: response.status,
        body: &response.body,
        sent,
        code,
    }
}

/// The wait that is named there.
fn asked(place: &str, response: &Response, at: Timestamp) -> Option<Duration> {
    let text = match place.strip_prefix("header:") {
        Some(name) => response.headers.get(name)?.to_str().ok()?.to_owned(),
        None => pointed(Some(place), &response.body)?,
    };
    if place.ends_with("_ms") {
        let milliseconds: f64 = text.trim().parse().ok()?;
        return Duration::try_from_secs_f64((milliseconds / 1000.0).ceil()).ok();
    }
    wait(text.trim(), at)
}

/// Numbers above this are points in time in milliseconds, not seconds: it is the year 5138 in seconds.
const MILLISECONDS_FROM: f64 = 100_000_000_000.0;
/// Numbers above this are points in time, not a number of seconds: no receiver asks for three years.
const POINT_FROM: f64 = 100_000_000.0;

/// Seconds, also as `8 seconds` in a sentence, a point in time in seconds or milliseconds, or an HTTP date. A fraction of a
/// second is rounded up.
fn wait(text: &str, at: Timestamp) -> Option<Duration> {
    let number = text.parse::<f64>().ok().or_else(|| in_sentence(text));
    let Some(number) = number else {
        let until = httpdate::parse_http_date(text).ok()?;
        return until.duration_since(at.into()).ok();
    };
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds until the year 5138 are exact"
    )]
    let now = at.as_second() as f64;
    let seconds = if number >= MILLISECONDS_FROM {
        number / 1000.0 - now
    } else if number >= POINT_FROM {
        number - now
    } else {
        number
    };
    Duration::try_from_secs_f64(seconds.ceil()).ok()
}

/// The receiver's own words: what the pointer names, or for an empty pointer a body that is text.
fn said(pointer: &str, body: &[u8]) -> Option<String> {
    let text = pointer.is_empty().then(|| said::text(body)).flatten();
    let object = || {
        let body: Value = serde_json::from_slice(body).ok()?;
        let object = body.pointer(pointer)?.as_object()?;
        (!object.is_empty()).then(|| Value::from(object.clone()).to_string())
    };
    pointed(Some(pointer), body).or(text).or_else(object)
}

/// The number before the word `seconds`: `wait "86400" seconds`.
fn in_sentence(text: &str) -> Option<f64> {
    let (before, _) = text.split_once("second")?;
    let before = before.trim_end_matches([' ', '"', '\'']);
    let mut parts = before.rsplit(|c: char| !c.is_ascii_digit() && c != '.');
    parts.next()?.parse().ok()
}

/// The text of the first XML element with this tag, such as `<Message>`.
fn element(tag: &str, body: &[u8]) -> Option<String> {
    let body = String::from_utf8_lossy(body);
    let (_, rest) = body.split_once(tag)?;
    let (text, _) = rest.split_once("</")?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// The text, number or list at a JSON pointer, or the text of an XML element, if the pointer is its tag.
pub(super) fn pointed(pointer: Option<&str>, body: &[u8]) -> Option<String> {
    if let Some(tag) = pointer.filter(|pointer| pointer.starts_with('<')) {
        return element(tag, body);
    }
    let body: Value = serde_json::from_slice(body).ok()?;
    match body.pointer(pointer?)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(list) if !list.is_empty() => Some(Value::from(list.clone()).to_string()),
        _ => None,
    }
}
