//! `[store] copies`: what a gateway says of a server, and what it then accepts.

use campanile_receiver::postgres::Postgres;

use crate::process::Process;
use crate::standing::post;

const KEY: &str = "campanile-copies-key";

async fn gateway(folder: &std::path::Path, server: &Postgres, copies: &str) -> Process {
    let port = server.port;
    let folder = folder.join(format!("gateway {copies}"));
    std::fs::create_dir(&folder).unwrap();
    let settings = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[self]\nalerts = false\n\
         [store]\nurl = \"postgres://campanile:hunter2@127.0.0.1:{port}/alerts?sslmode=disable\"\n{copies}\n\
         [providers.ucloud.test]\nkey = \"{KEY}\"\n"
    );
    std::fs::write(folder.join("campanile.toml"), settings).unwrap();
    Process::start(&folder).await
}

async fn status(gateway: &Process) -> u16 {
    let path = format!("/callback/ucloud/test/{KEY}");
    let body = br#"{"SessionID": "one", "Region": "cn-sh2", "ResourceType": "uhost", "ResourceId": "a", "MetricName": "CPU",
        "AlarmTime": 1767225600, "RecoveryTime": 0, "content": "CPU is high"}"#;
    let head = "content-type: application/json\r\n";
    gateway.send(post(&path, head, body)).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_needs_two_copies_accepts_nothing_on_one_server_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let server = Postgres::start(folder.path(), &["fsync=on".to_owned()]).await;
    let role = "CREATE ROLE campanile LOGIN PASSWORD 'hunter2'";
    server.sql("postgres", role).await;
    let database = "CREATE DATABASE alerts OWNER campanile";
    server.sql("postgres", database).await;

    let strict = gateway(folder.path(), &server, "copies = 2").await;
    let ready = strict.look("/readyz", "").await;
    assert_eq!(ready.status, 503);
    assert!(ready.body.contains("[store] copies = 2"), "{}", ready.body);
    assert_eq!(status(&strict).await, 503);
    strict.logs_times("names no synchronous standby", 1).await;

    let other = gateway(folder.path(), &server, "").await;
    let ready = other.look("/readyz", "").await;
    assert_eq!(ready.status, 200);
    let said = "ok\na 2xx survives a crash of PostgreSQL, not the loss of its disk: no standby is connected\n";
    assert_eq!(ready.body, said);
    other.logs_times("not the loss of its disk", 1).await;
    assert_eq!(status(&other).await, 200);
    let metrics = other.look("/metrics", "").await.body;
    assert!(metrics.contains("campanile_store_copies 1\n"), "{metrics}");
}
