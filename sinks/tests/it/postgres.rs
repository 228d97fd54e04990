//! The kind `postgres` against a real PostgreSQL.

use std::path::Path;
use std::time::Duration;

use campanile_receiver::postgres::Postgres;
use campanile_sinks::{Class, Worth};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use super::message_of;
use super::tables::{
    PASSWORD, PATIENT, VALUE, assert_failure, built, definition, filled, firing, hard, id, many,
    resolved, send, try_built,
};

/// A server with the table of the page, and a folder that lives as long.
async fn server(more: &[String], folder: &Path) -> Postgres {
    let server = Postgres::start(folder, more).await;
    let made = definition("postgres").replace("a-long-random-password", PASSWORD);
    server.sql("postgres", "CREATE DATABASE monitoring").await;
    server.sql("monitoring", &made).await;
    server
}

fn settings(server: &Postgres) -> String {
    format!(
        "host = \"127.0.0.1\"\nport = {}\ndatabase = \"monitoring\"\nuser = \"campanile\"\npassword = \"{PASSWORD}\"\n",
        server.port
    )
}

async fn rows(server: &Postgres, columns: &str) -> String {
    let select = format!("SELECT {columns} FROM campanile_alerts ORDER BY 1");
    server.sql("monitoring", &select).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_of_the_page_gets_one_row_for_each_alert_however_often_it_is_sent() {
    let folder = TempDir::new().unwrap();
    let server = server(&[], folder.path()).await;
    let sink = built("postgres", &settings(&server));
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
    let found = rows(
        &server,
        "id, status, resource_id, value, starts_at, ends_at",
    )
    .await;
    let firing = |number| format!("{}|firing|uhost-1|97|2016-08-10 09:51:37+00|", id(number));
    let over = |number| {
        let ended = "2016-08-10 10:08:17.5+00";
        format!(
            "{}|resolved|uhost-1|97|2016-08-10 09:51:37+00|{ended}",
            id(number)
        )
    };
    assert_eq!(found, [firing(1), over(2), firing(3), over(4)].join("\n"));
    let kept = "SELECT COUNT(*) FROM campanile_alerts WHERE alert->>'title' = title \
                AND title = 'it''s \"資料庫\" \\ ''; DROP TABLE campanile_alerts; -- 🔥'";
    assert_eq!(server.sql("monitoring", kept).await, "1");
    let probe = sink.probe("2026-11-21T07:00:00Z".parse().unwrap()).unwrap();
    assert!(probe.await.unwrap().starts_with("PostgreSQL 1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn values_fit_every_type_of_column_and_a_function_can_be_called() {
    let folder = TempDir::new().unwrap();
    let server = server(&[], folder.path()).await;
    server
        .sql(
            "monitoring",
            "CREATE TYPE level AS ENUM ('critical', 'info'); \
             CREATE TABLE t (a uuid, b level, c numeric(6,2), d boolean, e text[], f jsonb, g date, h inet, i bigint, j bytea); \
             GRANT INSERT, SELECT ON t TO campanile; \
             CREATE FUNCTION note(text) RETURNS text LANGUAGE sql SECURITY DEFINER AS \
             'INSERT INTO t (e) VALUES (ARRAY[$1]) RETURNING e[1]'",
        )
        .await;
    let statement = "statement = \"\"\"INSERT INTO t VALUES (:id, :severity, :c, :d, :e, :labels, :received_at, :h, :i, :j) RETURNING a\"\"\"\n\
         parameters = { c = \"(metric.value or 0) / 2\", d = \"severity == 'critical'\", e = \"'{a,b}'\", h = \"'192.0.2.7'\", i = \"starts_at|unix\", j = \"title\" }\n";
    let sink = built("postgres", &(settings(&server) + statement));
    send(&sink, firing(&id(1))).await.unwrap();
    let found = server
        .sql(
            "monitoring",
            "SELECT a, b, c, d, e, f, g, h, i, length(j) FROM t",
        )
        .await;
    let wanted = format!(
        "{}|critical|48.50|t|{{a,b}}|{{\"team\": \"db\"}}|1970-01-01|192.0.2.7|1470822697|11",
        id(1)
    );
    assert_eq!(found, wanted);
    let call = built(
        "postgres",
        &(settings(&server) + &filled("SELECT note(:title)")),
    );
    send(&call, firing(&id(1))).await.unwrap();
    let noted = "SELECT COUNT(*) FROM t WHERE e = '{CPU of db-1}'";
    assert_eq!(server.sql("monitoring", noted).await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_has_its_class_and_quotes_no_value_and_no_password() {
    let folder = TempDir::new().unwrap();
    let server = server(&[], folder.path()).await;
    server
        .sql(
            "monitoring",
            "CREATE TABLE t (k text PRIMARY KEY, short varchar(4), n int, needed int NOT NULL, small int CONSTRAINT few CHECK (small < 9)); \
             GRANT INSERT ON t TO campanile; CREATE TABLE secret (k int)",
        )
        .await;
    let right = settings(&server);
    let with = |statement: &str| built("postgres", &(right.clone() + &filled(statement)));
    for (statement, class, words) in [
        (
            "INSERT INTO nothing (k) VALUES (:value)",
            Class::Operator,
            "42P01",
        ),
        (
            "INSERT INTO t (missing) VALUES (:value)",
            Class::Operator,
            "42703",
        ),
        ("INSERT INTO secret VALUES (1)", Class::Operator, "42501"),
        ("INSERT INTO t VALUES (:value", Class::Operator, "42601"),
        (
            "INSERT INTO t (k, short, needed) VALUES (1, :value, 1)",
            Class::Poison,
            "22001",
        ),
        (
            "INSERT INTO t (k, n, needed) VALUES (1, :value, 1)",
            Class::Poison,
            "22P02",
        ),
        (
            "INSERT INTO t (k) VALUES (:value)",
            Class::Poison,
            "column `needed`",
        ),
        (
            "INSERT INTO t (k, needed, small) VALUES (:value, 1, 10)",
            Class::Poison,
            "rule `few`",
        ),
    ] {
        let done = send(&with(statement), firing(&id(1))).await;
        assert_failure(done, class, &[words]);
    }
    for (setting, wrong, words) in [
        (PASSWORD, "c4nary-9f2b7d10-wrong", "28P01"),
        ("\"monitoring\"", "\"elsewhere\"", "3D000"),
        ("user = \"campanile\"", "user = \"nobody\"", "28P01"),
        ("password = ", "# password = ", "check `user`, `password`"),
    ] {
        let sink = built("postgres", &right.replace(setting, wrong));
        assert_failure(send(&sink, firing(&id(1))).await, Class::Operator, &[words]);
        let probe = sink.probe("2026-11-21T07:00:00Z".parse().unwrap()).unwrap();
        assert_eq!(probe.await.unwrap_err().class, Class::Operator);
    }
    let twice = with("INSERT INTO t (k, needed) VALUES (:value, 1)");
    assert_eq!(send(&twice, firing(&id(1))).await.unwrap().remark, None);
    let again = send(&twice, firing(&id(1))).await.unwrap();
    assert!(again.remark.unwrap().contains("already"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_alert_of_a_digest_keeps_none_of_the_others_out() {
    let folder = TempDir::new().unwrap();
    let server = server(&[], folder.path()).await;
    let sink = built("postgres", &settings(&server));
    let digest = many(vec![firing(&id(1)), firing(VALUE), resolved(&id(3))]);
    assert_failure(
        sink.send(&digest).await,
        Class::Poison,
        &["1 of 3 alerts", "22P02"],
    );
    assert_eq!(rows(&server, "status").await, "firing\nresolved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_crashed_gets_the_alert_once_when_it_is_back() {
    let folder = TempDir::new().unwrap();
    let mut server = server(&[], folder.path()).await;
    let sink = built("postgres", &settings(&server));
    send(&sink, firing(&id(1))).await.unwrap();
    server.crash().await;
    for _ in 0..2 {
        assert_failure(send(&sink, firing(&id(2))).await, Class::Transient, &[]);
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
    let folder = TempDir::new().unwrap();
    let server = server(&[], folder.path()).await;
    let timeout = Duration::from_millis(2500);
    let sink = try_built("postgres", &settings(&server), timeout).unwrap();
    send(&sink, firing(&id(1))).await.unwrap();
    // A lock that the server itself gives up to wait for.
    let mut client = server.client("monitoring");
    let mut client = client
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = client.stdin.take().unwrap();
    let lock = "BEGIN; LOCK TABLE campanile_alerts; SELECT 'locked';\n";
    stdin.write_all(lock.as_bytes()).await.unwrap();
    stdin.flush().await.unwrap();
    let mut lines = BufReader::new(client.stdout.take().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().unwrap(), "locked");
    assert_failure(
        send(&sink, firing(&id(2))).await,
        Class::Transient,
        &["57014"],
    );
    drop(stdin);
    client.wait().await.unwrap();
    // A server that does not read: the connection is not complete when the send is dropped.
    server.signal("STOP");
    let late = try_built("postgres", &settings(&server), Duration::from_millis(200)).unwrap();
    assert_failure(
        send(&late, firing(&id(3))).await,
        Class::Transient,
        &["0.2 s"],
    );
    let fresh = built("postgres", &settings(&server));
    let message = message_of(firing(&id(4)));
    tokio::select! {
        biased;
        _ = fresh.send(&message) => panic!("it is paused"),
        () = tokio::task::yield_now() => {}
    }
    server.signal("CONT");
    send(&sink, firing(&id(5))).await.unwrap();
    assert_eq!(rows(&server, "id").await, [id(1), id(5)].join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_verified_and_a_read_only_server_needs_the_operator_after_three_attempts() {
    let file = |name: &str| format!("{}/tests/it/{name}", env!("CARGO_MANIFEST_DIR"));
    let folder = TempDir::new().unwrap();
    let key = Postgres::key(folder.path(), Path::new(&file("server.pem"))).await;
    let key = key.display();
    let tls = [
        "ssl=on".to_owned(),
        format!("ssl_cert_file={key}"),
        format!("ssl_key_file={key}"),
    ];
    let server = server(&tls, folder.path()).await;
    let safe = settings(&server).replace("127.0.0.1", "localhost") + "tls = \"require\"\n";
    let unknown = built("postgres", &safe);
    let words = ["TLS failed", "ca_file"];
    assert_failure(
        send(&unknown, firing(&id(1))).await,
        Class::Transient,
        &words,
    );
    let trusted = format!("{safe}ca_file = \"{}\"\n", file("authority.pem"));
    let sink = built("postgres", &trusted);
    send(&sink, firing(&id(1))).await.unwrap();
    let other_name = built("postgres", &trusted.replace("localhost", "127.0.0.1"));
    let words = ["another host name"];
    assert_failure(
        send(&other_name, firing(&id(1))).await,
        Class::Transient,
        &words,
    );
    let any = built(
        "postgres",
        &format!("{safe}dangerous_skip_tls_verification = true\n"),
    );
    send(&any, firing(&id(2))).await.unwrap();
    let encrypted = "SELECT COUNT(*) > 0 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND application_name = 'campanile'";
    assert_eq!(server.sql("monitoring", encrypted).await, "t");

    let read_only = "ALTER USER campanile SET default_transaction_read_only = on";
    server.sql("monitoring", read_only).await;
    for (attempt, class) in [
        (1, Class::Transient),
        (3, Class::Transient),
        (4, Class::Operator),
    ] {
        let mut message = message_of(firing(&id(3)));
        message.attempt = attempt;
        let fresh = built("postgres", &trusted);
        assert_failure(fresh.send(&message).await, class, &["25006"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_is_a_host_and_a_refused_address_is_not_called() {
    let folder = TempDir::new().unwrap();
    let server = server(&[], folder.path()).await;
    let socket = server.socket().display().to_string();
    let sink = built("postgres", &settings(&server).replace("127.0.0.1", &socket));
    send(&sink, firing(&id(1))).await.unwrap();
    let outside = format!("{}egress = \"public_only\"\n", settings(&server));
    let sink = try_built("postgres", &outside, PATIENT).unwrap();
    assert_failure(
        send(&sink, firing(&id(2))).await,
        Class::Operator,
        &["loopback"],
    );
    let plain = built("postgres", &(settings(&server) + "tls = \"require\"\n"));
    assert_failure(
        send(&plain, firing(&id(2))).await,
        Class::Operator,
        &["tls"],
    );
    assert_eq!(rows(&server, "COUNT(*)").await, "1");
}
