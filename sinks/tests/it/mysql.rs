//! The kind `mysql` against a real MariaDB.

use std::time::Duration;

use campanile_receiver::mariadb::Mariadb;
use campanile_sinks::{Class, Worth};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;

use super::message_of;
use super::tables::{
    PASSWORD, PATIENT, VALUE, assert_failure, built, definition, filled, firing, hard, id, many,
    resolved, send, try_built,
};

/// A server with the table of the page, and a folder that lives as long.
async fn server(more: &[String]) -> (Mariadb, TempDir) {
    let folder = TempDir::new().unwrap();
    let server = Mariadb::start(folder.path(), more).await;
    let made = definition("mysql").replace("a-long-random-password", PASSWORD);
    server
        .sql(&format!(
            "CREATE DATABASE monitoring; USE monitoring; {made}"
        ))
        .await;
    (server, folder)
}

fn settings(server: &Mariadb) -> String {
    format!(
        "host = \"127.0.0.1\"\nport = {}\ndatabase = \"monitoring\"\nuser = \"campanile\"\npassword = \"{PASSWORD}\"\n",
        server.port
    )
}

async fn rows(server: &Mariadb, columns: &str) -> String {
    let select = format!("SELECT {columns} FROM monitoring.campanile_alerts ORDER BY id");
    server.sql(&select).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_of_the_page_gets_one_row_for_each_alert_however_often_it_is_sent() {
    let (server, _folder) = server(&[]).await;
    let sink = built("mysql", &settings(&server));
    for _ in 0..2 {
        let delivered = send(&sink, hard(&id(1))).await.unwrap();
        assert_eq!(
            (delivered.worth, delivered.remark),
            (Worth::Committed, None)
        );
        send(&sink, resolved(&id(2))).await.unwrap();
        let digest = many(vec![firing(&id(3)), resolved(&id(4))]);
        sink.send(&digest).await.unwrap();
    }
    let found = rows(&server, "status, resource_id, value, starts_at, ends_at").await;
    let began = "2016-08-10 09:51:37.000000";
    let ended = "2016-08-10 10:08:17.500000";
    let firing = format!("firing\tuhost-1\t97\t{began}\tNULL");
    let over = format!("resolved\tuhost-1\t97\t{began}\t{ended}");
    assert_eq!(found, [&*firing, &over, &firing, &over].join("\n"));
    let kept = "SELECT COUNT(*) FROM monitoring.campanile_alerts WHERE JSON_VALUE(alert, '$.title') = title \
                AND title = 'it\\'s \"資料庫\" \\\\ \\'; DROP TABLE campanile_alerts; -- 🔥\\0'";
    assert_eq!(server.sql(kept).await, "1");
    let probe = sink.probe("2026-11-21T07:00:00Z".parse().unwrap()).unwrap();
    assert!(probe.await.unwrap().contains("10."));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_has_its_class_and_quotes_no_value_and_no_password() {
    let (server, _folder) = server(&[]).await;
    server
        .sql("USE monitoring; CREATE TABLE t (k char(36) PRIMARY KEY, short varchar(4), narrow varchar(90) CHARACTER SET utf8mb3, n int, \
              needed int NOT NULL); GRANT INSERT ON monitoring.* TO 'campanile'@'%'; CREATE DATABASE other; CREATE TABLE other.secret (k int)")
        .await;
    let right = settings(&server);
    let with = |statement: &str| built("mysql", &(right.clone() + &filled(statement)));
    for (statement, class, words) in [
        (
            "INSERT INTO nothing (k) VALUES (:value)",
            Class::Operator,
            "1146",
        ),
        (
            "INSERT INTO t (missing) VALUES (:value)",
            Class::Operator,
            "1054",
        ),
        (
            "INSERT INTO other.secret VALUES (1)",
            Class::Operator,
            "1142",
        ),
        ("INSERT INTO t VALUES (:value", Class::Operator, "1064"),
        ("INSERT INTO t VALUES (:value)", Class::Operator, "1136"),
        (
            "INSERT INTO t (k, short, needed) VALUES (1, :value, 1)",
            Class::Poison,
            "column `short`",
        ),
        (
            "INSERT INTO t (k, n, needed) VALUES (1, :value, 1)",
            Class::Poison,
            "column `n`",
        ),
        (
            "INSERT INTO t (k) VALUES (:value)",
            Class::Poison,
            "column `needed`",
        ),
        (
            "INSERT INTO t (k, needed) VALUES (:value, NULL)",
            Class::Poison,
            "column `needed`",
        ),
    ] {
        let done = send(&with(statement), firing(&id(1))).await;
        assert_failure(done, class, &[words]);
    }
    for (setting, wrong, words) in [
        (PASSWORD, "c4nary-9f2b7d10-wrong", "1045"),
        ("\"monitoring\"", "\"elsewhere\"", "elsewhere"),
        ("user = \"campanile\"", "user = \"nobody\"", "1045"),
    ] {
        let sink = built("mysql", &right.replace(setting, wrong));
        assert_failure(send(&sink, firing(&id(1))).await, Class::Operator, &[words]);
        let probe = sink.probe("2026-11-21T07:00:00Z".parse().unwrap()).unwrap();
        assert_eq!(probe.await.unwrap_err().class, Class::Operator);
    }
    let twice = with("INSERT INTO t (k, needed) VALUES (:value, 1)");
    assert_eq!(send(&twice, firing(&id(1))).await.unwrap().remark, None);
    let again = send(&twice, firing(&id(1))).await.unwrap();
    assert!(again.remark.unwrap().contains("already"));
    let wide = with("INSERT INTO t (k, narrow, needed) VALUES ('wide', :wide, 1)");
    let cut = send(&wide, firing(&id(1))).await.unwrap();
    assert!(cut.remark.unwrap().contains("U+FFFF"));
    let kept = "SELECT narrow FROM monitoring.t WHERE k = 'wide'";
    assert_eq!(server.sql(kept).await, "ab");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_alert_of_a_digest_keeps_none_of_the_others_out() {
    let (server, _folder) = server(&[]).await;
    let sink = built("mysql", &settings(&server));
    let mut bad = firing(&id(2));
    bad.source = VALUE.repeat(20);
    let digest = many(vec![firing(&id(1)), bad, resolved(&id(3))]);
    let words = ["1 of 3 alerts", "column `source`"];
    assert_failure(sink.send(&digest).await, Class::Poison, &words);
    assert_eq!(rows(&server, "status").await, "firing\nresolved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_killed_gets_the_alert_once_when_it_is_back() {
    let (mut server, _folder) = server(&[]).await;
    let sink = built("mysql", &settings(&server));
    send(&sink, firing(&id(1))).await.unwrap();
    server.kill().await;
    for _ in 0..2 {
        assert_failure(
            send(&sink, firing(&id(2))).await,
            Class::Transient,
            &["connect"],
        );
    }
    server.restart().await;
    assert_eq!(
        rows(&server, "COUNT(*)").await,
        "1",
        "nothing is sent later"
    );
    send(&sink, firing(&id(2))).await.unwrap();
    assert_eq!(rows(&server, "COUNT(*)").await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_up_is_not_written_later() {
    let (server, _folder) = server(&[]).await;
    let timeout = Duration::from_millis(2500);
    let sink = try_built("mysql", &settings(&server), timeout).unwrap();
    send(&sink, firing(&id(1))).await.unwrap();
    // A lock that the server itself gives up to wait for.
    let mut client = server.client();
    let mut client = client
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = client.stdin.take().unwrap();
    let lock = "LOCK TABLES monitoring.campanile_alerts WRITE; SELECT 'locked';\n";
    stdin.write_all(lock.as_bytes()).await.unwrap();
    stdin.flush().await.unwrap();
    let locked = "SELECT COUNT(*) FROM information_schema.metadata_lock_info WHERE TABLE_NAME = 'campanile_alerts'";
    server.sql("INSTALL SONAME 'metadata_lock_info'").await;
    while server.sql(locked).await == "0" {}
    assert_failure(
        send(&sink, firing(&id(2))).await,
        Class::Transient,
        &["1205"],
    );
    drop(stdin);
    client.wait().await.unwrap();
    // A server that does not read, and a send that is dropped meanwhile.
    server.signal("STOP");
    let late = try_built("mysql", &settings(&server), Duration::from_millis(200)).unwrap();
    assert_failure(
        send(&late, firing(&id(3))).await,
        Class::Transient,
        &["0.2 s"],
    );
    let message = message_of(firing(&id(4)));
    tokio::select! {
        biased;
        _ = sink.send(&message) => panic!("it is paused"),
        () = tokio::task::yield_now() => {}
    }
    server.signal("CONT");
    send(&sink, firing(&id(5))).await.unwrap();
    let ids = rows(&server, "id").await;
    assert_eq!(ids, [id(1), id(5)].join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_verified_and_a_read_only_server_needs_the_operator_after_three_attempts() {
    let file = |name: &str| format!("{}/tests/it/{name}", env!("CARGO_MANIFEST_DIR"));
    let pem = file("server.pem");
    let (server, _folder) =
        server(&[format!("--ssl-cert={pem}"), format!("--ssl-key={pem}")]).await;
    server.sql("ALTER USER 'campanile'@'%' REQUIRE SSL").await;
    let plain = built("mysql", &settings(&server));
    assert_failure(
        send(&plain, firing(&id(1))).await,
        Class::Operator,
        &["1045"],
    );
    let safe = settings(&server).replace("127.0.0.1", "localhost") + "tls = \"require\"\n";
    let unknown = built("mysql", &safe);
    assert_failure(
        send(&unknown, firing(&id(1))).await,
        Class::Transient,
        &["TLS failed", "ca_file"],
    );
    let trusted = format!("{safe}ca_file = \"{}\"\n", file("authority.pem"));
    let sink = built("mysql", &trusted);
    send(&sink, firing(&id(1))).await.unwrap();
    let other_name = built("mysql", &trusted.replace("localhost", "127.0.0.1"));
    assert_failure(
        send(&other_name, firing(&id(1))).await,
        Class::Transient,
        &["another host name"],
    );
    let any = built(
        "mysql",
        &format!("{safe}dangerous_skip_tls_verification = true\n"),
    );
    send(&any, firing(&id(2))).await.unwrap();

    server.sql("SET GLOBAL read_only = ON").await;
    for (attempt, class) in [
        (1, Class::Transient),
        (3, Class::Transient),
        (4, Class::Operator),
    ] {
        let mut message = message_of(firing(&id(3)));
        message.attempt = attempt;
        assert_failure(sink.send(&message).await, class, &["1290"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_is_a_host_and_a_refused_address_is_not_called() {
    let (server, _folder) = server(&[]).await;
    server
        .sql(
            "CREATE USER 'campanile'@'localhost' IDENTIFIED BY 'c4nary-9f2b7d10'; \
              GRANT INSERT, UPDATE, SELECT ON monitoring.* TO 'campanile'@'localhost'",
        )
        .await;
    let socket = server.socket().display().to_string();
    let sink = built("mysql", &settings(&server).replace("127.0.0.1", &socket));
    send(&sink, firing(&id(1))).await.unwrap();
    let outside = format!("{}egress = \"public_only\"\n", settings(&server));
    let sink = try_built("mysql", &outside, PATIENT).unwrap();
    assert_failure(
        send(&sink, firing(&id(2))).await,
        Class::Operator,
        &["loopback"],
    );
    assert_eq!(rows(&server, "COUNT(*)").await, "1");
}
