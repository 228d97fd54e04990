//! What the forms of the pages do.

use super::with_title;
use crate::standing::{Reply, SINK, Standing, TOKEN, Wire, request};

/// Sends a form as a browser does.
async fn submit(gateway: &Standing, path: &str, head: &str, form: &str) -> Reply {
    let kind = "content-type: application/x-www-form-urlencoded\r\n";
    let head = format!(
        "accept: text/html\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\n{kind}{head}"
    );
    Wire::to(gateway.admin)
        .await
        .send(request("POST", path, &head, form.as_bytes()))
        .await
}

const SAME: &str = "sec-fetch-site: same-origin\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_sent_again_to_the_chosen_sink() {
    let (gateway, id) = with_title("disk").await;
    let path = format!("/alerts/{id}/retry");
    let poked = || gateway.workers.poked.lock().unwrap().len();
    let before = poked();
    let reply = submit(&gateway, &path, SAME, &format!("sink={SINK}")).await;
    assert_eq!(reply.status, 303, "{}", reply.body);
    assert_eq!(
        reply.header("location"),
        format!("/alerts/{id}?done=retried")
    );
    assert_eq!(poked(), before + 1);
    let page = super::open(&gateway, reply.header("location"), "").await;
    assert!(
        page.body.contains("The alert is pending again."),
        "{}",
        page.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_comes_from_a_page_of_the_listener() {
    let (gateway, id) = with_title("disk").await;
    let path = format!("/alerts/{id}/retry");
    let poked = || gateway.workers.poked.lock().unwrap().len();
    let before = poked();
    for (head, status) in [
        ("sec-fetch-site: cross-site\r\n", 403),
        ("origin: https://evil.example\r\n", 403),
        // Every browser sends one of the two with a form.
        ("", 415),
    ] {
        let reply = submit(&gateway, &path, head, "sink=").await;
        assert_eq!(reply.status, status, "{head}");
    }
    let reply = submit(&gateway, "/api/v1/dead/drop", SAME, "all=true").await;
    assert_eq!(reply.status, 415);
    assert_eq!(poked(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn language_and_theme_are_kept_in_cookies_and_lead_back() {
    let (gateway, _) = with_title("disk").await;
    let form = "next=/%3Fseverity%3Dcritical&language=zh-Hant";
    let reply = submit(&gateway, "/preferences", SAME, form).await;
    assert_eq!(
        (reply.status, reply.header("location")),
        (303, "/?severity=critical")
    );
    let cookie = reply.header("set-cookie");
    assert!(
        cookie.starts_with("campanile-language=zh-Hant;"),
        "{cookie}"
    );
    assert!(
        cookie.contains("SameSite=Lax") && cookie.contains("Path=/"),
        "{cookie}"
    );
    let page = super::open(
        &gateway,
        "/",
        "cookie: campanile-language=zh-Hant; campanile-theme=dark\r\n",
    )
    .await;
    assert!(
        page.body
            .contains("<html lang=\"zh-Hant\" data-theme=\"dark\">")
    );
    let reply = submit(
        &gateway,
        "/preferences",
        SAME,
        "next=//evil.example&theme=dark",
    )
    .await;
    assert_eq!(reply.status, 400);
}
