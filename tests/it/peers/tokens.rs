//! Azure's secure webhook, with the fixtures as sender: a test server replaces Microsoft's host and serves their keys.

use std::sync::Arc;
use std::time::Duration;

use campanile::app::certificates::Documents;
use campanile::config::{self, Environment, SourceSpec};
use campanile_model::Callback;
use campanile_providers::fixture::KEYS;
use campanile_providers::{Needed, Source, Stamp};
use futures_util::future::join_all;

use super::fetching::reach;
use super::{spec, stored};
use crate::gateway::{named, preamble, raw};
use crate::receiver::{Play, Receiver};
use crate::standing::{Reply, Standing, config};

const PATH: &str = "/callback/azure-monitor/prod";

const MICROSOFT: &str = "https://login.microsoftonline.com";

fn serving(keys: &[u8]) -> Play {
    Play::body(std::str::from_utf8(keys).unwrap())
}

/// A set of keys without the key of the fixtures.
fn other_keys() -> Vec<u8> {
    let keys = String::from_utf8(KEYS.to_vec()).unwrap();
    keys.replace("\"campanile-fixture\"", "\"of-last-year\"")
        .into_bytes()
}

/// A gateway with this source. `microsoft` replaces Microsoft's host.
async fn gateway(microsoft: &Receiver, sources: &[Source]) -> Standing {
    let mut config = config(vec![]);
    let provider = spec("azure-monitor").provider;
    let sources = sources.iter().map(|source| SourceSpec {
        provider: Arc::clone(&provider),
        source: Arc::new(source.clone()),
    });
    config.sources = sources.collect();
    let stand_in = microsoft.url("");
    Standing::fetching(&config, |clock| {
        let documents = Documents::new(clock.clone(), reach());
        Some(Box::new(move |needed: Needed| {
            let path = needed.url.strip_prefix(MICROSOFT);
            let path = path.unwrap_or_else(|| panic!("unexpected request for {}", needed.url));
            documents.get(Needed {
                url: format!("{stand_in}{path}"),
                ..needed
            })
        }))
    })
    .await
}

/// A source that requires tokens.
fn secure() -> Source {
    Source {
        name: "azure-monitor/prod".into(),
        ..named("azure-monitor/jwt-firing").source()
    }
}

/// A fixture as a new message with a current token.
fn fresh(gateway: &Standing, case: &str, serial: u64) -> Callback {
    let call = named(&format!("azure-monitor/{case}")).callback().unwrap();
    let stamp = Stamp {
        serial,
        at: gateway.gateway.clock.now(),
        token: None,
    };
    spec("azure-monitor").provider.refresh(call, &stamp)
}

