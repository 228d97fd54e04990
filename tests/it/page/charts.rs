//! The charts of the pages: they count what the API counts, and lead to what they count.

use std::time::Duration;

use serde_json::{Value, json};

use super::open;
use super::reader::{SOME, browser, dress};
use crate::standing::{Standing, config, source};

/// A gateway that got alerts for a day: of two sources, each severity and both states. A third source sent nothing.
async fn after_a_day() -> Standing {
    let mut config = config(vec![source("a"), source("b"), source("silent")]);
    config.admin.token = None;
    let gateway = Standing::of(&config).await;
    let severities = ["critical", "error", "warning", "info", "unknown"];
    for hour in 0..24 {
        for number in 0..=(hour * 7 % 4) {
            let id = format!("{hour}-{number}");
            let status = if number == 2 { "resolved" } else { "firing" };
            let severity = severities[(hour + number) % 5];
            let body = json!({"probe": id, "problem": "disk", "severity": severity, "status": status, "title": id});
            let path = format!("/callback/probe/{}", ["a", "b"][number % 2]);
            assert_eq!(gateway.post(&path, &body).await.status, 200);
        }
        gateway.gateway.clock.advance(Duration::from_mins(59));
    }
    gateway
}

async fn page(gateway: &Standing, path: &str) -> String {
    let reply = open(gateway, path, "").await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.body);
    reply.body.replace("&#x2f;", "/").replace("&amp;", "&")
}

/// The text between two others, for each place where it is.
fn between<'p>(text: &'p str, open: &str, close: &str) -> Vec<&'p str> {
    let parts = text.split(open).skip(1);
    parts
        .map(|part| part.split(close).next().unwrap())
        .collect()
}

/// Address and numbers by severity of each bar.
fn bars(page: &str) -> Vec<(String, Vec<(String, u64)>)> {
    let Some((_, chart)) = page.split_once("<svg class=\"bars\"") else {
        return vec![];
    };
    let (chart, _) = chart.split_once("</svg>").unwrap();
    let links = between(chart, "<a href=\"", "</title>").into_iter();
    let bar = |link: &str| {
        let (href, title) = link.split_once("\" tabindex=\"-1\"><title>").unwrap();
        let counts = title.split(" · ").skip(1).map(|count| {
            let (severity, count) = count.trim().rsplit_once(' ').unwrap();
            (severity.to_owned(), count.parse().unwrap())
        });
        (href.to_owned(), counts.collect())
    };
    links.map(bar).collect()
}

/// The value of a parameter of an address.
fn parameter(href: &str, name: &str) -> String {
    let (_, query) = href.split_once('?').unwrap();
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap();
    pairs.into_iter().find(|pair| pair.0 == name).unwrap().1
}

async fn api(gateway: &Standing, path: &str) -> Vec<Value> {
    let reply = gateway.ask("GET", &format!("/api/v1/{path}"), "").await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.body);
    reply.json()["items"].as_array().unwrap().clone()
}

