//! The messages of vendors: two forms that are built here, with their own problem and message id, and fixtures of other
//! vendors that are renewed by the rules of the vendor.

use campanile_model::Callback;
use md5::{Digest, Md5};
use serde_json::{Value, json};

use campanile_wire::request;

/// The sources of UCloud's form, with their keys.
pub(crate) const UCLOUD: [(&str, &str); 2] = [
    ("prod", "canary-key-of-ucloud-prod"),
    ("white", "canary-key-of-ucloud-white"),
];

/// The callback token of 監控專家.
pub(crate) const JIANKONG_TOKEN: &str = "canary-token-of-jiankong";

/// The start time in the alarms of 監控專家.
const FAULT_TIME: u64 = 1_271_767_302;

/// Texts with characters that a store or an encoding could damage.
const TEXTS: [&str; 4] = [
    "CPU > 90 % a+b 100%25",
    "恢复告警线[最近5分钟平均负载大于 1]",
    "disk \"data\" \\ full\n\tsee <runbook>",
    "Ünïcödé 🔔 \u{200b} end",
];

/// One alert of a message, as receivers must get it.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    /// Source and message id.
    pub(crate) key: String,
    /// Source and problem.
    pub(crate) lane: String,
    pub(crate) source: String,
    /// The alert, without what the gateway adds.
    pub(crate) alert: Value,
}

/// One request of a vendor.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) raw: Vec<u8>,
    pub(crate) said: Vec<Said>,
}

/// A step in the history of a problem: its alarm, its recovery, its next alarm.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) problem: u64,
    pub(crate) turn: u64,
}

impl Step {
    pub(crate) fn is_resolved(self) -> bool {
        self.turn % 2 == 1
    }

    fn text(self) -> &'static str {
        let at = usize::try_from(self.problem % TEXTS.len() as u64).unwrap_or(0);
        TEXTS[at]
    }
}

/// UCloud's JSON: an alarm and its recovery share a session.
pub(crate) fn ucloud(name: &str, key: &str, step: Step) -> Vec<u8> {
    let Step { problem, turn } = step;
    let body = json!({
        "SessionID": format!("session-{problem}-{}", turn / 2),
        "Region": "cn-north-03", "ResourceType": "uhost",
        "ResourceId": format!("uhost-{problem}"), "MetricName": "MemUsage",
        "AlarmTime": 1_470_822_697, "RecoveryTime": if step.is_resolved() { 1_470_823_697 } else { 0 },
        "Content": step.text(),
    });
    let target = format!("/callback/ucloud/{name}/{key}");
    request("POST", &target, "", body.to_string().as_bytes())
}

/// The two forms of 監控專家, with the token that its sender computes.
pub(crate) fn jiankong(post: bool, step: Step) -> Vec<u8> {
    let Step { problem, turn } = step;
    let id = problem * 16 + turn;
    let token = hex::encode(Md5::digest(format!(
        "{id}{problem}{FAULT_TIME}{JIANKONG_TOKEN}"
    )));
    let content = encode(step.text());
    let form = format!(
        "msg_id={id}&task_user_id=7001&task_id={problem}&task_type=http&fault_time={FAULT_TIME}\
         &task_summary=www.example.com&token={token}"
    );
    if post {
        let status = if step.is_resolved() { 2 } else { 1 };
        let content = encode(&content);
        let body = format!("{form}&message_type=1&message_status={status}&content={content}");
        let kind = "content-type: application/x-www-form-urlencoded\r\n";
        return request("POST", "/callback/jiankong/web", kind, body.as_bytes());
    }
    let status = u8::from(!step.is_resolved());
    let target = format!("/callback/jiankong/web?{form}&task_status={status}&content={content}");
    request("GET", &target, "", b"")
}

/// The bytes of a callback on the wire.
pub(crate) fn raw(call: &Callback) -> Vec<u8> {
    let framing = [
        "content-length",
        "transfer-encoding",
        "host",
        "connection",
        "expect",
    ];
    let kept = call.headers.iter();
    let kept = kept.filter(|(name, _)| !framing.contains(&name.as_str()));
    let lines: Vec<_> = kept
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let headers = lines.concat();
    let question = if call.query.is_empty() { "" } else { "?" };
    let target = format!("{}{question}{}", call.path, call.query);
    request(&call.method, &target, &headers, &call.body)
}

/// Percent-encodes everything that is not a letter or a digit.
fn encode(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}
