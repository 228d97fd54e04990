//! 監控專家's list of ways to reach people and programs: the shipped example, from a signed POST to every receiver.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use campanile_receiver::{Got, Play, Receiver};
use md5::{Digest, Md5};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::gateway::Gateway;
use crate::patience::until;
use crate::standing::post;

const TOKEN: &str = "our-own-callback-token";
const SECRET: &str = "a-long-random-secret";
/// The sinks of the example that speak HTTP and have an address of their own.
const HTTP: [&str; 4] = [
    "aliyun-sms.duty",
    "aliyun-voice.duty",
    "bark.phone",
    "ntfy.browser",
];

fn root(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// A vendor's success, as its fixture has it. The first part of the path names the kind.
fn answer(got: &Got) -> Play {
    let kind = got.target.trim_start_matches('/').split('/').next();
    let file = root(&format!(
        "fixtures/sinks/{}/answers/success.http",
        kind.unwrap_or_default()
    ));
    match fs::read_to_string(file) {
        Ok(text) => Play::body(text.split_once("\n\n").unwrap().1.trim()),
        Err(_) => Play::status(204),
    }
}

/// A mail server that prints every mail.
struct Mail {
    _process: Child,
    port: u16,
    printed: Arc<Mutex<String>>,
}

impl Mail {
    async fn start() -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut process = Command::new(root("target/peers/bin/python"))
            .args([
                "-u",
                "-m",
                "aiosmtpd",
                "-n",
                "-l",
                &format!("127.0.0.1:{port}"),
            ])
            .args(["-c", "aiosmtpd.handlers.Debugging", "stdout"])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("run scripts/test to install aiosmtpd");
        let printed = Arc::new(Mutex::new(String::new()));
        let (kept, out) = (Arc::clone(&printed), process.stdout.take().unwrap());
        tokio::spawn(async move {
            let mut lines = BufReader::new(out).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                *kept.lock().unwrap() += &(line + "\n");
            }
        });
        let mail = Self {
            _process: process,
            port,
            printed,
        };
        until("a mail server", async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port))
                .await
                .is_ok()
        })
        .await;
        mail
    }
}

/// The shipped example. Only its secrets, addresses and program are others.
fn settings(receiver: &str, mail: &Mail, folder: &TempDir) -> String {
    let script = folder.path().join("script");
    let log = folder.path().join("log");
    fs::write(
        &script,
        format!("#!/bin/sh\necho \"$3\" >> {}\n", log.display()),
    )
    .unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let mut text = fs::read_to_string(root("config/examples/jiankong.toml")).unwrap();
    for sink in HTTP {
        let (kind, _) = sink.split_once('.').unwrap();
        let table = format!("[sinks.{sink}]\n");
        assert!(text.contains(&table), "{table}");
        text = text.replace(&table, &format!("{table}url = \"{receiver}/{kind}\"\n"));
    }
    let lines = text
        .lines()
        .filter(|line| !line.starts_with("username") && !line.contains("SMTP_PASSWORD"));
    let text = lines.collect::<Vec<_>>().join("\n");
    let text = text
        .replace(
            "host = \"smtp.example.com\"",
            &format!("host = \"127.0.0.1\"\nport = {}", mail.port),
        )
        .replace("tls = \"implicit\"", "tls = \"none\"")
        .replace("/usr/bin/logger", &script.to_string_lossy())
        .replace("{ env = \"JIANKONG_TOKEN\" }", &format!("\"{TOKEN}\""))
        .replace("{ env = \"TOOL_URL\" }", &format!("\"{receiver}/tool\""))
        .replace("{ env = \"BARK_KEY\" }", &format!("\"{SECRET}\""))
        .replace(
            "{ env = \"ALIYUN_ACCESS_KEY_SECRET\" }",
            &format!("\"{SECRET}\""),
        );
    assert!(!text.contains("env ="), "{text}");
    text
}

/// 監控專家's POST: 1 is an alarm, 2 its recovery.
fn callback(msg_id: &str, status: u8) -> Vec<u8> {
    let (task, time) = ("7", "1409803140");
    let token = hex::encode(Md5::digest(format!("{msg_id}{task}{time}{TOKEN}")));
    let body = format!(
        "msg_id={msg_id}&task_user_id=1&task_id={task}&task_type=http&fault_time={time}&task_name=web-01\
         &server_id=9&message_type=1&message_status={status}&content=down&token={token}"
    );
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    post("/callback/jiankong/web", form, body.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_reaches_phone_mail_voice_app_browser_and_programs_and_so_does_its_recovery() {
    let folder = tempfile::tempdir().unwrap();
    let got = Arc::new(Mutex::new(Vec::<Got>::new()));
    let kept = Arc::clone(&got);
    let receiver = Receiver::start(move |request| {
        let play = answer(&request);
        kept.lock().unwrap().push(request);
        play
    });
    let receiver = receiver.await.unwrap();
    let mail = Mail::start().await;
    let url = format!("http://{}", receiver.address());
    let gateway = Gateway::start(&settings(&url, &mail, &folder)).await;
    let count = |kind: &str| {
        let prefix = format!("/{kind}");
        let got = got.lock().unwrap();
        got.iter()
            .filter(|got| got.target.starts_with(&prefix))
            .count()
    };
    for (status, calls) in [(1, 1), (2, 1)] {
        let reply = gateway.send(&callback(&format!("m{status}"), status)).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        gateway.deliver_everything().await;
        for kind in ["aliyun-sms", "bark", "ntfy", "tool"] {
            assert_eq!(count(kind), usize::from(status), "{kind}");
        }
        assert_eq!(
            count("aliyun-voice"),
            calls,
            "nobody is called for a recovery"
        );
        let log = fs::read_to_string(folder.path().join("log")).unwrap();
        assert_eq!(log.lines().count(), usize::from(status), "{log}");
        let mails = || mail.printed.lock().unwrap().matches("Subject: ").count();
        until("the mail", async || mails() == usize::from(status)).await;
    }
    // The limit of calls holds the one that is not made, too.
    gateway.advance(Duration::from_mins(1)).await;
    gateway.deliver_everything().await;
    assert_eq!(count("aliyun-voice"), 1);
    for sink in gateway.list("/api/v1/sinks").await {
        assert_eq!(sink["pending"], 0, "{sink}");
    }
    gateway.stop().await;
}
