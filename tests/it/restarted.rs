//! A gateway as a process that is killed and starts again with the same admin address.

use std::net::SocketAddr;
use std::ops::Range;

use serde_json::json;
use tempfile::TempDir;

use crate::gateway::preamble;
use crate::process::Process;
use crate::receiver::{Play, Receiver};
use crate::standing::post;

/// The gateway, with a receiver that accepts everything.
pub(crate) struct Restarted {
    pub(crate) admin: SocketAddr,
    process: Option<Process>,
    receiver: Receiver,
    folder: TempDir,
}

impl Restarted {
    pub(crate) async fn start() -> Self {
        let receiver = Receiver::start([Play::status(200)]).await;
        let folder = tempfile::tempdir().unwrap();
        let mut gateway = Self {
            // No other test listens at this address, so the port stays free while the gateway is away.
            admin: ([127, 0, 0, 77], 0).into(),
            process: None,
            receiver,
            folder,
        };
        gateway.again().await;
        gateway
    }

    /// Kills it. Its admin listener refuses connections when this returns.
    pub(crate) async fn kill(&mut self) {
        self.process.take().unwrap().kill().await;
    }

    /// Starts it with the same files and the same admin address.
    pub(crate) async fn again(&mut self) {
        let folder = self.folder.path();
        let preamble = preamble(folder).replace(
            "[admin]\nlisten = \"127.0.0.1:0\"",
            &format!("[admin]\nlisten = \"{}\"", self.admin),
        );
        let sink = self.receiver.url("/");
        let settings = format!(
            "[providers.ucloud.prod]\nkey = \"the-key-of-ucloud\"\n[sinks.webhook.oncall]\nurl = \"{sink}\"\n"
        );
        std::fs::write(folder.join("campanile.toml"), preamble + &settings).unwrap();
        let process = Process::start(folder).await;
        self.admin = process.admin;
        self.process = Some(process);
    }

    /// Sends an alarm for each number. Its resource is `uhost-NUMBER`.
    pub(crate) async fn alarms(&self, numbers: Range<usize>) {
        for number in numbers {
            let body = json!({
                "SessionID": format!("session-{number}"), "Region": "cn-north-03", "ResourceType": "uhost",
                "ResourceId": format!("uhost-{number}"), "MetricName": "MemUsage",
                "AlarmTime": 1_470_822_697, "RecoveryTime": 0,
            });
            let path = "/callback/ucloud/prod/the-key-of-ucloud";
            let sent = post(path, "", body.to_string().as_bytes());
            let answer = self.process.as_ref().unwrap().send(sent).await;
            assert_eq!(answer.status, 200);
        }
    }
}
