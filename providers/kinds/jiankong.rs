//! # What it sends
//!
//! 監控專家 and 监控宝 (Cloudwise) call one URL for a fault and for its end. They use `GET` with all parameters in the query,
//! `POST` with a form, or (since version 6) `POST` with JSON under the same names. The names are `msg_id`, `task_id`,
//! `task_user_id`, `task_type`, `task_name`, `task_summary`, `server_id`, `fault_time`, `content` and `token`. `GET` adds
//! `task_status`. `POST` adds `message_type`, `message_status` and `message_detail`.
//!
//! # Point it here
//!
//! In the console, under notification settings, URL callback: enter `https://<gateway>/callback/jiankong/<name>`, choose
//! `POST` (the vendor recommends it, and it has more fields), and copy the callback token shown there into
//! `token = { file = "..." }` of the source. The token proves `msg_id`, `task_id` and `fault_time`, but neither the status
//! nor the text. A key at the end of the path can be set in addition.
//!
//! # How it is read
//!
//! On `GET`, `task_status` 1 is firing and 0 is resolved. On `POST`, `message_status` 1 is firing and 2 is resolved.
//! If a parameter occurs twice, the last one counts. The message id is `msg_id`. The fingerprint is made from `task_id`,
//! `task_type`, `server_id`, and the metric of `message_detail` if there is one.
//!
//! A fault (`message_type` 1, or any `GET`) is critical, a reminder (2) is a warning, and any other word is `unknown`.
//! `severities` in the source maps `task_type` and has priority. `severity` in the source applies if `message_type` is
//! missing.
//!
//! The vendor documents `fault_time` as the time of the fault, also on a recovery. So it is always the start. The vendor
//! does not send the time of the end, and `ends_at` stays empty.
//!
//! `content` is decoded once more, because the vendor encodes it twice on `POST` and sometimes on `GET`. It is decoded only
//! if all its characters are ones that an encoder writes and, on `GET`, if it has a `%XX`. `message_detail` gives the
//! metric's name, comparator and unit. Its `value` is the threshold of the rule, as in the vendor's example.
//!
//! # What is not kept
//!
//! `token`, parameters that are not named here, and a `message_detail` that is not a JSON object.

use std::borrow::Cow;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::about::About;
use crate::answer::{Answer, Outcome};
use crate::page::page;
use crate::parse::table::{self, Table};
use crate::parse::{fields, time};
use crate::provider::Provider;
use crate::reading::Reading;
use crate::source::Source;
use crate::trust::proof::Proof;
use campanile_model::Callback;
use campanile_model::Fault;
use campanile_model::urlencoded::{Again, decoded_again};
use campanile_model::{Fingerprint, Metric, Report, Resource, Severity, Status};
use campanile_model::{body, charset};
use campanile_settings::{Type, optional};

/// The provider.
#[derive(Debug)]
pub(crate) struct Jiankong;

static ABOUT: LazyLock<About> = LazyLock::new(|| About {
    name: "jiankong".into(),
    title: "監控專家 / 监控宝".into(),
    doc: page(include_str!("jiankong.rs")),
    methods: vec!["GET", "POST"],
    settings: vec![optional(
        "token",
        Type::Secrets,
        r#"{ env = "SOURCE_TOKEN" }"#,
        "The callback token that the console shows. During rotation: a list of the old and the new one.",
    )],
    proof: "MD5 token".into(),
    message_id: "msg_id".into(),
    confidence: "documented".into(),
    chinese: true,
    ..About::default()
});

/// The longest answer that the vendor documents, in characters.
const ANSWER_CHARS_MAX: usize = 100;

const MESSAGE_TYPES: &Table = &[("1", Severity::Critical), ("2", Severity::Warning)];

const COMPARES: &[(&str, &str)] = &[
    ("gt", ">"),
    ("lt", "<"),
    ("ge", ">="),
    ("le", "<="),
    ("eq", "=="),
    ("ne", "!="),
];

impl Provider for Jiankong {
    fn about(&self) -> &About {
        &ABOUT
    }

    fn recognizes(&self, call: &Callback) -> bool {
        let status = match call.method.as_str() {
            "GET" => "task_status",
            "POST" => "message_status",
            _ => return false,
        };
        let said = Said::of(call);
        let keys = [
            "msg_id",
            "task_id",
            "fault_time",
            "task_type",
            "task_user_id",
        ];
        said.is_ok_and(|said| {
            let known = keys.iter().filter(|name| said.value(name).is_some());
            said.value(status).is_some() && known.count() >= 3
        })
    }

