//! The examples for what stands in front of several gateways: nginx, keepalived and Kubernetes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use campanile_receiver::server::{Server, free_port, run};
use serde_json::Value;
use tokio::process::Command;
use tokio::task::JoinSet;

use super::{Place, send_to};
use crate::cli::Run;
use crate::patience::{until, within};
use crate::process::Process;

pub(super) fn shipped(name: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/config/examples/replicas");
    Path::new(folder).join(name)
}

/// nginx with the shipped config, in which only addresses and paths of the system are replaced.
async fn nginx(folder: &Path, gateways: [&Process; 2]) -> (Server, SocketAddr) {
    let front = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut text = std::fs::read_to_string(shipped("nginx.conf")).unwrap();
    let kept = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let kept = kept.map(|what| format!("{what}_temp_path {}/{what};\n", folder.display()));
    for (from, to) in [
        ("listen 80;", format!("listen {front};")),
        ("10.0.0.11:8080", gateways[0].public.to_string()),
        ("10.0.0.12:8080", gateways[1].public.to_string()),
        ("/run/nginx.pid", format!("{}/pid", folder.display())),
        ("/var/log/nginx/error.log error", "stderr notice".to_owned()),
        ("http {", format!("http {{\n{}", kept.concat())),
    ] {
        assert!(text.contains(from), "nginx.conf has no `{from}`");
        text = text.replacen(from, &to, 1);
    }
    let file = folder.join("nginx.conf");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new("nginx");
    command.args(["-e", "stderr", "-g", "daemon off;", "-c"]);
    let nginx = Server::start(command.arg(file), "start worker process ").await;
    (nginx, front)
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_sends_the_callbacks_of_a_killed_gateway_to_the_other() {
    let place = Place::new().await;
    // The first gateway delivers for the one sink, so nothing has to be taken over.
    let settings = place.settings();
    let (settings, _) = settings.split_once("[sinks.webhook.two]").unwrap();
    let other = place.gateway_with("other", settings).await;
    let killed = place.gateway_with("killed", settings).await;
    let folder = place.folder.path().join("nginx");
    std::fs::create_dir(&folder).unwrap();
    let (_nginx, front) = nginx(&folder, [&killed, &other]).await;

    // Half of them wait at the gateway when it is killed. nginx has sent them, and does not know what became of them.
    killed.signal("STOP");
    let messages: Vec<String> = (0..8).map(|number| format!("message-{number}")).collect();
    let answered = Arc::new(AtomicUsize::new(0));
    let mut senders = JoinSet::new();
    for message in messages.clone() {
        let answered = Arc::clone(&answered);
        senders.spawn(async move {
            let reply = send_to(front, &message).await;
            answered.fetch_add(1, Ordering::Relaxed);
            (reply.status, reply.body)
        });
    }
    until("the answers of the other gateway", async || {
        answered.load(Ordering::Relaxed) >= messages.len() / 2
    })
    .await;
    killed.kill().await;
    for (status, body) in within("every answer", senders.join_all()).await {
        assert_eq!(status, 200, "{body}");
    }
    until("the alerts at the sink", async || {
        place.got(0).len() >= messages.len()
    })
    .await;
    let mut got = place.got(0);
    got.sort();
    assert_eq!(got, messages);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_keepalived_is_a_valid_config() {
    let text = std::fs::read_to_string(shipped("keepalived.conf")).unwrap();
    // The check wants an interface of this machine, and not loopback.
    let mut interfaces = std::fs::read_dir("/sys/class/net").unwrap().flatten();
    let other = interfaces.find(|interface| interface.file_name() != "lo");
    let other = other.unwrap().file_name().into_string().unwrap();
    let text = text.replace("interface eth0", &format!("interface {other}"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keepalived.conf");
    std::fs::write(&file, text).unwrap();
    let mut check = Command::new("keepalived");
    check.process_group(0).env("PATH", path());
    check.args(["--config-test", "--use-file"]).arg(file);
    let checked = within("the check of keepalived", check.output()).await;
    let checked = checked.expect("run scripts/test to install keepalived");
    // Debian's version ends itself with SIGTERM after every check, so only its output says whether the file is valid.
    let said = [checked.stdout, checked.stderr].concat();
    assert_eq!(String::from_utf8_lossy(&said), "");
}

fn path() -> String {
    format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_for_kubernetes_holds_a_valid_config_and_asks_whether_a_gateway_is_ready() {
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/target/peers/bin/python");
    let mut read = Command::new(python);
    let script = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(sys.stdin))))";
    read.args(["-c", script]);
    let text = std::fs::read_to_string(shipped("kubernetes.yaml")).unwrap();
    let objects: Vec<Value> = serde_json::from_str(&run(&mut read, &text).await).unwrap();
    let of = |kind: &str| {
        objects
            .iter()
            .find(|object| object["kind"] == kind)
            .unwrap()
    };

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("campanile.toml");
    let config = of("Secret")["stringData"]["campanile.toml"]
        .as_str()
        .unwrap();
    std::fs::write(&file, config).unwrap();
    let checked = Run::of(&["check", "--config", file.to_str().unwrap()]);
    assert_eq!(checked.code, 0, "{}{}", checked.out, checked.err);

    let deployment = &of("Deployment")["spec"];
    let pod = &deployment["template"];
    let gateway = &pod["spec"]["containers"][0];
    let probe = &gateway["readinessProbe"]["httpGet"];
    assert_eq!(probe["path"], "/readyz");
    for (port, listener) in [
        (&probe["port"], "admin"),
        (&of("Service")["spec"]["ports"][0]["targetPort"], "server"),
    ] {
        let ports = gateway["ports"].as_array().unwrap();
        let named = ports.iter().find(|named| named["name"] == *port).unwrap();
        let listen = format!(
            "[{listener}]\nlisten = \"0.0.0.0:{}\"",
            named["containerPort"]
        );
        assert!(config.contains(&listen), "{listen}");
    }
    let labels = &pod["metadata"]["labels"];
    for selected in [
        &deployment["selector"]["matchLabels"],
        &of("Service")["spec"]["selector"],
        &of("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
    ] {
        assert_eq!(selected, labels);
    }
}