async fn send(gateway: &Standing, case: &str, serial: u64) -> Reply {
    let call = fresh(gateway, case, serial);
    gateway.send(raw(&call, PATH)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_believed_under_the_keys_that_its_issuer_publishes() {
    let microsoft = Receiver::start([serving(KEYS)]).await;
    let gateway = gateway(&microsoft, &[secure()]).await;
    for (case, serial) in [("jwt-firing", 1), ("jwt-resolved", 2), ("jwt-firing", 3)] {
        assert_eq!(send(&gateway, case, serial).await.status, 200, "{case}");
    }
    assert_eq!(stored(&gateway).await.len(), 3);
    let asked: Vec<String> = microsoft.got().into_iter().map(|got| got.target).collect();
    let source = secure();
    let tenant = source.own.text("tenant").unwrap();
    assert_eq!(
        asked,
        [
            format!("/{tenant}/discovery/keys"),
            format!("/{tenant}/discovery/v2.0/keys")
        ],
        "each address is fetched once"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_path_for_all_finds_the_source_whose_token_it_is() {
    let microsoft = Receiver::start([serving(KEYS)]).await;
    let elsewhere = Source {
        name: "azure-monitor/elsewhere".into(),
        ..secure()
    }
    .with("tenant", "00000000-0000-4000-8000-00000000beef");
    let gateway = gateway(&microsoft, &[elsewhere, secure()]).await;
    let call = fresh(&gateway, "jwt-firing", 1);
    assert_eq!(gateway.send(raw(&call, "/callback")).await.status, 200);
    let stored = stored(&gateway).await;
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].source, "azure-monitor/prod");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_believed_under_any_key_is_refused_and_nothing_is_fetched() {
    let microsoft = Receiver::start([serving(KEYS)]).await;
    let gateway = gateway(&microsoft, &[secure()]).await;
    for (case, status) in [
        ("jwt-refused-missing", 401),
        ("jwt-refused-audience", 403),
        ("jwt-refused-caller", 403),
        ("jwt-refused-role", 403),
        ("jwt-refused-tenant", 403),
        ("jwt-refused-unsigned", 403),
    ] {
        // These tokens are not renewed: a token with a wrong signature must keep it.
        let call = named(&format!("azure-monitor/{case}")).callback().unwrap();
        assert_eq!(
            gateway.send(raw(&call, PATH)).await.status,
            status,
            "{case}"
        );
    }
    let mut twice = fresh(&gateway, "jwt-firing", 1);
    let header = twice
        .headers
        .iter()
        .find(|(name, _)| name == "authorization");
    let header = header.unwrap().clone();
    twice.headers.push(header);
    assert_eq!(gateway.send(raw(&twice, PATH)).await.status, 403);
    let plain = named("azure-monitor/firing").callback().unwrap();
    assert_eq!(gateway.send(raw(&plain, PATH)).await.status, 401);
    assert_eq!(microsoft.got().len(), 0);
    // The same body is accepted for the source with a key in its path, which requires no token.
    assert_eq!(stored(&gateway).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_at_once_wait_for_one_fetch() {
    let microsoft = Receiver::start([serving(KEYS)]).await;
    let gateway = gateway(&microsoft, &[secure()]).await;
    let calls = (0..20).map(|serial| send(&gateway, "jwt-firing", serial));
    let replies = join_all(calls).await;
    let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [200; 20]);
    assert_eq!(microsoft.got().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_looked_for_once_and_not_for_each_call_that_names_one() {
    let old = other_keys();
    let microsoft = Receiver::start([serving(&old)]).await;
    let gateway = gateway(&microsoft, &[secure()]).await;
    let status = async |serial| send(&gateway, "jwt-firing", serial).await.status;
    assert_eq!(
        status(1).await,
        403,
        "the key set was fetched and does not have the key"
    );
    let calls = (0..20).map(|serial| send(&gateway, "jwt-firing", serial));
    for reply in join_all(calls).await {
        assert_eq!(reply.status, 503, "the key set is not fetched again yet");
        assert_eq!(reply.header("retry-after"), "5");
    }
    assert_eq!(microsoft.got().len(), 1);

    microsoft.now_plays([serving(KEYS)]);
    gateway.gateway.clock.advance(Duration::from_secs(59));
    assert_eq!(status(1).await, 503);
    gateway.gateway.clock.advance(Duration::from_secs(1));
    assert_eq!(status(1).await, 200, "the new key set has the key");
    assert_eq!(status(2).await, 200);
    assert_eq!(microsoft.got().len(), 2);
    assert_eq!(stored(&gateway).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_keys_cannot_be_had_the_vendor_is_asked_to_come_again() {
    let page = Play::body("<html>Please log in to this network</html>");
    for down in [Play::status(500), Play::status(404), page, Play::Reset] {
        let microsoft = Receiver::start([down]).await;
        let gateway = gateway(&microsoft, &[secure()]).await;
        for serial in 0..3 {
            let reply = send(&gateway, "jwt-firing", serial).await;
            assert_eq!(reply.status, 503, "{}", reply.body);
            assert_eq!(reply.body, "try again later");
        }
        assert_eq!(
            microsoft.got().len(),
            1,
            "the set is not fetched for each call"
        );
        assert_eq!(stored(&gateway).await.len(), 0);
        let counted =
            "campanile_refused_total{source=\"azure-monitor/prod\",reason=\"certificate\"}";
        assert!(gateway.metric(counted).await > 2.9);

        microsoft.now_plays([serving(KEYS)]);
        gateway.gateway.clock.advance(Duration::from_secs(10));
        assert_eq!(send(&gateway, "jwt-firing", 1).await.status, 200);
    }
}

#[test]
fn a_source_with_half_of_the_settings_is_a_mistake_that_names_the_other() {
    let mistakes = |settings: &str| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("campanile.toml");
        let sink = "[sinks.stdout.screen]\n";
        let source = format!("[providers.azure-monitor.prod]\n{settings}\n");
        std::fs::write(&file, preamble(folder.path()) + sink + &source).unwrap();
        match config::load(&[file], &Environment::new()) {
            Ok(_) => String::new(),
            Err(mistakes) => mistakes.to_string(),
        }
    };
    let tenant = "tenant = '7e4a4701-0000-4000-8000-00000000f1c5'";
    let audience = "audience = ['api://campanile']";
    let key = "key = 'a-key-in-the-path'";
    for whole in [
        key.to_owned(),
        format!("{tenant}\n{audience}"),
        format!("{tenant}\n{audience}\n{key}"),
    ] {
        assert_eq!(mistakes(&whole), "", "{whole}");
    }
    for (half, word) in [
        (String::new(), "does not verify its caller"),
        (tenant.to_owned(), "`audience` is not set"),
        (format!("{tenant}\n{key}"), "`audience` is not set"),
        (format!("{audience}\n{key}"), "`tenant` is not set"),
        (
            format!("tenant = '../x'\n{audience}"),
            "`tenant` must be the id of the tenant",
        ),
        (format!("{tenant}\naudience = []"), "is empty"),
        (format!("open = true\n{tenant}\n{audience}"), "is open"),
    ] {
        let found = mistakes(&half);
        assert!(found.contains(word), "{half}: {found}");
    }
}