    fn proof<'a>(&self, call: &'a Callback, source: &'a Source) -> Proof<'a> {
        if source.tokens.is_empty() {
            return Proof::Nothing;
        }
        let said = Said::of(call).ok();
        let given = said.and_then(|said| said.value("token"));
        let message = said.map_or_else(String::new, |said| said.signed());
        Proof::Md5 {
            given,
            message,
            wanted: &source.tokens,
        }
    }

    fn read(&self, call: &Callback, source: &Source) -> Result<Reading, Fault> {
        let said = Said::of(call)?;
        let (status, status_word) = said.status()?;
        let metric = said.metric();
        let task_id = said.required("task_id")?;
        let task_type = said.text("task_type").unwrap_or_default();
        let server_id = said.text("server_id").unwrap_or_default();
        let identity = [&*task_id, &task_type, &server_id]
            .into_iter()
            .chain(metric.name.as_deref());
        let fingerprint = Fingerprint::of(self.name(), identity);

        let mut report = Report::new(said.required("msg_id")?, fingerprint, status);
        report
            .raw
            .insert("status".to_owned(), status_word.into_owned());
        let (severity, word) = said.severity(&task_type, source);
        report.severity = severity;
        report
            .raw
            .extend(word.map(|word| ("severity".to_owned(), word)));
        let begun = said.text("fault_time").unwrap_or_default();
        match time::seconds(&begun) {
            Some(seconds) => report.starts_at = time::at(seconds),
            None if begun.is_empty() => {}
            None => {
                let problem = format!("`{begun:.40}` is not a time in unix seconds");
                let fault = Fault::new(said.place("fault_time"), problem);
                report.leave_out("starts_at", &begun, fault);
            }
        }
        report.description = said.content().into_owned();
        report.metric = metric;
        report.resource = said.resource();
        report.title = title(&report.resource, &task_id);
        for name in ["message_type", "server_id", "task_summary", "task_type"] {
            let value = said.text(name).map(Cow::into_owned);
            report
                .labels
                .extend(value.map(|value| (name.to_owned(), value)));
        }
        Ok(Reading::one(report))
    }

    fn answer(&self, _: &Callback, outcome: &Outcome<'_>) -> Answer {
        let body = match outcome {
            Outcome::Accepted { id } => format!("OK {id}"),
            Outcome::Duplicate => "OK duplicate".to_owned(),
            Outcome::Quarantined => "OK kept for review".to_owned(),
            Outcome::Refused { .. } => "invalid token".to_owned(),
            Outcome::Rejected { .. } | Outcome::Unavailable => outcome.sentence().to_owned(),
        };
        let body: String = body.trim_end().chars().take(ANSWER_CHARS_MAX).collect();
        Answer::text(outcome.status(), body)
    }
}

/// The title, the same for firing and resolved: `load: 118.144.76.75(2)`.
fn title(resource: &Resource, task_id: &str) -> String {
    let name = resource
        .name
        .clone()
        .unwrap_or_else(|| format!("task {task_id}"));
    match &resource.kind {
        Some(kind) => format!("{kind}: {name}"),
        None => name,
    }
}

/// The parameters of a call: in the query, in a form, or in a JSON object.
#[derive(Clone, Copy)]
pub(crate) struct Said<'a> {
    call: &'a Callback,
    form: Form<'a>,
}

