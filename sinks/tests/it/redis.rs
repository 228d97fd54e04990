//! Redis, against the real server: Debian's `redis-server`.

use std::sync::Arc;

use campanile_receiver::server::{Server, free_port};
use campanile_sinks::kinds::redis::RedisKind;
use campanile_sinks::{Class, Sink, Worth};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::server::file;
use super::{assert_no_secret, build_kind, digest, json, message, other, try_build_kind};

struct Redis {
    server: Server,
    folder: TempDir,
    port: u16,
}

impl Redis {
    async fn start(more: &[&str]) -> Self {
        let (folder, port) = (TempDir::new().unwrap(), free_port());
        let server = Self::run(&folder, port, more).await;
        Self {
            server,
            folder,
            port,
        }
    }

    async fn run(folder: &TempDir, port: u16, more: &[&str]) -> Server {
        let port = port.to_string();
        let folder = folder.path().to_str().unwrap();
        let args = ["--port", &port, "--bind", "127.0.0.1", "--dir", folder];
        let kept = [
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
        ];
        let args = [&args[..], &kept, more].concat();
        let mut command = Command::new("redis-server");
        Server::start(command.args(&args), "Ready to accept connections").await
    }

    fn sink(&self, more: &str) -> Arc<dyn Sink> {
        build_kind(
            &RedisKind,
            &format!("url = 'redis://127.0.0.1:{}'\n{more}", self.port),
        )
    }

    async fn ask(&self, words: &[&str]) -> Value {
        Wire::open(self.port).await.ask(words).await
    }

    /// The entries of the stream, each as pairs of texts.
    async fn stream(&self) -> Vec<Vec<String>> {
        let entries = self.ask(&["XRANGE", "campanile:alerts", "-", "+"]).await;
        let entries = entries.as_array().unwrap().iter();
        let texts = |entry: &Value| serde_json::from_value(entry[1].clone()).unwrap();
        entries.map(texts).collect()
    }
}

/// The protocol of Redis by hand: a reader that shares no code with the sink.
struct Wire(BufReader<TcpStream>);

impl Wire {
    async fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        Self(BufReader::new(stream))
    }

    async fn ask(&mut self, words: &[&str]) -> Value {
        let mut text = format!("*{}\r\n", words.len());
        for word in words {
            text = format!("{text}${}\r\n{word}\r\n", word.len());
        }
        self.0.get_mut().write_all(text.as_bytes()).await.unwrap();
        self.answer().await
    }

    async fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        let rest = line.trim_end().get(1..).unwrap();
        match line.chars().next().unwrap() {
            ':' => rest.parse::<i64>().unwrap().into(),
            '$' if rest == "-1" => Value::Null,
            '$' => {
                let mut text = vec![0; rest.parse::<usize>().unwrap() + 2];
                self.0.read_exact(&mut text).await.unwrap();
                text.truncate(text.len() - 2);
                String::from_utf8(text).unwrap().into()
            }
            '*' => {
                let mut values = Vec::new();
                for _ in 0..rest.parse::<usize>().unwrap() {
                    values.push(Box::pin(self.answer()).await);
                }
                values.into()
            }
            _ => rest.into(),
        }
    }
}

#[tokio::test]
async fn a_firing_and_its_resolved_are_entries_of_the_stream() {
    let redis = Redis::start(&[]).await;
    let sink = redis.sink("");
    let delivered = sink.send(&message()).await.unwrap();
    assert_eq!((delivered.worth, delivered.remark), (Worth::Accepted, None));
    sink.send(&other("dlv_resolved")).await.unwrap();
    let stream = redis.stream().await;
    let [firing, resolved] = &stream[..] else {
        panic!("{stream:?}")
    };
    let of = |entry: &[String], name: &str| {
        let at = entry.iter().position(|text| text == name).unwrap();
        entry[at + 1].clone()
    };
    assert_eq!(of(firing, "id"), "dlv_0123456789abcdef0123456789abcdef");
    assert_eq!(of(firing, "alert").as_bytes(), json(&message()));
    assert_eq!(of(firing, "status"), "firing");
    assert_eq!(of(firing, "severity"), "critical");
    assert_eq!(of(firing, "source"), "ucloud/prod");
    assert_eq!(of(resolved, "status"), "resolved");
    assert_eq!(of(firing, "fingerprint"), of(resolved, "fingerprint"));
}

