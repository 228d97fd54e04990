//! A reader who has only a keyboard.

use super::reader::{browser, press, tab_to, until};
use super::walk::filled;

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
    // Its delivery is pending already, and the page says so.
    until(&browser, "location.search === '?done=already'").await;
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
