//! `[answer]`: what a response means.

use std::fmt::Write as _;
use std::time::Duration;

use campanile_language::Success;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::Value;

use super::form::{Text, Wrong};
use super::secrets::Secrets;
use crate::http::client::{Response, classify, explain};
use crate::{Class, Delivered, Failure, HANDLE_BYTES_MAX};

/// At most this much of the receiver's own words is shown.
const WORDS_CHARACTERS_MAX: usize = 200;

/// Expressions over `status` and `body`, asked in this order. The first that holds decides.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Judge {
    success: Text,
    too_large: Option<Text>,
    never: Option<Text>,
    gone: Option<Text>,
    operator: Option<Text>,
    again: Option<Text>,
    #[serde(default)]
    later: Vec<Later>,
    /// A JSON pointer to the seconds that the receiver asks to wait.
    wait: Option<String>,
    /// A JSON pointer to the receiver's own words about a failure.
    reason: Option<String>,
    /// A JSON pointer to the name of the message at the receiver.
    handle: Option<String>,
}

/// A quota that ends after a known time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Later {
    when: Text,
    seconds: Option<u64>,
    /// The quota ends at midnight in this time zone.
    midnight: Option<Text>,
}

/// How long a quota holds.
#[derive(Clone, Debug)]
enum Quota {
    For(Duration),
    UntilMidnight(TimeZone),
}

/// The same, compiled.
#[derive(Debug)]
pub(super) struct Verdicts {
    success: Success,
    classes: Vec<(Success, Class, Option<Quota>)>,
    wait: Option<String>,
    reason: Option<String>,
    handle: Option<String>,
}

fn expression(part: &str, text: &Text) -> Result<Success, Wrong> {
    let compiled = Success::compile(text.get_ref());
    compiled.map_err(|mistake| Wrong::new(&format!("answer.{part}"), text, mistake))
}

impl Later {
    fn quota(&self) -> Result<Quota, Wrong> {
        match (self.seconds, &self.midnight) {
            (Some(seconds), None) => Ok(Quota::For(Duration::from_secs(seconds))),
            (None, Some(zone)) => TimeZone::get(zone.get_ref())
                .map(Quota::UntilMidnight)
                .map_err(|_| {
                    let problem = "this is not a known time zone, such as `Asia/Shanghai`";
                    Wrong::whole("answer.later", zone, problem)
                }),
            _ => {
                let problem = "write either `seconds` or `midnight`";
                Err(Wrong::whole("answer.later", &self.when, problem))
            }
        }
    }
}

impl Quota {
    fn wait(&self, at: Timestamp) -> Option<Duration> {
        match self {
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
    pub(super) fn compile(&self) -> Result<Verdicts, Wrong> {
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
        Ok(Verdicts {
            success: expression("success", &self.success)?,
            classes,
            wait: self.wait.clone(),
            reason: self.reason.clone(),
            handle: self.handle.clone(),
        })
    }
}

impl Verdicts {
    /// What follows from a response to a request that was sent at this time.
    pub(super) fn judge(
        &self,
        answer: &Response,
        at: Timestamp,
        title: &str,
        secrets: &Secrets,
    ) -> Result<Delivered, Failure> {
        let (status, body) = (answer.status, answer.body.as_slice());
        if self.success.holds(status, body) {
            let handle = pointed(self.handle.as_deref(), body);
            return Ok(Delivered {
                handle: handle.filter(|handle| handle.len() <= HANDLE_BYTES_MAX),
                ..Delivered::with_code(status)
            });
        }
        let mut classes = self.classes.iter();
        let named = classes.find(|(when, ..)| when.holds(status, body));
        let class = match (named, classify(status)) {
            (Some((_, class, _)), _) => *class,
            (None, Some(class)) => class,
            (None, None) => Class::Operator,
        };
        let quota = named.and_then(|(.., quota)| quota.as_ref()?.wait(at));
        let asked = self.asked_wait(body);
        let reason = self.reason(status, named.is_some(), body, title);
        Err(Failure {
            class,
            code: Some(status),
            retry_after: answer.asked_wait().max(quota).max(asked),
            reason: secrets.hidden(&reason),
        })
    }

    /// A fraction of a second is rounded up.
    fn asked_wait(&self, body: &[u8]) -> Option<Duration> {
        let seconds: f64 = pointed(self.wait.as_deref(), body)?.parse().ok()?;
        Duration::try_from_secs_f64(seconds.ceil()).ok()
    }

    fn reason(&self, status: u16, named: bool, body: &[u8], title: &str) -> String {
        let mut reason = match classify(status) {
            Some(_) => explain(status),
            None if named => format!("{title} answered {status} and refused the message"),
            None => format!(
                "the receiver answered {status}, but not as {title} does: check the address"
            ),
        };
        if let Some(words) = pointed(self.reason.as_deref(), body) {
            let words: String = words.chars().take(WORDS_CHARACTERS_MAX).collect();
            let words = words.replace(char::is_control, " ");
            let _infallible = write!(reason, ". It said: {words}");
        }
        reason
    }
}

/// The text or number at a JSON pointer.
fn pointed(pointer: Option<&str>, body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    match body.pointer(pointer?)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
