//! `[store] copies`: what a gateway says of a server, and what it then accepts.

use super::{Place, send_to};

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_needs_two_copies_accepts_nothing_on_one_server_and_says_why() {
    let place = Place::new().await;
    let settings = place.settings();
    let two = settings.replace("[store]\n", "[store]\ncopies = 2\n");

    let strict = place.gateway_with("strict", &two).await;
    let ready = strict.look("/readyz", "").await;
    assert_eq!(ready.status, 503);
    assert!(ready.body.contains("[store] copies = 2"), "{}", ready.body);
    assert_eq!(send_to(strict.public, "one").await.status, 503);
    strict.logs_times("names no synchronous standby", 1).await;

    let other = place.gateway_with("other", &settings).await;
    let ready = other.look("/readyz", "").await;
    assert_eq!(ready.status, 200);
    let said = "ok\na 2xx survives a crash of PostgreSQL, not the loss of its disk: no standby is connected\n";
    assert_eq!(ready.body, said);
    other.logs_times("not the loss of its disk", 1).await;
    assert_eq!(send_to(other.public, "one").await.status, 200);
    let metrics = other.look("/metrics", "").await.body;
    assert!(metrics.contains("campanile_store_copies 1\n"), "{metrics}");
}
