//! What each route said, with nested routes, `take`, `otherwise` and the index.

use campanile::config::Matching;
use campanile::config::routing::{Route, Routing, Take, warnings};
use campanile::pipeline::{self, Match};
use campanile::snapshot::Snapshot;
use campanile_language::sample_alerts;

use crate::standing::config;

/// A route for alerts with this label `team`.
fn team(team: &str, sink: usize) -> Route {
    let wanted = ("labels.team".to_owned(), vec![team.to_owned()]);
    Route {
        matching: Matching {
            matches: [wanted].into(),
            ..Matching::default()
        },
        sinks: vec![sink],
        ..Route::default()
    }
}

fn open(sink: usize) -> Route {
    Route {
        sinks: vec![sink],
        ..Route::default()
    }
}

fn snapshot(routes: Vec<Route>, take: Take, otherwise: &[usize]) -> Snapshot {
    let mut config = config(vec![]);
    config.routes = routes;
    config.routing = Routing {
        take,
        otherwise: otherwise.to_vec(),
        ..Routing::default()
    };
    Snapshot::new(&config, &(0..9).collect::<Vec<_>>()).unwrap()
}

/// What is decided about the first sample alert, whose `team` is `db`.
fn decided(snapshot: &Snapshot) -> (Vec<i64>, Vec<Match>) {
    let [alert, _] = sample_alerts();
    let decision = pipeline::decide(&alert, snapshot);
    (decision.sinks.into_owned(), decision.because)
}

use Match::{Failed, Nested, No, Skipped, Yes};

#[test]
fn with_all_every_route_of_every_level_that_matches_counts() {
    let inner = Route {
        routes: vec![team("db", 2), team("web", 3), open(4)],
        ..team("db", 1)
    };
    let outer = Route {
        routes: vec![open(6)],
        ..team("web", 5)
    };
    let snapshot = snapshot(vec![inner, outer, open(7)], Take::All, &[8]);
    let said = vec![Nested, Yes, No, Yes, No, Skipped, Yes, Skipped];
    assert_eq!(decided(&snapshot), (vec![2, 4, 7], said));
}

#[test]
fn with_first_the_routes_after_it_are_not_asked() {
    let snapshot = snapshot(
        vec![team("web", 1), team("db", 2), open(3)],
        Take::First,
        &[],
    );
    assert_eq!(decided(&snapshot), (vec![2], vec![No, Yes, Skipped]));
}

#[test]
fn the_own_sinks_of_a_route_are_for_what_no_nested_route_took() {
    let parent = Route {
        routes: vec![team("web", 2)],
        ..team("db", 1)
    };
    let snapshot = snapshot(vec![parent], Take::All, &[]);
    assert_eq!(decided(&snapshot), (vec![1], vec![Yes, No]));
}

#[test]
fn otherwise_gets_what_no_route_took() {
    let taken = snapshot(vec![team("db", 1)], Take::All, &[8]);
    assert_eq!(decided(&taken), (vec![1], vec![Yes, Skipped]));
    let left = snapshot(vec![team("web", 1)], Take::All, &[8]);
    assert_eq!(decided(&left), (vec![8], vec![No, Yes]));
    let alone = snapshot(vec![], Take::All, &[8]);
    assert_eq!(decided(&alone), (vec![8], vec![]));
}

#[test]
fn a_condition_that_fails_does_not_hide_the_routes_after_it() {
    let slow = "labels|length > 50 and range(60000)|list|length > 0 and title|indent(title) == 'x'";
    let mut fails = open(1);
    fails.matching.when = Some(slow.to_owned());
    let snapshot = snapshot(vec![fails, open(2), open(3)], Take::First, &[]);
    let [mut alert, _] = sample_alerts();
    for number in 0..100 {
        alert.labels.insert(format!("l{number}"), String::new());
    }
    let decision = pipeline::decide(&alert, &snapshot);
    assert_eq!(decision.because, [Failed, Yes, Skipped]);
    assert_eq!((&*decision.sinks, decision.failed), (&[1, 2][..], 1));
}

#[test]
fn routes_that_are_filed_give_the_same_as_routes_that_are_asked_one_by_one() {
    // The same routes as conditions in Jinja are not filed.
    let teams = ["db", "web", "", "ops"];
    let severities = ["critical", "error", "info"];
    let mut filed = Vec::new();
    for (number, team_name) in teams.iter().cycle().take(24).enumerate() {
        let mut route = team(team_name, number % 9);
        let pair = vec![
            severities[number % 3].to_owned(),
            severities[(number / 5) % 3].to_owned(),
        ];
        route.matching.matches.insert("severity".to_owned(), pair);
        if number % 5 == 0 {
            route.matching.matches.remove("labels.team");
        }
        filed.push(route);
    }
    let jinja = |route: &Route| {
        let parts = route
            .matching
            .matches
            .iter()
            .map(|(field, values)| format!("({field}|default('')) in {values:?}"));
        Route {
            matching: Matching {
                when: Some(parts.collect::<Vec<_>>().join(" and ")),
                ..Matching::default()
            },
            ..route.clone()
        }
    };
    let asked = filed.iter().map(jinja).collect();
    for take in [Take::All, Take::First] {
        let [filed, asked] =
            [filed.clone(), Vec::clone(&asked)].map(|routes| snapshot(routes, take, &[]));
        for mut alert in sample_alerts() {
            for team in ["db", "web", "ops", "none"] {
                if team != "none" {
                    alert.labels.insert("team".to_owned(), team.to_owned());
                }
                let [one, other] =
                    [&filed, &asked].map(|snapshot| pipeline::decide(&alert, snapshot));
                assert_eq!(one, other, "{team} {take:?}");
            }
        }
    }
}

#[test]
fn check_warns_of_routes_that_get_nothing() {
    let first = Routing {
        take: Take::First,
        ..Routing::default()
    };
    let mut narrow = team("db", 1);
    let pattern = ("title".to_owned(), "a.*".to_owned());
    narrow.matching.regex = [pattern].into();
    let routes = [team("db", 0), narrow.clone(), team("web", 1)];
    let said = warnings(&routes, &first);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with("routes[1] gets no alert: routes[0] takes them first"),
        "{said:?}"
    );
    // Wider after narrower, or after one with a condition, a share or `continue`, gets alerts.
    let mut condition = team("db", 0);
    condition.matching.when = Some("true".to_owned());
    let share = Route {
        share: Some(5),
        ..team("db", 0)
    };
    let goes_on = Route {
        goes_on: true,
        ..team("db", 0)
    };
    for earlier in [narrow, condition, share, goes_on.clone()] {
        let said = warnings(&[earlier.clone(), team("db", 1)], &first);
        assert_eq!(said, [""; 0], "{earlier:?}");
    }
    let said = warnings(&[goes_on], &Routing::default());
    assert!(
        said[0].contains("routes[0]: `continue` has no effect"),
        "{said:?}"
    );
}

#[test]
fn check_counts_the_routes_without_an_equality_if_they_are_many() {
    let inner = Route {
        routes: vec![open(0); 10],
        ..team("db", 0)
    };
    let mut routes = vec![inner];
    routes.extend(vec![open(0); 10]);
    assert_eq!(warnings(&routes, &Routing::default()), [""; 0]);
    routes.push(open(0));
    let said = warnings(&routes, &Routing::default());
    assert!(said[0].starts_with("21 routes have no `match`"), "{said:?}");
}
