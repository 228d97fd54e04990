//! # What it sends
//!
//! AWS `CloudWatch` notifies an SNS topic when an alarm changes its state, and SNS posts the notification to each HTTPS
//! subscription. It is an envelope in JSON (sent as `text/plain`) with the alarm as JSON text in `Message`. SNS signs each
//! message with RSA (`SignatureVersion` 1: SHA-1, 2: SHA-256). It sends a message again after an answer of 5xx, or if there
//! is no answer within 15 seconds, but not after an answer of 4xx.
//!
//! # Point it here
//!
//! List the topics in the source: `topics = ["arn:aws:sns:eu-west-1:111122223333:ops"]`. In the SNS console create a
//! subscription for each topic: protocol HTTPS, endpoint `https://<gateway>/callback/cloudwatch/<name>`. Leave raw message
//! delivery off: raw messages are not signed. SNS asks for confirmation. The gateway confirms automatically, but only for
//! listed topics. The gateway must be able to reach `sns.<region>.amazonaws.com`. A `key` at the end of the path can be set
//! in addition.
//!
//! # How it is read
//!
//! A message is accepted if its topic is listed and its signature is valid under the certificate at `SigningCertURL`. The
//! certificate must be at `https://sns.<region>.amazonaws.com` (or `.com.cn`) and valid at the time of arrival.
//!
//! `NewStateValue` is the status: `ALARM` is firing, `OK` is resolved. `INSUFFICIENT_DATA` is answered as success and is
//! not an alert. The message id is the `MessageId` of SNS, which is the same on every attempt. The fingerprint is made from
//! `AlarmArn`, else from account, region and name of the alarm. `StateChangeTime`, else the envelope's `Timestamp`, is the
//! start or the end. `CloudWatch` has no severities: set `severity` in the source. The measured value is read from
//! `NewStateReason` if it is in brackets there. Dimensions become labels. The resource is the most
//! specific dimension: a pod, service, target group or instance before the cluster or the zone that contains it.
//!
//! # What is not kept
//!
//! Other fields of the alarm and of its trigger; metrics of metric-math alarms. A message of a listed topic that is not an
//! alarm is quarantined. `Timestamp` may have any age: SNS retries for up to an hour, and a replayed message is a
//! duplicate. The issuer of the certificate is not checked beyond TLS to its host.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

use crate::about::About;
use crate::answer::{Answer, Outcome};
use crate::page::page;
use crate::parse::fields::number;
use crate::parse::time;
use crate::parse::topic::{self, Envelope, Object, https_host, is_region, object, text};
use crate::provider::Provider;
use crate::reading::Reading;
use crate::source::Source;
use crate::trust::certificate::Hash;
use crate::trust::proof::Proof;
use campanile_model::Callback;
use campanile_model::Fault;
use campanile_model::body;
use campanile_model::{Fingerprint, Report, Status};
use campanile_settings::{Type, optional};

/// The provider.
#[derive(Debug)]
pub(crate) struct CloudWatch;

static ABOUT: LazyLock<About> = LazyLock::new(|| About {
    name: NAME.into(),
    title: "AWS CloudWatch by SNS".into(),
    doc: page(include_str!("cloudwatch.rs")),
    settings: vec![optional(
        "topics",
        Type::Texts,
        r#"["arn:aws:sns:eu-west-1:111122223333:alarms"]"#,
        "The topics whose messages are accepted and whose subscriptions are confirmed, by their ARN.",
    )],
    proof: "RSA signature + listed topic".into(),
    message_id: "MessageId".into(),
    confidence: "documented".into(),
    ..About::default()
});

const NAME: &str = "cloudwatch";

