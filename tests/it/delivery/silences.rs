//! Who was informed of a firing is informed of its end. What begins and ends inside of a silence is not sent. What fires at the end of a
//! silence is sent then. The names of scenarios are those of the design (S1, S3, ...), without groups.

use std::sync::Arc;
use std::time::Duration;

use campanile::config::windows::After;
use campanile::config::{Matching, Policy};
use campanile::delivery::What;
use campanile::snapshot::matcher::Matcher;
use campanile::snapshot::silences::{Silence, Times};
use campanile_sinks::Class;
use campanile_store::{Act, End, Seq};
use jiff::Timestamp;

use super::rig::{Rig, policy};
use super::scripted::{Scripted, fails};
use super::{MINUTE, SECOND};
use crate::patience::idle;

/// A silence of the alerts with this title, from one second to another.
fn titled(title: &str, seconds: std::ops::Range<i64>, after: After) -> Silence {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let at = |second| start + jiff::SignedDuration::from_secs(second);
    let matching = Matching {
        regex: [("title".to_owned(), title.to_owned())].into(),
        ..Matching::default()
    };
    Silence {
        name: "7".into(),
        matcher: Matcher::compile(&matching).unwrap(),
        times: Times::Span(at(seconds.start), at(seconds.end)),
        after,
    }
}

fn of_a(seconds: std::ops::Range<i64>) -> Silence {
    titled("a.*", seconds, After::Tell)
}

async fn rig(sink: &Arc<Scripted>) -> Rig {
    Rig::new(&[(Arc::clone(sink), policy())]).await
}

/// Whether each message so far was sent without mention.
fn quiet(sink: &Scripted) -> Vec<bool> {
    let sent = sink.messages_sent.lock().unwrap();
    sent.iter().map(|message| message.quiet).collect()
}

async fn ends(rig: &Rig, seq: Seq) -> Vec<(End, String)> {
    let rows = rig.store.outcomes_of(seq).await.unwrap().into_iter();
    rows.map(|row| (row.end, row.reason)).collect()
}

/// Every delivery is in one place, or has one outcome.
async fn is_accounted_for(rig: &Rig) {
    let misplaced = rig.store.misplaced(10).await.unwrap();
    assert!(misplaced.is_empty(), "{misplaced:?}");
}

#[tokio::test]
async fn s1_what_fires_at_the_end_of_a_silence_is_sent_then() {
    let sink = Scripted::takes_all();
    let rig = rig(&sink).await;
    rig.gate.set(vec![of_a(0..40)]);
    rig.pass(3 * SECOND, SECOND).await;
    let seq = rig.accept("a", 1).await;
    rig.accept("b", 2).await;
    rig.pass(36 * SECOND, SECOND).await;
    assert_eq!(sink.messages(), ["b"]);
    let held = rig.store.held(None, 10).await.unwrap();
    assert_eq!((held[0].seq, held[0].reason.as_str()), (seq, "silence 7"));
    assert!(
        rig.notes
            .has(|event| matches!(event.what, What::Held { .. }))
    );
    is_accounted_for(&rig).await;
    rig.pass(SECOND, SECOND).await;
    assert_eq!(sink.messages(), ["b", "a"]);
    assert_eq!(quiet(&sink), [false, false]);
    assert!(rig.store.held(None, 10).await.unwrap().is_empty());
    is_accounted_for(&rig).await;
}

#[tokio::test]
async fn s3_s4_who_was_told_of_a_firing_is_told_of_its_end_without_mention() {
    let sink = Scripted::takes_all();
    let rig = rig(&sink).await;
    rig.accept("a", 1).await;
    idle(&rig.delivery).await;
    rig.gate.set(vec![of_a(0..40)]);
    // Judged by the labels of its firing: N14.
    rig.accept("resolved", 1).await;
    idle(&rig.delivery).await;
    assert_eq!(sink.messages(), ["a", "resolved"]);
    assert_eq!(quiet(&sink), [false, true]);
    rig.pass(MINUTE, SECOND).await;
    rig.accept("a again", 1).await;
    idle(&rig.delivery).await;
    assert_eq!(sink.messages(), ["a", "resolved", "a again"]);
    is_accounted_for(&rig).await;
}

#[tokio::test]
async fn s6_a_silence_that_ends_before_its_time_lets_everything_go_at_once() {
    let sink = Scripted::takes_all();
    let rig = rig(&sink).await;
    rig.gate.set(vec![of_a(0..3600)]);
    rig.accept("a", 1).await;
    idle(&rig.delivery).await;
    rig.gate.set(vec![]);
    rig.delivery.gate_changed();
    idle(&rig.delivery).await;
    assert_eq!(sink.messages(), ["a"]);
}

