//! Alerts are counted by the minute in which they arrived.

use std::sync::Arc;

use campanile_model::{Severity, Status};
use campanile_store::{Entry, Store, TallyFilter, TallyRow};

use super::{Place, accepted, alert, at, entry, firing};

fn all() -> TallyFilter {
    TallyFilter {
        source: None,
        since: at(0),
        until: at(100 * 60),
        step_minutes: 1,
    }
}

/// The second in which each step begins, and its count.
async fn steps(store: &Arc<dyn Store>, filter: TallyFilter) -> Vec<(i64, u64)> {
    let rows = store.tallies(filter).await.unwrap();
    let begin = |row: &TallyRow| row.at.duration_since(at(0)).as_secs();
    rows.iter().map(|row| (begin(row), row.count)).collect()
}

fn at_second(second: i64, message: i64) -> Entry {
    Entry {
        received_at: at(second),
        ..firing(&message.to_string(), 1, &[])
    }
}

pub(crate) async fn alerts_are_counted_by_the_minute_of_their_arrival_also_after_a_crash<
    P: Place,
>() {
    let place = P::new();
    let store = place.open().await;
    // The clock is set back once.
    for (message, second) in (0..).zip([0, 59, 60, 61, 200, 30, 3_600]) {
        accepted(&store, at_second(second, message)).await;
    }
    // A duplicate is not counted.
    store.append(at_second(61, 3)).await.unwrap();
    let expected = [(0, 3), (60, 2), (180, 1), (3_600, 1)];
    assert_eq!(steps(&store, all()).await, expected);
    let crashed = place.crashed();
    let store = crashed.open().await;
    assert_eq!(steps(&store, all()).await, expected);
    for (since, until, minutes, expected) in [
        (0, 240, 2, &[(0, 5), (120, 1)][..]),
        (60, 3_660, 60, &[(60, 4)]),
        (60, 180, 1, &[(60, 2)]),
        (240, 3_600, 1, &[]),
    ] {
        let filter = TallyFilter {
            since: at(since),
            until: at(until),
            step_minutes: minutes,
            ..all()
        };
        assert_eq!(steps(&store, filter).await, expected, "{since} to {until}");
    }
}

pub(crate) async fn alerts_are_counted_by_severity_status_and_source<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    for (message, severity, status) in [
        ("1", Severity::Critical, Status::Firing),
        ("2", Severity::Warning, Status::Firing),
        ("3", Severity::Warning, Status::Firing),
        ("4", Severity::Warning, Status::Resolved),
    ] {
        let mut alert = alert(message, 1, status, &[]);
        alert.severity = severity;
        accepted(&store, entry(vec![alert])).await;
    }
    let mut other = firing("5", 1, &[]);
    other.source = "jiankong/web".into();
    accepted(&store, other).await;
    let row = |severity, status, count| TallyRow {
        at: at(0),
        severity,
        status,
        count,
    };
    let of = async |source: &str| {
        let source = Some(source.to_owned());
        store
            .tallies(TallyFilter { source, ..all() })
            .await
            .unwrap()
    };
    let expected = [
        row(Severity::Critical, Status::Firing, 1),
        row(Severity::Warning, Status::Firing, 2),
        row(Severity::Warning, Status::Resolved, 1),
    ];
    assert_eq!(of("ucloud/prod").await, expected);
    assert_eq!(
        of("jiankong/web").await,
        [row(Severity::Warning, Status::Firing, 1)]
    );
    assert_eq!(of("nobody/here").await, []);
    assert_eq!(store.tallies(all()).await.unwrap().len(), 3);
}

pub(crate) async fn one_read_has_the_counts_of_every_source_by_step<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    for (message, second) in (0..).zip([0, 30, 60, 130]) {
        accepted(&store, at_second(second, message)).await;
    }
    for (message, second) in (10..).zip([70, 200]) {
        let mut other = at_second(second, message);
        other.source = "jiankong/web".into();
        accepted(&store, other).await;
    }
    let of = async |source: Option<&str>, step_minutes| {
        let filter = TallyFilter {
            source: source.map(str::to_owned),
            step_minutes,
            ..all()
        };
        let found = store.tallies_by_source(filter).await.unwrap();
        let begin = |time: jiff::Timestamp| time.duration_since(at(0)).as_secs();
        let found = found.into_iter();
        let mut found: Vec<_> = found
            .map(|tally| (begin(tally.at), tally.source, tally.count))
            .collect();
        assert!(found.is_sorted_by_key(|(begin, ..)| *begin), "{found:?}");
        found.sort();
        found
    };
    let (ucloud, jiankong) = ("ucloud/prod".to_owned(), "jiankong/web".to_owned());
    let both = [
        (0, jiankong.clone(), 1),
        (0, ucloud.clone(), 3),
        (120, jiankong.clone(), 1),
        (120, ucloud.clone(), 1),
    ];
    assert_eq!(of(None, 2).await, both);
    assert_eq!(
        of(Some("jiankong/web"), 1).await,
        [(60, jiankong.clone(), 1), (180, jiankong, 1)]
    );
    assert_eq!(of(Some("nobody/here"), 1).await, []);
}

pub(crate) async fn minutes_older_than_the_retention_are_not_counted<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    for minute in 0..10 {
        accepted(&store, at_second(minute * 60, minute)).await;
    }
    while store.prune(at(300)).await.unwrap() {}
    let expected: Vec<(i64, u64)> = (5..10).map(|minute| (minute * 60, 1)).collect();
    assert_eq!(steps(&store, all()).await, expected);
    store.close().await.unwrap();
    let store = place.open().await;
    assert_eq!(steps(&store, all()).await, expected);
}