/// How many alerts of this severity arrived in the minutes of an address, as the API counts them.
async fn tallied(gateway: &Standing, href: &str, only: &str) -> Vec<(String, u64)> {
    let since = parameter(href, "since");
    let last: jiff::Timestamp = parameter(href, "until").parse().unwrap();
    let until = last + jiff::SignedDuration::from_millis(1);
    let source = only.split('&').find(|part| part.starts_with("source="));
    let query = format!(
        "tallies?since={since}&until={until}&step=1440&{}",
        source.unwrap_or("")
    );
    let items = api(gateway, query.trim_end_matches('&')).await;
    let status = match only.split("status=").nth(1) {
        None => "firing",
        Some("any") => "",
        Some(status) => status,
    };
    let severity = only.split("severity=").nth(1).unwrap_or("");
    let mut found: Vec<(String, u64)> = Vec::new();
    for item in items {
        let (of, state) = (
            item["severity"].as_str().unwrap(),
            item["status"].as_str().unwrap(),
        );
        if !state.contains(status) || !of.contains(severity) {
            continue;
        }
        let count = item["count"].as_u64().unwrap();
        match found.iter_mut().find(|known| known.0 == of) {
            Some(known) => known.1 += count,
            None => found.push((of.to_owned(), count)),
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bar_counts_what_the_api_counts_and_leads_to_a_list_of_as_many_alerts() {
    let gateway = after_a_day().await;
    for only in [
        "",
        "severity=error",
        "source=probe/b",
        "status=any",
        "status=resolved",
        "since=7d",
    ] {
        let shown = page(&gateway, &format!("/?{only}")).await;
        let bars = bars(&shown);
        assert!(bars.len() > 1, "{only}: {shown}");
        let mut all = 0;
        for (at, (href, counts)) in bars.iter().enumerate() {
            let mut expected = tallied(&gateway, href, only).await;
            let order = |name: &str| counts.iter().position(|count| count.0 == name);
            expected.sort_by_key(|(name, _)| order(name));
            assert_eq!(*counts, expected, "{only}: {href}");
            let count: u64 = counts.iter().map(|count| count.1).sum();
            all += count;
            // A few are enough: each is a page.
            if at % 7 == 0 && count <= 50 {
                let list = page(&gateway, href).await;
                let rows = list.matches("<tr id=").count() as u64;
                assert_eq!(rows, count, "{only}: {href}");
            }
        }
        let total = between(&shown, "<figcaption><span>", "</span>")[0];
        let words = [format!(": {all} "), format!("{all} alert")];
        assert!(
            words.iter().any(|words| total.contains(words)),
            "{all}: {total}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bar_of_a_bar_is_a_shorter_time_until_there_is_one_minute() {
    let gateway = after_a_day().await;
    let mut href = "/".to_owned();
    let (mut lengths, mut alerts) = (Vec::new(), 0);
    while let Some((next, counts)) = bars(&page(&gateway, &href).await).pop() {
        let [since, until] = ["since", "until"].map(|name| {
            let time: jiff::Timestamp = parameter(&next, name).parse().unwrap();
            time.as_second()
        });
        lengths.push(until + 1 - since);
        assert!(lengths.len() <= 2, "{lengths:?}");
        alerts = counts.iter().map(|count| count.1).sum();
        href = next;
    }
    assert_eq!(lengths, [30 * 60, 60]);
    let last = page(&gateway, &href).await;
    assert_eq!(last.matches("<tr id=").count() as u64, alerts, "{last}");
    assert!(last.contains("Show the last 24 hours"), "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_without_counts_has_no_chart_and_says_nothing_wrong() {
    let gateway = after_a_day().await;
    for path in [
        "/?until=2020-01-01T00:00:00Z",
        "/?since=2020-01-02T00:00:00Z&until=2020-01-01T00:00:00Z",
        "/?source=nobody/here",
        "/?since=9999-12-30T22:00:00Z",
    ] {
        let shown = page(&gateway, path).await;
        assert!(!shown.contains("<figure"), "{path}: {shown}");
        assert!(!shown.contains("There is no chart"), "{path}: {shown}");
    }
    for path in [
        "/?q=1",
        "/?label.team=db",
        "/?sink=webhook/oncall",
        "/?fingerprint=0123456789abcdef",
    ] {
        let shown = page(&gateway, path).await;
        assert!(!shown.contains("<figure"), "{path}: {shown}");
        assert!(shown.contains("There is no chart"), "{path}: {shown}");
    }
    // A time without an end is not a chart without an end.
    let shown = page(&gateway, "/?since=0001-01-01T00:00:00Z").await;
    assert!((1..=3).contains(&bars(&shown).len()), "{shown}");
    let empty = Standing::with(vec![source("a")]).await;
    let shown = page(&empty, "/").await;
    assert!(
        !shown.contains("<figure") && !shown.contains("There is no chart"),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sparkline_says_what_the_api_counts_and_a_silent_source_is_flat() {
    let gateway = after_a_day().await;
    let shown = page(&gateway, "/sources").await;
    let rows = between(&shown, "<svg class=\"spark\"", "</svg>");
    assert_eq!(rows.len(), 3, "{shown}");
    for (name, row) in ["a", "b", "silent"].into_iter().zip(rows) {
        // The hours of the chart: that of now, and those before it.
        let now = gateway.gateway.clock.now().as_second();
        let until = jiff::Timestamp::from_second(now - now.rem_euclid(3_600) + 3_600).unwrap();
        let since = until - jiff::SignedDuration::from_hours(24);
        let query = format!("tallies?source=probe/{name}&since={since}&until={until}&step=60");
        let mut hours = std::collections::BTreeMap::<String, u64>::new();
        for item in api(&gateway, &query).await {
            let hour = item["at"].as_str().unwrap().get(11..16).unwrap().to_owned();
            *hours.entry(hour).or_default() += item["count"].as_u64().unwrap();
        }
        let title = between(row, "<title>", "</title>")[0];
        assert_eq!(between(row, "M", "z").len(), hours.len(), "{name}: {row}");
        let Some(most) = hours.values().max() else {
            assert_eq!((name, title), ("silent", "24 h: no alert"));
            continue;
        };
        let total: u64 = hours.values().sum();
        assert!(
            title.starts_with(&format!("24 h: {total} alerts, most at ")),
            "{title}"
        );
        let (_, at) = title.split_once("most at ").unwrap();
        let (hour, count) = at.split_once(' ').unwrap();
        assert_eq!(
            (hours[hour], count),
            (*most, &*format!("({most})")),
            "{title}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_stay_text_in_the_addresses_of_a_chart() {
    let gateway = after_a_day().await;
    let shown = open(
        &gateway,
        "/?tz=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&status=any",
        "",
    )
    .await
    .body;
    assert!(
        !bars(&shown.replace("&#x2f;", "/").replace("&amp;", "&")).is_empty(),
        "{shown}"
    );
    assert!(!shown.contains("<script>"), "{shown}");
    let hostile = Standing::with(vec![source("\"><script>alert(1)</script>")]).await;
    let shown = open(&hostile, "/sources", "").await.body;
    assert!(
        shown.contains("24 h: no alert") && !shown.contains("<script>"),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pointer_finds_each_bar_and_the_keyboard_finds_the_same_addresses_in_a_list() {
    let gateway = after_a_day().await;
    let base = format!("http://{}", gateway.admin);
    let browser = browser().await;
    for look in SOME {
        dress(&browser, &base, *look).await;
        browser.open(&format!("{base}/")).await;
        let seen = "const links = [...document.querySelectorAll('.bars a')]; \
            const hit = link => { const box = link.querySelector('rect').getBoundingClientRect(); \
                const at = document.elementFromPoint(box.x + box.width / 2, box.bottom - 1); return at?.closest('a') === link; }; \
            const hrefs = all => [...all].map(link => link.href.baseVal ?? link.getAttribute('href')).sort().join(' '); \
            const list = document.querySelector('.chart details'); list.scrollIntoView({ block: 'end' }); \
            arguments[1]({ bars: links.length, hit: links.every(hit), stops: links.filter(link => link.tabIndex >= 0).length, \
                same: hrefs(links) === hrefs(list.querySelectorAll('a')), closed: !list.open })";
        let seen = browser.run(seen, "").await;
        assert!(seen["bars"].as_u64().unwrap() > 20, "{seen}");
        let expected =
            json!({"bars": seen["bars"], "hit": true, "stops": 0, "same": true, "closed": true});
        assert_eq!(seen, expected, "{look:?}");
    }
}
