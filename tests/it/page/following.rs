//! The live page follows the gateway while it is open.

use serde_json::json;

use super::reader::{browser, until};
use crate::driver::Browser;
use crate::restarted::Restarted;
use crate::standing::{Standing, TOKEN, config, source};

/// Without timers the page learns only from the stream that there is news.
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

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_loses_the_gateway_says_so_and_goes_on_with_every_row_once() {
    let mut gateway = Restarted::start().await;
    let browser = browser().await;
    browser
        .open(&format!("http://{}/?view=each", gateway.admin))
        .await;
    gateway.alarms(0..10).await;
    let rows =
        |count: usize| format!("document.querySelectorAll('.rows tbody tr').length === {count}");
    until(&browser, &rows(10)).await;
    gateway.kill().await;
    let says =
        |words: &str| format!("document.getElementById('lost').textContent.includes('{words}')");
    until(&browser, &says("is lost")).await;
    until(&browser, &rows(10)).await;
    gateway.again().await;
    until(&browser, &says("is back")).await;
    gateway.alarms(10..20).await;
    until(&browser, &rows(20)).await;
    let ids = "arguments[1](new Set([...document.querySelectorAll('.rows tbody tr')].map(row => row.innerText.match(/uhost-\\d+/)?.[0])).size)";
    assert_eq!(browser.run(ids, "").await, json!(20));
}