#[tokio::test]
async fn a_digest_is_one_entry_for_each_alert_in_order() {
    let redis = Redis::start(&[]).await;
    let mut digest = digest();
    Arc::make_mut(&mut digest.alerts[1]).id = "00000000-0000-7000-8000-000000000001".into();
    redis.sink("").send(&digest).await.unwrap();
    let stream = redis.stream().await;
    let status: Vec<_> = stream.iter().map(|entry| entry[5].as_str()).collect();
    assert_eq!(status, ["firing", "resolved"], "{stream:?}");
}

#[tokio::test]
async fn a_repeated_delivery_is_added_once_unless_dedup_is_off() {
    let redis = Redis::start(&[]).await;
    for (mode, length) in [("stream", "XLEN"), ("list", "LLEN")] {
        let key = format!("campanile:{mode}");
        let more = format!("mode = '{mode}'\nkey = '{key}'\n");
        let sink = redis.sink(&more);
        sink.send(&message()).await.unwrap();
        sink.send(&message()).await.unwrap();
        redis.sink(&more).send(&message()).await.unwrap();
        assert_eq!(redis.ask(&[length, &key]).await, 1, "{mode}");
        let sink = redis.sink(&format!("{more}dedup = false"));
        sink.send(&message()).await.unwrap();
        sink.send(&message()).await.unwrap();
        assert_eq!(redis.ask(&[length, &key]).await, 3, "{mode}");
    }
    let seen = "{campanile:stream}:seen:dlv_0123456789abcdef0123456789abcdef";
    let left = redis.ask(&["TTL", seen]).await.as_i64().unwrap();
    assert!((89_000..=90_000).contains(&left), "{left}");
}

