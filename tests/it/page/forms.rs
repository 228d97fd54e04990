//! What the forms of the pages do.

use serde_json::json;

use super::with_title;
use crate::api::bulk::{send, with_letters};
use crate::api::jobs::ended;
use crate::moody::Mood;
use crate::standing::{Reply, SINK, Standing, TOKEN, Wire, request};

/// Sends a form as a browser does.
pub(super) async fn submit(gateway: &Standing, path: &str, head: &str, form: &str) -> Reply {
    let kind = "content-type: application/x-www-form-urlencoded\r\n";
    let head = format!(
        "accept: text/html\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\n{kind}{head}"
    );
    Wire::to(gateway.admin)
        .await
        .send(request("POST", path, &head, form.as_bytes()))
        .await
}

pub(super) const SAME: &str = "sec-fetch-site: same-origin\r\n";

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
    // The second time nothing is left to do.
    let reply = submit(&gateway, &path, SAME, &format!("sink={SINK}")).await;
    let page = super::open(&gateway, reply.header("location"), "").await;
    assert!(
        page.body.contains("The alert was already pending."),
        "{}",
        page.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_changed_only_after_a_question_with_their_number() {
    let (gateway, _) = with_title("disk").await;
    let left = async || {
        let dead = gateway.ask("GET", "/api/v1/dead", "").await.json();
        dead["items"].as_array().unwrap().len()
    };
    for form in ["scope=all&sink=", "scope=all&sink=&confirmed=2", "id=1"] {
        let reply = submit(&gateway, "/dead/drop", SAME, form).await;
        assert_eq!(reply.status, 200);
        assert!(reply.body.contains("Drop 1 dead letter"), "{}", reply.body);
        assert_eq!(left().await, 1, "{form}");
    }
    let reply = submit(&gateway, "/dead/retry", SAME, "scope=marked").await;
    assert_eq!(reply.status, 400);
    let form = "scope=all&sink=webhook/oncall&confirmed=1";
    let reply = submit(&gateway, "/dead/retry", SAME, form).await;
    assert_eq!(reply.status, 303, "{}", reply.body);
    assert_eq!(left().await, 0);
    let page = super::open(&gateway, reply.header("location"), "").await;
    assert!(
        page.body.contains("1 alert is pending again."),
        "{}",
        page.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_problems_can_be_left_out_when_dead_letters_are_sent_again() {
    let letters = [("disk", "firing"), ("disk", "resolved")];
    let gateway = with_letters(&letters).await;
    let question = submit(&gateway, "/dead/retry", SAME, "scope=all&sink=").await;
    for part in [
        "1 alert fires, but its problem was resolved since.",
        "Leave them out: send 1 alert again",
        "Send 2 alerts again",
        "not accepted",
        "name=\"seen_to\" value=\"2\"",
    ] {
        assert!(question.body.contains(part), "{part}: {}", question.body);
    }
    let form = "scope=all&sink=&ended=left_out&seen_to=2&confirmed=1";
    let reply = submit(&gateway, "/dead/retry", SAME, form).await;
    assert_eq!(reply.header("location"), "/dead?done=retried&count=1");
    let left = gateway.ask("GET", "/api/v1/dead", "").await.json();
    assert_eq!(left["items"][0]["id"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_job_says_how_far_it_is_and_stops_it() {
    let gateway = with_letters(&[("disk", "firing")]).await;
    gateway.store.set(Mood::Stuck);
    let body = json!({"all": true, "background": true});
    let (_, job) = send(&gateway, "dead/drop", &body).await;
    let list = super::open(&gateway, "/dead", "").await;
    let path = format!("/dead/jobs/{}", job["id"].as_str().unwrap());
    assert!(list.body.contains(&path), "{}", list.body);
    let page = super::open(&gateway, &path, "").await;
    for part in ["Dead letters are dropped", "Running", "Stop", "Refresh"] {
        assert!(page.body.contains(part), "{part}: {}", page.body);
    }
    let reply = submit(&gateway, &format!("{path}/stop"), SAME, "").await;
    assert_eq!(reply.header("location"), path);
    gateway.store.set(Mood::Well);
    let job = ended(&gateway, &job).await;
    let page = super::open(&gateway, &path, "").await;
    assert!(!page.body.contains("Refresh"), "{}", page.body);
    let words = if job["changed"] == 1 {
        "1 is changed."
    } else {
        "0 are changed."
    };
    assert!(page.body.contains(words), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_is_paused_and_resumed() {
    let (gateway, id) = with_title("disk").await;
    let reply = submit(&gateway, &format!("/sinks/{SINK}/pause"), SAME, "").await;
    assert_eq!(reply.status, 303);
    let page = super::open(&gateway, reply.header("location"), "").await;
    for part in [
        "The sink is paused.",
        "by an operator",
        "1 stopped",
        "Resume",
    ] {
        assert!(page.body.contains(part), "{part}: {}", page.body);
    }
    let reply = submit(&gateway, &format!("/sinks/{SINK}/resume"), SAME, "").await;
    let page = super::open(&gateway, reply.header("location"), "").await;
    assert!(page.body.contains("The sink is resumed.") && !page.body.contains("1 stopped"));
    // A pending delivery of a paused sink has no time of a next attempt.
    submit(&gateway, &format!("/alerts/{id}/retry"), SAME, "sink=").await;
    submit(&gateway, &format!("/sinks/{SINK}/pause"), SAME, "").await;
    for path in [format!("/alerts/{id}"), "/deliveries".to_owned()] {
        let page = super::open(&gateway, &path, "").await;
        assert!(
            page.body.contains("waits until the sink works again")
                && !page.body.contains("next attempt"),
            "{}",
            page.body
        );
    }
    submit(&gateway, &format!("/sinks/{SINK}/resume"), SAME, "").await;
    // The deliveries that are pending are attempted now.
    let path = "/deliveries/retry";
    let reply = submit(&gateway, path, SAME, "sink=").await;
    assert_eq!(reply.header("location"), "/deliveries?done=hurried&count=1");
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

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_is_looked_at_before_it_is_made_and_ends_when_an_operator_says_so() {
    let (gateway, id) = with_title("disk").await;
    let form = "match=title%3Ddisk%0D%0Aseverity%3Dcritical&regex=&when=&for=2h&after=tell&comment=new%20disk";
    let page = submit(&gateway, "/silences/preview", SAME, form).await.body;
    assert!(page.contains("Matches 1 problem that fires."), "{page}");
    assert!(page.contains(&format!("/alerts/{id}")), "{page}");
    assert!(
        page.contains("severity=critical</textarea>") && page.contains("new disk"),
        "{page}"
    );
    assert!(
        page.contains("No silence is active."),
        "nothing is made: {page}"
    );
    for (wrong, said) in [
        ("match=&regex=&when=&for=2h", "matches every alert"),
        ("match=team&for=2h", "has no `=`"),
        ("match=titel%3Da&for=2h", "is not a field"),
    ] {
        let page = submit(&gateway, "/silences", SAME, wrong).await;
        assert!(page.body.contains(said), "{said}: {}", page.body);
    }
    let made = submit(&gateway, "/silences", SAME, form).await;
    assert_eq!(
        made.header("location"),
        "/silences?done=made",
        "{}",
        made.body
    );
    let page = super::open(&gateway, "/silences?done=made", "").await.body;
    for shown in [
        "The silence is in force.",
        "severity = critical, title = disk",
        "new disk",
        "End now",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let page = super::open(&gateway, &format!("/alerts/{id}"), "")
        .await
        .body;
    assert!(page.contains("/silences?match=fingerprint%3D"), "{page}");
    let ended = submit(&gateway, "/silences/1/end", SAME, "").await;
    assert_eq!(
        ended.header("location"),
        "/silences?done=ended",
        "{}",
        ended.body
    );
    let page = super::open(&gateway, "/silences", "").await.body;
    assert!(page.contains("No silence is active."), "{page}");
    let page = super::open(&gateway, "/silences?state=all", "").await.body;
    assert!(page.contains("severity = critical, title = disk"), "{page}");
}
