//! From no source to the first callback.

use campanile::config::{self, Environment};
use serde_json::json;

use super::forms::{SAME, submit};
use super::reader::{browser, until};
use super::trial;
use super::{open, setup::with_ucloud};
use crate::gateway::{Gateway, preamble};
use crate::process::Process;
use crate::standing::{Standing, Wire, config, post, source};

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_is_found_by_its_name_or_its_title() {
    let gateway = Standing::with(vec![]).await;
    let all = open(&gateway, "/setup", "").await.body;
    let number = campanile_providers::all().len();
    assert!(all.contains(&format!("{number} vendors")), "{all}");
    for (q, vendor) in [
        ("UCLOUD", "ucloud"),
        ("监控宝", "jiankong"),
        ("api alertmanager", "alertmanager-api"),
    ] {
        let query = serde_urlencoded::to_string([("q", q)]).unwrap();
        let page = open(&gateway, &format!("/setup?{query}"), "").await.body;
        assert!(
            page.contains(&format!("href=\"/setup/{vendor}\"")),
            "{q}: {page}"
        );
        assert!(!page.contains("href=\"/setup/zabbix\""), "{q}: {page}");
    }
    let none = open(&gateway, "/setup?q=%3Cscript%3E", "").await.body;
    assert!(
        none.contains("0 vendors") && !none.contains("<script>"),
        "{none}"
    );
    let start = open(&gateway, "/", "").await.body;
    assert!(start.contains("href=\"/setup\""), "{start}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_of_every_vendor_are_a_valid_configuration_with_a_fresh_secret() {
    let gateway = Standing::with(vec![]).await;
    let folder = tempfile::tempdir().unwrap();
    let mut secrets = std::collections::BTreeSet::new();
    for provider in campanile_providers::all() {
        let path = format!("/api/v1/providers/{}?source=new-1", provider.name());
        let lines = gateway.ask("GET", &path, "").await.json()["config"].clone();
        let lines = lines.as_str().unwrap();
        let file = folder.path().join("campanile.toml");
        std::fs::write(&file, preamble(folder.path()) + lines).unwrap();
        let loaded = config::load(&[file], &Environment::new());
        let loaded = loaded.unwrap_or_else(|mistakes| panic!("{lines}\n{mistakes}"));
        assert_eq!(
            loaded.sources[0].source.name,
            format!("{}/new-1", provider.name())
        );
        let secret = lines.split('"').nth(1).unwrap();
        assert!(
            secret.len() == 32 && secrets.insert(secret.to_owned()),
            "{lines}"
        );
    }
    let page = open(&gateway, "/setup/ucloud?name=Prod", "").await;
    assert_eq!(page.status, 400);
    assert!(
        page.body.contains("is not a valid name of a source"),
        "{}",
        page.body
    );
    assert_eq!(open(&gateway, "/setup/nobody", "").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_waits_until_the_source_is_in_force_and_shows_why_it_is_not() {
    let gateway = Gateway::start("").await;
    let path = "/setup/ucloud?name=prod&step=wait";
    let page = trial::open(&gateway, path).await;
    assert!(page.contains("ucloud/prod is not in force yet"), "{page}");
    gateway.refuse("campanile.toml:9:1: unknown setting `kee`");
    let page = trial::open(&gateway, path).await;
    assert!(page.contains("unknown setting `kee`"), "{page}");
    gateway.write("[providers.ucloud.prod]\nkey = \"a-key-of-a-test\"\n");
    gateway.reload_with(|_| ()).await;
    let page = trial::open(&gateway, path).await;
    assert!(
        page.contains("ucloud/prod is in force.") && !page.contains("kee"),
        "{page}"
    );
    assert!(
        page.contains("href=\"/sources/ucloud/prod/setup\""),
        "{page}"
    );
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_admin_sees_a_key_alone_on_a_page_that_is_not_compressed() {
    let gateway = Standing::of(&with_ucloud(config(vec![source("a")]))).await;
    let page = open(&gateway, "/sources/ucloud/prod/setup", "").await.body;
    assert!(
        page.contains("/key\"><button>Show the address with the key"),
        "{page}"
    );
    assert!(!page.contains("campanile-test-key"), "{page}");
    let head = format!("{SAME}accept-encoding: gzip\r\n");
    let reply = submit(&gateway, "/sources/ucloud/prod/key", &head, "").await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert!(!reply.headers.contains_key("content-encoding"), "{reply:?}");
    assert_eq!(reply.header("cache-control"), "no-store");
    let address = "callback&#x2f;ucloud&#x2f;prod&#x2f;campanile%2Dtest%2Dkey</pre>";
    assert!(reply.body.contains(address), "{}", reply.body);
    let audit = gateway.ask("GET", "/api/v1/audit", "").await.json();
    assert_eq!(audit["items"][0]["action"], "sources.show_key", "{audit}");
    let open = submit(&gateway, "/sources/probe/a/key", SAME, "").await;
    assert_eq!(open.status, 400, "{}", open.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_gets_from_an_empty_configuration_to_the_first_callback() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("campanile.toml");
    let empty = preamble(folder.path());
    std::fs::write(&file, &empty).unwrap();
    let process = Process::start(folder.path()).await;
    let browser = browser().await;
    let press = async |selector: &str| {
        let click = format!("document.querySelector('{selector}').click(); arguments[1]();");
        browser.run(&click, "").await;
    };
    browser.open(&format!("http://{}/", process.admin)).await;
    press("main a[href=\"/setup\"]").await;
    until(&browser, "location.pathname === \"/setup\"").await;
    press("a[href=\"/setup/ucloud\"]").await;
    until(&browser, "document.getElementById(\"lines\")").await;
    let lines = "arguments[1](document.getElementById('lines').textContent);";
    let lines = browser.run(lines, "").await;
    let lines = lines.as_str().unwrap();
    press("a[href$=\"step=wait\"]").await;
    until(
        &browser,
        "document.body.innerText.includes(\"is not in force yet\")",
    )
    .await;
    // A slip in the file is shown, and then its fix is taken over.
    let slip = lines.replacen("key", "kee", 1);
    std::fs::write(&file, format!("{empty}{slip}")).unwrap();
    until(
        &browser,
        "document.body.innerText.includes(\"unknown setting\")",
    )
    .await;
    std::fs::write(&file, format!("{empty}{lines}")).unwrap();
    let next = "document.querySelector(\"main a[href='/sources/ucloud/prod/setup']\")";
    until(&browser, next).await;
    browser
        .run(&format!("{next}.click(); arguments[1]();"), "")
        .await;
    until(
        &browser,
        "document.body.innerText.includes(\"Waiting for ucloud/prod\")",
    )
    .await;
    let key = lines.split('"').nth(1).unwrap();
    let call = json!({"SessionID": "s-1", "Region": "hk", "ResourceType": "uhost", "ResourceId": "u-1",
        "MetricName": "load", "AlarmTime": 1_700_000_000, "RecoveryTime": 0});
    let raw = post(
        &format!("/callback/ucloud/prod/{key}"),
        "content-type: application/json\r\nconnection: close\r\n",
        call.to_string().as_bytes(),
    );
    let reply = Wire::to(process.public).await.send(raw).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    until(
        &browser,
        "document.querySelector(\"[data-live] a[href^='/alerts/']\")",
    )
    .await;
    process.kill().await;
}
