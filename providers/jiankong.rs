//! # What it sends
//!
//! 監控專家 and 监控宝 (Cloudwise) call one URL for a fault and for its end: by `GET` with everything in the query, by
//! `POST` as a form, or (since version 6) by `POST` as JSON with the same names. The names are `msg_id`, `task_id`,
//! `task_user_id`, `task_type`, `task_name`, `task_summary`, `server_id`, `fault_time`, `content` and `token`; `GET` adds
//! `task_status`, `POST` adds `message_type`, `message_status` and `message_detail`.
//!
//! # Point it here
//!
//! In the console, under notification settings, URL callback: enter `https://<gateway>/callback/jiankong/<name>`, choose
//! `POST` (the vendor recommends it; it says more), and copy the callback token shown there into
//! `token = { file = "..." }` of the source. The token proves `msg_id`, `task_id` and `fault_time`, not the status and
//! not the text; a key at the end of the path can be set beside it.
//!
//! # How it is read
//!
//! On `GET`, `task_status` 1 is firing and 0 is resolved; on `POST`, `message_status` 1 is firing and 2 is resolved.
//! Where a parameter stands twice, the last one holds. The message id is `msg_id`. The problem is `task_id`, `task_type`,
//! `server_id`, and the metric of `message_detail` where there is one.
//!
//! A fault (`message_type` 1, or any `GET`) is critical, a reminder (2) a warning, another word `unknown`. `severities`
//! in the source maps `task_type` and is asked first; `severity` in the source holds where `message_type` is missing.
//!
//! `fault_time` is documented as when the fault happened, on a recovery too. So it is always the beginning; when the
//! problem ended is not said, and `ends_at` stays empty.
//!
//! `content` is decoded once more, because the vendor encodes it twice on `POST` and not always on `GET`: only if it is
//! wholly in the alphabet of an encoder and, on `GET`, has a `%XX`. `message_detail` gives the metric's name, comparator
//! and unit; its `value` is the threshold of the rule, as the vendor's example shows.
//!
//! # What is not kept
//!
//! `token`, parameters that are not named here, and a `message_detail` that is no JSON object.

mod said;

use std::borrow::Cow;
use std::sync::LazyLock;

use md5::{Digest, Md5};
use secrecy::ExposeSecret;
use serde_json::Value;

use self::said::{Form, Said};
use crate::model::alert::{Fingerprint, Report, Resource};
use crate::model::answer::{Answer, Outcome};
use crate::model::callback::Callback;
use crate::model::page::page;
use crate::model::provider::{Provider, Setting, SettingKind, Stamp};
use crate::model::reading::{Reading, Unreadable};
use crate::model::source::Source;
use crate::parse::proof::Proof;
use crate::parse::time;

/// The adapter.
#[derive(Debug)]
pub(crate) struct Jiankong;

static PAGE: LazyLock<String> = LazyLock::new(|| page(include_str!("jiankong.rs")));

/// The vendor asks for no more, in characters.
const ANSWER_CHARS_MAX: usize = 100;

impl Provider for Jiankong {
    fn name(&self) -> &'static str {
        "jiankong"
    }

    fn title(&self) -> &'static str {
        "監控專家 / 监控宝"
    }

    fn doc(&self) -> &str {
        &PAGE
    }

    fn methods(&self) -> &[&'static str] {
        &["GET", "POST"]
    }

    fn settings(&self) -> &[Setting] {
        &[Setting {
            name: "token",
            kind: SettingKind::Token,
            doc: "The callback token that the console shows. Two while one is being replaced.",
        }]
    }

    fn proof_kind(&self) -> &'static str {
        "MD5 token"
    }

    fn message_id_kind(&self) -> &'static str {
        "msg_id"
    }

    fn confidence(&self) -> &'static str {
        "documented"
    }

    fn recognizes(&self, call: &Callback) -> bool {
        let status = match call.method.as_str() {
            "GET" => "task_status",
            "POST" => "message_status",
            _ => return false,
        };
        let said = Said::of(call);
        let mut needed = ["msg_id", "task_id", "fault_time", status].into_iter();
        said.is_ok_and(|said| needed.all(|name| said.value(name).is_some()))
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

    fn read(&self, call: &Callback, source: &Source) -> Result<Reading, Unreadable> {
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
        report.starts_at = said
            .text("fault_time")
            .and_then(|text| time::at(time::seconds(&text)?));
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

    fn refresh(&self, call: Callback, stamp: &Stamp<'_>) -> Callback {
        let fresh = |name: &str| match name {
            "msg_id" => Some(stamp.serial.to_string()),
            "fault_time" => Some(stamp.at.as_second().to_string()),
            "token" => stamp.token.map(|token| {
                let said = Said::of(&call).ok();
                let task_id = said
                    .and_then(|said| said.value("task_id"))
                    .unwrap_or_default();
                let at = stamp.at.as_second();
                let message = format!("{}{task_id}{at}{}", stamp.serial, token.expose_secret());
                hex::encode(Md5::digest(message))
            }),
            _ => None,
        };
        if let Ok(Form::Json(object)) = Said::of(&call).map(|said| said.form()) {
            let mut object = object.clone();
            for (name, value) in &mut object {
                *value = fresh(name).map_or_else(|| value.take(), Value::from);
            }
            return call.with_body(Value::Object(object).to_string());
        }
        let mut form = form_urlencoded::Serializer::new(String::new());
        for (name, value) in call.params().unwrap_or_default() {
            form.append_pair(name, fresh(name).as_deref().unwrap_or(value));
        }
        let encoded = form.finish();
        if call.method == "GET" {
            let mut call = call.clone();
            call.query = encoded;
            return call;
        }
        let mut call = call.with_body(encoded);
        call.query.clear();
        call
    }
}

/// The same for firing and resolved: `load: 118.144.76.75(2)`.
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