pub(crate) const ENVELOPE: Envelope = Envelope {
    kind: "Type",
    topic: "TopicArn",
    signature: "Signature",
    certificate: "SigningCertURL",
    subscribe: "SubscribeURL",
    signed: &[
        "Message",
        "MessageId",
        "Subject",
        "Timestamp",
        "TopicArn",
        "Type",
    ],
    signed_to_confirm: &[
        "Message",
        "MessageId",
        "SubscribeURL",
        "Timestamp",
        "Token",
        "TopicArn",
        "Type",
    ],
    hash: |envelope| match text(envelope, "SignatureVersion").as_deref() {
        Some("1") => Some(Hash::Sha1),
        Some("2") => Some(Hash::Sha256),
        _ => None,
    },
    serves_certificates: |url| is_at_aws(url) && url.strip_suffix(".pem").is_some(),
    confirms: is_at_aws,
};

const COMPARATORS: &[(&str, &str)] = &[
    ("GreaterThanThreshold", ">"),
    ("GreaterThanOrEqualToThreshold", ">="),
    ("LessThanThreshold", "<"),
    ("LessThanOrEqualToThreshold", "<="),
];

impl Provider for CloudWatch {
    fn about(&self) -> &About {
        &ABOUT
    }

    fn recognizes(&self, call: &Callback) -> bool {
        let keys = [
            "Type",
            "MessageId",
            "TopicArn",
            "SigningCertURL",
            "SignatureVersion",
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
        match text(envelope, "Type").as_deref() {
            Some("Notification") => notification(envelope, source),
            Some("SubscriptionConfirmation") => ENVELOPE.confirmation(envelope, source),
            Some("UnsubscribeConfirmation") => Ok(Reading::ignored("the subscription was removed")),
            _ => Err(Fault::new(
                "body.Type",
                "missing, or not a type that SNS sends",
            )),
        }
    }

    fn answer(&self, _: &Callback, outcome: &Outcome<'_>) -> Answer {
        Answer::text(outcome.status(), outcome.sentence())
    }
}

/// `https://sns.<region>.amazonaws.com/...`, or `.com.cn`.
fn is_at_aws(url: &str) -> bool {
    let host = https_host(url).unwrap_or_default();
    let bare = host.strip_suffix(".cn").unwrap_or(host);
    let region = bare
        .strip_prefix("sns.")
        .and_then(|rest| rest.strip_suffix(".amazonaws.com"));
    region.is_some_and(is_region)
}

fn notification(envelope: &Object, source: &Source) -> Result<Reading, Fault> {
    let id = text(envelope, "MessageId");
    let id = id.ok_or_else(|| Fault::new("body.MessageId", "missing or empty"))?;
    let no_alarm = || Fault::new("body.Message", "not a CloudWatch alarm in JSON");
    let message = text(envelope, "Message").ok_or_else(no_alarm)?;
    let Ok(Value::Object(alarm)) = body::json(&message) else {
        return Err(no_alarm());
    };
    let name = text(&alarm, "AlarmName").ok_or_else(no_alarm)?;
    let state = text(&alarm, "NewStateValue").unwrap_or_default();
    let status = match state.as_str() {
        "ALARM" => Status::Firing,
        "OK" => Status::Resolved,
        "INSUFFICIENT_DATA" => {
            return Ok(Reading::ignored(
                "CloudWatch does not have enough data for a state",
            ));
        }
        _ => {
            let problem = "missing, or not one of ALARM, OK, INSUFFICIENT_DATA";
            return Err(Fault::new("body.Message.NewStateValue", problem));
        }
    };
    let changed = alarm
        .get("StateChangeTime")
        .or_else(|| envelope.get("Timestamp"));
    let mut report = report(&alarm, &name, id, status);
    time::set(&mut report, changed, "body.Message.StateChangeTime");
    report.severity = source.severity.unwrap_or_default();
    report.raw.insert("status".to_owned(), state);
    let topic = text(envelope, "TopicArn");
    report
        .labels
        .extend(topic.map(|topic| ("topic".to_owned(), topic)));
    Ok(Reading::one(report))
}

fn report(alarm: &Object, name: &str, id: String, status: Status) -> Report {
    let said = |name: &str| text(alarm, name);
    let arn = said("AlarmArn");
    let (account, region) = (said("AWSAccountId"), said("Region"));
    let fingerprint = match &arn {
        Some(arn) => Fingerprint::of(NAME, [arn.as_str()]),
        None => Fingerprint::of(
            NAME,
            [
                account.as_deref().unwrap_or_default(),
                region.as_deref().unwrap_or_default(),
                name,
            ],
        ),
    };
    let mut report = Report::new(id, fingerprint, status);
    let reason = said("NewStateReason").unwrap_or_default();
    name.clone_into(&mut report.title);
    let sentences = [said("AlarmDescription").unwrap_or_default(), reason.clone()];
    let sentences: Vec<&str> = sentences
        .iter()
        .map(String::as_str)
        .filter(|t| !t.is_empty())
        .collect();
    report.description = sentences.join("\n");
    // arn:aws:cloudwatch:eu-west-1:111122223333:alarm:name
    let code = arn.as_deref().and_then(|arn| arn.split(':').nth(3));
    report.resource.region = code.map(str::to_owned).or(region);
    report.resource.account = account;
    report.labels.insert("alarm".to_owned(), name.to_owned());
    let Some(trigger) = alarm.get("Trigger").and_then(Value::as_object) else {
        return report;
    };
    let metric = metric(trigger);
    report.resource.kind = text(metric, "Namespace");
    report.resource.id = most_specific(metric);
    report
        .labels
        .extend(dimensions(metric).collect::<BTreeMap<_, _>>());
    report.metric.name = text(metric, "MetricName");
    report.metric.unit = text(trigger, "Unit");
    report.metric.threshold = text(trigger, "Threshold").and_then(|text| number(&text));
    report.metric.comparator = text(trigger, "ComparisonOperator").map(|word| {
        let known = COMPARATORS.iter().find(|(theirs, _)| *theirs == word);
        known.map_or(word, |(_, sign)| (*sign).to_owned())
    });
    // `1 datapoint [97.0 (02/04/25 08:10:00)] was greater than ...`
    let bracket = reason
        .split_once('[')
        .and_then(|(_, after)| after.split(' ').next());
    report.metric.value = bracket.and_then(number);
    report
}

/// The metric of a trigger. An alarm on an anomaly or on an expression has its metrics in a list, one level deeper. The
/// first metric of the list is used.
fn metric(trigger: &Object) -> &Object {
    let listed = trigger.get("Metrics").and_then(Value::as_array);
    let mut metrics = listed
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.pointer("/MetricStat/Metric")?.as_object());
    metrics.next().unwrap_or(trigger)
}

