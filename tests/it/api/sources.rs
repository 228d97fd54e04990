//! The paths that `/api/v1/sources` shows.

use std::sync::Arc;

use campanile::config::SourceSpec;
use campanile_model::Secret;
use campanile_providers::{Source, by_name};
use serde_json::json;

use crate::standing::{Standing, config};

/// A source named `prod` of a built-in provider.
fn spec(provider: &str, source: Source) -> SourceSpec {
    let source = Source {
        name: format!("{provider}/prod"),
        ..source
    };
    SourceSpec {
        provider: Arc::clone(by_name(provider).unwrap()),
        source: Arc::new(source),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_shows_every_path_that_takes_its_requests() {
    let keyed = || Source {
        keys: vec![Secret::from("the-secret-key")],
        ..Source::default()
    };
    let mut config = config(Vec::new());
    config.sources = vec![
        spec("alertmanager-api", Source::default()),
        spec("pagerduty-events", keyed()),
        spec("ucloud", keyed().with("demo_paths", true)),
        spec("jiankong", keyed().with("demo_paths", true)),
    ];
    let gateway = Standing::of(&config).await;
    let sources = gateway.ask("GET", "/api/v1/sources", "").await.json();
    let shown = |at: usize| sources["items"][at]["paths"].clone();
    let base = "/callback/alertmanager-api/prod";
    let appended = format!("{base}/api/v2/alerts");
    assert_eq!(shown(0), json!([base, appended, "/api/v2/alerts"]));
    // The bare path takes no key, so it could never be proven.
    let base = "/callback/pagerduty-events/prod/<key>";
    assert_eq!(shown(1), json!([base, format!("{base}/v2/enqueue")]));
    let base = "/callback/ucloud/prod/<key>";
    assert_eq!(shown(2), json!([base, "/add/<key>", "/get/<key>"]));
    assert_eq!(shown(3), json!(["/callback/jiankong/prod/<key>"]));

    config.sources = vec![spec("ucloud", keyed())];
    gateway.follow(&config).await;
    let off = gateway.ask("GET", "/api/v1/sources/ucloud/prod", "").await;
    assert_eq!(off.json()["paths"], json!([base]));
}
