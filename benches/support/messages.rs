//! Callbacks in the forms that vendors send and peers accept. Each message is unique.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use md5::{Digest, Md5};

/// The key of the `ucloud` source of the gateway under load.
pub(crate) const KEY: &str = "bench-key-0123456789";
/// The token of its other sources.
pub(crate) const TOKEN: &str = "bench-token-0123456789";

/// The id of a message at its vendor. The ids have no order, like random UUIDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Id(pub(crate) u64, pub(crate) u64);

/// A sequence of ids. No two sequences share an id, not even in different runs.
pub(crate) struct Ids {
    next: u64,
}

/// Makes the ids of one run of a bench different from those of other runs on the same store.
static RUN: LazyLock<u64> = LazyLock::new(rand::random);
static ROWS: AtomicU64 = AtomicU64::new(0);

impl Ids {
    pub(crate) fn new() -> Self {
        Self {
            next: ROWS.fetch_add(1, Ordering::Relaxed) << 32,
        }
    }

    pub(crate) fn next(&mut self) -> Id {
        self.next += 1;
        // The last step of SplitMix64: a bijection with output that looks random.
        let mut mixed = self.next.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ *RUN;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Id(mixed ^ (mixed >> 31), *RUN)
    }
}

/// The length of an id as text, in bytes.
pub(crate) const ID_BYTES: usize = 36;

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(a, b) = *self;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xffff,
            b >> 48,
            b & 0xffff_ffff_ffff,
        )
    }
}

/// The alerts in one message of [`Form::Notice`].
pub(crate) const NOTICE_ALERTS: u64 = 20;

/// The form of the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// UCloud's JSON to the gateway.
    Ucloud,
    /// UCloud's JSON to its own demo server.
    UcloudDemo,
    /// 監控專家's signed form to the gateway.
    Jiankong,
    /// Prometheus's JSON to `/api/v2/alerts`, of Alertmanager or of the gateway.
    Alertmanager,
    /// The same with [`NOTICE_ALERTS`] alerts.
    Notice,
    /// Alerta's JSON.
    Alerta,
    /// UCloud's JSON to a path of adnanh's webhook.
    Webhook,
    /// UCloud's JSON to a path of Node-RED.
    NodeRed,
}

impl Form {
    /// Replaces the content of `request` with the request for the message of this id.
    pub(crate) fn request(self, id: Id, request: &mut Vec<u8>) {
        let body = match self {
            Self::Ucloud | Self::UcloudDemo | Self::Webhook | Self::NodeRed => ucloud(id),
            Self::Jiankong => jiankong(id),
            Self::Alertmanager => alertmanager(id, 1),
            Self::Notice => alertmanager(id, NOTICE_ALERTS),
            Self::Alerta => alerta(id),
        };
        let (path, key) = match self {
            Self::Ucloud => ("/callback/ucloud/bench/", KEY),
            Self::UcloudDemo => ("/add", ""),
            Self::Jiankong => ("/callback/jiankong/bench", ""),
            Self::Alertmanager | Self::Notice => ("/api/v2/alerts", ""),
            Self::Alerta => ("/alert", ""),
            Self::Webhook => ("/hooks/bench", ""),
            Self::NodeRed => ("/bench", ""),
        };
        let (kind, proof, token) = match self {
            Self::Jiankong => ("application/x-www-form-urlencoded", "", ""),
            Self::Alertmanager | Self::Notice => (JSON, "\r\nauthorization: Bearer ", TOKEN),
            _ => (JSON, "", ""),
        };
        request.clear();
        write!(
            request,
            "POST {path}{key} HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: Go-http-client/1.1\r\ncontent-type: {kind}\
             {proof}{token}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("memory can be written to");
    }
}

const JSON: &str = "application/json";

fn ucloud(id: Id) -> String {
    let resource = id.0 % 1000;
    format!(
        "{{\"SessionID\":\"{id}\",\"Region\":\"cn-bj2\",\"ResourceType\":\"uhost\",\
         \"ResourceId\":\"uhost-{resource:05x}\",\"MetricName\":\"CPUUtilization\",\"AlarmTime\":1767232800,\
         \"RecoveryTime\":0,\
         \"Content\":\"【UCloud】Alarm: Beijing Two 2026-01-01 10:00:00 uhost(ID:uhost-{resource:05x}-10.9.0.1-) \
         CPU utilization rate(93.20)>90 % for 5 minutes, please look at it soon (UCloud) {:0>60}\"}}",
        "",
    )
}

fn jiankong(id: Id) -> String {
    let (message, task, time) = (id.0.to_string(), (id.0 % 1000).to_string(), "1767232800");
    let token = Md5::new()
        .chain_update(&message)
        .chain_update(&task)
        .chain_update(time)
        .chain_update(TOKEN)
        .finalize();
    let token = hex::encode(token);
    format!(
        "msg_id={message}&task_user_id=88&task_id={task}&task_type=http&fault_time={time}&message_type=1&\
         message_status=1&task_summary=site-a&task_name=site-a&content=%25E7%25BD%2591%25E7%25AB%2599+down&\
         token={token}"
    )
}

fn alertmanager(id: Id, alerts: u64) -> String {
    let alerts = (0..alerts).map(|number| alert_of_prometheus(Id(id.0, id.1 ^ number)));
    format!("[{}]", alerts.collect::<Vec<_>>().join(","))
}

fn alert_of_prometheus(id: Id) -> String {
    let instance = (id.0 ^ id.1) % 1000;
    format!(
        "{{\"labels\":{{\"alertname\":\"HighCPU\",\"instance\":\"host-{instance}:9100\",\"job\":\"node\",\
         \"severity\":\"warning\",\"session\":\"{id}\"}},\"annotations\":{{\"summary\":\"CPU above 90 %\",\
         \"description\":\"CPU utilization of host-{instance} is 93.2 % for 5 minutes, please look at it soon\"}},\
         \"generatorURL\":\"http://prometheus.example/graph?g0.expr=cpu\"}}"
    )
}

fn alerta(id: Id) -> String {
    let mut body = String::with_capacity(400);
    let written = write!(
        body,
        "{{\"resource\":\"uhost-{id}\",\"event\":\"CPUUtilization\",\"environment\":\"Production\",\
         \"severity\":\"warning\",\"service\":[\"uhost\"],\"group\":\"UCloud\",\"value\":\"93.20\",\
         \"text\":\"CPU utilization rate(93.20)>90 % for 5 minutes, please look at it soon\"}}"
    );
    written.expect("memory can be written to");
    body
}
