//! The set-up page of a source, and simulated callbacks.

use std::sync::Arc;

use campanile::config::{Config, SourceSpec};
use campanile_model::Secret;
use campanile_providers::{Source, by_name};

use super::forms::{SAME, submit};
use super::open;
use crate::standing::{SINK, Standing, config, source};

const KEY: &str = "campanile-test-key";

/// A source of UCloud, next to one of a vendor without built-in messages.
pub(super) fn with_ucloud(mut config: Config) -> Config {
    let ucloud = Source {
        name: "ucloud/prod".to_owned(),
        keys: vec![Secret::from(KEY)],
        ..Source::default()
    };
    config.sources.push(SourceSpec {
        provider: Arc::clone(by_name("ucloud").unwrap()),
        source: Arc::new(ucloud),
    });
    config
}

async fn gateway() -> Standing {
    Standing::of(&with_ucloud(config(vec![source("a")]))).await
}

const SETUP: &str = "/sources/ucloud/prod/setup";
const SIMULATE: &str = "/sources/ucloud/prod/simulate";

#[tokio::test(flavor = "multi_thread")]
async fn the_set_up_has_the_address_the_steps_and_refused_callbacks() {
    let gateway = gateway().await;
    let page = open(&gateway, SETUP, "").await.body;
    for part in [
        "&#x2f;callback&#x2f;ucloud&#x2f;prod&#x2f;&lt;key&gt;</pre>",
        "In the console, under the alarm",
        "Waiting for ucloud&#x2f;prod.",
        "Simulate its recovery",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    gateway
        .post("/callback/ucloud/prod/wrong", &serde_json::json!({}))
        .await;
    let page = open(&gateway, SETUP, "").await.body;
    for part in [">refused</span>", "copy it into the vendor"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let own = open(&gateway, "/sources/probe/a/setup", "").await.body;
    assert!(own.contains("There is no built-in message"), "{own}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulated_alert_is_marked_and_goes_only_to_the_marked_sinks() {
    let gateway = gateway().await;
    let poked = || gateway.workers.poked.lock().unwrap().len();
    for (form, sent) in [("case=firing", 0), ("case=resolved&sink=webhook/oncall", 1)] {
        assert!(form.ends_with(SINK) || sent == 0);
        let before = poked();
        let reply = submit(&gateway, SIMULATE, SAME, form).await;
        assert_eq!(reply.status, 303, "{}", reply.body);
        assert_eq!(poked() - before, sent, "{form}");
        let page = open(&gateway, reply.header("location"), "").await.body;
        assert!(page.contains("verified, read and stored"), "{page}");
        let alert = gateway.store.all_alerts().await.pop().unwrap();
        assert!(page.contains(&format!("/alerts/{}", alert.id)), "{page}");
        let detail = gateway
            .ask("GET", &format!("/api/v1/alerts/{}", alert.id), "")
            .await;
        let detail = detail.json();
        assert_eq!(detail["alert"]["labels"]["campanile_simulated"], "yes");
        assert_eq!(
            form.contains("firing"),
            detail["alert"]["status"] == "firing"
        );
        assert!(!detail.to_string().contains(KEY));
    }
    for (form, message) in [
        ("case=nothing", "no built-in message"),
        ("case=firing&sink=file/none", "is not a configured sink"),
    ] {
        let reply = submit(&gateway, SIMULATE, SAME, form).await;
        assert_eq!(reply.status, 400, "{form}");
        assert!(reply.body.contains(message), "{}", reply.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_only_the_vendor_can_give_is_not_asked_for() {
    let mut config = with_ucloud(config(vec![]));
    let spec = config.sources.first_mut().unwrap();
    let mut source = (*spec.source).clone();
    source.allow_from = vec!["192.0.2.0/24".parse().unwrap()];
    spec.source = Arc::new(source);
    let gateway = Standing::of(&config).await;
    let reply = submit(&gateway, SIMULATE, SAME, "case=firing").await;
    let page = open(&gateway, reply.header("location"), "").await.body;
    assert!(page.contains("the proof was not checked"), "{page}");
}
