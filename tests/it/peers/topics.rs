//! SNS and SMN, with the fixtures as sender: a test server replaces the cloud's host and serves their certificate.

use std::sync::{Arc, Mutex};

use campanile::config::SourceSpec;
use campanile_providers::fixture::{CERTIFICATE, TOPIC, TOPIC_URN};
use campanile_providers::{Needed, Provider, Source};

use super::{spec, stored};
use crate::gateway::named;
use crate::standing::{Reply, Standing, config};

/// A cloud that sends messages of topics.
#[derive(Clone, Copy)]
struct Cloud {
    vendor: &'static str,
    topic: &'static str,
    /// The first part of the addresses of its certificates.
    certificates: &'static str,
    /// The first part of the address that confirms the fixture's subscription.
    confirms: &'static str,
    /// Its fixtures with three messages, one of them sent twice.
    believed: [&'static str; 4],
    /// Its fixtures that fail the verification.
    refused: &'static [(&'static str, u16)],
}

const CLOUDS: [Cloud; 2] = [
    Cloud {
        vendor: "cloudwatch",
        topic: TOPIC,
        certificates: "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-",
        confirms: "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription",
        believed: ["firing", "version-1", "resolved", "firing"],
        refused: &[
            ("refused", 403),
            ("refused-unsigned", 401),
            ("refused-topic", 403),
            ("refused-host", 403),
            ("refused-version", 403),
        ],
    },
    Cloud {
        vendor: "huawei-smn",
        topic: TOPIC_URN,
        certificates: "https://smn.cn-north-4.myhuaweicloud.com/smn/SMN_",
        confirms: "https://console.huaweicloud.com/smn/subscription/confirm?token=",
        believed: ["firing", "words", "resolved", "firing"],
        refused: &[
            ("refused", 403),
            ("refused-unsigned", 401),
            ("refused-topic", 403),
            ("refused-host", 403),
        ],
    },
];

/// A gateway that gets this certificate, and the addresses that it requested.
async fn gateway(
    cloud: Cloud,
    served: Option<&'static [u8]>,
    change: impl FnOnce(&mut Source),
) -> (Standing, Arc<Mutex<Vec<String>>>) {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let notes = Arc::clone(&asked);
    let SourceSpec { provider, source } = spec(cloud.vendor);
    let mut source = Source {
        tokens: vec![],
        ..(*source).clone()
    }
    .with("topics", vec![cloud.topic.to_owned()]);
    change(&mut source);
    let mut config = config(vec![]);
    config.sources = vec![SourceSpec {
        provider,
        source: Arc::new(source),
    }];
    let gateway = Standing::fetching(&config, |_| {
        Some(Box::new(move |needed: Needed| {
            notes.lock().unwrap().push(needed.url);
            Box::pin(std::future::ready(served.map(Into::into)))
        }))
    })
    .await;
    (gateway, asked)
}

async fn send(gateway: &Standing, cloud: Cloud, case: &str) -> Reply {
    let Cloud { vendor, .. } = cloud;
    let body = named(&format!("{vendor}/{case}")).callback().unwrap().body;
    let body = serde_json::from_slice(&body).unwrap();
    let path = format!("/callback/{vendor}/prod");
    gateway.post(&path, &body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_believed_under_the_certificate_that_its_vendor_serves() {
    for cloud in CLOUDS {
        let (gateway, asked) = gateway(cloud, Some(CERTIFICATE), |_| {}).await;
        for case in cloud.believed {
            assert_eq!(send(&gateway, cloud, case).await.status, 200, "{case}");
        }
        let stored = stored(&gateway).await;
        assert_eq!(stored.len(), 3, "the second attempt is a duplicate");
        let asked = asked.lock().unwrap();
        let theirs = |url: &String| url.starts_with(cloud.certificates);
        assert!(asked.iter().all(theirs), "{asked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_signed_for_a_listed_topic_is_refused_and_nothing_is_fetched_elsewhere() {
    for cloud in CLOUDS {
        let (gateway, asked) = gateway(cloud, Some(CERTIFICATE), |_| {}).await;
        for (case, status) in cloud.refused {
            let reply = send(&gateway, cloud, case).await;
            assert_eq!(reply.status, *status, "{}/{case}", cloud.vendor);
        }
        assert_eq!(stored(&gateway).await.len(), 0);
        let asked = asked.lock().unwrap().len();
        assert_eq!(
            asked, 1,
            "a certificate is fetched only if the rest of the message is valid"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_certificate_the_vendor_is_asked_to_come_again() {
    for cloud in CLOUDS {
        let (gateway, _) = gateway(cloud, None, |_| {}).await;
        assert_eq!(send(&gateway, cloud, "firing").await.status, 503);
        assert_eq!(send(&gateway, cloud, "confirm").await.status, 503);
        assert_eq!(stored(&gateway).await.len(), 0);
        assert_eq!(gateway.effects.lock().unwrap().len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_none_or_of_another_time_proves_nothing() {
    const EXPIRED: &[u8] = include_bytes!("expired.pem");
    for cloud in CLOUDS {
        for served in [&b"-----BEGIN CERTIFICATE-----"[..], EXPIRED] {
            let (gateway, _) = gateway(cloud, Some(served), |_| {}).await;
            assert_eq!(send(&gateway, cloud, "firing").await.status, 403);
            assert_eq!(stored(&gateway).await.len(), 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_confirmed_only_if_it_is_signed_listed_and_at_its_vendor() {
    for cloud in CLOUDS {
        let (signed, _) = gateway(cloud, Some(CERTIFICATE), |_| {}).await;
        for case in ["confirm", "confirm-elsewhere"] {
            assert_eq!(send(&signed, cloud, case).await.status, 200);
        }
        let effects = signed.effects.lock().unwrap().clone();
        assert_eq!(effects.len(), 1, "{effects:?}");
        assert!(effects[0].contains(cloud.confirms), "{effects:?}");
        assert_eq!(signed.store.all_quarantined().await.len(), 1);

        let (open, _) = gateway(cloud, Some(CERTIFICATE), |source| source.open = true).await;
        assert_eq!(send(&open, cloud, "confirm").await.status, 200);
        assert_eq!(open.effects.lock().unwrap().len(), 0);
    }
}

#[test]
fn a_source_without_topics_never_believes() {
    for Cloud { vendor, .. } in CLOUDS {
        let SourceSpec { provider, source } = spec(vendor);
        let call = named(&format!("{vendor}/firing")).callback().unwrap();
        let provider: &dyn Provider = &*provider;
        assert!(campanile_providers::verify(provider, &call, &source).is_err());
    }
}
