//! Alertmanager and its `amtool`, from Debian's package.

use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;

use campanile_model::{Severity, Status};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::{TOKEN, gateway, run, stored};
use crate::patience::until;
use crate::standing::{Standing, post};

const INSTALL: &str = "install Debian's package prometheus-alertmanager";

async fn amtool(to: &str, args: &[&str]) -> String {
    let to = format!("--alertmanager.url={to}");
    run("amtool", INSTALL, &[&["alert", "add", &to], args].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn amtool_takes_the_gateway_for_an_alertmanager() {
    let gateway = gateway(&["alertmanager-api"]).await;
    let to = format!("http://amtool:{TOKEN}@{}", gateway.public);
    let labels = ["alertname=DiskFull", "severity=critical", "instance=db7"];
    let summary = ["--annotation=summary=磁盘已满"];
    amtool(&to, &[&labels[..], &summary].concat()).await;
    let over = ["--start=2025-01-01T00:00:00Z", "--end=2025-01-01T01:00:00Z"];
    // The same, with the source's own address, to which amtool appends its path.
    let to = format!("{to}/callback/alertmanager-api/prod");
    amtool(&to, &[&labels[..], &over].concat()).await;

    let alerts = stored(&gateway).await;
    let said: Vec<_> = alerts
        .iter()
        .map(|alert| (alert.status, alert.severity))
        .collect();
    assert_eq!(
        said,
        [
            (Status::Firing, Severity::Critical),
            (Status::Resolved, Severity::Critical)
        ]
    );
    assert_eq!(alerts[0].title, "磁盘已满");
    assert_eq!(alerts[0].fingerprint, alerts[1].fingerprint);
    assert_eq!(alerts[0].source, "alertmanager-api/prod");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_prometheus_sends_again_is_a_duplicate() {
    let gateway = gateway(&["alertmanager-api"]).await;
    let send = async |ends_at: &str, starts_at: &str| {
        let alert = json!([{
            "labels": {"alertname": "LoadHigh", "instance": "db7"}, "annotations": {},
            "startsAt": starts_at, "endsAt": ends_at, "generatorURL": "http://prom.example.net/graph",
        }]);
        let head = format!("authorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\n");
        let body = alert.to_string();
        let reply = gateway
            .send(post("/api/v2/alerts", &head, body.as_bytes()))
            .await;
        assert_eq!((reply.status, reply.body.as_str()), (200, ""));
        stored(&gateway).await.len()
    };
    let began = "2026-01-01T00:00:00.5Z";
    assert_eq!(send("2999-01-01T00:04:00Z", began).await, 1);
    assert_eq!(send("2999-01-01T00:05:00Z", began).await, 1);
    assert_eq!(send("2026-01-01T00:03:00Z", began).await, 2);
    assert_eq!(send("2026-01-01T00:03:00Z", began).await, 2);
    assert_eq!(
        send("2999-01-01T01:00:00Z", "2026-01-01T00:10:00Z").await,
        3
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_at_alertmanagers_path_is_refused() {
    let gateway = gateway(&["alertmanager-api"]).await;
    let alert = json!([{"labels": {"alertname": "LoadHigh"}}]);
    assert_eq!(gateway.post("/api/v2/alerts", &alert).await.status, 401);
    let head = "authorization: Bearer wrong\r\n";
    let raw = post("/api/v2/alerts", head, alert.to_string().as_bytes());
    assert_eq!(gateway.send(raw).await.status, 403);
    assert_eq!(gateway.post("/v2/enqueue", &alert).await.status, 404);
    assert_eq!(stored(&gateway).await.len(), 0);
}

/// A real Alertmanager whose webhook is the gateway.
struct Alertmanager {
    address: SocketAddr,
    _process: Child,
    _folder: tempfile::TempDir,
}

impl Alertmanager {
    fn telling(gateway: &Standing) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("alertmanager.yml");
        let webhook = format!("http://{}/callback/alertmanager/prod", gateway.public);
        let text = format!(
            "route: {{receiver: gw, group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}\n\
            receivers:\n- name: gw\n  webhook_configs:\n  - url: {webhook}\n    send_resolved: true\n    \
            http_config: {{authorization: {{credentials: {TOKEN}}}}}\n"
        );
        std::fs::write(&config, text).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let process = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", folder.path().display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--cluster.listen-address=")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("prometheus-alertmanager: {error}; {INSTALL}"));
        Self {
            address,
            _process: process,
            _folder: folder,
        }
    }

    /// Connects again until the server listens.
    async fn ready(&self) {
        until("a running Alertmanager", async || {
            TcpStream::connect(self.address).await.is_ok()
        })
        .await;
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alertmanager_tells_the_gateway_of_firing_and_resolved() {
    let gateway = gateway(&["alertmanager"]).await;
    let alertmanager = Alertmanager::telling(&gateway);
    alertmanager.ready().await;
    let labels = ["alertname=DiskFull", "severity=page", "instance=db7"];
    amtool(&alertmanager.url(), &labels).await;
    until("the firing", async || stored(&gateway).await.len() == 1).await;
    let over = format!("--end={}", campanile_model::Clock::machine().now());
    amtool(&alertmanager.url(), &[&labels[..], &[&over]].concat()).await;
    until("the resolved", async || stored(&gateway).await.len() == 2).await;

    let alerts = stored(&gateway).await;
    assert_eq!(alerts[0].status, Status::Firing);
    assert_eq!(alerts[0].severity, Severity::Critical);
    assert_eq!(alerts[1].status, Status::Resolved);
    assert_eq!(alerts[0].fingerprint, alerts[1].fingerprint);
    assert_eq!(alerts[1].labels["receiver"], "gw");
}
