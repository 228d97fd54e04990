//! Alerts are found by time, words, labels and sink, and a search that ends early says where it goes on.

use std::sync::Arc;

use campanile_model::{Fingerprint, Severity, Status};
use campanile_store::{AlertFilter, Entry, Patience, Seq, Store, Verdict};

use super::{Place, accepted, alert, all, at, entry, firing, settlement};

async fn found(store: &Arc<dyn Store>, filter: AlertFilter) -> Vec<Seq> {
    let listed = store.alerts(filter).await.unwrap();
    assert_eq!(listed.searched, None);
    listed.rows.iter().map(|alert| alert.seq).collect()
}

fn at_second(second: i64) -> Entry {
    Entry {
        received_at: at(second),
        ..firing(&format!("at {second}"), 1, &[])
    }
}

pub(crate) async fn a_list_has_what_arrived_in_a_time_also_when_the_clock_was_set_back<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let seconds = [10, 20, 30, 5, 25, 40, 39, 50];
    for second in seconds {
        accepted(&store, at_second(second)).await;
    }
    for (since, until) in [
        (0, 99),
        (20, 30),
        (21, 21),
        (26, 45),
        (60, 70),
        (0, 4),
        (41, 30),
    ] {
        let filter = AlertFilter {
            since: Some(at(since)),
            until: Some(at(until)),
            ..all()
        };
        let wanted = |(_, second): &(Seq, i64)| (since..=until).contains(second);
        let expected = (1..).zip(seconds).filter(wanted).map(|(seq, _)| seq);
        let mut expected: Vec<Seq> = expected.collect();
        expected.reverse();
        assert_eq!(found(&store, filter).await, expected, "{since} to {until}");
    }
}

pub(crate) async fn a_time_is_found_where_alerts_were_pruned<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let sink = store.sink_ids(vec!["a/a".to_owned()]).await.unwrap()[0];
    accepted(&store, firing("stays", 2, &[sink])).await;
    for second in 1..50 {
        accepted(&store, at_second(second)).await;
    }
    while store.prune(at(40)).await.unwrap() {}
    for (since, expected) in [(0, 11), (1, 10), (39, 10), (45, 5), (49, 1), (50, 0)] {
        let filter = AlertFilter {
            since: Some(at(since)),
            ..all()
        };
        assert_eq!(found(&store, filter).await.len(), expected, "since {since}");
    }
}

pub(crate) async fn a_rare_problem_is_found_among_many_also_after_a_crash_and_pruning<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let sink = store.sink_ids(vec!["a/a".to_owned()]).await.unwrap()[0];
    for n in 1..=200_u64 {
        let mut rare = alert(&n.to_string(), n % 7 + 10, Status::Firing, &[]);
        if n % 50 == 0 {
            (rare.fingerprint, rare.severity) = (Fingerprint(3), Severity::Critical);
        }
        if n == 50 {
            // No later alert goes where a recovery went.
            (rare.status, rare.sinks) = (Status::Resolved, vec![sink]);
        }
        let entry = Entry {
            received_at: at(n.cast_signed()),
            ..entry(vec![rare])
        };
        accepted(&store, entry).await;
    }
    let problem = || AlertFilter {
        fingerprint: Some(Fingerprint(3)),
        ..all()
    };
    let severity = || AlertFilter {
        severity: Some(Severity::Critical),
        ..all()
    };
    let both = async |store: &Arc<dyn Store>, expected: &[Seq]| {
        assert_eq!(found(store, problem()).await, expected);
        assert_eq!(found(store, severity()).await, expected);
    };
    both(&store, &[200, 150, 100, 50]).await;
    while store.prune(at(120)).await.unwrap() {}
    // The first of them is pending, so it stays.
    both(&store, &[200, 150, 50]).await;
    let crashed = place.crashed();
    let store = crashed.open().await;
    both(&store, &[200, 150, 50]).await;
    let page = AlertFilter {
        before: Some(150),
        limit: 1,
        ..problem()
    };
    assert_eq!(found(&store, page).await, [50]);
}

