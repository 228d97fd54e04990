//! Debian's Alertmanager, started here, and what it then knows.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use campanile_model::{Alert, Clock, Severity, Status};
use campanile_receiver::Play;
use campanile_receiver::scripted::Receiver;
use campanile_receiver::server::{Server, free_port};
use campanile_settings::{Environment, Values};
use campanile_sinks::kinds::alertmanager::AlertmanagerKind;
use campanile_sinks::{Class, Kind, Message, Sink, Tools};
use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use super::server::{ask, send_to_nobody};
use super::{assert_no_secret, message};

struct Alertmanager {
    server: Server,
    port: u16,
    folder: TempDir,
}

impl Alertmanager {
    async fn start() -> Self {
        let (folder, port) = (TempDir::new().unwrap(), free_port());
        let config = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n";
        std::fs::write(folder.path().join("a.yml"), config).unwrap();
        let server = Self::run(&folder, port).await;
        Self {
            server,
            port,
            folder,
        }
    }

    /// The configuration is in force before it listens.
    async fn run(folder: &TempDir, port: u16) -> Server {
        let config = folder.path().join("a.yml");
        let mut command = Command::new("prometheus-alertmanager");
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", folder.path().display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--cluster.listen-address=");
        Server::start(&mut command, "Listening on").await
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The alerts that fire now.
    async fn alerts(&self) -> Vec<Value> {
        let url = format!("{}/api/v2/alerts?active=true", self.url());
        let (status, alerts) = ask("GET", &url, &[], String::new()).await;
        assert_eq!(status, 200, "{alerts}");
        alerts.as_array().unwrap().clone()
    }
}

fn sink(urls: &[String], more: &str) -> Arc<dyn Sink> {
    let text = format!("urls = {urls:?}\n{more}");
    let kind = AlertmanagerKind;
    let values = Values::parse(&text, kind.settings(), &Environment::new());
    let tools = Tools {
        name: "alertmanager/cluster",
        timeout: Duration::from_secs(5),
    };
    let values = values.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    kind.build(&values, &tools).unwrap()
}

/// A firing of now.
fn firing() -> Message {
    let mut alert = Alert::clone(&message().alerts[0]);
    let now = Clock::machine().now();
    alert.starts_at = Some(now);
    alert.labels.insert("al-x 標籤".to_owned(), "1".to_owned());
    Message::of(alert, "dlv_1", now)
}

/// The recovery of it, in which the vendor says less.
fn recovery(firing: &Message) -> Message {
    let opened = &firing.alerts[0];
    let mut alert = Alert::clone(opened);
    let now = Clock::machine().now();
    alert.status = Status::Resolved;
    alert.severity = Severity::Unknown;
    alert.labels.clear();
    alert.ends_at = Some(now);
    Message {
        opened: Some(Arc::clone(opened)),
        handle: Some("known".to_owned()),
        ..Message::of(alert, "dlv_2", now)
    }
}

#[tokio::test]
async fn a_recovery_ends_the_alert_that_its_firing_opened_though_its_labels_differ() {
    let server = Alertmanager::start().await;
    let sink = sink(&[server.url()], "labels = { team = \"infra\" }");
    let firing = firing();
    let done = sink.send(&firing).await.unwrap();
    assert_eq!((done.code, done.remark), (Some(200), None));
    let alerts = server.alerts().await;
    let labels = &alerts[0]["labels"];
    assert_eq!(labels["severity"], "critical");
    assert_eq!(labels["team"], "infra");
    assert_eq!(labels["al_x___"], "1", "{labels}");
    sink.send(&recovery(&firing)).await.unwrap();
    assert_eq!(server.alerts().await, Vec::<Value>::new());
}

#[tokio::test]
async fn open_alerts_are_there_again_after_a_crash_and_ended_or_lost_ones_are_not() {
    let server = Alertmanager::start().await;
    let sink = sink(&[server.url()], "");
    assert_eq!(sink.refresh_every(), Some(Duration::from_mins(1)));
    let firing = firing();
    sink.send(&firing).await.unwrap();
    let Alertmanager {
        server,
        port,
        folder,
    } = server;
    server.end("KILL").await;
    send_to_nobody(&sink, &firing).await;
    let server = Alertmanager::run(&folder, port).await;
    let server = Alertmanager {
        server,
        port,
        folder,
    };
    // Its memory is gone, and what failed is not sent later.
    assert!(server.alerts().await.is_empty());
    sink.refresh(&firing).await.unwrap();
    assert_eq!(server.alerts().await.len(), 1);
    sink.send(&recovery(&firing)).await.unwrap();
    // This list of open episodes was read before the recovery.
    sink.refresh(&firing).await.unwrap();
    assert!(server.alerts().await.is_empty());
    // The problem is there again.
    sink.send(&firing).await.unwrap();
    sink.refresh(&firing).await.unwrap();
    assert_eq!(server.alerts().await.len(), 1);
}

#[tokio::test]
async fn a_firing_that_is_sent_after_its_end_fires_for_five_minutes_only() {
    let receiver = Receiver::start([Play::status(200), Play::status(200)]).await;
    let sink = sink(&[receiver.url("")], "");
    let open = firing();
    let late = Message {
        episode_open: false,
        ..open.clone()
    };
    for message in [&open, &late] {
        sink.send(message).await.unwrap();
    }
    let lasts = receiver.got().into_iter().map(|got| {
        let end: Timestamp = got.json()[0]["endsAt"].as_str().unwrap().parse().unwrap();
        end.duration_since(open.at).as_secs()
    });
    assert_eq!(lasts.collect::<Vec<_>>(), [3600, 300]);
}

#[tokio::test]
async fn one_replica_of_two_is_enough_and_the_other_is_named() {
    let server = Alertmanager::start().await;
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let sink = sink(&[closed, server.url()], "");
    let done = sink.send(&firing()).await.unwrap();
    let remark = done.remark.unwrap();
    assert!(remark.contains("127.0.0.1: cannot connect"), "{remark}");
    assert_eq!(server.alerts().await.len(), 1);
}

#[tokio::test]
async fn refusals_have_the_class_that_an_operator_expects_and_show_no_secret() {
    let more = "username = \"campanile\"\npassword = \"c4nary-password\"";
    for (status, body, class) in [
        (400, "start time must be before end time", Class::Poison),
        (401, "c4nary", Class::Operator),
        (404, "", Class::Operator),
        (410, "", Class::Operator),
        (503, "", Class::Transient),
        (204, "", Class::Operator),
    ] {
        let receiver = Receiver::start([Play::Answer(status, Vec::new(), body.to_owned())]).await;
        let sink = sink(&[receiver.url("")], more);
        let failure = sink.send(&firing()).await.unwrap_err();
        assert_eq!(failure.class, class, "{status}: {failure}");
        assert_no_secret(&failure.to_string());
        let got = receiver.got().remove(0);
        assert_eq!(got.target, "/api/v2/alerts");
        assert!(got.header("authorization").unwrap().starts_with("Basic "));
        assert_no_secret(&sink.render(&firing()).unwrap());
    }
}