#[derive(Clone, Copy)]
pub(crate) enum Form<'a> {
    Params(&'a [(String, String)]),
    Json(&'a Map<String, Value>),
}

impl<'a> Said<'a> {
    pub(crate) fn of(call: &'a Callback) -> Result<Self, Fault> {
        let is_json = call.method == "POST"
            && call
                .text()
                .is_ok_and(|text| text.trim_start().starts_with('{'));
        let form = if is_json {
            let object = call.json()?.as_object();
            Form::Json(object.ok_or_else(|| Fault::new("body", "JSON, but not an object"))?)
        } else {
            Form::Params(call.params()?)
        };
        Ok(Self { call, form })
    }

    pub(crate) fn form(&self) -> Form<'a> {
        self.form
    }

    /// The decoded value with its blanks, because the vendor signs it so. The last one of a name counts, as in PHP.
    pub(crate) fn value(&self, name: &str) -> Option<Cow<'a, str>> {
        match self.form {
            Form::Params(params) => params
                .iter()
                .rfind(|(given, _)| given == name)
                .map(|(_, value)| value.as_str().into()),
            Form::Json(object) => match object.get(name)? {
                Value::Null => None,
                Value::String(text) => Some(text.as_str().into()),
                other => Some(other.to_string().into()),
            },
        }
    }

    /// The value without blanks around it; nothing if that is empty.
    fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        let text = match self.value(name)? {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
            Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
        };
        (!text.is_empty()).then_some(text)
    }

    fn required(&self, name: &str) -> Result<Cow<'a, str>, Fault> {
        self.text(name)
            .ok_or_else(|| Fault::new(self.place(name), "missing or empty"))
    }

    fn place(&self, name: &str) -> String {
        let part = if self.call.method == "GET" {
            "query"
        } else {
            "body"
        };
        format!("{part}.{name}")
    }

    /// The part of the signed text before the callback token.
    fn signed(&self) -> String {
        ["msg_id", "task_id", "fault_time"]
            .map(|name| self.value(name).unwrap_or_default())
            .concat()
    }

    /// The status, and the vendor's word for it. The words differ by method: 0 is resolved on `GET`, 2 on `POST`.
    fn status(&self) -> Result<(Status, Cow<'a, str>), Fault> {
        let (name, over) = if self.call.method == "GET" {
            ("task_status", "0")
        } else {
            ("message_status", "2")
        };
        let word = self.required(name)?;
        match &*word {
            "1" => Ok((Status::Firing, word)),
            other if other == over => Ok((Status::Resolved, word)),
            other => {
                let problem = format!("`{other:.40}` is neither 1 (firing) nor {over} (resolved)");
                Err(Fault::new(self.place(name), problem))
            }
        }
    }

    /// The severity, and the word that it was mapped from.
    fn severity(&self, task_type: &str, source: &Source) -> (Severity, Option<String>) {
        if let Some(severity) = table::operators(source, task_type) {
            return (severity, Some(task_type.to_owned()));
        }
        if self.call.method == "GET" {
            return (Severity::Critical, None);
        }
        let Some(word) = self.text("message_type") else {
            return (source.severity.unwrap_or_default(), None);
        };
        let known = MESSAGE_TYPES.iter().find(|(known, _)| *known == word);
        let severity = known.map_or(Severity::Unknown, |(_, severity)| *severity);
        (severity, Some(word.into_owned()))
    }

    /// The description, decoded once more if the sender encoded it twice.
    fn content(&self) -> Cow<'a, str> {
        let again = if self.call.method == "GET" {
            Again::WhenPercentIsThere
        } else {
            Again::WhenAlphabetFits
        };
        let declared = charset::declared(self.call).ok().flatten();
        let declared = declared.unwrap_or(encoding_rs::UTF_8);
        match self.value("content").unwrap_or_default() {
            Cow::Borrowed(text) => decoded_again(text, again, declared),
            Cow::Owned(text) => decoded_again(&text, again, declared).into_owned().into(),
        }
    }

    /// The rule in `message_detail`, if there is one.
    fn metric(&self) -> Metric {
        let detail = self.value("message_detail").unwrap_or_default();
        let Ok(Value::Object(detail)) = body::json(&detail) else {
            return Metric::default();
        };
        let text = |name: &str| detail.get(name).and_then(fields::scalar);
        let compare = text("compare").map(|word| {
            let mut known = COMPARES.iter();
            let sign = known.find(|(given, _)| word.eq_ignore_ascii_case(given));
            sign.map_or(word.into_owned(), |(_, sign)| (*sign).to_owned())
        });
        Metric {
            name: text("metric").map(Cow::into_owned),
            value: None,
            comparator: compare,
            threshold: text("value").and_then(|value| fields::number(&value)),
            unit: text("unit").map(Cow::into_owned),
        }
    }

    fn resource(&self) -> Resource {
        let text = |name| self.text(name).map(Cow::into_owned);
        Resource {
            kind: text("task_type"),
            id: text("task_id"),
            name: text("task_name").or_else(|| text("task_summary")),
            region: None,
            account: text("task_user_id"),
        }
    }
}
