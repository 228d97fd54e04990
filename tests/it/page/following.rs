//! The live page follows the gateway while it is open.

use std::path::Path;

use serde_json::json;

use super::reader::{browser, until};
use crate::driver::Browser;
use crate::gateway::preamble;
use crate::process::Process;
use crate::receiver::{Play, Receiver};
use crate::standing::{Standing, TOKEN, config, post, source};

/// Without timers the page only hears the stream.
const NO_POLL: &str = "window.setInterval = () => 0;";

/// A browser that is logged in.
async fn logged_in(gateway: &Standing) -> Browser {
    let browser = browser().await;
    let base = format!("http://{}", gateway.admin);
    browser.open(&format!("{base}/login")).await;
    let enter = "const form = document.querySelector('form.act'); form.token.value = arguments[0]; \
        form.submit(); arguments[1]();";
    browser.run(enter, TOKEN).await;
    until(&browser, "location.pathname === '/'").await;
    browser
}

async fn without_poll(browser: &Browser) {
    let script = json!({"source": NO_POLL});
    browser
        .command("Page.addScriptToEvaluateOnNewDocument", script)
        .await;
}

async fn fire(gateway: &Standing, title: &str) {
    let body = json!({"probe": title, "problem": title, "severity": "error", "status": "firing", "title": title});
    assert_eq!(gateway.post("/callback/probe/a", &body).await.status, 200);
}

fn shows(title: &str) -> String {
    format!("document.body.innerText.includes('{title}')")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_appears_and_changes_by_the_stream_alone() {
    let gateway = Standing::with(vec![source("a")]).await;
    let browser = logged_in(&gateway).await;
    without_poll(&browser).await;
    browser.open(&format!("http://{}/", gateway.admin)).await;
    for title in ["first fault", "second fault"] {
        fire(&gateway, title).await;
        until(&browser, &shows(title)).await;
    }
    assert!(browser.text(None).await.contains("<title>(2) Campanile"));
}

#[tokio::test(flavor = "multi_thread")]
async fn six_visible_pages_follow_together_and_the_seventh_opens() {
    let mut config = config(vec![source("a")]);
    config.admin.token = None;
    let gateway = Standing::of(&config).await;
    let browser = browser().await;
    let mut windows = Vec::new();
    for _ in 0..7 {
        windows.push(browser.new_window().await);
        without_poll(&browser).await;
        browser.open(&format!("http://{}/", gateway.admin)).await;
    }
    for title in ["first fault", "second fault"] {
        fire(&gateway, title).await;
        for window in &windows {
            browser.go_to(window).await;
            until(&browser, &format!("!document.hidden && {}", shows(title))).await;
        }
    }
}

/// Settings whose admin listener has the same address after a restart.
fn write_config(folder: &Path, admin: &str, sink: &str) {
    let preamble = preamble(folder).replace(
        "[admin]\nlisten = \"127.0.0.1:0\"",
        &format!("[admin]\nlisten = \"{admin}\""),
    );
    let settings = format!(
        "[providers.ucloud.prod]\nkey = \"the-key-of-ucloud\"\n[sinks.webhook.oncall]\nurl = \"{sink}\"\n"
    );
    std::fs::write(folder.join("campanile.toml"), preamble + &settings).unwrap();
}

async fn alarms(process: &Process, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let body = json!({
            "SessionID": format!("session-{number}"), "Region": "cn-north-03", "ResourceType": "uhost",
            "ResourceId": format!("uhost-{number}"), "MetricName": "MemUsage",
            "AlarmTime": 1_470_822_697, "RecoveryTime": 0,
        });
        let path = "/callback/ucloud/prod/the-key-of-ucloud";
        let sent = process.send(post(path, "", body.to_string().as_bytes()));
        assert_eq!(sent.await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_loses_the_gateway_says_so_and_goes_on_with_every_row_once() {
    let receiver = Receiver::start([Play::status(200)]).await;
    let folder = tempfile::tempdir().unwrap();
    // No other test listens at this address, so the port stays free during the restart.
    write_config(folder.path(), "127.0.0.77:0", &receiver.url("/"));
    let first = Process::start(folder.path()).await;
    write_config(folder.path(), &first.admin.to_string(), &receiver.url("/"));
    let browser = browser().await;
    browser
        .open(&format!("http://{}/?view=each", first.admin))
        .await;
    alarms(&first, 0..10).await;
    let rows =
        |count: usize| format!("document.querySelectorAll('.rows tbody tr').length === {count}");
    until(&browser, &rows(10)).await;
    first.kill().await;
    let says =
        |words: &str| format!("document.getElementById('lost').textContent.includes('{words}')");
    until(&browser, &says("is lost")).await;
    until(&browser, &rows(10)).await;
    let again = Process::start(folder.path()).await;
    until(&browser, &says("is back")).await;
    alarms(&again, 10..20).await;
    until(&browser, &rows(20)).await;
    let ids = "arguments[1](new Set([...document.querySelectorAll('.rows tbody tr')].map(row => row.innerText.match(/uhost-\\d+/)?.[0])).size)";
    assert_eq!(browser.run(ids, "").await, json!(20));
}
