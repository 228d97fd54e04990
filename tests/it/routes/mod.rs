//! The sinks of each alert, and the ids of messages and deliveries.

mod amtool;
mod anchor;
mod levels;
mod windows;

use campanile::config::{Matching, Orphans, Route};
use campanile::delivery::id::delivery_id;
use campanile::intake::identity;
use campanile::pipeline::{self, Match};
use campanile::snapshot::{RouteMistake, Snapshot};
use campanile_language::sample_alerts;
use campanile_model::{Fingerprint, Link, Report, Severity, Status};
use jiff::Timestamp;
use uuid::Uuid;

use crate::standing::config;

fn route(when: Option<&str>, sinks: &[usize]) -> Route {
    Route {
        matching: Matching {
            when: when.map(str::to_owned),
            ..Matching::default()
        },
        sinks: sinks.to_vec(),
        ..Route::default()
    }
}

/// A configuration with these routes and this many sinks.
fn snapshot(routes: &[Route], count: i64) -> Result<Snapshot, Vec<RouteMistake>> {
    let mut config = config(vec![]);
    config.routes = routes.to_vec();
    Snapshot::new(&config, &(0..count).collect::<Vec<_>>())
}

fn sinks(routes: &[Route], count: i64) -> [Vec<i64>; 2] {
    let snapshot = snapshot(routes, count).unwrap();
    sample_alerts().map(|alert| pipeline::decide(&alert, &snapshot).sinks.into_owned())
}

#[test]
fn without_routes_every_alert_goes_to_every_sink() {
    assert_eq!(sinks(&[], 3), [vec![0, 1, 2], vec![0, 1, 2]]);
    assert_eq!(sinks(&[], 0), [Vec::<i64>::new(), vec![]]);
}

#[test]
fn every_route_that_matches_counts_and_a_sink_gets_an_alert_once() {
    let routes = [
        route(Some("severity == 'critical'"), &[2, 0]),
        route(Some("labels.team == 'db'"), &[0, 1]),
        route(Some("status == 'resolved'"), &[3]),
    ];
    // The second alert is a recovery without a severity.
    assert_eq!(sinks(&routes, 4), [vec![0, 1, 2], vec![0, 2, 3]]);
}

#[test]
fn a_route_without_a_condition_takes_every_alert() {
    assert_eq!(
        sinks(&[route(None, &[1, 1, 0])], 3),
        [vec![0, 1], vec![0, 1]]
    );
    let routes = [
        route(None, &[1]),
        route(Some("severity == 'critical'"), &[0]),
    ];
    assert_eq!(sinks(&routes, 2), [vec![0, 1], vec![0, 1]]);
}

#[test]
fn an_alert_that_no_route_matches_goes_nowhere() {
    let routes = [route(Some("source == 'other/one'"), &[0])];
    assert_eq!(sinks(&routes, 1), [Vec::<i64>::new(), vec![]]);
}

#[test]
fn a_decision_says_what_each_route_said() {
    let routes = [route(Some("status == 'resolved'"), &[0]), route(None, &[1])];
    let snapshot = snapshot(&routes, 2).unwrap();
    let said = sample_alerts().map(|alert| pipeline::decide(&alert, &snapshot).because);
    assert_eq!(said, [[Match::No, Match::Yes], [Match::Yes, Match::Yes]]);
}

#[test]
fn a_condition_that_fails_on_an_alert_lets_it_through_and_is_counted() {
    let slow = "labels|length > 50 and range(60000)|list|length > 0 and title|indent(title) == 'x'";
    let routes = [route(Some(slow), &[0]), route(Some("title > 5"), &[1])];
    let snapshot = snapshot(&routes, 2).unwrap();
    let [mut alert, _] = sample_alerts();
    for n in 0..100 {
        alert.labels.insert(format!("l{n}"), String::new());
    }
    let decision = pipeline::decide(&alert, &snapshot);
    assert!(decision.sinks.contains(&0), "{decision:?}");
    assert_eq!(decision.failed, 1);
}

/// What the routes say of a recovery with this severity.
fn recovery(severity: Severity, orphans: Orphans, routes: &[Route]) -> (Vec<i64>, Vec<Match>) {
    let mut config = config(vec![]);
    config.routes = routes.to_vec();
    config.routing.orphans = orphans;
    let snapshot = Snapshot::new(&config, &[0, 1, 2]).unwrap();
    let [mut alert, _] = sample_alerts();
    (alert.status, alert.severity) = (Status::Resolved, severity);
    let decision = pipeline::decide(&alert, &snapshot);
    (decision.sinks.into_owned(), decision.because)
}

