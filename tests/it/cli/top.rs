//! `campanile top`.

use serde_json::{Value, json};

use super::Run;
use super::peer::{Peer, free_port};

fn sinks() -> String {
    let sink = json!({"name": "webhook/oncall", "kind": "webhook", "configured": true, "state": "open",
        "pending": 31, "dead": 4, "in_flight": 0, "loaded": 0, "paused_by": null, "last_success_at": null,
        "last_error": "answered 503", "last_error_at": null, "retry_at": null});
    json!({"items": [sink], "next": null}).to_string()
}

fn sources(accepted: u64) -> String {
    let source = json!({"name": "ucloud/prod", "provider": "ucloud", "callback": "/callback/ucloud/prod/<key>",
        "paths": [], "proof": "path key", "accepted": accepted, "ignored": 0, "duplicates": 1, "conflicts": 0,
        "quarantined": 0, "rejected": 3, "last_callback_at": null, "drift": drift()});
    json!({"items": [source], "next": null}).to_string()
}

fn drift() -> Value {
    json!({"learning": true, "looked_at": 7, "keys": 8, "full": false, "new_keys": 0, "gone_keys": 0,
        "changed_types": 0, "changes": [], "unknown_words": {}})
}

#[test]
fn top_shows_sinks_and_sources_with_the_rate_since_the_last_request() {
    let (sinks, first, second) = (sinks(), sources(10), sources(1_000_010));
    let peer = Peer::answering(&[(200, &sinks), (200, &first), (200, &sinks), (200, &second)]);
    let run = Run::of(&["top", "--times", "2", "--url", &peer.url]);
    assert_eq!(run.code, 0, "{}", run.err);
    let (asked, _) = peer.asked();
    let paths: Vec<&str> = asked.iter().map(super::peer::Asked::line).collect();
    let pair = ["GET /api/v1/sinks HTTP/1.1", "GET /api/v1/sources HTTP/1.1"];
    assert_eq!(paths, [pair, pair].concat());
    for words in [
        "webhook/oncall",
        "open",
        "31",
        "answered 503",
        "ucloud/prod",
        "ACCEPTED/S",
    ] {
        assert_eq!(run.out.matches(words).count(), 2, "{words}: {}", run.out);
    }
    assert!(
        !run.out.contains('\u{1b}'),
        "no screen is cleared in a pipe"
    );
    let rates = run
        .out
        .lines()
        .filter(|line| line.starts_with("ucloud/prod"));
    let rates: Vec<&str> = rates
        .map(|line| line.split_whitespace().nth(1).unwrap())
        .collect();
    assert_eq!(rates[0], "-", "nothing to compare with");
    let rate: f64 = rates[1].parse().unwrap();
    assert!(rate > 1_000.0 && rate <= 1_100_000.0, "{rate}");
}

#[test]
fn counters_that_begin_again_have_no_rate() {
    let (sinks, first, second) = (sinks(), sources(10), sources(3));
    let peer = Peer::answering(&[(200, &sinks), (200, &first), (200, &sinks), (200, &second)]);
    let run = Run::of(&["top", "--times", "2", "--url", &peer.url]);
    peer.asked();
    let last = run
        .out
        .lines()
        .rfind(|line| line.starts_with("ucloud/prod"));
    assert_eq!(
        last.unwrap().split_whitespace().nth(1),
        Some("-"),
        "{}",
        run.out
    );
}

#[test]
fn top_goes_on_when_the_gateway_is_lost_and_ends_when_it_never_was_there() {
    // The peer ends after its two answers.
    let (sinks, first) = (sinks(), sources(10));
    let peer = Peer::answering(&[(200, &sinks), (200, &first)]);
    let run = Run::of(&["top", "--times", "2", "--url", &peer.url]);
    peer.asked();
    assert_eq!(run.code, 0, "{}", run.err);
    run.says("cannot reach");
    run.says("trying again");
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let run = Run::of(&["top", "--url", &nobody]);
    assert_eq!(run.code, 3, "a first request that fails is a wrong address");
}
