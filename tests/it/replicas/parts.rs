//! A sink that several gateways deliver for at the same time.

use crate::patience::until;

use super::{Place, send, shares, states};

/// The parts of `webhook/one` that each gateway has, this one first.
async fn parts(gateway: &crate::process::Process) -> Vec<Vec<String>> {
    let mut shares = shares(gateway).await;
    for share in &mut shares {
        share.retain(|name| name.starts_with("webhook/one"));
    }
    shares
}

#[tokio::test(flavor = "multi_thread")]
async fn each_gateway_delivers_its_part_of_a_sink_and_a_pause_stops_all_of_them() {
    let place = Place::new().await;
    let divided = "[sinks.webhook.one]\nparts = 4\n";
    let settings = place.settings().replace("[sinks.webhook.one]\n", divided);
    let one = place.gateway_with("one", &settings).await;
    let mut messages: Vec<String> = (10..30).map(|n| format!("message-{n}")).collect();
    for message in &messages[..10] {
        send(&one, message).await;
    }
    let other = place.gateway_with("other", &settings).await;
    for message in &messages[10..] {
        send(&other, message).await;
    }
    place.all_get(&messages).await;
    until("both have parts", async || {
        let parts = parts(&one).await;
        let [mine, theirs] = parts.as_slice() else {
            return false;
        };
        !mine.is_empty() && !theirs.is_empty() && mine.len() + theirs.len() == 4
    })
    .await;
    let all = parts(&other).await.concat();
    assert!(all.contains(&"webhook/one (3/4)".to_owned()), "{all:?}");

    // Operators see one sink.
    assert_eq!(states(&one).await.len(), 3);
    super::ask(&one, "POST", "/api/v1/sinks/webhook/one/pause").await;
    let paused = ("webhook/one".to_owned(), "paused".to_owned());
    until("the pause at both", async || {
        let sql = "SELECT count(*) FROM gateway WHERE state LIKE '%\"paused\"%'";
        place.server.sql("alerts", sql).await == "2"
    })
    .await;
    assert!(states(&other).await.contains(&paused));
    for number in 30..40 {
        messages.push(format!("message-{number}"));
        send(&one, messages.last().unwrap()).await;
    }
    until("the alerts at another sink", async || {
        place.got(1).len() == messages.len()
    })
    .await;
    assert_eq!(place.got(0).len(), 20);
    super::ask(&other, "POST", "/api/v1/sinks/webhook/one/resume").await;
    place.all_get(&messages).await;

    // A gateway with another number: until all agree, the smaller one counts.
    one.signal("TERM");
    one.ended().await;
    let whole = place.gateway("whole").await;
    until("the sink is whole again", async || {
        parts(&whole).await.concat() == ["webhook/one"]
    })
    .await;
    messages.push("message-40".to_owned());
    send(&whole, "message-40").await;
    place.all_get(&messages).await;
}
