//! What a reader does with a page in a real browser.

use std::path::Path;

use serde_json::json;

use crate::driver::Browser;

/// Language, theme, width.
pub(super) type Look = (&'static str, &'static str, u32);

/// Each language, each theme and each width at least once.
pub(super) const SOME: &[Look] = &[
    ("en", "light", 1280),
    ("zh-Hant", "dark", 360),
    ("zh-Hans", "light", 360),
];

/// Runs in each page before its own scripts.
const LISTEN: &str = "window.refused = []; \
    addEventListener('securitypolicyviolation', event => refused.push(event.violatedDirective + ' ' + event.blockedURI));";

pub(super) const EXAMINE: &str = "const done = arguments[1]; axe.run(document, { resultTypes: ['violations'] }).then(found => done({ \
    axe: found.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html.slice(0, 200) + ' ' + n.failureSummary).join(' | ')), \
    refused, title: document.title, wide: document.documentElement.scrollWidth - document.documentElement.clientWidth }));";

pub(super) async fn browser() -> Browser {
    prepared(Browser::start("unused.example").await).await
}

/// A browser whose reader chose text of twice the size.
pub(super) async fn browser_with_large_text() -> Browser {
    prepared(Browser::with_text_of(32, "unused.example").await).await
}

async fn prepared(browser: Browser) -> Browser {
    let axe =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/axe/node_modules/axe-core/axe.min.js");
    let axe = std::fs::read_to_string(axe).expect("axe-core: scripts/test installs it");
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

/// Presses a key in the page, as a keyboard does.
pub(super) async fn press(browser: &Browser, key: &str) {
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
pub(super) async fn until(browser: &Browser, expression: &str) {
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
pub(super) async fn tab_to(browser: &Browser, selector: &str) {
    for _ in 0..80 {
        press(browser, "Tab").await;
        let on = format!("arguments[1](document.activeElement?.matches('{selector}') ?? false);");
        if browser.run(&on, "").await == json!(true) {
            return;
        }
    }
    panic!("Tab never leads to {selector}");
}
