//! No secret is in a log line, a response, a metric or the database. Each secret setting of the config has a canary value.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::gateway::preamble;
use crate::process::Process;
use crate::receiver::{Play, Receiver};
use crate::standing::{post, request};

/// Part of each secret, also of the base64 of the signing secret.
const CANARY: &str = "c4nary";
const KEY: &str = "c4nary-path-key";
const SIGNING: &str = "whsec_Yw4naryc4naryc4naryc4naryc4naryA";
const ADMIN: &str = "Authorization: Bearer c4nary-admin-token\r\n";

fn settings(folder: &Path, receiver: &str) -> String {
    let token_file = folder.join("token");
    std::fs::write(&token_file, "c4nary-token-of-a-file\n").unwrap();
    let token_file = token_file.display();
    format!(
        "token = \"c4nary-admin-token\"\n\
         [log]\nlevel = \"trace\"\n\
         [providers.ucloud.prod]\nkey = [\"{KEY}\", \"c4nary-next-key\"]\n\
         [providers.ucloud.demo]\nkey = \"c4nary-demo-key\"\ndemo_paths = true\n\
         [providers.jiankong.web]\ntoken = {{ file = \"{token_file}\" }}\n\
         [providers.alertmanager.k8s]\nuser = \"prometheus\"\ntoken = \"c4nary-password\"\n\
         [sinks.webhook.oncall]\nurl = \"{receiver}/hook/c4nary-url?access_token=c4nary-query\"\n\
         headers = {{ Authorization = \"Bearer c4nary-header\" }}\n\
         signing_secret = \"{SIGNING}\"\n\
         [sinks.webhook.closed]\nurl = \"http://c4nary-user:c4nary-pass@127.0.0.1:9/c4nary-closed\"\n\
         [sinks.webhook.unresolved]\nurl = \"http://c4nary-host.invalid/c4nary-path\"\n"
    )
}

/// Writes the config. The first line of the settings is the token: it belongs in `[admin]` of the preamble.
fn write_config(folder: &Path, settings: &str) {
    let (token, rest) = settings.split_once('\n').unwrap();
    let admin = format!("[admin]\n{token}\n");
    let whole = preamble(folder).replace("[admin]\n", &admin) + rest;
    std::fs::write(folder.join("campanile.toml"), whole).unwrap();
}

fn basic(user: &str, password: &str) -> String {
    let both = STANDARD.encode(format!("{user}:{password}"));
    format!("authorization: Basic {both}\r\n")
}

/// Callbacks of all kinds: accepted, refused, unreadable, conflicting, on all paths.
fn calls() -> Vec<Vec<u8>> {
    let alarm = json!({"SessionID": "1", "MetricName": "MemUsage", "AlarmTime": 1_470_822_697});
    let alarm = alarm.to_string();
    let prometheus = json!({"version": "4", "status": "firing", "groupKey": "g", "alerts": [{
        "status": "firing", "labels": {"alertname": "Full"}, "annotations": {},
        "startsAt": "2026-01-01T00:00:00Z", "fingerprint": "1",
    }]});
    let prometheus = prometheus.to_string();
    let right = basic("prometheus", "c4nary-password");
    let wrong = basic("prometheus", "c4nary-passwort");
    let jiankong =
        "/callback/jiankong/web?msg_id=1&task_id=2&fault_time=3&token=c4nary-token-of-a-file";
    let mut calls = vec![
        post(
            &format!("/callback/ucloud/prod/{KEY}"),
            "",
            format!("{{ broken {KEY}").as_bytes(),
        ),
        post(
            &format!("/callback/ucloud/prod/{KEY}x"),
            "",
            alarm.as_bytes(),
        ),
        post(&format!("/callback/ucloud/prod/{KEY}/deeper"), "", b""),
        post(&format!("/callback/{KEY}"), "", alarm.as_bytes()),
        post(
            &format!("/callback/c4nary%2Dnext-key?key={KEY}"),
            "",
            alarm.as_bytes(),
        ),
        post("/add/c4nary-demo-key", "", alarm.as_bytes()),
        request("GET", "/get/c4nary-demo-key", "", b""),
        request("GET", "/nowhere/c4nary", "x-secret: c4nary\r\n", b""),
        request("DELETE", &format!("/callback/ucloud/prod/{KEY}"), "", b""),
        request("GET", jiankong, "", b""),
        post("/callback/alertmanager/k8s", &right, prometheus.as_bytes()),
        post("/callback/alertmanager/k8s", &right, b"{}"),
        post("/callback/alertmanager/k8s", &wrong, prometheus.as_bytes()),
    ];
    for path in [
        "/callback/ucloud/prod/c4nary%2Dpath-key",
        "/callback/ucloud/prod/c4nary-next-key",
    ] {
        // Some vendors write the callback URL into the body.
        let callback = format!("\"MemUsage\",\"Callback\":\"https://x/{KEY}\"");
        let echoed = alarm.replace("\"MemUsage\"", &callback);
        calls.push(post(path, "", echoed.as_bytes()));
    }
    calls
}

