//! Redaction: no byte of a redacted value is kept or sent.

use std::path::Path;

use serde_json::{Value, json};

use super::Rewriting;
use crate::standing::post;

const SECRET: &str = "pa55 w/rd\u{e9}";

const REDACT: &str = "[[rewrites]]\nname = \"secrets\"\nredact = [\"labels.password\"]\n";

/// Every encoding of the secret that a file could have.
fn encodings() -> Vec<Vec<u8>> {
    let plain = SECRET.as_bytes().to_vec();
    let json = serde_json::to_string(SECRET).unwrap();
    let json = json.trim_matches('"').as_bytes().to_vec();
    // The start alone: no text has it by chance.
    vec![
        plain,
        json,
        b"pa55 w".to_vec(),
        b"pa55+w".to_vec(),
        b"pa55%20w".to_vec(),
    ]
}

fn assert_clean(what: &str, bytes: &[u8]) {
    for encoding in encodings() {
        let found = bytes
            .windows(encoding.len())
            .position(|part| part == encoding);
        assert_eq!(
            found,
            None,
            "{what} has {:?}",
            String::from_utf8_lossy(&encoding)
        );
    }
}

fn assert_clean_files(folder: &Path) -> usize {
    let files = std::fs::read_dir(folder).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.is_file()).collect();
    for file in &files {
        assert_clean(&file.display().to_string(), &std::fs::read(file).unwrap());
    }
    files.len()
}

fn labels() -> Value {
    json!({"password": SECRET, "note": format!("log in with {SECRET}, please")})
}

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_of_a_redacted_value_is_kept_or_sent() {
    let rewriting = Rewriting::with("", REDACT).await;
    rewriting.send("firing", &labels()).await;
    // A duplicate is kept in memory, with its request.
    rewriting.send("firing", &labels()).await;
    let gateway = &rewriting.gateway;
    let id = gateway.list("/api/v1/alerts").await[0]["id"].clone();
    let id = id.as_str().unwrap();
    let mut looked = 0;
    for path in [
        "/api/v1/alerts".to_owned(),
        format!("/api/v1/alerts/{id}"),
        format!("/api/v1/alerts/{id}/origin"),
        "/api/v1/callbacks".to_owned(),
        "/".to_owned(),
        format!("/alerts/{id}"),
        format!("/try?alert={id}"),
        "/callbacks".to_owned(),
    ] {
        let reply = gateway.look(&path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        looked += reply.body.matches("***").count();
        assert_clean(&path, reply.body.as_bytes());
    }
    assert!(looked > 5, "the redacted value has a mark: {looked}");
    let detail = gateway.ask(&format!("/api/v1/alerts/{id}")).await;
    assert_eq!(detail["alert"]["labels"]["password"], "***", "{detail}");
    assert_eq!(detail["alert"]["description"], "log in with ***, please");
    assert!(
        detail["callback"]
            .as_str()
            .unwrap()
            .contains("log in with ***, please")
    );
    // The database with its log of pages, the messages and the log.
    assert!(assert_clean_files(rewriting.gateway.folder()) > 2);
    assert_clean_files(rewriting.folder.path());
    assert_eq!(rewriting.got("all")[0]["labels"]["password"], "***");
    rewriting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redacted_request_is_read_again_with_the_same_alerts() {
    let team = "[[rewrites]]\nset = { \"labels.team\" = \"'db'\" }\n";
    let rewriting = Rewriting::with("", &format!("{REDACT}{team}")).await;
    let mut body = super::message("firing", &labels());
    let mut other = body["alerts"][0].clone();
    other["fingerprint"] = json!("0000000000000001");
    other["labels"]["password"] = json!("another-secret");
    body["alerts"].as_array_mut().unwrap().push(other);
    rewriting.post(&body).await;
    let wanted = json!({"source": "alertmanager/prod"});
    let answer = rewriting.act("/api/v1/renormalize", &wanted).await;
    assert_eq!(
        (&answer["items"], &answer["looked_at"]),
        (&json!([]), &json!(2)),
        "{answer}"
    );
    rewriting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_that_fails_does_not_keep_a_value_in() {
    let rules = "[[rewrites]]\nwhen = \"labels.level is defined and labels.level|int > 2\"\nredact = [\"labels.password\"]\n";
    let rewriting = Rewriting::with("", rules).await;
    let mut labels = labels();
    labels["level"] = json!("P1");
    rewriting.send("firing", &labels).await;
    assert_eq!(rewriting.got("all")[0]["labels"]["password"], "***");
    assert_clean_files(rewriting.gateway.folder());
    rewriting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_value_is_hidden_in_its_field_alone() {
    let rewriting = Rewriting::with("", REDACT).await;
    let labels = json!({"password": "disk", "note": "the disk is full"});
    rewriting.send("firing", &labels).await;
    let alert = &rewriting.got("all")[0];
    assert_eq!(alert["labels"]["password"], "***");
    assert_eq!(alert["description"], "the disk is full");
    rewriting.stop().await;
}

/// The mapping takes the value apart, so that no search for it finds it in the request.
#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_the_search_cannot_find_in_the_request_takes_its_body_along() {
    let mapping = r#"
[mappings.coded]
title = "Coded"
confidence = "documented"
proof = { kind = "header", name = "X-Token" }
status = { from = "body.state", firing = ["DOWN"], resolved = ["UP"] }
[mappings.coded.alert]
message_id = ["body.id"]
fingerprint = ["body.id"]
title = "body.id"
labels = { password = "body.code|base64decode" }
[providers.coded.prod]
token = "the-token-of-coded"
"#;
    let rewriting = Rewriting::with("", &format!("{mapping}{REDACT}")).await;
    let body = json!({"id": "a", "state": "DOWN", "code": "cGE1NS13b3JkLTE="}).to_string();
    let head = "content-type: application/json\r\nx-token: the-token-of-coded\r\n";
    let raw = post("/callback/coded/prod", head, body.as_bytes());
    let reply = rewriting.gateway.send(raw).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let id = rewriting.gateway.list("/api/v1/alerts").await[0]["id"].clone();
    let detail = rewriting
        .gateway
        .ask(&format!("/api/v1/alerts/{}", id.as_str().unwrap()))
        .await;
    assert_eq!(detail["alert"]["labels"]["password"], "***");
    assert_eq!(
        detail["callback"],
        "POST /callback/coded/prod HTTP/1.1\r\n\r\n***"
    );
    rewriting.stop().await;
}
