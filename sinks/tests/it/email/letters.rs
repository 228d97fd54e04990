//! What a mail says, in its headers, as text and as HTML.

use std::sync::Arc;

use campanile_model::{Alert, Severity, Status};
use campanile_sinks::Message;
use serde_json::{Value, json};

use super::{PATIENT, Post, assert_no_secret, built, file, firing, header, message_of, recovery};

/// Sends messages with these settings and gives the mails.
async fn sent(more: &str, messages: &[Message]) -> Vec<Value> {
    let post = Post::start("plain", json!({})).await;
    let sink = built(&(post.settings() + more), PATIENT);
    for message in messages {
        sink.send(message).await.unwrap();
    }
    post.mails()
}

fn part(mail: &Value, number: usize) -> &str {
    mail["parts"][number].as_str().unwrap()
}

/// Alerts of all kinds, the least important first.
fn many(count: usize) -> Message {
    let alerts = (0..count).map(|number| {
        let mut alert = firing();
        alert.severity = [Severity::Warning, Severity::Critical, Severity::Error][number % 3];
        alert.title = format!("Disk {number} of db-{number} is full");
        alert.resource.name = Some(format!("db-{number}"));
        if number % 5 == 0 {
            alert.status = Status::Resolved;
            alert.ends_at = Some("2026-11-20T19:14:42Z".parse().unwrap());
        }
        Arc::new(alert)
    });
    Message {
        alerts: alerts.collect(),
        ..message_of(firing())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn firing_and_resolved_are_one_conversation_and_each_attempt_is_the_same_mail() {
    let first = message_of(firing());
    let again = Message {
        attempt: 2,
        ..first.clone()
    };
    let mails = sent("", &[first, again, recovery()]).await;
    let [first, again, resolved] = [0, 1, 2].map(|number| &mails[number]);
    assert_eq!(first["raw"], again["raw"]);
    assert_eq!(
        header(first, "message-id"),
        Some("<dlv_0123456789abcdef0123456789abcdef@example.com>")
    );
    assert_ne!(header(first, "message-id"), header(resolved, "message-id"));
    for name in ["references", "in-reply-to"] {
        let root = header(first, name).unwrap();
        assert!(
            root.ends_with("@example.com>") && !root.contains("0197"),
            "{root}"
        );
        assert_eq!(header(resolved, name), Some(root));
    }
    assert_eq!(
        header(first, "subject"),
        Some("[CRITICAL] CPU of db-1 is at 97 %")
    );
    assert_eq!(
        header(resolved, "subject"),
        Some("[RESOLVED] CPU of db-1 is at 97 %")
    );
    for (name, value) in [
        ("auto-submitted", "auto-generated"),
        ("list-id", "<campanile.example.com>"),
        ("x-campanile-id", "dlv_0123456789abcdef0123456789abcdef"),
        ("x-campanile-status", "firing"),
        ("x-campanile-severity", "critical"),
        ("x-campanile-source", "ucloud/prod"),
        ("importance", "high"),
    ] {
        assert_eq!(header(first, name), Some(value));
    }
    assert_eq!(header(resolved, "importance"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_begins_with_what_must_be_read_first_in_each_language() {
    for (language, subject, first, resolved) in [
        (
            "en",
            "[CRITICAL] CPU of db-1 is at 97 %",
            "97 % (limit > 90 %) · since 2026-11-21 03:02:11 +08:00",
            "duration 12m 31s · since 2026-11-21 03:02:11 +08:00",
        ),
        (
            "zh-Hans",
            "[严重] CPU of db-1 is at 97 %",
            "97 % (阈值 > 90 %) · 开始于 2026-11-21 03:02:11 +08:00",
            "持续 12 分 31 秒 · 开始于 2026-11-21 03:02:11 +08:00",
        ),
        (
            "zh-Hant",
            "[嚴重] CPU of db-1 is at 97 %",
            "97 % (門檻 > 90 %) · 開始於 2026-11-21 03:02:11 +08:00",
            "持續 12 分 31 秒 · 開始於 2026-11-21 03:02:11 +08:00",
        ),
    ] {
        let more = format!("language = \"{language}\"\ntimezone = \"Asia/Shanghai\"\n");
        let mails = sent(&more, &[message_of(firing()), recovery()]).await;
        assert_eq!(header(&mails[0], "subject"), Some(subject));
        assert_eq!(mails[0]["types"], json!(["text/plain", "text/html"]));
        assert_eq!(part(&mails[0], 0).lines().next(), Some(first));
        assert_eq!(part(&mails[1], 0).lines().next(), Some(resolved));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn text_and_html_say_the_same_and_nothing_of_a_vendor_is_markup() {
    let mut alert = firing();
    alert.title = "x\r\nBcc: evil@example.com\r\n\r\n<script>1</script> \"quoted\"".into();
    alert.description = "one\n</td><img src=x onerror='1'>\n.\ntwo & three".into();
    alert.links[0].url = "https://console.example.com/?a=\"><b>&x=1".into();
    let mut script = alert.links[0].clone();
    script.url = "javascript:alert(1)".into();
    alert.links.push(script);
    let mail = sent("", &[message_of(alert)]).await.remove(0);
    assert_eq!(mail["to"], json!(["oncall@example.com"]));
    assert_eq!(header(&mail, "bcc"), None);
    assert_eq!(mail["defects"], json!([]));
    let (text, html) = (part(&mail, 0), part(&mail, 1));
    for fact in [
        "97 %",
        "db-1",
        "uhost-1",
        "cn-bj2",
        "org-1",
        "team = db",
        "ucloud/prod",
        "P0",
        "cpu_usage",
    ] {
        assert!(
            text.contains(fact) && html.contains(fact),
            "{fact}: {text}\n{html}"
        );
    }
    assert!(text.contains("\n.\ntwo & three"), "{text}");
    for markup in [
        "<script",
        "<img",
        "</td><img",
        "=\"><b>",
        "javascript:",
        "evil@example.com\r\n",
    ] {
        assert!(!html.contains(markup), "{markup}: {html}");
    }
    assert!(
        html.contains("&lt;/td&gt;&lt;img") && html.contains("two &amp; three"),
        "{html}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_lists_the_worst_first_and_counts_the_rest() {
    let mail = sent("", &[many(37)]).await.remove(0);
    let subject = header(&mail, "subject").unwrap();
    assert!(subject.starts_with("[37 alerts] "), "{subject}");
    assert!(subject.contains("CRITICAL 10"), "{subject}");
    assert_eq!(header(&mail, "references"), None);
    let (text, html) = (part(&mail, 0), part(&mail, 1));
    for body in [text, html] {
        let place = |words: &str| {
            body.find(words)
                .unwrap_or_else(|| panic!("{words}: {body}"))
        };
        assert!(place("Disk 1 of db-1 is full") < place("Disk 2 of db-2 is full"));
        assert!(place("Disk 2 of db-2 is full") < place("Disk 3 of db-3 is full"));
        assert!(place("… 7 more") > place("Disk 36 of db-36 is full"));
        assert_eq!(body.matches("is full").count(), 30);
    }
    assert!(html.len() < 100_000, "{}", html.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_of_huge_texts_stays_under_the_size_that_mail_programs_show() {
    let mut alert = firing();
    alert.title = "<長>".repeat(9000);
    alert.description = "<\"長\">".repeat(90_000);
    for number in 0..900 {
        alert
            .labels
            .insert(format!("label-{number}"), "<長>".repeat(900));
    }
    let mails = sent("", &[message_of(alert)]).await;
    let html = part(&mails[0], 1);
    assert!(html.len() < 400_000, "{}", html.len());
    assert!(header(&mails[0], "subject").unwrap().chars().count() <= 78);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_template_takes_the_place_of_the_facts() {
    let more = "template = \"call {{ labels.team }} <b>\\nnow\"\n";
    let mail = sent(more, &[message_of(firing())]).await.remove(0);
    let (text, html) = (part(&mail, 0), part(&mail, 1));
    assert!(
        text.contains("call db <b>\nnow") && !text.contains("org-1"),
        "{text}"
    );
    assert!(
        html.contains("call db &lt;b&gt;<br>\nnow") && !html.contains("org-1"),
        "{html}"
    );
}

/// Writes the mails that `docs/` speaks of to `target/mails/`, to be looked at in a browser.
#[test]
fn what_is_shown_before_sending_is_the_mail_without_a_secret() {
    let folder = file("../../../target/mails");
    std::fs::create_dir_all(&folder).unwrap();
    for language in ["en", "zh-Hans", "zh-Hant"] {
        let settings = format!(
            "host = \"smtp.example.com\"\nusername = \"alerts@example.com\"\npassword = \"c4nary-password\"\nfrom = \"alerts@example.com\"\n\
             to = [\"oncall@example.com\"]\nlanguage = \"{language}\"\ntimezone = \"Asia/Taipei\"\n"
        );
        let sink = built(&settings, PATIENT);
        let (firing, digest) = (message_of(night(language)), many(37));
        for (name, message) in [
            ("firing", firing),
            ("resolved", recovery()),
            ("digest", digest),
        ] {
            let shown = sink.render(&message).unwrap();
            assert_no_secret(&shown);
            assert!(
                shown.starts_with("SMTP smtp.example.com:465\nMAIL FROM:<alerts@example.com>\n"),
                "{shown}"
            );
            let (_, html) = shown.split_once("<!doctype html>").unwrap();
            let path = format!("{folder}/{name}-{language}.html");
            std::fs::write(path, format!("<!doctype html>{html}")).unwrap();
        }
    }
}

fn night(language: &str) -> Alert {
    let mut alert = firing();
    if language == "en" {
        alert.description =
            "CPU usage of db-1 was above 90 % for 5 minutes.\nCheck slow queries.".into();
    } else {
        alert.title = "資料庫 db-1 的 CPU 使用率為 97 %".into();
        alert.description =
            "雲主機 db-1 的 CPU 使用率連續 5 分鐘大於 90 %。\n請檢查慢查詢。".into();
    }
    alert
}
