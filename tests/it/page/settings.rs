//! The settings of a reader, what runs, and what operators did.

use super::forms::{SAME, submit};
use super::trial;
use super::{open, with_title};
use crate::gateway::Gateway;
use crate::standing::SINK;

#[tokio::test(flavor = "multi_thread")]
async fn language_theme_and_zone_are_kept_and_a_wrong_zone_comes_back() {
    let (gateway, _) = with_title("disk").await;
    let form = "language=zh-Hant&theme=dark&zone=Asia/Taipei";
    let reply = submit(&gateway, "/settings", SAME, form).await;
    assert_eq!(
        (reply.status, reply.header("location")),
        (303, "/settings?done=kept")
    );
    let cookie = reply.header("set-cookie");
    assert!(
        cookie.starts_with("campanile-chosen-zone=Asia/Taipei;"),
        "{cookie}"
    );
    // The zone that the reader chose counts more than that of the browser.
    let head = "cookie: campanile-language=zh-Hant; campanile-theme=dark; \
                campanile-chosen-zone=Asia/Taipei; campanile-zone=Europe/Berlin\r\n";
    let page = open(&gateway, "/settings", head).await.body;
    for part in [
        "<html lang=\"zh-Hant\" data-theme=\"dark\">",
        "value=\"Asia&#x2f;Taipei\"",
        "時間以 Asia&#x2f;Taipei 顯示",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let reply = submit(
        &gateway,
        "/settings",
        SAME,
        "language=en&theme=auto&zone=Asia/Nowhere",
    )
    .await;
    assert_eq!(reply.status, 400);
    for part in [
        "This is not the name of a time zone.",
        "value=\"Asia&#x2f;Nowhere\"",
        "aria-invalid=\"true\"",
    ] {
        assert!(reply.body.contains(part), "{part}: {}", reply.body);
    }
    let reply = submit(&gateway, "/settings", SAME, "language=en&theme=auto&zone=").await;
    let page = open(
        &gateway,
        reply.header("location"),
        "cookie: campanile-chosen-zone=\r\n",
    )
    .await
    .body;
    assert!(
        page.contains("The settings are saved.") && page.contains("Times are in UTC."),
        "{page}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_settings_show_who_reads_what_runs_and_the_configuration_without_secrets() {
    let gateway = Gateway::start(
        "[providers.ucloud.prod]\nkey = \"c4nary-key\"\nlabels = { team = \"db\" }\n\
         [sinks.webhook.oncall]\nurl = \"http://127.0.0.1:9/c4nary\"\nheaders = { authorization = \"Bearer c4nary\" }\n",
    )
    .await;
    let page = trial::open(&gateway, "/settings").await;
    for part in [
        "No token is configured",
        env!("CARGO_PKG_VERSION"),
        "[providers.ucloud.prod]",
        "key = &quot;***&quot;",
        "team = &quot;db&quot;",
        "url = &quot;***&quot;",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("c4nary"), "{page}");
    gateway.refuse("campanile.toml:4:1: unknown setting `kee`");
    let page = trial::open(&gateway, "/settings").await;
    assert!(
        page.contains("so the old one stays in force") && page.contains("unknown setting"),
        "{page}"
    );
    gateway.reload_with(|_| ()).await;
    let now = gateway.ask("/api/v1/gateway").await;
    assert_eq!(now["refused"], serde_json::Value::Null, "{now}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_shows_who_did_what_and_can_be_filtered() {
    let (gateway, id) = with_title("disk").await;
    let page = open(&gateway, "/audit", "").await.body;
    assert!(page.contains("No action matches."), "{page}");
    submit(&gateway, &format!("/sinks/{SINK}/pause"), SAME, "").await;
    submit(&gateway, &format!("/alerts/{id}/retry"), SAME, "sink=").await;
    let page = open(&gateway, "/audit", "").await.body;
    for part in [
        "paused a sink",
        "sent an alert again",
        &SINK.replace('/', "&#x2f;"),
        &id,
        ">admin<",
        "127.0.0.1",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let page = open(&gateway, "/audit?action=sinks&who=&since=1h", "")
        .await
        .body;
    assert!(
        page.contains("paused a sink") && !page.contains("sent an alert again"),
        "{page}"
    );
    let target = format!("<bdi lang=\"\">{}</bdi>", SINK.replace('/', "&#x2f;"));
    assert!(page.contains(&target), "{target}: {page}");
    let page = open(&gateway, "/audit?who=nobody", "").await.body;
    assert!(
        page.contains("No action matches.") && page.contains("value=\"nobody\""),
        "{page}"
    );
}