/// All pages of the admin listener, and all items that these pages list.
pub(crate) async fn pages(process: &Process, admin: &str) -> String {
    let mut seen = String::new();
    for head in ["", admin, "Authorization: Bearer c4nary-admin-tokem\r\n"] {
        for path in [
            "/",
            "/metrics",
            "/healthz",
            "/readyz",
            "/api/v1/sinks",
            "/api/v1/sources",
            "/api/v1/deliveries",
            "/api/v1/dead",
            "/api/v1/alerts?source=%00",
            "/api/v1/openapi.json",
            "/nowhere",
            "/login",
        ] {
            seen += &process.look(path, head).await.body;
        }
    }
    for list in ["alerts", "quarantine"] {
        let page = process.look(&format!("/api/v1/{list}"), admin).await;
        seen += &page.body;
        let page = page.json();
        let items: &Vec<Value> = page["items"].as_array().unwrap();
        assert!(items.len() >= 2, "{list}: {page}");
        for item in items {
            let id = item["id"].to_string();
            let path = format!("/api/v1/{list}/{}", id.trim_matches('"'));
            seen += &process.look(&path, admin).await.body;
        }
    }
    seen
}

pub(crate) fn assert_clean(place: &str, text: &str) {
    let base64 = STANDARD.encode("prometheus:c4nary-password");
    for word in [CANARY, "Yw4nary", "YzRuYXJ5", &base64] {
        let Some(at) = text.find(word) else { continue };
        let from = text.floor_char_boundary(at.saturating_sub(300));
        let to = text.ceil_char_boundary((at + 100).min(text.len()));
        panic!("a secret is in {place}: {:?}", text.get(from..to));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_seen_anywhere() {
    let receiver = Receiver::start([
        Play::status(500),
        Play::Reset,
        Play::with(301, "location", "http://127.0.0.1:9/c4nary"),
        Play::status(401),
        Play::body("c4nary"),
    ])
    .await;
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), &receiver.url(""));
    write_config(folder.path(), &settings);
    let process = Process::start(folder.path()).await;
    for call in calls() {
        let reply = process.send(call).await;
        assert_clean("an answer", &format!("{reply:?}"));
    }
    receiver.got_at_least(3).await;
    for broken in [
        settings.replace(&format!("\"{KEY}\""), &format!("\"{KEY}")),
        settings.replace("c4nary-admin-token", "c4nary"),
        settings.replace("http://c4nary-user", "ftp://c4nary-user"),
        settings.replace("Bearer c4nary-header", "{{ c4nary_header"),
        settings.replace(SIGNING, "whsec_c4nary"),
    ] {
        assert_ne!(broken, settings);
        let before = process.log().matches("did not reload its config").count();
        write_config(folder.path(), &broken);
        process.signal("HUP");
        process
            .logs_times("did not reload its config", before + 1)
            .await;
    }
    assert_clean("a page", &pages(&process, ADMIN).await);
    process.signal("TERM");
    process.ended().await;
    assert_clean("the log", &process.log());
    assert_clean("the output", &process.output());
    let mut files = 0;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let path = file.unwrap().path();
        if path.to_string_lossy().contains("campanile.db") {
            let bytes = std::fs::read(&path).unwrap();
            assert_clean("the database", &String::from_utf8_lossy(&bytes));
            files += 1;
        }
    }
    assert!(files > 0);
}