/// A refused entry must not be remembered as added.
#[tokio::test]
async fn an_entry_that_is_refused_is_added_when_the_reason_has_passed() {
    let redis = Redis::start(&[]).await;
    let sink = redis.sink("");
    redis.ask(&["SET", "campanile:alerts", "x"]).await;
    let failure = sink.send(&message()).await.unwrap_err();
    assert_eq!(failure.class, Class::Operator, "{failure}");
    assert!(failure.reason.contains("another type"), "{failure}");
    redis.ask(&["DEL", "campanile:alerts"]).await;
    redis.ask(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let failure = sink.send(&message()).await.unwrap_err();
    assert_eq!(failure.class, Class::Transient, "{failure}");
    assert!(failure.reason.contains("out of memory"), "{failure}");
    redis.ask(&["CONFIG", "SET", "maxmemory", "0"]).await;
    sink.send(&message()).await.unwrap();
    assert_eq!(redis.stream().await.len(), 1);
}

#[tokio::test]
async fn a_channel_that_nobody_reads_is_a_remark_or_a_failure() {
    let redis = Redis::start(&[]).await;
    let sink = redis.sink("mode = 'publish'\nkey = 'campanile:{{ source }}'");
    let delivered = sink.send(&message()).await.unwrap();
    assert_eq!(delivered.worth, Worth::Written);
    let remark = delivered.remark.unwrap();
    assert!(
        remark.contains("nobody is subscribed to `campanile:ucloud/prod`"),
        "{remark}"
    );
    let strict = redis.sink("mode = 'publish'\nrequire_subscriber = true");
    let failure = strict.send(&message()).await.unwrap_err();
    assert_eq!(failure.class, Class::Transient, "{failure}");
    let mut reader = Wire::open(redis.port).await;
    reader.ask(&["SUBSCRIBE", "campanile:ucloud/prod"]).await;
    let delivered = sink.send(&message()).await.unwrap();
    assert_eq!(delivered.remark, None);
    assert_eq!(
        reader.answer().await[2].as_str().unwrap().as_bytes(),
        json(&message())
    );
}

#[tokio::test]
async fn bad_credentials_and_missing_permissions_are_for_the_operator() {
    let redis = Redis::start(&["--requirepass", "c4nary-all"]).await;
    let mut admin = Wire::open(redis.port).await;
    admin.ask(&["AUTH", "c4nary-all"]).await;
    let user = [
        "ACL",
        "SETUSER",
        "reader",
        "on",
        ">c4nary-reader",
        "~*",
        "+xread",
        "+ping",
    ];
    assert_eq!(admin.ask(&user).await, "OK");
    for (login, says) in [
        ("", "asks for a password"),
        ("password = 'c4nary-wrong'", "rejects the credentials"),
        (
            "user = 'nobody'\npassword = 'c4nary-wrong'",
            "rejects the credentials",
        ),
        ("user = 'reader'\npassword = 'c4nary-reader'", "may not run"),
    ] {
        let sink = redis.sink(login);
        let failure = sink.send(&message()).await.unwrap_err();
        assert_eq!(failure.class, Class::Operator, "{login}: {failure}");
        assert!(failure.reason.contains(says), "{login}: {failure}");
        assert_no_secret(&failure.reason);
        assert_no_secret(&sink.render(&message()).unwrap());
    }
    let sink = redis.sink("password = 'c4nary-all'");
    assert!(
        sink.probe(message().at)
            .unwrap()
            .await
            .unwrap()
            .contains("accepts")
    );
    sink.send(&message()).await.unwrap();
    let failure = redis
        .sink("")
        .probe(message().at)
        .unwrap()
        .await
        .unwrap_err();
    assert_eq!(failure.class, Class::Operator, "{failure}");
}

#[tokio::test]
async fn a_replica_and_too_few_replicas_are_transient() {
    let primary = Redis::start(&[]).await;
    let port = primary.port.to_string();
    let replica = Redis::start(&["--replicaof", "127.0.0.1", &port]).await;
    let failure = replica.sink("").send(&message()).await.unwrap_err();
    assert_eq!(failure.class, Class::Transient, "{failure}");
    assert!(failure.reason.contains("replica"), "{failure}");
    // The primary counts it when it has loaded the data.
    let waits = primary.sink("replicas = 1\n");
    while waits.send(&message()).await.is_err() {}
    assert_eq!(primary.stream().await.len(), 1);
    replica.server.end("KILL").await;
    let failure = waits.send(&other("dlv_other")).await.unwrap_err();
    assert_eq!(failure.class, Class::Transient, "{failure}");
    assert!(failure.reason.contains("0 of 1 replicas"), "{failure}");
}

#[tokio::test]
async fn what_failed_while_the_server_was_down_is_not_sent_later() {
    let redis = Redis::start(&[]).await;
    let sink = redis.sink("");
    sink.send(&message()).await.unwrap();
    let Redis {
        server,
        folder,
        port,
    } = redis;
    server.end("KILL").await;
    for _ in 0..2 {
        let failure = sink.send(&other("dlv_lost")).await.unwrap_err();
        assert_eq!(failure.class, Class::Transient, "{failure}");
    }
    let dropped = other("dlv_dropped");
    let begun = futures_util::poll!(std::pin::pin!(sink.send(&dropped)));
    assert!(begun.is_pending());
    let server = Redis::run(&folder, port, &[]).await;
    let redis = Redis {
        server,
        folder,
        port,
    };
    sink.send(&other("dlv_again")).await.unwrap();
    let stream = redis.stream().await;
    let ids: Vec<_> = stream.iter().map(|entry| entry[1].as_str()).collect();
    assert_eq!(ids, ["dlv_0123456789abcdef0123456789abcdef", "dlv_again"]);
}

#[tokio::test]
async fn a_server_that_does_not_answer_ends_the_send_within_the_timeout() {
    let redis = Redis::start(&[]).await;
    let sink = redis.sink("");
    redis.server.signal("STOP");
    let failure = sink.send(&message()).await.unwrap_err();
    assert_eq!(failure.class, Class::Transient, "{failure}");
    redis.server.signal("CONT");
    sink.send(&message()).await.unwrap();
    assert_eq!(redis.stream().await.len(), 1);
}

#[tokio::test]
async fn what_a_stream_may_hold_is_bounded_only_if_it_is_set() {
    let redis = Redis::start(&[]).await;
    let sink = redis.sink("max_length = 1\n");
    let shown = sink.render(&message()).unwrap();
    assert!(
        shown.contains("XADD campanile:alerts MAXLEN ~ 1 * id dlv_"),
        "{shown}"
    );
    sink.send(&message()).await.unwrap();
    let shown = redis.sink("").render(&message()).unwrap();
    assert!(shown.contains("XADD campanile:alerts * id dlv_"), "{shown}");
}

#[tokio::test]
async fn no_text_of_a_vendor_changes_what_a_key_means() {
    let redis = Redis::start(&[]).await;
    let sink = redis.sink("key = 'c:{{ labels.team }}:{{ status }}'");
    for (team, part) in [
        ("a:b", "a_b"),
        ("{tag}", "_tag_"),
        ("* ?", "___"),
        ("資料/庫", "資料/庫"),
        ("", ""),
        (&"x".repeat(300), &"x".repeat(100)),
    ] {
        let mut message = message();
        message.delivery_id = format!("dlv_{}", hex::encode(team));
        let alert = Arc::make_mut(&mut message.alerts[0]);
        alert.labels.insert("team".into(), team.into());
        sink.send(&message).await.unwrap();
        let key = format!("c:{part}:firing");
        assert_eq!(redis.ask(&["XLEN", &key]).await, 1, "{team}");
    }
}

#[tokio::test]
async fn tls_needs_an_authority_that_is_trusted_and_the_certificate_of_the_client() {
    let (authority, pem, port) = (file("authority.pem"), file("server.pem"), free_port());
    let tls = port.to_string();
    let _redis = Redis::start(&[
        "--tls-port",
        &tls,
        "--tls-cert-file",
        &pem,
        "--tls-key-file",
        &pem,
        "--tls-ca-cert-file",
        &authority,
    ])
    .await;
    let known = format!("client_certificate = {{ certificate = '{pem}', key = '{pem}' }}\n");
    let trusting = format!("ca_file = '{authority}'\n");
    let sink = |more: &str| {
        build_kind(
            &RedisKind,
            &format!("url = 'rediss://localhost:{port}'\n{more}"),
        )
    };
    sink(&format!("{trusting}{known}"))
        .send(&message())
        .await
        .unwrap();
    let failure = sink(&known).send(&message()).await.unwrap_err();
    assert_eq!(failure.class, Class::Transient);
    assert!(failure.reason.contains("not trusted"), "{failure}");
    let failure = sink(&trusting).send(&message()).await.unwrap_err();
    assert_eq!(failure.class, Class::Transient, "{failure}");
}

#[tokio::test]
async fn an_address_that_the_egress_rules_refuse_is_not_called() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let values = format!("url = 'redis://localhost:{port}'\negress = 'public_only'");
    let failure = build_kind(&RedisKind, &values)
        .send(&message())
        .await
        .unwrap_err();
    assert_eq!(failure.class, Class::Operator, "{failure}");
    let heard = std::pin::pin!(listener.accept());
    assert!(futures_util::poll!(heard).is_pending());
}

#[test]
fn settings_that_cannot_work_are_refused_without_their_secrets() {
    for (values, setting) in [
        ("url = 'http://c4nary.example.com'", "url"),
        ("url = 'redis://u:c4nary@redis.example.com'", "url"),
        ("url = 'redis://h/x'", "url"),
        ("url = 'redis://h'\nuser = 'u'", "password"),
        (
            "url = 'redis://h'\nmode = 'list'\nmax_length = 5",
            "max_length",
        ),
        (
            "url = 'redis://h'\nmode = 'publish'\nreplicas = 1",
            "replicas",
        ),
    ] {
        let error = try_build_kind(&RedisKind, values).err().unwrap();
        assert_eq!(error.setting, setting, "{error}");
        assert_no_secret(&error.to_string());
    }
}
