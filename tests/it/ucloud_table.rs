//! The table of UCloud's own demo server: the shipped example fills it through the whole gateway, in a real MariaDB.

use std::path::Path;
use std::time::Duration;

use campanile_receiver::mariadb::Mariadb;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::gateway::Gateway;

const KEY: &str = "the-key-of-ucloud";
const PASSWORD: &str = "a-long-random-password";
const SESSION: &str = "07a89fb8-5ee0-11e6-b059-00ffbeabee13";
const ALARM: u64 = 1_470_822_697;
const RECOVERY: u64 = 1_470_823_697;

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// A server with the table and the user of `docs/operations.md`.
async fn server(folder: &TempDir) -> Mariadb {
    let server = Mariadb::start(folder.path(), &["--skip-name-resolve".to_owned()]).await;
    let page = read("docs/operations.md");
    let section = page
        .split("### Fill the table of UCloud's demo server")
        .nth(1);
    let sql = section.unwrap().split("```sql\n").nth(1).unwrap();
    server.sql(sql.split("```").next().unwrap()).await;
    server
}

/// The gateway with the shipped example. Only its secrets and the port are others.
async fn gateway(server: &Mariadb) -> Gateway {
    let example = read("config/examples/ucloud-demo.toml");
    let settings = example
        .replace("{ env = \"UCLOUD_KEY\" }", &format!("\"{KEY}\""))
        .replace("{ env = \"UMON_DB_PASSWORD\" }", &format!("\"{PASSWORD}\""))
        .replace("port = 3306", &format!("port = {}", server.port));
    assert!(!settings.contains("env ="), "{settings}");
    Gateway::start(&settings).await
}

fn callback(session: &str, recovery: u64) -> Value {
    json!({
        "SessionID": session, "Region": " cn-north-03", "ResourceType": "uhost", "ResourceId": "uhost-1",
        "MetricName": "MemUsage", "AlarmTime": ALARM, "RecoveryTime": recovery,
    })
}

async fn add(gateway: &Gateway, callback: &Value) {
    let reply = gateway.post(&format!("/add/{KEY}"), callback).await;
    let wanted = json!({"SessionID": callback["SessionID"], "RetCode": 0});
    assert_eq!((reply.status, reply.json()), (200, wanted));
    gateway.deliver_everything().await;
}

async fn table(server: &Mariadb) -> String {
    server
        .sql("SELECT * FROM monitor_warn.warn_message ORDER BY metric_name, session_id")
        .await
}

/// A row as the client of the database prints it.
fn row(recovery: u64) -> String {
    format!("{SESSION}\tcn-north-03\tuhost\tuhost-1\tMemUsage\t{ALARM}\t{recovery}")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_makes_a_row_and_the_recovery_under_its_session_fills_it_in() {
    let folder = TempDir::new().unwrap();
    let server = server(&folder).await;
    let gateway = gateway(&server).await;
    for _ in 0..3 {
        add(&gateway, &callback(SESSION, 0)).await;
        assert_eq!(table(&server).await, row(0));
    }
    for _ in 0..3 {
        add(&gateway, &callback(SESSION, RECOVERY)).await;
        assert_eq!(table(&server).await, row(RECOVERY));
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_the_table_is_made_to_fit_it() {
    let folder = TempDir::new().unwrap();
    let server = server(&folder).await;
    let gateway = gateway(&server).await;
    let mut wide = callback("07a89fb8", RECOVERY);
    wide["AlarmTime"] = json!(0);
    wide["Region"] = json!("地".repeat(30));
    wide["ResourceType"] = json!("t".repeat(60));
    wide["ResourceId"] = json!("id🔥");
    wide["MetricName"] = json!("m".repeat(70));
    add(&gateway, &wide).await;
    let found = table(&server).await;
    let cells: Vec<_> = found.split('\t').collect();
    assert_eq!(
        (cells[0].len(), cells[0].matches('-').count()),
        (36, 4),
        "{found}"
    );
    let wanted = [
        "地".repeat(20),
        "t".repeat(45),
        "id".to_owned(),
        "m".repeat(50),
    ];
    assert_eq!(cells[1..5], wanted);
    assert_eq!(cells[5..], ["0", &RECOVERY.to_string()]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_down_gets_every_session_when_it_is_back() {
    let folder = TempDir::new().unwrap();
    let mut server = server(&folder).await;
    let gateway = gateway(&server).await;
    add(&gateway, &callback(SESSION, 0)).await;
    server.kill().await;
    add(&gateway, &callback(SESSION, RECOVERY)).await;
    server.restart().await;
    gateway.advance(Duration::from_mins(10)).await;
    assert_eq!(table(&server).await, row(RECOVERY));
    gateway.stop().await;
}
