//! Which alerts go to which sinks, and how messages and deliveries are named.

use campanile::config::Route;
use campanile::pipeline::dedup;
use campanile::pipeline::route::Router;
use campanile_language::sample_alerts;
use campanile_model::{Fingerprint, Report, Severity, Status};
use jiff::Timestamp;
use uuid::Uuid;

fn route(when: Option<&str>, sinks: &[usize]) -> Route {
    Route {
        when: when.map(str::to_owned),
        sinks: sinks.to_vec(),
    }
}

fn sinks(routes: &[Route], count: usize) -> [Vec<usize>; 2] {
    let compiled = Router::compile(routes, count).unwrap();
    sample_alerts().map(|alert| compiled.sinks(&alert))
}

#[test]
fn without_routes_every_alert_goes_to_every_sink() {
    assert_eq!(sinks(&[], 3), [vec![0, 1, 2], vec![0, 1, 2]]);
    assert_eq!(sinks(&[], 0), [Vec::<usize>::new(), vec![]]);
}

#[test]
fn every_route_that_matches_counts_and_a_sink_gets_an_alert_once() {
    let routes = [
        route(Some("severity == 'critical'"), &[2, 0]),
        route(Some("labels.team == 'db'"), &[0, 1]),
        route(Some("status == 'resolved'"), &[3]),
    ];
    assert_eq!(sinks(&routes, 4), [vec![0, 1, 2], vec![3]]);
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
    assert_eq!(sinks(&routes, 2), [vec![0, 1], vec![1]]);
}

#[test]
fn an_alert_that_no_route_matches_goes_nowhere() {
    let routes = [route(Some("source == 'other/one'"), &[0])];
    assert_eq!(sinks(&routes, 1), [Vec::<usize>::new(), vec![]]);
}

#[test]
fn a_condition_that_fails_on_an_alert_lets_it_through_and_is_counted() {
    let slow = "labels|length > 50 and range(60000)|list|length > 0 and title|indent(title) == 'x'";
    let routes = [route(Some(slow), &[0]), route(Some("title > 5"), &[1])];
    let compiled = Router::compile(&routes, 2).unwrap();
    let [mut alert, _] = sample_alerts();
    for n in 0..100 {
        alert.labels.insert(format!("l{n}"), String::new());
    }
    let decision = compiled.decide(&alert);
    assert!(decision.sinks.contains(&0), "{decision:?}");
    assert_eq!(decision.failed, 1);
}

#[test]
fn every_mistake_in_the_routes_is_told_with_its_route() {
    let routes = [
        route(Some("severty == 'x'"), &[0]),
        route(None, &[0]),
        route(Some("title =="), &[0]),
    ];
    let mistakes = Router::compile(&routes, 1).unwrap_err();
    let places: Vec<_> = mistakes.iter().map(|mistake| mistake.route).collect();
    assert_eq!(places, [0, 2]);
    assert!(
        mistakes[0]
            .to_string()
            .contains("routes[0].when: unknown name")
    );
}

#[test]
fn the_dedup_key_tells_source_and_message_apart() {
    assert_eq!(dedup::key("a/b", "1"), dedup::key("a/b", "1"));
    assert_ne!(dedup::key("a/b", "1"), dedup::key("a/c", "1"));
    assert_ne!(dedup::key("a/b", "12"), dedup::key("a/b1", "2"));
    // Keys are kept on disk: this one must not change from version to version.
    assert_eq!(
        hex::encode(dedup::key("ucloud/prod", "x")),
        "886353897b83af0e7f47f18c4c4a1478"
    );
}

#[test]
fn the_content_hash_changes_with_what_is_said_and_with_nothing_else() {
    let report = || Report::new("1", Fingerprint::of("p", ["a"]), Status::Firing);
    let said = dedup::content(&report());
    let mut renamed = report();
    renamed.message_id = "2".to_owned();
    assert_eq!(dedup::content(&renamed), said);
    let changes: [fn(&mut Report); 22] = [
        |r| r.fingerprint = Fingerprint::of("p", ["b"]),
        |r| r.title.push('x'),
        |r| r.description.push('x'),
        |r| r.status = Status::Resolved,
        |r| r.severity = Severity::Critical,
        // Nothing, an empty word and a word are three things, and each stands in its own place.
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
    ];
    let mut all = std::collections::BTreeSet::from([said]);
    for (number, change) in changes.into_iter().enumerate() {
        let mut other = report();
        change(&mut other);
        assert!(all.insert(dedup::content(&other)), "change {number}");
    }
}

#[test]
fn a_delivery_id_is_the_same_on_every_try_and_for_no_other_sink() {
    let alert = Uuid::from_u128(7);
    let id = dedup::delivery_id(alert, "webhook/a");
    assert_eq!(id, dedup::delivery_id(alert, "webhook/a"));
    assert_ne!(id, dedup::delivery_id(alert, "webhook/b"));
    assert_ne!(id, dedup::delivery_id(Uuid::from_u128(8), "webhook/a"));
    assert!(id.starts_with("dlv_") && id.len() == 36, "{id}");
}
