//! # What it sends
//!
//! Huawei Cloud Eye (CES) notifies an SMN topic when an alarm begins or ends, and SMN posts the notification to each HTTPS
//! subscription. It is an envelope in JSON with the alarm in `message`, as JSON text in the default form (`message_type`,
//! `alarm_status`, `template_variable`...) or in the form of the JSON template (`version` and `data`). SMN signs each message
//! with RSA and SHA-256, and sends it again after an answer of 5xx.
//!
//! # Point it here
//!
//! List the topics in the source: `topics = ["urn:smn:cn-north-4:<project>:alarms"]`. In the SMN console add a
//! subscription for each topic: protocol HTTPS, endpoint `https://<gateway>/callback/huawei-smn/<name>`. SMN asks for
//! confirmation. The gateway confirms automatically, but only for listed topics. The gateway must be able to reach
//! `smn.<region>.myhuaweicloud.com`. A `key` at the end of the path can be set in addition.
//!
//! # How it is read
//!
//! A message is accepted if its topic is listed and its signature is valid under the certificate at `signing_cert_url`. The
//! certificate must be at `https://smn.<region>.myhuaweicloud.com` (`.cn`, `.eu`) and valid at the time of arrival.
//!
//! `alarm_status` (`alarm`, `ok`) is the status; in the form of the JSON template it is `IsAlarm`. The message id is
//! `message_id`. The fingerprint is made from `alarm_id` and `dimension`, or from the template's `AlarmRuleName`,
//! `ResourceId` and `MetricName`. `AlarmLevel` is the severity: Critical, Major (error), Minor (warning), Informational.
//! The start or the end is `time`, or `AlarmTime` if it can be read, else the envelope's `timestamp`.
//!
//! A `message` that is not JSON, as log alarms send it, is one firing alert. Its title is `subject`, and its fingerprint is
//! made from topic and subject. Nothing in it shows that a problem is resolved.
//!
//! # What is not kept
//!
//! Other fields of the alarm and the parts of `template_variable` that are not named here. JSON of another form is
//! quarantined. The hosts at which a subscription may be confirmed were seen in use; Huawei publishes no list of them. The
//! issuer of the certificate is not checked beyond TLS to its host.

use std::sync::LazyLock;

use serde_json::Value;

use crate::about::About;
use crate::answer::{Answer, Outcome};
use crate::page::page;
use crate::parse::fields::number;
use crate::parse::table::Table;
use crate::parse::topic::{self, Envelope, Object, https_host, is_region, object, text};
use crate::parse::{table, time};
use crate::provider::Provider;
use crate::reading::Reading;
use crate::source::Source;
use crate::trust::certificate::Hash;
use crate::trust::proof::Proof;
use campanile_model::Callback;
use campanile_model::Fault;
use campanile_model::body;
use campanile_model::{Fingerprint, Report, Severity, Status};
use campanile_settings::{Type, optional};

/// The provider.
#[derive(Debug)]
pub(crate) struct HuaweiSmn;

static ABOUT: LazyLock<About> = LazyLock::new(|| About {
    name: NAME.into(),
    title: "Huawei Cloud Eye by SMN".into(),
    doc: page(include_str!("huawei_smn.rs")),
    settings: vec![optional(
        "topics",
        Type::Texts,
        r#"["urn:smn:cn-north-4:0123456789abcdef0123456789abcdef:alarms"]"#,
        "The topics whose messages are accepted and whose subscriptions are confirmed, by their URN.",
    )],
    proof: "RSA signature + listed topic".into(),
    message_id: "message_id".into(),
    confidence: "documented".into(),
    chinese: true,
    ..About::default()
});

const NAME: &str = "huawei-smn";

pub(crate) const ENVELOPE: Envelope = Envelope {
    kind: "type",
    topic: "topic_urn",
    signature: "signature",
    certificate: "signing_cert_url",
    subscribe: "subscribe_url",
    signed: &[
        "message",
        "message_id",
        "subject",
        "timestamp",
        "topic_urn",
        "type",
    ],
    signed_to_confirm: &[
        "message",
        "message_id",
        "subscribe_url",
        "timestamp",
        "topic_urn",
        "type",
    ],
    hash: |envelope| {
        let version = text(envelope, "signature_version")?;
        (version == "v1").then_some(Hash::Sha256)
    },
    serves_certificates: |url| is_at_smn(url) && url.strip_suffix(".pem").is_some(),
    confirms: |url| is_at_smn(url) || is_at_console(url),
};

