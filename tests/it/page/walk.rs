//! Opens every page in a real browser, in each language, theme and width.
//!
//! `CAMPANILE_WALK=all` opens all combinations. `CAMPANILE_PICTURES=FOLDER` writes a picture of each page.

use std::path::Path;

use campanile_store::Verdict;
use serde_json::{Value, json};

use super::setup::with_ucloud;
use crate::driver::Browser;
use crate::standing::{SINK, Standing, config, keyed, source};

/// Language, theme, width.
pub(super) type Look = (&'static str, &'static str, u32);

/// Each language, each theme and each width at least once.
pub(super) const SOME: &[Look] = &[
    ("en", "light", 1280),
    ("zh-Hant", "dark", 360),
    ("zh-Hans", "light", 360),
];

fn looks() -> Vec<Look> {
    if std::env::var("CAMPANILE_WALK").is_err() {
        return SOME.to_vec();
    }
    let mut all = Vec::new();
    for language in ["en", "zh-Hant", "zh-Hans"] {
        for theme in ["light", "dark"] {
            all.extend([1280, 360].map(|width| (language, theme, width)));
        }
    }
    all
}

/// A gateway without a token: firing alerts of each severity, a resolved one, a dead letter and pending deliveries.
async fn filled() -> (Standing, Vec<String>) {
    let mut config = config(vec![
        source("a"),
        source("b"),
        keyed("c", "campanile-test-key"),
    ]);
    config.admin.token = None;
    let gateway = Standing::of(&with_ucloud(config)).await;
    let alert = |id: &str, severity: &str, status: &str, title: &str| json!({"probe": id, "problem": id, "severity": severity, "status": status, "title": title});
    gateway
        .post(
            "/callback/probe/a",
            &alert("1", "error", "firing", "load: web-01"),
        )
        .await;
    let dead = Verdict::Dead {
        class: "poison",
        error: "400 Bad Request".into(),
    };
    gateway.store.settle_all(&dead).await;
    for (at, severity) in ["critical", "warning", "info", "unknown"]
        .iter()
        .enumerate()
    {
        let id = format!("2{at}");
        gateway
            .post(
                "/callback/probe/b",
                &alert(&id, severity, "firing", "CPU 97.3 > 90 on web-a1"),
            )
            .await;
    }
    let hostile = format!(
        "<script>document.title='taken'</script>\u{202e}{}",
        "x".repeat(1_000)
    );
    gateway
        .post(
            "/callback/probe/a",
            &alert("3", "error", "firing", &hostile),
        )
        .await;
    gateway
        .post(
            "/callback/probe/a",
            &alert("4", "warning", "firing", "disk 81 % on db2"),
        )
        .await;
    gateway
        .post(
            "/callback/probe/a",
            &alert("4-over", "warning", "resolved", "disk 81 % on db2"),
        )
        .await;
    let unread = json!({"no": hostile});
    gateway.post("/callback/probe/a", &unread).await;
    gateway.post("/callback/probe/c/wrong", &unread).await;
    let first = gateway.store.first_alert().await;
    let last = gateway.store.all_alerts().await.pop().unwrap();
    let mut paths: Vec<String> = [
        "/",
        "/?view=each&status=any",
        "/callbacks",
        "/quarantine",
        "/quarantine/1",
        "/sources",
        "/sources/probe/a",
        "/sources/probe/c",
        "/sources/probe/c/setup",
        "/sources/ucloud/prod/setup",
        "/sinks",
        "/deliveries",
        "/dead",
        "/help",
        "/help/operations",
        "/help/providers/ucloud",
        "/nowhere",
    ]
    .map(String::from)
    .into();
    paths.push(format!("/alerts/{}", first["id"].as_str().unwrap()));
    paths.push(format!("/alerts/{}", last.id));
    paths.push(format!(
        "/problems/{}",
        first["fingerprint"].as_str().unwrap()
    ));
    (gateway, paths)
}

/// Runs in each page before its own scripts.
const LISTEN: &str = "window.refused = []; \
    addEventListener('securitypolicyviolation', event => refused.push(event.violatedDirective + ' ' + event.blockedURI));";

pub(super) const EXAMINE: &str = "const done = arguments[1]; axe.run(document, { resultTypes: ['violations'] }).then(found => done({ \
    axe: found.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html.slice(0, 200) + ' ' + n.failureSummary).join(' | ')), \
    refused, title: document.title, wide: document.documentElement.scrollWidth - innerWidth }));";

pub(super) async fn browser() -> Browser {
    let axe =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/axe/node_modules/axe-core/axe.min.js");
    let axe = std::fs::read_to_string(axe).expect("axe-core: scripts/test installs it");
    let browser = Browser::start("unused.example").await;
    for script in [LISTEN, &axe] {
        browser
            .command(
                "Page.addScriptToEvaluateOnNewDocument",
                json!({"source": script}),
            )
            .await;
    }
    browser
}

pub(super) async fn dress(browser: &Browser, base: &str, (language, theme, width): Look) {
    for (name, value) in [
        ("campanile-language", language),
        ("campanile-theme", theme),
        ("campanile-zone", "Asia/Taipei"),
    ] {
        browser
            .command(
                "Network.setCookie",
                json!({"name": name, "value": value, "url": base}),
            )
            .await;
    }
    let size =
        json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600});
    browser
        .command("Emulation.setDeviceMetricsOverride", size)
        .await;
}