#[test]
fn a_recovery_without_a_severity_could_have_any() {
    let routes = [
        route(Some("severity == 'critical' and title != ''"), &[0]),
        route(Some("severity == 'info' and title == 'other'"), &[1]),
        route(Some("severity in ['error', 'warning']"), &[2]),
    ];
    let asked = |severity| recovery(severity, Orphans::Route, &routes);
    let all = (vec![0, 2], vec![Match::Yes, Match::No, Match::Yes]);
    assert_eq!(asked(Severity::Unknown), all);
    let known = (vec![0], vec![Match::Yes, Match::No, Match::No]);
    assert_eq!(asked(Severity::Critical), known);
    // A firing alert without a severity has none.
    let snapshot = snapshot(&routes, 3).unwrap();
    let [mut alert, _] = sample_alerts();
    alert.severity = Severity::Unknown;
    assert!(pipeline::decide(&alert, &snapshot).sinks.is_empty());
}

#[test]
fn a_dropped_orphan_has_no_sinks_and_a_firing_alert_is_none() {
    let asked = |routes: &[Route]| recovery(Severity::Critical, Orphans::Drop, routes);
    let critical = route(Some("severity == 'critical'"), &[0]);
    let (sinks, because) = asked(std::slice::from_ref(&critical));
    assert_eq!((sinks, because), (vec![], vec![Match::Yes]));
    assert_eq!(asked(&[]).0, Vec::<i64>::new());
    let mut config = config(vec![]);
    config.routes = vec![critical];
    config.routing.orphans = Orphans::Drop;
    let snapshot = Snapshot::new(&config, &[0]).unwrap();
    let [mut firing, _] = sample_alerts();
    firing.severity = Severity::Critical;
    assert_eq!(*pipeline::decide(&firing, &snapshot).sinks, [0]);
}

#[test]
fn every_mistake_in_the_routes_is_told_with_its_route() {
    let routes = [
        route(Some("severty == 'x'"), &[0]),
        route(None, &[0]),
        route(Some("title =="), &[0]),
    ];
    let mistakes = snapshot(&routes, 1).unwrap_err();
    let places: Vec<_> = mistakes.iter().map(|mistake| &*mistake.route).collect();
    assert_eq!(places, [[0], [2]]);
    assert!(
        mistakes[0]
            .to_string()
            .contains("routes[0].when: unknown name")
    );
}

#[test]
fn the_dedup_key_tells_source_and_message_apart() {
    assert_eq!(identity::key("a/b", "1"), identity::key("a/b", "1"));
    assert_ne!(identity::key("a/b", "1"), identity::key("a/c", "1"));
    assert_ne!(identity::key("a/b", "12"), identity::key("a/b1", "2"));
    // Keys are stored on disk: this key must not change between versions.
    assert_eq!(
        hex::encode(identity::key("ucloud/prod", "x")),
        "886353897b83af0e7f47f18c4c4a1478"
    );
}

#[test]
fn the_content_hash_changes_with_what_is_said_and_with_nothing_else() {
    let report = || Report::new("1", Fingerprint::of("p", ["a"]), Status::Firing);
    let said = identity::content(&report());
    let mut renamed = report();
    renamed.message_id = "2".to_owned();
    assert_eq!(identity::content(&renamed), said);
    let changes: [fn(&mut Report); 24] = [
        |r| r.fingerprint = Fingerprint::of("p", ["b"]),
        |r| r.title.push('x'),
        |r| r.description.push('x'),
        |r| r.status = Status::Resolved,
        |r| r.severity = Severity::Critical,
        // An absent value, an empty value and a word are three different values. The same word in another field is a
        // different value too.
        |r| r.resource.kind = Some("x".into()),
        |r| r.resource.id = Some("x".into()),
        |r| r.resource.name = Some("x".into()),
        |r| r.resource.region = Some("x".into()),
        |r| r.resource.account = Some("x".into()),
        |r| r.resource.account = Some(String::new()),
        |r| r.metric.name = Some("x".into()),
        |r| r.metric.name = Some(String::new()),
        |r| r.metric.comparator = Some("x".into()),
        |r| r.metric.unit = Some("x".into()),
        |r| r.metric.value = Some(7.into()),
        |r| r.metric.threshold = Some(7.into()),
        |r| r.starts_at = Some(Timestamp::UNIX_EPOCH),
        |r| r.ends_at = Some(Timestamp::UNIX_EPOCH),
        |r| r.labels = [("a".into(), "bc".into())].into(),
        |r| r.labels = [("ab".into(), "c".into())].into(),
        |r| r.raw = [("a".into(), "bc".into())].into(),
        |r| r.links.extend(Link::web("a", "https://example.com/bc")),
        |r| r.links.extend(Link::web("b", "https://example.com/bc")),
    ];
    let mut all = std::collections::BTreeSet::from([said]);
    for (number, change) in changes.into_iter().enumerate() {
        let mut other = report();
        change(&mut other);
        assert!(all.insert(identity::content(&other)), "change {number}");
    }
}

#[test]
fn a_delivery_id_is_the_same_on_every_try_and_for_no_other_sink() {
    let alert = Uuid::from_u128(7);
    let id = delivery_id(alert, "webhook/a");
    assert_eq!(id, delivery_id(alert, "webhook/a"));
    assert_ne!(id, delivery_id(alert, "webhook/b"));
    assert_ne!(id, delivery_id(Uuid::from_u128(8), "webhook/a"));
    assert!(id.starts_with("dlv_") && id.len() == 36, "{id}");
}