#[tokio::test]
async fn s14_a_silence_made_while_a_sink_is_down_holds_what_is_retried() {
    let sink = Scripted::new(|_| Err(fails(Class::Transient)));
    let rig = rig(&sink).await;
    rig.accept("a", 1).await;
    rig.pass(10 * SECOND, SECOND).await;
    let before = sink.seen().len();
    assert!(before >= 2, "{before}");
    rig.gate.set(vec![of_a(0..3600)]);
    sink.now_does(|_| Ok(()));
    rig.pass(10 * MINUTE, SECOND).await;
    assert_eq!(sink.seen().len(), before);
    assert_eq!(rig.store.held(None, 10).await.unwrap().len(), 1);
    rig.pass(50 * MINUTE, 10 * SECOND).await;
    assert_eq!(sink.seen().len(), before + 1);
    is_accounted_for(&rig).await;
}

#[tokio::test]
async fn s15_what_begins_and_ends_inside_of_a_silence_is_not_sent_and_says_why() {
    let sink = Scripted::takes_all();
    let rig = rig(&sink).await;
    rig.gate.set(vec![of_a(0..40)]);
    let fired = rig.accept("a", 1).await;
    let again = rig.accept("a again", 1).await;
    idle(&rig.delivery).await;
    let resolved = rig.accept("resolved", 1).await;
    rig.pass(MINUTE, SECOND).await;
    assert!(sink.messages().is_empty());
    let folded = (End::Folded, format!("alert {again}"));
    assert_eq!(ends(&rig, fired).await, [folded]);
    let muted = |reason: &str| [(End::Muted, reason.to_owned())];
    assert_eq!(ends(&rig, again).await, muted("silence 7"));
    assert_eq!(
        ends(&rig, resolved).await,
        muted("the sink got no firing of it")
    );
    is_accounted_for(&rig).await;
}

#[tokio::test]
async fn of_the_firings_inside_of_a_silence_the_newest_is_sent_at_its_end() {
    let sink = Scripted::takes_all();
    let rig = rig(&sink).await;
    rig.gate.set(vec![of_a(0..40)]);
    for number in 0..5 {
        rig.accept(&format!("a{number}"), 1).await;
        rig.pass(SECOND, SECOND).await;
    }
    rig.pass(MINUTE, SECOND).await;
    assert_eq!(sink.messages(), ["a4"]);
    rig.accept("resolved", 1).await;
    idle(&rig.delivery).await;
    assert_eq!(sink.messages(), ["a4", "resolved"]);
    is_accounted_for(&rig).await;
}

#[tokio::test]
async fn what_a_silence_forgets_is_not_sent_at_its_end_and_neither_is_its_recovery() {
    let sink = Scripted::takes_all();
    let rig = rig(&sink).await;
    rig.gate.set(vec![titled("a.*", 0..40, After::Forget)]);
    let seq = rig.accept("a", 1).await;
    rig.pass(MINUTE, SECOND).await;
    assert_eq!(
        ends(&rig, seq).await,
        [(End::Muted, "silence 7".to_owned())]
    );
    rig.accept("resolved", 1).await;
    idle(&rig.delivery).await;
    assert!(sink.messages().is_empty());
    // The next firing of another episode is news.
    rig.accept("a again", 1).await;
    idle(&rig.delivery).await;
    assert_eq!(sink.messages(), ["a again"]);
    is_accounted_for(&rig).await;
}

#[tokio::test]
async fn a_silence_that_ends_while_the_gateway_is_down_has_ended_at_its_start() {
    let sink = Scripted::takes_all();
    let mut rig = rig(&sink).await;
    rig.gate.set(vec![of_a(0..40)]);
    rig.accept("a", 1).await;
    idle(&rig.delivery).await;
    rig.delivery.stop(Duration::ZERO).await;
    rig.clock.advance(MINUTE);
    rig.restart().await;
    idle(&rig.delivery).await;
    assert_eq!(sink.messages(), ["a"]);
}

#[tokio::test]
async fn what_an_operator_asks_for_is_sent_in_spite_of_a_silence() {
    let sink = Scripted::takes_all();
    let rig = rig(&sink).await;
    rig.gate.set(vec![of_a(0..3600)]);
    let seq = rig.accept("a", 1).await;
    idle(&rig.delivery).await;
    let act = Act::new(rig.clock.now(), "alert.retry");
    let of = rig.sinks[0].part.sink;
    assert!(rig.store.retry(seq, of, act).await.unwrap());
    rig.delivery.poke(of, &[seq]);
    idle(&rig.delivery).await;
    assert_eq!(sink.messages(), ["a"]);
    assert!(rig.store.held(None, 10).await.unwrap().is_empty());
    is_accounted_for(&rig).await;
}