/// Dimensions that name a part of something, before the thing that another dimension names.
const PARTS: &[&str] = &[
    "PodName",
    "TaskId",
    "TargetGroup",
    "ServiceName",
    "InstanceId",
    "DBInstanceIdentifier",
    "FunctionName",
];

/// Dimensions that only say where a thing is, or of which class it is.
const SCOPES: &[&str] = &[
    "AutoScalingGroupName",
    "AvailabilityZone",
    "ClientId",
    "ClusterName",
    "DBClusterIdentifier",
    "ImageId",
    "InstanceType",
    "LoadBalancer",
    "LoadBalancerName",
    "Namespace",
    "Region",
    "Role",
    "Stage",
    "StorageType",
];

/// The value of the most specific dimension. CloudWatch lists them in no fixed order.
fn most_specific(trigger: &Object) -> Option<String> {
    let rank = |name: &str| {
        let part = PARTS.iter().position(|part| *part == name);
        part.unwrap_or(PARTS.len() + usize::from(SCOPES.contains(&name)))
    };
    let best = dimensions(trigger).min_by_key(|(name, _)| rank(name));
    best.map(|(_, value)| value)
}

fn dimensions(trigger: &Object) -> impl Iterator<Item = (String, String)> {
    let listed = trigger.get("Dimensions").and_then(Value::as_array);
    let pair = |dimension: &Value| {
        let dimension = dimension.as_object()?;
        Some((text(dimension, "name")?, text(dimension, "value")?))
    };
    listed.into_iter().flatten().filter_map(pair)
}