async fn picture(browser: &Browser, name: &str) {
    let Ok(folder) = std::env::var("CAMPANILE_PICTURES") else {
        return;
    };
    let picture = browser
        .command(
            "Page.captureScreenshot",
            json!({"captureBeyondViewport": true}),
        )
        .await;
    let file = Path::new(&folder).join(format!("{name}.base64"));
    std::fs::write(file, picture["data"].as_str().unwrap()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_accessible_fits_the_screen_and_breaks_no_policy() {
    let (gateway, paths) = filled().await;
    let base = format!("http://{}", gateway.admin);
    let browser = browser().await;
    let mut faults = Vec::new();
    for look in looks() {
        dress(&browser, &base, look).await;
        for (number, path) in paths.iter().enumerate() {
            browser.open(&format!("{base}{path}")).await;
            let seen = browser.run(EXAMINE, "").await;
            picture(
                &browser,
                &format!("{number}-{}-{}-{}", look.0, look.1, look.2),
            )
            .await;
            let clean = seen["axe"] == json!([])
                && seen["refused"] == json!([])
                && seen["title"] != "taken";
            if !clean || seen["wide"].as_i64().unwrap() > 0 {
                faults.push(format!("{path} {look:?}: {seen:#}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_alert_appears_without_a_reload_and_pages_work_without_scripts() {
    let (gateway, _) = filled().await;
    let base = format!("http://{}", gateway.admin);
    let browser = browser().await;
    browser.open(&format!("{base}/")).await;
    let new = json!({"probe": "5", "problem": "5", "severity": "critical", "status": "firing", "title": "newly fired"});
    gateway.post("/callback/probe/a", &new).await;
    let wait = "const done = arguments[1]; const look = () => document.body.innerText.includes('newly fired') \
        ? done(document.title) : requestAnimationFrame(look); look();";
    let title: Value = browser.run(wait, "").await;
    assert_eq!(title, "(8) Campanile");
    browser
        .command(
            "Emulation.setScriptExecutionDisabled",
            json!({"value": true}),
        )
        .await;
    browser.open(&format!("{base}/")).await;
    let page = browser.text(None).await;
    assert!(
        page.contains("newly fired") && page.contains("id=\"pause\" hidden"),
        "{page}"
    );
    browser.open(&format!("{base}/sinks")).await;
    assert!(browser.text(None).await.contains(SINK));
}

/// Presses a key in the page, as a keyboard does.
async fn press(browser: &Browser, key: &str) {
    let code = match key {
        "Tab" => 9,
        "Enter" => 13,
        _ => 0,
    };
    let text = match key {
        "Tab" => "",
        "Enter" => "\r",
        letter => letter,
    };
    for kind in ["keyDown", "keyUp"] {
        let text = if kind == "keyDown" { text } else { "" };
        let event = json!({"type": kind, "key": key, "text": text, "windowsVirtualKeyCode": code});
        browser.command("Input.dispatchKeyEvent", event).await;
    }
}

/// Waits until this expression is true in the page, or in the page that follows it.
async fn until(browser: &Browser, expression: &str) {
    let ready = format!(
        "const done = arguments[1], end = Date.now() + 2000; const look = () => document.readyState === 'complete' && ({expression}) \
         ? done(true) : Date.now() > end ? done(false) : requestAnimationFrame(look); look();"
    );
    for _ in 0..30 {
        // A page that is left during the wait gives no answer.
        if browser.attempt(&ready).await == Some(json!(true)) {
            return;
        }
    }
    panic!("never: {expression}: {}", browser.text(None).await);
}

/// Presses Tab until the focus is on an element that matches.
async fn tab_to(browser: &Browser, selector: &str) {
    for _ in 0..80 {
        press(browser, "Tab").await;
        let on = format!("arguments[1](document.activeElement?.matches('{selector}') ?? false);");
        if browser.run(&on, "").await == json!(true) {
            return;
        }
    }
    panic!("Tab never leads to {selector}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_found_opened_and_sent_again_with_tab_and_enter_alone() {
    let (gateway, _) = filled().await;
    let browser = browser().await;
    browser.open(&format!("http://{}/", gateway.admin)).await;
    tab_to(&browser, ".rows .what a").await;
    press(&browser, "Enter").await;
    until(&browser, "location.pathname.startsWith('/alerts/')").await;
    tab_to(&browser, "form[action$=\"/retry\"] button").await;
    press(&browser, "Enter").await;
    until(&browser, "location.search === '?done=retried'").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_move_open_and_list_and_are_off_in_fields_and_by_choice() {
    let (gateway, _) = filled().await;
    let browser = browser().await;
    browser.open(&format!("http://{}/", gateway.admin)).await;
    press(&browser, "?").await;
    until(&browser, "document.getElementById('keys').open").await;
    press(&browser, "g").await;
    browser
        .run(
            "document.getElementById('keys').close(); arguments[1]();",
            "",
        )
        .await;
    press(&browser, "j").await;
    press(&browser, "j").await;
    press(&browser, "k").await;
    let first = "document.activeElement === document.querySelector('.rows .what a')";
    until(&browser, first).await;
    press(&browser, "/").await;
    until(&browser, "document.activeElement.closest('.filters')").await;
    browser
        .run(
            "document.querySelector('select').focus(); arguments[1]();",
            "",
        )
        .await;
    press(&browser, "?").await;
    let shut = "!document.getElementById('keys').open";
    until(&browser, shut).await;
    browser
        .run("document.activeElement.blur(); arguments[1]();", "")
        .await;
    for key in ["g", "k"] {
        press(&browser, key).await;
    }
    until(&browser, "location.pathname === '/sinks'").await;
    browser
        .run(
            "document.getElementById('keys-off').click(); arguments[1]();",
            "",
        )
        .await;
    press(&browser, "?").await;
    until(&browser, shut).await;
}