const LEVELS: &Table = &[
    ("critical", Severity::Critical),
    ("紧急", Severity::Critical),
    ("major", Severity::Error),
    ("重要", Severity::Error),
    ("minor", Severity::Warning),
    ("次要", Severity::Warning),
    ("informational", Severity::Info),
    ("info", Severity::Info),
    ("提示", Severity::Info),
];

impl Provider for HuaweiSmn {
    fn about(&self) -> &About {
        &ABOUT
    }

    fn recognizes(&self, call: &Callback) -> bool {
        let keys = [
            "type",
            "message_id",
            "topic_urn",
            "signing_cert_url",
            "signature_version",
        ];
        let known = object(call).map_or(0, |envelope| {
            keys.iter()
                .filter(|key| envelope.contains_key(**key))
                .count()
        });
        call.method == "POST" && known >= 3
    }

    fn proof<'a>(&self, call: &'a Callback, source: &'a Source) -> Proof<'a> {
        ENVELOPE.proof(call, source)
    }

    fn is_proof_set(&self, source: &Source) -> bool {
        topic::is_listing(source)
    }

    fn read(&self, call: &Callback, source: &Source) -> Result<Reading, Fault> {
        let envelope = object(call)?;
        match text(envelope, "type").as_deref() {
            Some("Notification") => notification(envelope, source).map(Reading::one),
            Some("SubscriptionConfirmation") => ENVELOPE.confirmation(envelope, source),
            Some("UnsubscribeConfirmation") => Ok(Reading::ignored("the subscription was removed")),
            _ => Err(Fault::new(
                "body.type",
                "missing, or not a type that SMN sends",
            )),
        }
    }

    fn answer(&self, _: &Callback, outcome: &Outcome<'_>) -> Answer {
        Answer::text(outcome.status(), outcome.sentence())
    }
}

/// `https://smn.<region>.myhuaweicloud.com/...`, or `.cn`, or `.eu`.
fn is_at_smn(url: &str) -> bool {
    let host = https_host(url).unwrap_or_default();
    let ends = [
        ".myhuaweicloud.com",
        ".myhuaweicloud.cn",
        ".myhuaweicloud.eu",
    ];
    let bare = ends.iter().find_map(|end| host.strip_suffix(end));
    bare.and_then(|bare| bare.strip_prefix("smn."))
        .is_some_and(is_region)
}

/// `https://console.huaweicloud.com/...`, or the console of a region.
fn is_at_console(url: &str) -> bool {
    let host = https_host(url).unwrap_or_default();
    let console = host.strip_suffix("console.huaweicloud.com");
    let region = |before: &str| before.strip_suffix('-').is_some_and(is_region);
    console.is_some_and(|before| before.is_empty() || region(before))
}

fn notification(envelope: &Object, source: &Source) -> Result<Report, Fault> {
    let id = text(envelope, "message_id");
    let id = id.ok_or_else(|| Fault::new("body.message_id", "missing or empty"))?;
    let message = text(envelope, "message").unwrap_or_default();
    let mut report = match body::json(&message) {
        Ok(Value::Object(alarm)) => match alarm.get("data") {
            Some(Value::Object(data)) if alarm.contains_key("version") => {
                from_template(data, id, source)?
            }
            _ => from_default(&alarm, id, source)?,
        },
        _ => from_text(envelope, message, id, source),
    };
    let topic = text(envelope, "topic_urn").unwrap_or_default();
    // urn:smn:<region>:<project>:<name>
    let mut parts = topic.split(':').skip(2).map(str::to_owned);
    let (region, account) = (parts.next(), parts.next());
    report.resource.region = report.resource.region.or(region);
    report.resource.account = account;
    let when = match report.status {
        Status::Firing => report.starts_at,
        Status::Resolved => report.ends_at,
    };
    if when.is_none() {
        time::set(&mut report, envelope.get("timestamp"), "body.timestamp");
    }
    report.labels.insert("topic".to_owned(), topic);
    Ok(report)
}

