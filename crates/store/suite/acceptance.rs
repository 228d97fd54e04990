//! A new alert is accepted once, and gets a place, an id and an episode.

use std::collections::HashSet;

use campanile_model::Status;
use campanile_store::{
    ANSWER_BYTES_MAX, Answered, Appending, Arrival, CallbackFilter, Entry, Error, NewAlert,
};

use uuid::Uuid;

use super::{Place, accepted, alert, at, entry, firing};

pub(crate) async fn of_a_hundred_that_come_at_once_one_is_accepted<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let posts = (0..100).map(|_| store.append(firing("same", 1, &[])));
    let answers = futures_util::future::join_all(posts).await;
    let accepted = answers
        .into_iter()
        .flat_map(|answer| answer.unwrap().alerts)
        .filter(|appending| matches!(appending, Appending::Accepted { .. }));
    assert_eq!(accepted.count(), 1);
}

pub(crate) async fn a_message_twice_in_one_callback_is_one_alert<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let twice = || alert("same", 1, Status::Firing, &[]);
    let appended = store.append(entry(vec![twice(), twice()])).await.unwrap();
    assert!(matches!(
        appended.alerts[..],
        [
            Appending::Accepted { .. },
            Appending::Duplicate { conflict: false }
        ]
    ));
}

pub(crate) async fn a_known_message_that_says_something_else_is_a_conflict<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    accepted(&store, firing("m", 1, &[])).await;
    let mut other = firing("m", 1, &[]);
    other.alerts[0].content = 8;
    assert_eq!(
        store.append(other).await.unwrap().alerts,
        [Appending::Duplicate { conflict: true }]
    );
}

pub(crate) async fn ids_sort_by_acceptance_even_when_the_clock_steps_back<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let mut ids = Vec::new();
    for n in 0..200_i64 {
        let mut entry = firing(&n.to_string(), 1, &[]);
        entry.received_at = at(if n % 2 == 0 { 100 } else { 0 });
        ids.push(accepted(&store, entry).await.1);
    }
    assert!(ids.is_sorted());
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
    assert!(ids.iter().all(|id| id.get_version_num() == 7));
}

pub(crate) async fn an_id_that_was_never_given_finds_nothing<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let (_, id) = accepted(&store, firing("m", 1, &[])).await;
    let forged = uuid::Uuid::from_u128(id.as_u128() ^ 1);
    assert!(store.alert(forged).await.unwrap().is_none());
    assert!(store.alert(uuid::Uuid::nil()).await.unwrap().is_none());
}

pub(crate) async fn an_episode_runs_from_firing_to_resolved_and_a_later_firing_begins_a_new_one<
    P: Place,
>() {
    let place = P::new();
    let store = place.open().await;
    let states = [
        Status::Firing,
        Status::Firing,
        Status::Resolved,
        Status::Firing,
    ];
    let mut episodes = Vec::new();
    for (n, status) in states.into_iter().enumerate() {
        let (_, id) = accepted(&store, entry(vec![alert(&n.to_string(), 1, status, &[])])).await;
        episodes.push(store.alert(id).await.unwrap().unwrap().episode);
    }
    assert_eq!(episodes[0], episodes[1]);
    assert_eq!(episodes[0], episodes[2]);
    assert_ne!(episodes[0], episodes[3]);
}

pub(crate) async fn a_place_is_never_given_twice_even_when_every_alert_was_pruned<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let (first, _) = accepted(&store, firing("a", 1, &[])).await;
    while store.prune(at(10)).await.unwrap() {}
    store.close().await.unwrap();
    let store = place.open().await;
    let (second, _) = accepted(&store, firing("b", 1, &[])).await;
    assert!(second > first);
}

pub(crate) async fn a_place_is_never_given_twice_where_an_older_alert_outlives_newer_ones<
    P: Place,
>() {
    let place = P::new();
    let store = place.open().await;
    let sink = store.sink_ids(vec!["a/a".to_owned()]).await.unwrap()[0];
    accepted(&store, firing("pending", 1, &[sink])).await;
    let (newer, _) = accepted(&store, firing("done", 2, &[])).await;
    // The first round removes the newer alert. The second finds only the pending one.
    for _ in 0..2 {
        while store.prune(at(10)).await.unwrap() {}
    }
    store.close().await.unwrap();
    let store = place.open().await;
    let (next, _) = accepted(&store, firing("next", 3, &[])).await;
    assert!(
        next > newer,
        "{next} was assigned, but {newer} was assigned before"
    );
}

