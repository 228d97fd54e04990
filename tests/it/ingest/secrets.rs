//! A stored callback contains none of its secrets.

use std::sync::Arc;

use campanile::config::SourceSpec;
use campanile_model::{Callback, Secret};
use campanile_providers::Source;
use serde_json::json;

use super::{gzip, probe};
use crate::standing::{Standing, config, keyed, post, request, source};

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_reaches_the_store() {
    let mut guarded = keyed("a", "the-secret-key");
    guarded.tokens = vec![Secret::from("the-secret-token")];
    let gateway = Standing::with(vec![guarded]).await;
    let mut body = probe("1");
    body["token"] = json!("the-secret-token");
    let head = "authorization: Basic c2VjcmV0\r\ncontent-type: application/json\r\n";
    let raw = post(
        "/callback/probe/a/the%2Dsecret-key",
        head,
        body.to_string().as_bytes(),
    );
    assert_eq!(gateway.send(raw).await.status, 200);
    let kept = String::from_utf8(gateway.store.first_callback().await).unwrap();
    assert!(
        kept.starts_with("POST /callback/probe/a/*** HTTP/1.1\r\n"),
        "{kept}"
    );
    for secret in ["the-secret", "the%2Dsecret", "c2VjcmV0"] {
        assert!(!kept.contains(secret), "{kept}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_body_is_kept_inflated_without_its_secrets() {
    let mut guarded = source("a");
    guarded.open = false;
    guarded.tokens = vec![Secret::from("the-secret-token")];
    let gateway = Standing::with(vec![guarded]).await;
    let body = b"{\"probe\":\"1\",\"token\":\"the-secret-token\",\"title\":\"\xb8\xdf\"}";
    let head = "content-encoding: gzip\r\ncontent-type: application/json; charset=gbk\r\n";
    let reply = gateway
        .send(post("/callback/probe/a", head, &gzip(body)))
        .await;
    assert_eq!(reply.status, 200);
    let kept = gateway.store.first_callback().await;
    let kept = Callback::from_http(&kept).unwrap();
    let read = kept.json().unwrap();
    assert_eq!(
        (&read["title"], &read["token"]),
        (&json!("高"), &json!("***"))
    );
}

/// The token of this vendor does not cover the message: an attacker who reads it once can use it without a limit.
#[tokio::test(flavor = "multi_thread")]
async fn a_digest_that_is_always_the_same_is_not_kept_with_the_callback() {
    const DIGEST: &str = "108188de4901e5ff0501d23921484e66";
    let statuscake = campanile_providers::by_name("statuscake").unwrap();
    let mut plan = config(vec![]);
    plan.sources = vec![SourceSpec {
        provider: Arc::clone(statuscake),
        source: Arc::new(
            Source {
                name: "statuscake/a".to_owned(),
                tokens: vec![Secret::from("campanile-fixture-token")],
                ..Source::default()
            }
            .with("user", "campanile-fixture-user"),
        ),
    }];
    for digest in [DIGEST.to_owned(), DIGEST.to_uppercase()] {
        let form = format!("Token={digest}&Name=db7&Status=Down&StatusCode=503&TestID=7");
        let by_form = request(
            "POST",
            "/callback/statuscake/a",
            "content-type: application/x-www-form-urlencoded\r\n",
            form.as_bytes(),
        );
        let by_query = request("GET", &format!("/callback/statuscake/a?{form}"), "", b"");
        for raw in [by_form, by_query] {
            let gateway = Standing::of(&plan).await;
            assert_eq!(gateway.send(raw).await.status, 200);
            let kept = String::from_utf8(gateway.store.first_callback().await).unwrap();
            assert!(kept.contains("Token=***&Name=db7"), "{kept}");
            assert!(!kept.contains(&digest), "{kept}");
        }
    }
}
