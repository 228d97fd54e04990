//! What the pages answer over HTTP.

use std::io::Read;
use std::sync::atomic::Ordering;

use campanile_store::{Upkeep, Verdict};
use flate2::read::GzDecoder;

use super::{open, with_title};
use crate::driver::client;
use crate::standing::{Standing, Wire, request, source};

/// The paths of a page of each kind.
fn paths(id: &str, fingerprint: &str) -> Vec<String> {
    vec![
        "/".into(),
        "/?view=each&status=any".into(),
        format!("/alerts/{id}"),
        format!("/problems/{fingerprint}"),
        "/help".into(),
        "/help/operations".into(),
        "/nowhere".into(),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn text_of_a_vendor_stays_text_on_every_page_in_every_language() {
    let long = "x".repeat(1_000);
    let (gateway, id) = with_title(&format!("<script>alert(1)</script>\u{202e}\"'&{long}")).await;
    let alert = gateway.store.first_alert().await;
    for path in paths(&id, alert["fingerprint"].as_str().unwrap()) {
        for language in ["en", "zh-Hant", "zh-Hans"] {
            let head = format!("cookie: campanile-language={language}\r\n");
            let reply = open(&gateway, &path, &head).await;
            let page = &reply.body;
            assert!(
                page.contains(&format!("<html lang=\"{language}\"")),
                "{path}: {page}"
            );
            assert!(!page.contains("<script>"), "{path}: {page}");
            assert!(!page.contains('\u{202e}'), "{path}");
            assert_eq!(
                page.contains("&lt;script&gt;alert(1)"),
                !path.starts_with("/help") && path != "/nowhere",
                "{path}"
            );
            assert_eq!(page.matches("<h1").count(), 1, "{path}");
            assert!(!page.contains(" style="), "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_page_says_what_fires_and_what_is_not_delivered() {
    let (gateway, id) = with_title("disk").await;
    let reply = open(&gateway, "/", "").await;
    assert_eq!(reply.status, 200);
    for part in [
        "<title>(1) Campanile</title>",
        "1 problem fires",
        &id,
        "probe&#x2f;a",
        "1 dead",
    ] {
        assert!(reply.body.contains(part), "{part}: {}", reply.body);
    }
    // The problem is over.
    let over =
        serde_json::json!({"probe": "2", "problem": "disk", "status": "resolved", "title": "disk"});
    gateway.post("/callback/probe/a", &over).await;
    let reply = open(&gateway, "/", "").await;
    for part in [
        "<title>Campanile</title>",
        "Nothing fires",
        "The last callback came",
    ] {
        assert!(reply.body.contains(part), "{part}: {}", reply.body);
    }
    assert!(!reply.body.contains(&id));
    let reply = open(
        &gateway,
        "/?status=any&view=each&severity=&source=probe/a&since=24h&tz=Asia/Taipei",
        "",
    )
    .await;
    assert!(reply.body.contains(&id), "{}", reply.body);
    assert!(reply.body.contains("Times are in Asia&#x2f;Taipei."));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_menu_counts_dead_letters_up_to_99_for_who_is_let_in() {
    let gateway = Standing::with(vec![source("a")]).await;
    let mark = async || {
        let page = open(&gateway, "/sources", "").await.body;
        let (_, menu) = page.split_once("<nav").unwrap();
        let (menu, _) = menu.split_once("</nav>").unwrap();
        let mark = menu.split_once("class=\"mark\">");
        mark.map(|(_, mark)| mark.split('<').next().unwrap().to_owned())
    };
    assert_eq!(mark().await, None);
    for (number, shown) in [(1, "1"), (99, "99"), (100, "99+")] {
        for at in gateway.store.stats().await.unwrap().alerts..number {
            let body = serde_json::json!({"probe": at.to_string(), "problem": "disk", "status": "firing", "title": "disk"});
            gateway.post("/callback/probe/a", &body).await;
        }
        let dead = Verdict::Dead {
            class: "poison",
            error: "400 Bad Request".into(),
        };
        gateway.store.settle_all(&dead).await;
        assert_eq!(mark().await.as_deref(), Some(shown));
    }
    let raw = request(
        "GET",
        "/sources",
        "accept: text/html\r\nconnection: close\r\n",
        b"",
    );
    let refused = Wire::to(gateway.admin).await.send(raw).await;
    assert!(!refused.body.contains("class=\"mark\""), "{}", refused.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_class_of_a_dead_letter_is_words_in_every_language() {
    let (gateway, _) = with_title("disk").await;
    for (language, words) in [
        ("en", "not accepted"),
        ("zh-Hant", "未被接受"),
        ("zh-Hans", "未被接受"),
    ] {
        let head = format!("cookie: campanile-language={language}\r\n");
        let page = open(&gateway, "/dead", &head).await.body;
        assert!(page.contains(words) && !page.contains("poison"), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_page_finds_alerts_as_the_api_does_and_keeps_what_was_asked_in_its_form() {
    let (gateway, _) = with_title("disk").await;
    let body = serde_json::json!({"probe": "2", "problem": "load", "status": "firing", "title": "unrouted load", "labels": {"team": "db"}});
    gateway.post("/callback/probe/a", &body).await;
    for (query, found, field) in [
        ("q=LOAD", ["load"].as_slice(), "name=\"q\" value=\"LOAD\""),
        (
            "label.team=db",
            &["load"],
            "name=\"label.team\" value=\"db\"",
        ),
        (
            "sink=webhook/oncall",
            &["disk", "load"],
            "<option selected>webhook&#x2f;oncall",
        ),
        ("until=1h", &[], "name=\"until\" value=\"1h\""),
        ("view=each&q=disk", &["disk"], "name=\"q\" value=\"disk\""),
    ] {
        let page = open(&gateway, &format!("/?{query}"), "").await.body;
        for title in ["disk", "load"] {
            let row = format!("{title}</bdi></a>");
            assert_eq!(
                page.contains(&row),
                found.contains(&title),
                "{query}: {page}"
            );
        }
        assert!(page.contains(field), "{query}: {page}");
    }
    // A search that ends early says how far it looked.
    gateway.store.impatient.store(true, Ordering::SeqCst);
    let page = open(&gateway, "/?q=nothing", "").await.body;
    assert!(
        page.contains("Look further back") && page.contains("This page looked back to"),
        "{page}"
    );
}

/// How often each list reads the store, with so many rows.
async fn reads(rows: usize) -> Vec<(&'static str, usize)> {
    let gateway = Standing::with(vec![source("a")]).await;
    for number in 0..rows {
        let body = serde_json::json!({"probe": number.to_string(), "problem": number.to_string(), "status": "firing", "title": "disk"});
        for body in [body, serde_json::json!({"no": number})] {
            gateway.post("/callback/probe/a", &body).await;
        }
    }
    let count = async |path| {
        gateway.store.calls.store(0, Ordering::SeqCst);
        let reply = open(&gateway, path, "").await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        (path, gateway.store.calls.load(Ordering::SeqCst))
    };
    let mut counts = Vec::new();
    for path in LISTS {
        counts.push(count(path).await);
    }
    let dead = Verdict::Dead {
        class: "poison",
        error: "400 Bad Request".into(),
    };
    gateway.store.settle_all(&dead).await;
    for path in ["/dead", "/api/v1/dead"] {
        counts.push(count(path).await);
    }
    counts
}

const LISTS: &[&str] = &[
    "/",
    "/?view=each",
    "/?status=any",
    "/callbacks",
    "/deliveries",
    "/quarantine",
    "/audit",
    "/api/v1/alerts",
    "/api/v1/problems",
    "/api/v1/deliveries",
    "/api/v1/quarantine",
    "/api/v1/callbacks",
];

/// With a read for each row, a page of 50 rows opened as many connections to the store.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_reads_the_store_as_often_for_fifty_rows_as_for_two() {
    assert_eq!(reads(50).await, reads(2).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sentence_has_the_marks_of_its_language() {
    let (gateway, id) = with_title("disk").await;
    for (language, words) in [
        ("en", "given up, attempt 1, 12 ms"),
        ("zh-Hant", "已放棄，第 1 次嘗試，12 毫秒"),
        ("zh-Hans", "已放弃，第 1 次尝试，12 毫秒"),
    ] {
        let head = format!("cookie: campanile-language={language}\r\n");
        let page = open(&gateway, &format!("/alerts/{id}"), &head).await.body;
        assert!(page.contains(words), "{words}: {page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_read_gives_a_page_that_says_so() {
    let (gateway, _) = with_title("disk").await;
    gateway.store.failing_reads.store(1, Ordering::SeqCst);
    let reply = open(&gateway, "/", "").await;
    assert_eq!(reply.status, 503);
    assert!(
        reply.body.contains("The store cannot be read"),
        "{}",
        reply.body
    );
    assert!(!reply.body.contains("Nothing fires"));
    assert!(reply.body.contains("What fires is not known"));
    // The numbers of the last page stay.
    open(&gateway, "/", "").await;
    gateway.store.failing_reads.store(1, Ordering::SeqCst);
    let page = open(&gateway, "/", "").await.body;
    assert!(
        page.contains("1 problem fired when the store was last read")
            && page.contains("severity=critical"),
        "{page}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_problem_is_counted_and_listed_however_many_alerts_came_after_it() {
    let (gateway, id) = with_title("disk").await;
    let noise = |at: usize| {
        let status = if at.is_multiple_of(2) {
            "firing"
        } else {
            "resolved"
        };
        serde_json::json!({"probe": format!("n{at}"), "problem": "load", "status": status, "title": "load"})
    };
    for at in 0..502 {
        gateway.post("/callback/probe/a", &noise(at)).await;
    }
    let page = open(&gateway, "/", "").await.body;
    assert!(
        page.contains("1 problem fires") && page.contains(&id),
        "{page}"
    );
    // What is over is found by looking back.
    let over = open(&gateway, "/?status=resolved", "").await.body;
    assert!(over.contains("load") && !over.contains(&id), "{over}");
    let each = open(&gateway, "/?view=each", "").await.body;
    assert_eq!(each.matches("class=\"what\"").count(), 50, "{each}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_allows_only_its_own_files() {
    let (gateway, _) = with_title("disk").await;
    let reply = open(&gateway, "/", "").await;
    let policy = reply.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"));
    assert!(
        policy.contains("require-trusted-types-for 'script'")
            && policy.contains("frame-ancestors 'none'")
    );
    assert!(!policy.contains("unsafe") && !policy.contains("data:"));
    assert_eq!(reply.header("cache-control"), "no-store");
    assert_eq!(reply.header("referrer-policy"), "same-origin");
    assert_eq!(reply.header("x-frame-options"), "DENY");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_gets_an_error_as_a_page_and_a_program_as_json() {
    let gateway = Standing::with(vec![source("a")]).await;
    let send = async |accept: &str, path: &str| {
        let raw = request(
            "GET",
            path,
            &format!("accept: {accept}\r\nconnection: close\r\n"),
            b"",
        );
        Wire::to(gateway.admin).await.send(raw).await
    };
    let raw = request("PUT", "/", "accept: text/html\r\n", b"");
    let reply = Wire::to(gateway.admin).await.send(raw).await;
    assert_eq!(reply.status, 401);
    assert!(
        reply.body.contains("This page needs a token")
            && reply.body.contains("Authorization: Bearer")
    );
    assert_eq!(reply.header("www-authenticate"), "Bearer");
    for (accept, path) in [("application/json", "/"), ("text/html", "/api/v1/alerts")] {
        let reply = send(accept, path).await;
        assert_eq!(reply.json()["error"]["code"], "unauthorized", "{path}");
    }
    let reply = open(&gateway, "/alerts/1", "").await;
    assert_eq!(reply.status, 404);
    assert!(reply.body.contains("This does not exist") && reply.body.contains("retention_days"));
    let reply = open(&gateway, "/?colour=red", "").await;
    assert_eq!(reply.status, 400);
    assert!(reply.body.contains("`colour` is not a valid parameter"));
    // A program without `Accept: text/html` gets the list of paths.
    let reply = gateway.ask("GET", "/", "").await;
    assert!(reply.body.contains("\n/api/v1/alerts\n"), "{}", reply.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_page_are_kept_by_browsers_and_need_no_token() {
    let (gateway, _) = with_title("disk").await;
    let page = open(&gateway, "/", "").await.body.replace("&#x2f;", "/");
    let mut addresses: Vec<&str> = page
        .split('"')
        .filter(|part| part.starts_with("/static/"))
        .collect();
    for address in &mut addresses {
        *address = address.split('#').next().unwrap();
    }
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), 3, "{addresses:?}");
    for address in addresses {
        let raw = request("GET", address, "connection: close\r\n", b"");
        let reply = Wire::to(gateway.admin).await.send(raw).await;
        assert_eq!(reply.status, 200, "{address}");
        assert_eq!(
            reply.header("cache-control"),
            "public, max-age=31536000, immutable"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_answer_is_compressed_for_a_client_that_takes_it() {
    let (gateway, _) = with_title("disk").await;
    let url = format!("http://{}/", gateway.admin);
    let request = client().get(url);
    let request = request
        .header("accept", "text/html")
        .header("accept-encoding", "gzip");
    let answer = request
        .bearer_auth(crate::standing::TOKEN)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    let bytes = answer.bytes().await.unwrap();
    let mut page = String::new();
    GzDecoder::new(&*bytes).read_to_string(&mut page).unwrap();
    assert!(page.contains("1 problem fires"));
    let plain = open(&gateway, "/", "accept-encoding: gzip;q=0, br\r\n").await;
    assert!(plain.body.contains("1 problem fires"));
}