pub(crate) async fn a_closed_store_refuses_and_says_so<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    store.close().await.unwrap();
    assert!(matches!(
        store.append(firing("m", 1, &[])).await,
        Err(Error::Stopped(_))
    ));
    assert!(matches!(store.ready().await, Err(Error::Stopped(_))));
}

pub(crate) async fn an_arrival_comes_back_with_each_of_its_alerts<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let said = |message, said: &str| NewAlert {
        said: said.to_owned(),
        ..alert(message, 1, Status::Firing, &[])
    };
    let routes: std::sync::Arc<str> = r#"[{"when":"severity == 'critical'"}]"#.into();
    let answer = |text: String| Answered { status: 200, text };
    accepted(&store, firing("known", 1, &[])).await;
    let mut several = entry(vec![said("known", "y"), said("a", "n"), said("b", "f")]);
    several.arrival = Arrival {
        from: Some([203, 0, 113, 9].into()),
        answer: Some(answer(format!("OK {} {}", Uuid::nil(), "鐘".repeat(99)))),
        routes: Some(routes.clone()),
        trace: Some(format!("of {}", Uuid::nil())),
    };
    let appended = store.append(several).await.unwrap();
    let [
        _,
        Appending::Accepted { seq: a, id },
        Appending::Accepted { seq: b, .. },
    ] = appended.alerts[..]
    else {
        panic!("{appended:?}");
    };
    store.close().await.unwrap();
    let store = place.open().await;
    for (seq, said) in [(a, "n"), (b, "f")] {
        let row = store.arrival_of(seq).await.unwrap().unwrap();
        assert_eq!(row.said, said);
        assert_eq!(row.arrival.from, Some([203, 0, 113, 9].into()));
        assert_eq!(row.arrival.routes, Some(routes.clone()));
        assert_eq!(row.arrival.trace, Some(format!("of {id}")));
        let answer = row.arrival.answer.unwrap();
        assert!(
            answer.text.starts_with(&format!("OK {id} 鐘")),
            "{answer:?}"
        );
        assert!(answer.text.len() <= ANSWER_BYTES_MAX, "{answer:?}");
    }
    let unknown = store.arrival_of(1).await.unwrap().unwrap();
    assert_eq!(unknown.arrival, Arrival::default());
}

pub(crate) async fn callbacks_are_listed_newest_first_with_their_first_alert<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let (_, first) = accepted(&store, firing("a", 1, &[])).await;
    let from = |second, entry: Entry| Entry {
        received_at: at(second),
        ..entry
    };
    store.append(from(300, entry(vec![]))).await.unwrap();
    let both = entry(vec![
        alert("a", 1, Status::Firing, &[]),
        alert("b", 2, Status::Firing, &[]),
    ]);
    let elsewhere = Entry {
        source: "jiankong/web".into(),
        ..from(600, both)
    };
    store.append(elsewhere).await.unwrap();
    store.append(firing("a", 1, &[])).await.unwrap();
    let list = async |filter: CallbackFilter| {
        let listed = store
            .callbacks(CallbackFilter { limit: 9, ..filter })
            .await
            .unwrap();
        assert_eq!(listed.searched, None);
        listed.rows
    };
    let all = list(CallbackFilter::default()).await;
    let seen: Vec<_> = all.iter().map(|row| (&*row.source, row.alerts)).collect();
    assert_eq!(
        seen,
        [("jiankong/web", 1), ("ucloud/prod", 0), ("ucloud/prod", 1)]
    );
    let [third, second, only] = [all[0].id, all[1].id, all[2].id];
    assert!(third > second && second > only);
    assert_eq!((all[2].first, all[1].first), (Some(first), None));
    let ids = async |filter| {
        list(filter)
            .await
            .iter()
            .map(|row| row.id)
            .collect::<Vec<_>>()
    };
    let filter = CallbackFilter::default;
    let since = |second| Some(at(second));
    let source = Some("ucloud/prod".to_owned());
    assert_eq!(
        ids(CallbackFilter { source, ..filter() }).await,
        [second, only]
    );
    assert_eq!(
        ids(CallbackFilter {
            ignored: Some(true),
            ..filter()
        })
        .await,
        [second]
    );
    assert_eq!(
        ids(CallbackFilter {
            ignored: Some(false),
            ..filter()
        })
        .await,
        [third, only]
    );
    assert_eq!(
        ids(CallbackFilter {
            since: since(300),
            ..filter()
        })
        .await,
        [third, second]
    );
    assert_eq!(
        ids(CallbackFilter {
            before: Some(second),
            ..filter()
        })
        .await,
        [only]
    );
}
