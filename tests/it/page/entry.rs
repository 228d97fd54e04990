//! A reader logs in with a real browser.

use serde_json::{Value, json};

use super::reader::{EXAMINE, SOME, browser, dress};
use crate::standing::{SINK, Standing, TOKEN, source};

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_logs_in_once_and_can_leave() {
    let gateway = Standing::with(vec![source("a")]).await;
    let base = format!("http://{}", gateway.admin);
    let browser = browser().await;
    for look in SOME {
        dress(&browser, &base, *look).await;
        // Without a session every page is the login.
        browser.open(&format!("{base}/sinks?tz=UTC")).await;
        let seen = browser.run(EXAMINE, "").await;
        let clean = seen["axe"] == json!([]) && seen["refused"] == json!([]);
        assert!(clean && seen["wide"].as_i64().unwrap() <= 0, "{seen:#}");
    }
    let send = "const [token, done] = arguments; const form = document.querySelector('form.act'); \
        if (token) form.token.value = token; const body = new URLSearchParams(new FormData(form)); \
        fetch(form.action, { method: 'POST', body }).then(answer => done(answer.url));";
    let led: Value = browser.run(send, TOKEN).await;
    assert_eq!(led, format!("{base}/sinks?tz=UTC"));
    browser.open(&format!("{base}/sinks")).await;
    let page = browser.text(None).await;
    assert!(page.contains(SINK) && !page.contains("password"), "{page}");
    assert!(page.contains("action=\"/logout\""), "{page}");
    let read = "arguments[1](document.cookie)";
    let cookies: Value = browser.run(read, "").await;
    assert!(
        !cookies.as_str().unwrap().contains("campanile="),
        "{cookies}"
    );
    let leave = send.replace("'form.act'", "'form[action=\"/logout\"]'");
    let led: Value = browser.run(&leave, "").await;
    assert_eq!(led, format!("{base}/login"));
    browser.open(&format!("{base}/sinks")).await;
    assert!(browser.text(None).await.contains("type=\"password\""));
}