fn says(message: &str, title: &str, labels: &str) -> Entry {
    let mut alert = alert(message, 1, Status::Firing, &[]);
    alert.body = format!(
        r#"{{"message_id":"{message}","title":"{title}","description":"about {message}",
            "resource":{{"type":"uhost","id":"uhost-{message}"}},"labels":{labels}}}"#
    )
    .into_bytes();
    entry(vec![alert])
}

pub(crate) async fn words_and_labels_are_found_in_the_text_of_an_alert<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    for (message, title, labels) in [
        ("1", "CPU of web-a1", r#"{"team":"db"}"#),
        ("2", "Disk of WEB-a2", r#"{"team":"db","zone":"a"}"#),
        ("3", "Ünready 鐘樓", "{}"),
    ] {
        accepted(&store, says(message, title, labels)).await;
    }
    let owned = |word: &&str| (*word).to_owned();
    for (words, expected) in [
        (&["web"][..], &[2, 1][..]),
        (&["web", "disk"], &[2]),
        (&["ABOUT", "uhost-3"], &[3]),
        (&["ünREADY"], &[3]),
        (&["樓"], &[3]),
        (&["web", "鐘"], &[]),
        (&["team"], &[]),
    ] {
        let filter = AlertFilter {
            words: words.iter().map(owned).collect(),
            ..all()
        };
        assert_eq!(found(&store, filter).await, expected, "{words:?}");
    }
    for (name, value, expected) in [
        ("team", "db", &[2, 1][..]),
        ("zone", "a", &[2]),
        ("team", "d", &[]),
        ("nothing", "", &[]),
    ] {
        let filter = AlertFilter {
            labels: vec![(name.to_owned(), value.to_owned())],
            ..all()
        };
        assert_eq!(found(&store, filter).await, expected, "{name}={value}");
    }
}

pub(crate) async fn an_alert_is_found_by_a_sink_that_it_is_pending_for_or_was_sent_to<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let names = ["a/a", "b/b", "c/c"].map(str::to_owned).to_vec();
    let sinks = store.sink_ids(names).await.unwrap();
    let (delivered, _) = accepted(&store, firing("1", 1, &sinks[..2])).await;
    let (pending, _) = accepted(&store, firing("2", 2, &sinks[..1])).await;
    accepted(&store, firing("3", 3, &[])).await;
    let settled = settlement(sinks[0], delivered, Verdict::Delivered);
    store.settle(vec![settled]).await.unwrap();
    for (sink, expected) in [
        (sinks[0], vec![pending, delivered]),
        (sinks[1], vec![delivered]),
        (sinks[2], vec![]),
        (99, vec![]),
    ] {
        let filter = AlertFilter {
            sink: Some(sink),
            ..all()
        };
        assert_eq!(found(&store, filter).await, expected, "sink {sink}");
    }
}

pub(crate) async fn a_search_whose_patience_is_over_says_where_it_goes_on<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    for n in 0..30 {
        let title = if n % 7 == 0 { "rare" } else { "common" };
        let mut said = says(&n.to_string(), title, "{}");
        said.received_at = at(n);
        accepted(&store, said).await;
    }
    let (mut met, mut before, mut pages) = (Vec::new(), None, 0);
    // More pages than there are: a place that stands still does not block the test.
    for _ in 0..100 {
        let filter = AlertFilter {
            words: vec!["rare".to_owned()],
            patience: Patience::until(|| true),
            before,
            ..all()
        };
        let page = store.alerts(filter).await.unwrap();
        pages += 1;
        met.extend(page.rows.iter().map(|alert| alert.seq));
        let Some(searched) = page.searched else {
            break;
        };
        assert_eq!(searched.at, at(searched.before - 1), "{searched:?}");
        before = Some(searched.before);
    }
    assert_eq!(met, [29, 22, 15, 8, 1]);
    assert_eq!(pages, 30, "each page looked at one alert");
}
