//! Callbacks with alerts of about 400 bytes.

use campanile_model::{Clock, Fingerprint, Severity, Status};
use campanile_store::{Arrival, Entry, NewAlert, SinkId};

/// A callback with new messages about some of `problems` problems, for these sinks.
pub(crate) fn entry(alerts: usize, problems: u64, sinks: &[SinkId]) -> Entry {
    let session: u128 = rand::random();
    let alerts = (0..alerts).map(|_| alert(problems, sinks));
    Entry {
        source: "a/b".into(),
        received_at: Clock::machine().now(),
        callback: format!(
            "POST /callback/ucloud/a/*** HTTP/1.1\r\nuser-agent: Go-http-client/1.1\r\ncontent-type: application/json\r\n\r\n\
             {{\"SessionID\":\"{session:032x}\",\"Region\":\"cn-bj2\",\"ResourceType\":\"uhost\",\"MetricName\":\"CPUUtilization\",\
             \"Content\":\"Alarm: CPU utilization rate(93.20)>90 % for 5 minutes, please look at it soon\"}}"
        )
        .into_bytes(),
        alerts: alerts.collect(),
        faults: Vec::new(),
        arrival: Arrival::default(),
    }
}

fn alert(problems: u64, sinks: &[SinkId]) -> NewAlert {
    let key: u128 = rand::random();
    let problem = rand::random::<u64>() % problems;
    NewAlert {
        key: key.to_be_bytes(),
        content: rand::random(),
        fingerprint: Fingerprint(problem.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        status: Status::Firing,
        severity: Severity::Warning,
        body: format!(
            r#"{{"source":"a/b","message_id":"{key:032x}","fingerprint":"{problem:016x}","status":"firing","severity":"warning","title":"CPU of web-{problem}","description":"CPUUtilization of uhost-{problem} is above 90 % since five minutes","resource":{{"type":"uhost","id":"uhost-{problem}","name":"web-{problem}","region":"cn-bj2","account":""}},"labels":{{"team":"db"}},"links":[],"raw":{{}}}}"#
        )
        .into_bytes(),
        sinks: sinks.to_vec(),
        said: String::new(),
    }
}
