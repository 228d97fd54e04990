//! Many dead letters are sent again in a real browser.

use campanile_store::{SinkId, Upkeep, Verdict};
use serde_json::json;

use super::reader::{browser, until};
use crate::standing::{Standing, config, source};

/// More than one page of the list.
const LETTERS: u64 = 61;

/// Pending deliveries, and dead letters.
async fn counts(gateway: &Standing) -> (u64, u64) {
    let stats = gateway.store.stats().await.unwrap();
    let count = |of: &[(SinkId, u64)]| of.iter().map(|(_, count)| count).sum();
    (count(&stats.pending), count(&stats.dead))
}

#[tokio::test(flavor = "multi_thread")]
async fn all_dead_letters_are_sent_again_after_their_exact_number_was_shown() {
    let mut config = config(vec![source("a")]);
    config.admin.token = None;
    let gateway = Standing::of(&config).await;
    for number in 0..LETTERS {
        let id = number.to_string();
        let body = json!({"probe": id, "problem": id, "severity": "error", "status": "firing", "title": "disk"});
        assert_eq!(gateway.post("/callback/probe/a", &body).await.status, 200);
    }
    let dead = Verdict::Dead {
        class: "poison",
        error: "400 Bad Request".into(),
    };
    gateway.store.settle_all(&dead).await;
    let browser = browser().await;
    browser
        .open(&format!("http://{}/dead", gateway.admin))
        .await;
    let press = "document.querySelector('[name=scope]').value = 'all'; \
        document.querySelector('form[action=\"/dead/retry\"] button').click(); arguments[1]();";
    browser.run(press, "").await;
    let asks = format!("document.querySelector('h1').textContent.includes('{LETTERS}')");
    until(&browser, &asks).await;
    assert_eq!(
        counts(&gateway).await,
        (0, LETTERS),
        "a question changes nothing"
    );
    let yes = "[...document.querySelectorAll('form[action=\"/dead/retry\"] button')].at(-1).click(); arguments[1]();";
    browser.run(yes, "").await;
    let done = format!(
        "document.querySelector('.banner.good')?.textContent.includes('{LETTERS}') \
         && !document.querySelector('.rows') && !document.querySelector('nav .mark')"
    );
    until(&browser, &done).await;
    assert_eq!(counts(&gateway).await, (LETTERS, 0));
}
