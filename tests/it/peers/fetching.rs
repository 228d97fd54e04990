//! Vendors' certificates and keys are fetched only from public hosts, at a limited rate, and kept.

use std::time::Duration;

use campanile::app::certificates::{Documents, REACH};
use campanile_model::Clock;
use campanile_providers::fixture::{CERTIFICATE, KEYS};
use campanile_providers::{Document, Needed};
use campanile_sinks::http::client::Settings;
use campanile_sinks::http::guard::Egress;

use crate::receiver::{Play, Receiver};

/// The settings to reach test servers on loopback, with enough time for a busy machine.
pub(super) fn reach() -> Settings<'static> {
    Settings {
        egress: Egress::Any,
        timeout: Duration::from_mins(1),
        ..REACH
    }
}

fn clock() -> Clock {
    Clock::manual("2026-01-01T00:00:00Z".parse().unwrap())
}

fn serving(body: &[u8]) -> Play {
    Play::body(std::str::from_utf8(body).unwrap())
}

fn certificate(receiver: &Receiver, name: &str) -> Needed {
    Needed {
        url: receiver.url(&format!("/{name}.pem")),
        document: Document::Certificate,
    }
}

fn key(receiver: &Receiver, name: &str) -> Needed {
    Needed {
        url: receiver.url("/keys"),
        document: Document::Key(name.to_owned()),
    }
}

async fn has(documents: &Documents, needed: Needed) -> bool {
    documents.get(needed).await.is_some()
}

#[tokio::test]
async fn a_certificate_is_kept_for_a_day() {
    let vendor = Receiver::start([serving(CERTIFICATE)]).await;
    let clock = clock();
    let documents = Documents::new(clock.clone(), reach());
    for hours in [0, 12, 11] {
        clock.advance(Duration::from_hours(hours));
        let body = documents.get(certificate(&vendor, "a")).await.unwrap();
        assert_eq!(&*body, CERTIFICATE);
    }
    assert_eq!(vendor.got().len(), 1);
    clock.advance(Duration::from_hours(1));
    assert!(has(&documents, certificate(&vendor, "a")).await);
    let got = vendor.got();
    assert_eq!(got.len(), 2);
    assert_eq!((&*got[0].method, &*got[0].target), ("GET", "/a.pem"));
}

#[tokio::test]
async fn what_is_no_certificate_is_not_kept_as_one() {
    let page = Play::body("<html>Please log in to this network</html>");
    let vendor = Receiver::start([page, serving(CERTIFICATE)]).await;
    let documents = Documents::new(clock(), reach());
    assert!(!has(&documents, certificate(&vendor, "a")).await);
    assert!(has(&documents, certificate(&vendor, "a")).await);
}

#[tokio::test]
async fn strangers_who_name_certificates_that_are_not_there_cause_few_requests() {
    let vendor = Receiver::start([Play::status(404)]).await;
    let clock = clock();
    let documents = Documents::new(clock.clone(), reach());
    for number in 0..100 {
        let made_up = certificate(&vendor, &number.to_string());
        assert!(!has(&documents, made_up).await);
    }
    assert_eq!(vendor.got().len(), 30);
    vendor.now_plays([serving(CERTIFICATE)]);
    clock.advance(Duration::from_mins(1));
    assert!(has(&documents, certificate(&vendor, "a")).await);
}

#[tokio::test]
async fn keys_are_not_asked_for_at_the_pace_of_those_who_name_unknown_ones() {
    let vendor = Receiver::start([serving(KEYS)]).await;
    let clock = clock();
    let documents = Documents::new(clock.clone(), reach());
    assert!(has(&documents, key(&vendor, "campanile-fixture")).await);
    for number in 0..100 {
        assert!(!has(&documents, key(&vendor, &number.to_string())).await);
        assert!(has(&documents, key(&vendor, "campanile-fixture")).await);
    }
    assert_eq!(vendor.got().len(), 1);
    clock.advance(Duration::from_mins(1));
    let looked = documents.get(key(&vendor, "another")).await;
    assert!(
        looked.is_some(),
        "the current set, which does not have that key"
    );
    assert_eq!(vendor.got().len(), 2);
}

#[tokio::test]
async fn keys_that_are_kept_stay_while_a_newer_set_cannot_be_had() {
    let vendor = Receiver::start([serving(KEYS), Play::status(500)]).await;
    let clock = clock();
    let documents = Documents::new(clock.clone(), reach());
    assert!(has(&documents, key(&vendor, "campanile-fixture")).await);
    clock.advance(Duration::from_hours(1));
    assert!(!has(&documents, key(&vendor, "another")).await);
    assert!(has(&documents, key(&vendor, "campanile-fixture")).await);
    assert_eq!(vendor.got().len(), 2);
    clock.advance(Duration::from_hours(23));
    let old = has(&documents, key(&vendor, "campanile-fixture")).await;
    assert!(
        !old,
        "after a day the old keys are not used, although the vendor does not answer"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_goes_on_when_the_one_who_asked_hangs_up() {
    let vendor = Receiver::start([serving(KEYS)]).await;
    let documents = Documents::new(clock(), reach());
    let asking = tokio::spawn(documents.get(key(&vendor, "campanile-fixture")));
    vendor.got_at_least(1).await;
    asking.abort();
    assert!(has(&documents, key(&vendor, "campanile-fixture")).await);
    assert_eq!(vendor.got().len(), 1);
}

#[tokio::test]
async fn nothing_is_fetched_from_this_machine_or_its_network() {
    let vendor = Receiver::start([serving(CERTIFICATE)]).await;
    let documents = Documents::new(clock(), REACH);
    let port = vendor.address().port();
    for url in [
        vendor.url("/a.pem"),
        format!("http://localhost:{port}/a.pem"),
    ] {
        for document in [Document::Certificate, Document::Key("k".into())] {
            let url = url.clone();
            assert!(!has(&documents, Needed { url, document }).await);
        }
    }
    assert_eq!(vendor.connections(), 0);
}

#[tokio::test]
async fn a_redirect_and_a_body_without_end_give_nothing() {
    let vendor = Receiver::start([
        Play::with(302, "location", "/elsewhere.pem"),
        Play::Endless,
        Play::ResetInBody,
    ])
    .await;
    let documents = Documents::new(clock(), reach());
    for name in ["redirected", "endless", "broken"] {
        assert!(!has(&documents, certificate(&vendor, name)).await, "{name}");
    }
    assert_eq!(vendor.got().len(), 3);
}