/// An alarm in the default form.
fn from_default(alarm: &Object, id: String, source: &Source) -> Result<Report, Fault> {
    let said = |name: &str| text(alarm, name);
    let no_variables = Object::new();
    let variables = alarm.get("template_variable").and_then(Value::as_object);
    let variables = variables.unwrap_or(&no_variables);
    let status = said("alarm_status")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let status = match status.as_str() {
        "alarm" => Status::Firing,
        "ok" => Status::Resolved,
        _ => {
            let problem = "missing, or neither `alarm` nor `ok`";
            return Err(Fault::new("body.message.alarm_status", problem));
        }
    };
    let dimension = said("dimension").unwrap_or_default();
    let rule = said("alarm_id").or_else(|| said("alarm_name"));
    let rule = rule.ok_or_else(|| Fault::new("body.message.alarm_id", "missing or empty"))?;
    let fingerprint = Fingerprint::of(NAME, [rule.as_str(), dimension.as_str()]);
    let mut report = Report::new(id, fingerprint, status);
    report
        .raw
        .extend(said("alarm_status").map(|word| ("status".to_owned(), word)));
    severity(&mut report, variables, source);
    report.title = said("alarm_name").unwrap_or(rule);
    report.description = said("sms_content")
        .or_else(|| said("default_content"))
        .unwrap_or_default();
    // instance_id:<uuid>,disk:sda1
    let first = dimension
        .split(',')
        .next()
        .and_then(|pair| pair.split_once(':'));
    report.resource.kind = said("namespace");
    report.resource.id =
        text(variables, "ResourceId").or_else(|| first.map(|(_, id)| id.to_owned()));
    report.resource.name = text(variables, "ResourceName");
    report.resource.region = text(variables, "Region");
    let values = alarm.get("alarmValue").and_then(Value::as_array);
    let last = values.and_then(|values| values.last()?.get("value")?.as_number().cloned());
    report.metric.name = said("metric_name");
    report.metric.value = last;
    report.metric.comparator = said("comparison_operator");
    report.metric.threshold = said("value").and_then(|value| number(&value));
    report.metric.unit = said("unit");
    time::set(&mut report, alarm.get("time"), "body.message.time");
    if !dimension.is_empty() {
        report.labels.insert("dimension".to_owned(), dimension);
    }
    Ok(report)
}

/// An alarm in the form of the JSON template.
fn from_template(data: &Object, id: String, source: &Source) -> Result<Report, Fault> {
    let said = |name: &str| text(data, name);
    let is_alarm = said("IsAlarm").unwrap_or_default();
    let status = match is_alarm.to_ascii_lowercase().as_str() {
        "true" => Status::Firing,
        "false" | "" => Status::Resolved,
        _ => {
            let problem = "neither true nor false";
            return Err(Fault::new("body.message.data.IsAlarm", problem));
        }
    };
    let rule = said("AlarmRuleName");
    let rule =
        rule.ok_or_else(|| Fault::new("body.message.data.AlarmRuleName", "missing or empty"))?;
    let [resource, metric] = ["ResourceId", "MetricName"].map(said);
    let identity = [Some(rule.as_str()), resource.as_deref(), metric.as_deref()];
    let fingerprint = Fingerprint::of(NAME, identity.map(Option::unwrap_or_default));
    let mut report = Report::new(id, fingerprint, status);
    report.raw.insert("status".to_owned(), is_alarm);
    severity(&mut report, data, source);
    report.title = rule;
    report.resource.id = resource;
    report.resource.kind = said("Namespace");
    report.resource.name = said("ResourceName");
    report.resource.region = said("RegionId").or_else(|| said("Region"));
    report.metric.name = metric;
    report.metric.value = said("CurrentData").and_then(|value| number(&value));
    report.metric.comparator = said("ComparisonOperator");
    report.metric.threshold = said("Value").and_then(|value| number(&value));
    report.metric.unit = said("Unit");
    // 2026/01/01 10:00:00 GMT+08:00
    let at = said("AlarmTime").map(|at| Value::String(at.replace(" GMT", " ")));
    time::set(&mut report, at.as_ref(), "body.message.data.AlarmTime");
    for (label, name) in [("record", "AlarmRecordID"), ("private_ip", "PrivateIp")] {
        report
            .labels
            .extend(said(name).map(|value| (label.to_owned(), value)));
    }
    Ok(report)
}

/// A message that is plain text.
fn from_text(envelope: &Object, message: String, id: String, source: &Source) -> Report {
    let [topic, subject] = ["topic_urn", "subject"].map(|name| text(envelope, name));
    let first_line = message.lines().next().unwrap_or("alert").to_owned();
    let title = subject.unwrap_or(first_line);
    let fingerprint = Fingerprint::of(NAME, [topic.unwrap_or_default().as_str(), &title]);
    let mut report = Report::new(id, fingerprint, Status::Firing);
    report.severity = source.severity.unwrap_or_default();
    report.title = title;
    report.description = message;
    report
}

fn severity(report: &mut Report, variables: &Object, source: &Source) {
    match text(variables, "AlarmLevel") {
        Some(word) => {
            report.severity = table::severity(source, LEVELS, &word);
            report.raw.insert("severity".to_owned(), word);
        }
        None => report.severity = source.severity.unwrap_or_default(),
    }
}