#[tokio::test]
async fn what_is_held_takes_nothing_from_a_limit() {
    let sink = Scripted::takes_all();
    let limited = Policy {
        per_minute: Some(3),
        ..policy()
    };
    let rig = Rig::new(&[(sink.clone(), limited)]).await;
    rig.gate.set(vec![of_a(0..3600)]);
    for lane in 0..20 {
        rig.accept(&format!("a{lane}"), lane).await;
    }
    for lane in 20..23 {
        rig.accept(&format!("b{lane}"), lane).await;
    }
    idle(&rig.delivery).await;
    assert_eq!(sink.messages(), ["b20", "b21", "b22"]);
}

#[tokio::test]
async fn a_digest_has_no_alert_that_a_silence_holds() {
    let sink = Scripted::takes_all();
    let digests = Policy {
        per_minute: Some(1),
        digest: true,
        ..policy()
    };
    let rig = Rig::new(&[(sink.clone(), digests)]).await;
    rig.accept("first", 100).await;
    idle(&rig.delivery).await;
    rig.gate.set(vec![of_a(0..300)]);
    for lane in 0..20 {
        let name = if lane % 2 == 0 { "a" } else { "b" };
        rig.accept(&format!("{name}{lane}"), lane).await;
        // A recovery behind a held firing waits for what becomes of that.
        rig.accept(&format!("resolved {lane}"), lane).await;
    }
    rig.pass(2 * MINUTE, SECOND).await;
    let sent = sink.messages_sent.lock().unwrap().clone();
    let titles: Vec<String> = sent
        .iter()
        .skip(1)
        .flat_map(|message| message.alerts.iter().map(|alert| alert.title.clone()))
        .collect();
    assert_eq!(titles.len(), 20, "{titles:?}");
    assert!(
        titles.iter().all(|title| !title.starts_with('a')),
        "{titles:?}"
    );
    rig.pass(5 * MINUTE, SECOND).await;
    assert_eq!(sink.messages_sent.lock().unwrap().len(), sent.len());
    is_accounted_for(&rig).await;
}

#[tokio::test]
async fn the_probe_of_a_sink_that_failed_is_not_lost_in_a_silence() {
    let sink = Scripted::new(|_| Err(fails(Class::Transient)));
    let rig = rig(&sink).await;
    for lane in 0..12 {
        rig.accept(&format!("a{lane}"), lane).await;
    }
    rig.accept("b", 20).await;
    rig.pass(MINUTE, SECOND).await;
    assert!(!sink.messages().is_empty());
    rig.gate.set(vec![of_a(0..7200)]);
    sink.now_does(|_| Ok(()));
    rig.pass(20 * MINUTE, SECOND).await;
    let taken = sink.seen().into_iter().filter(|seen| seen.taken);
    assert_eq!(taken.map(|seen| seen.message).collect::<Vec<_>>(), ["b"]);
    assert_eq!(rig.store.held(None, 20).await.unwrap().len(), 12);
}

#[tokio::test]
async fn a_thousand_held_alerts_are_let_go_page_by_page() {
    let sink = Scripted::takes_all();
    let tuning = campanile::delivery::Tuning {
        page: 16,
        loaded_max: 50,
        ..super::rig::tuning()
    };
    let rig = Rig::with(super::rig::store(), &[(sink.clone(), policy())], tuning).await;
    rig.gate.set(vec![of_a(0..30)]);
    for lane in 0..200 {
        rig.accept(&format!("a{lane}"), lane).await;
    }
    rig.pass(10 * SECOND, SECOND).await;
    assert_eq!(rig.store.held(None, 1000).await.unwrap().len(), 200);
    rig.pass(30 * SECOND, SECOND).await;
    assert_eq!(sink.seen().len(), 200);
    is_accounted_for(&rig).await;
}

#[tokio::test]
async fn what_is_over_is_not_sent_at_the_end_of_a_silence_although_its_recovery_was_dropped() {
    let sink = Scripted::takes_all();
    let rig = rig(&sink).await;
    rig.gate.set(vec![of_a(0..40)]);
    let fired = rig.accept("a", 1).await;
    idle(&rig.delivery).await;
    rig.delivery.pause("test/0").unwrap();
    let resolved = rig.accept("resolved", 1).await;
    let of = rig.sinks[0].part.sink;
    let act = Act::new(rig.clock.now(), "deliveries.drop");
    assert!(rig.store.drop_pending(resolved, of, act).await.unwrap());
    rig.delivery.dropped(of, &[resolved]);
    rig.delivery.resume("test/0").unwrap();
    rig.pass(MINUTE, SECOND).await;
    assert!(sink.messages().is_empty());
    let muted = (End::Muted, "silence 7".to_owned());
    assert_eq!(ends(&rig, fired).await, [muted]);
    is_accounted_for(&rig).await;
}
