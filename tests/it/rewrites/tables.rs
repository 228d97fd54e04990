//! Tables: CSV files in which rewrites look up an alert.

use campanile::config::{self, Environment};
use serde_json::{Value, json};

use super::{Rewriting, settings};

const CMDB: &str = "id,team,tier\nuhost-1,db,1\nuhost-2,web,2\nuhost-3,,3\n";

const REWRITES: &str = "[tables.cmdb]\nfile = \"FOLDER/cmdb.csv\"\nkey = \"labels.host\"\n\
    [[rewrites]]\nname = \"cmdb\"\ntable = \"cmdb\"\n\
    set = { \"labels.team\" = \"table.team\", severity = \"'critical' if table.tier == '1' else severity\" }\n";

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_gets_what_its_row_says_and_a_key_without_a_row_adds_nothing() {
    let rewriting = Rewriting::with(CMDB, REWRITES).await;
    for (host, team, severity) in [
        ("uhost-1", json!("db"), "critical"),
        ("uhost-2", json!("web"), "warning"),
        // An empty cell is absent.
        ("uhost-3", json!("old"), "warning"),
        ("uhost-4", json!("old"), "warning"),
    ] {
        let labels = json!({"id": host, "host": host, "team": "old", "severity": "warning"});
        rewriting.send("firing", &labels).await;
        let got = rewriting.got("all");
        let alert = got.last().unwrap();
        assert_eq!(
            (&alert["labels"]["team"], &alert["severity"]),
            (&team, &json!(severity)),
            "{host}"
        );
    }
    assert_eq!(rewriting.got("pager").len(), 1);
    assert_eq!(rewriting.failed("cmdb", "key").await.to_string(), "1");
    assert_eq!(rewriting.failed("cmdb", "absent").await.to_string(), "1");
    rewriting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repetition_is_a_duplicate_also_after_the_table_has_changed() {
    let rewriting = Rewriting::with(CMDB, REWRITES).await;
    let labels = json!({"host": "uhost-2"});
    rewriting.send("firing", &labels).await;
    std::fs::write(
        rewriting.folder.path().join("cmdb.csv"),
        CMDB.replace("web", "storage"),
    )
    .unwrap();
    rewriting.gateway.reload_with(|_| ()).await;
    rewriting.send("firing", &labels).await;
    let listed = rewriting.gateway.list("/api/v1/alerts").await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    let source = "campanile_callbacks_total{source=\"alertmanager/prod\",outcome=\"duplicate\"}";
    assert_eq!(rewriting.gateway.metric(source).await.to_string(), "1");
    let conflicts = "campanile_conflicts_total{source=\"alertmanager/prod\"}";
    assert_eq!(rewriting.gateway.metric(conflicts).await.to_string(), "0");
    // The changed table counts for the next message.
    rewriting
        .send("firing", &json!({"host": "uhost-2", "id": "another"}))
        .await;
    let teams: Vec<Value> = rewriting
        .got("all")
        .iter()
        .map(|alert| alert["labels"]["team"].clone())
        .collect();
    assert_eq!(teams, ["web", "storage"]);
    rewriting.stop().await;
}

#[test]
fn the_file_of_a_table_is_watched_and_counts_when_gateways_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let (config, csv) = (
        folder.path().join("campanile.toml"),
        folder.path().join("cmdb.csv"),
    );
    let text = settings(folder.path(), REWRITES)
        .replace(&format!("{}/cmdb", folder.path().display()), "cmdb");
    std::fs::write(&config, text).unwrap();
    let digests = |text: &str| {
        std::fs::write(&csv, text).unwrap();
        let loaded = config::load(std::slice::from_ref(&config), &Environment::new());
        loaded
            .unwrap_or_else(|mistakes| panic!("{mistakes}"))
            .digests
    };
    let (first, second) = (digests(CMDB), digests(&CMDB.replace("web", "storage")));
    let differ = first
        .iter()
        .filter(|(part, digest)| second.get(*part) != Some(digest));
    let differ: Vec<&String> = differ.map(|(part, _)| part).collect();
    assert_eq!(differ, ["tables.cmdb"]);
    // Also while the table has a mistake, so that its fix is seen.
    std::fs::write(&csv, "id,team\nuhost-1\n").unwrap();
    assert_eq!(config::mapping_files(&[config]), [csv]);
}
