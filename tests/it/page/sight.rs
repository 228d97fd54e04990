//! Readers with large text, and readers with colours of their own.

use serde_json::{Value, json};

use super::reader::{EXAMINE, SOME, browser, browser_with_large_text, dress};
use super::walk::{filled, picture};
use crate::driver::Browser;

/// Opens each page, and says which do not fit, are not accessible, or break the policy.
async fn faults(browser: &Browser, base: &str, paths: &[String], name: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, path) in paths.iter().enumerate() {
        browser.open(&format!("{base}{path}")).await;
        let seen: Value = browser.run(EXAMINE, "").await;
        picture(browser, &format!("{number}-{name}")).await;
        let clean = seen["axe"] == json!([]) && seen["refused"] == json!([]);
        if !clean || seen["wide"].as_i64().unwrap() > 0 {
            faults.push(format!("{path} {name}: {seen:#}"));
        }
    }
    faults
}

#[tokio::test(flavor = "multi_thread")]
async fn text_of_twice_the_size_fits_without_scrolling_to_the_side() {
    let (gateway, paths) = filled().await;
    let base = format!("http://{}", gateway.admin);
    let browser = browser_with_large_text().await;
    for look in [SOME[0], SOME[2]] {
        dress(&browser, &base, look).await;
        let name = format!("large-{}", look.2);
        let faults = faults(&browser, &base, &paths, &name).await;
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        let size = "arguments[1](getComputedStyle(document.body).fontSize)";
        assert_eq!(browser.run(size, "").await, json!("32px"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forced_colours_leave_every_shape_and_word() {
    let (gateway, paths) = filled().await;
    let base = format!("http://{}", gateway.admin);
    let browser = browser().await;
    dress(&browser, &base, SOME[0]).await;
    let forced = json!({"features": [{"name": "forced-colors", "value": "active"}]});
    browser.command("Emulation.setEmulatedMedia", forced).await;
    let faults = faults(&browser, &base, &paths, "forced").await;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    browser.open(&format!("{base}/")).await;
    // Without its colour a severity is a shape, a border and a word.
    let shown = "const badges = [...document.querySelectorAll('.rows .severity')]; \
        arguments[1](badges.length > 4 && badges.every(badge => { \
        const icon = badge.querySelector('.icon').getBoundingClientRect(); const style = getComputedStyle(badge); \
        return matchMedia('(forced-colors: active)').matches && icon.width > 8 && badge.innerText.trim() \
            && parseFloat(style.borderTopWidth) >= 1; }))";
    assert_eq!(browser.run(shown, "").await, json!(true));
}
