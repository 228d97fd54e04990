//! SNS, played by the fixtures: a stand-in for AWS's host serves their certificate.

use std::sync::{Arc, Mutex};

use campanile::config::Feed;
use campanile_providers::fixture::{CERTIFICATE, TOPIC};
use campanile_providers::{Fixture, Provider, Source, fixtures};

use super::{feed, stored};
use crate::standing::{Reply, Standing, config};

/// A gateway that is told this certificate, and what it asked for.
async fn gateway(
    served: Option<&'static [u8]>,
    change: impl FnOnce(&mut Source),
) -> (Standing, Arc<Mutex<Vec<String>>>) {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let notes = Arc::clone(&asked);
    let Feed { provider, source } = feed("cloudwatch");
    let mut source = Source {
        topics: vec![TOPIC.to_owned()],
        tokens: vec![],
        ..(*source).clone()
    };
    change(&mut source);
    let mut config = config(vec![]);
    config.feeds = vec![Feed {
        provider,
        source: Arc::new(source),
    }];
    let gateway = Standing::of_with(&config, |gateway| {
        gateway.with_certificates(Arc::new(move |needed| {
            notes.lock().unwrap().push(needed.url);
            Box::pin(std::future::ready(served.map(Into::into)))
        }))
    })
    .await;
    (gateway, asked)
}

fn case(name: &str) -> &'static Fixture {
    let mut cases = fixtures("cloudwatch").iter();
    cases.find(|fixture| fixture.case == name).unwrap()
}

async fn send(gateway: &Standing, name: &str) -> Reply {
    let body = case(name).callback().unwrap().body;
    let body = serde_json::from_slice(&body).unwrap();
    gateway.post("/callback/cloudwatch/prod", &body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_believed_under_the_certificate_that_its_vendor_serves() {
    let (gateway, asked) = gateway(Some(CERTIFICATE), |_| {}).await;
    for name in ["firing", "version-1", "resolved", "firing"] {
        assert_eq!(send(&gateway, name).await.status, 200, "{name}");
    }
    assert_eq!(
        stored(&gateway).await.len(),
        3,
        "the second try is a duplicate"
    );
    let asked = asked.lock().unwrap();
    let theirs = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-";
    assert!(asked.iter().all(|url| url.starts_with(theirs)), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_signed_for_a_listed_topic_is_refused_and_nothing_is_fetched_elsewhere() {
    let (gateway, asked) = gateway(Some(CERTIFICATE), |_| {}).await;
    for (name, status) in [
        ("refused", 403),
        ("refused-unsigned", 401),
        ("refused-topic", 403),
        ("refused-host", 403),
        ("refused-version", 403),
    ] {
        assert_eq!(send(&gateway, name).await.status, status, "{name}");
    }
    assert_eq!(stored(&gateway).await.len(), 0);
    assert_eq!(
        asked.lock().unwrap().len(),
        1,
        "only where the rest is right"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_certificate_the_vendor_is_asked_to_come_again() {
    let (gateway, _) = gateway(None, |_| {}).await;
    assert_eq!(send(&gateway, "firing").await.status, 503);
    assert_eq!(send(&gateway, "confirm").await.status, 503);
    assert_eq!(stored(&gateway).await.len(), 0);
    assert_eq!(gateway.effects.lock().unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_none_or_of_another_time_proves_nothing() {
    const EXPIRED: &[u8] = include_bytes!("expired.pem");
    for served in [&b"-----BEGIN CERTIFICATE-----"[..], EXPIRED] {
        let (gateway, _) = gateway(Some(served), |_| {}).await;
        assert_eq!(send(&gateway, "firing").await.status, 403);
        assert_eq!(stored(&gateway).await.len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_confirmed_only_if_it_is_signed_listed_and_at_its_vendor() {
    let (signed, _) = gateway(Some(CERTIFICATE), |_| {}).await;
    assert_eq!(send(&signed, "confirm").await.status, 200);
    assert_eq!(send(&signed, "confirm-elsewhere").await.status, 200);
    let effects = signed.effects.lock().unwrap().clone();
    assert_eq!(effects.len(), 1, "{effects:?}");
    assert!(effects[0].contains("https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription"));
    assert_eq!(signed.store.all_quarantined().await.len(), 1);

    let (open, _) = gateway(Some(CERTIFICATE), |source| source.open = true).await;
    assert_eq!(send(&open, "confirm").await.status, 200);
    assert_eq!(open.effects.lock().unwrap().len(), 0);
}

#[test]
fn a_source_without_topics_never_believes() {
    let Feed { provider, source } = feed("cloudwatch");
    let call = case("firing").callback().unwrap();
    let provider: &dyn Provider = &*provider;
    assert!(campanile_providers::verify(provider, &call, &source).is_err());
}
