//! Opens every page in a real browser, in each language, theme and width.
//!
//! `CAMPANILE_WALK=all` opens all combinations. `CAMPANILE_PICTURES=FOLDER` writes a picture of each page.

use std::path::Path;

use campanile_store::Verdict;
use serde_json::{Value, json};

use super::reader::{EXAMINE, Look, SOME, browser, dress};
use super::setup::with_ucloud;
use crate::driver::Browser;
use crate::standing::{SINK, Standing, config, keyed, source};

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

/// The pages that need no id of an alert.
const PATHS: &[&str] = &[
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
    "/audit",
    "/silences",
    "/silences?state=all&match=labels.team%3Ddb",
    "/settings",
    "/setup",
    "/setup?q=cloud",
    "/setup/ucloud",
    "/setup/jiankong?name=new&step=wait",
    "/try",
    "/try?source=ucloud/prod&case=firing",
    "/try?quarantine=1",
    "/help",
    "/help/operations",
    "/help/providers/ucloud",
    "/nowhere",
];

/// A gateway without a token: firing alerts of each severity, a resolved one, a dead letter and pending deliveries.
pub(super) async fn filled() -> (Standing, Vec<String>) {
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
    let late = alert("0", "error", "resolved", "late: web-01");
    gateway.post("/callback/probe/a", &late).await;
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
    for act in ["pause", "resume"] {
        let path = format!("/api/v1/sinks/{SINK}/{act}");
        gateway.ask("POST", &path, "").await;
    }
    let unread = json!({"no": hostile});
    gateway.post("/callback/probe/a", &unread).await;
    gateway.post("/callback/probe/c/wrong", &unread).await;
    let first = gateway.store.first_alert().await;
    let last = gateway.store.all_alerts().await.pop().unwrap();
    let mut paths: Vec<String> = PATHS.iter().map(ToString::to_string).collect();
    paths.push(format!("/alerts/{}", first["id"].as_str().unwrap()));
    paths.push(format!("/alerts/{}", last.id));
    let job = json!({"ids": [2], "background": true}).to_string();
    let job = gateway.ask("POST", "/api/v1/dead/drop", &job).await.json();
    paths.push(format!("/dead/jobs/{}", job["id"].as_str().unwrap()));
    paths.push(format!(
        "/problems/{}",
        first["fingerprint"].as_str().unwrap()
    ));
    (gateway, paths)
}

pub(super) async fn picture(browser: &Browser, name: &str) {
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
