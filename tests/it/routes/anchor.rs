//! The scenarios of routing that Alertmanager is measured by, by their names in the design: R1 to R11, N12 and N13. R8, R9 and R13 speak of
//! muted routes and R12 of groups: there is nothing of them to ask yet.

use campanile::config::{Config, Environment, load};
use campanile::pipeline::decide;
use campanile::snapshot::Snapshot;
use campanile_model::{Alert, Fingerprint, Report, Status};
use jiff::Timestamp;

/// The sinks of the scenarios.
const SINKS: &[&str] = &["root", "x", "x1", "y", "z"];

/// A configuration with these routes. The root of Alertmanager is what no route took.
fn config(routes: &str) -> Config {
    let sinks = SINKS.iter().map(|sink| format!("[sinks.stdout.{sink}]\n"));
    let sinks: String = sinks.collect();
    let routing = "[routing]\ntake = 'first'\notherwise = ['stdout/root']\n";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("campanile.toml");
    std::fs::write(&file, format!("{sinks}{routing}{routes}")).unwrap();
    load(&[file], &Environment::new()).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn alert(labels: &[(&str, &str)]) -> Alert {
    let mut report = Report::new("1", Fingerprint::of("p", ["a"]), Status::Firing);
    let labels = labels.iter();
    report.labels = labels
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    report.into_alert("p/a", Timestamp::UNIX_EPOCH)
}

/// The names of the sinks that get the alert.
fn takers(routes: &str, labels: &[(&str, &str)]) -> Vec<&'static str> {
    let config = config(routes);
    let numbers: Vec<i64> = (0..5).collect();
    let snapshot = Snapshot::new(&config, &numbers).unwrap();
    let decision = decide(&alert(labels), &snapshot);
    let names = decision.sinks.iter();
    names
        .map(|sink| SINKS[usize::try_from(*sink).unwrap()])
        .collect()
}

/// Two siblings, the first with a route inside.
const TREE: &str = r#"
[[routes]]
match = { "labels.team" = "x" }
continue = true
sinks = ["stdout/x"]
[[routes.routes]]
match = { "labels.sev" = "p1" }
sinks = ["stdout/x1"]
[[routes]]
regex = { "labels.team" = "x|y" }
sinks = ["stdout/y"]
[[routes]]
match = { "labels.team" = ["y", "z"] }
continue = true
sinks = ["stdout/z"]
"#;

#[test]
fn r1_what_no_route_takes_goes_to_the_root() {
    assert_eq!(takers(TREE, &[("team", "q")]), ["root"]);
    assert_eq!(takers(TREE, &[]), ["root"]);
}

#[test]
fn r2_of_two_siblings_that_match_the_first_takes_it() {
    assert_eq!(takers(TREE, &[("team", "y")]), ["y"]);
}

#[test]
fn r3_after_continue_the_next_sibling_is_asked() {
    assert_eq!(takers(TREE, &[("team", "x")]), ["x", "y"]);
}

#[test]
fn r4_continue_on_the_last_sibling_does_not_lead_to_the_root() {
    assert_eq!(takers(TREE, &[("team", "z")]), ["z"]);
}

#[test]
fn r5_a_nested_route_takes_it_from_its_parent() {
    assert_eq!(takers(TREE, &[("team", "x"), ("sev", "p1")]), ["x1", "y"]);
}

#[test]
fn r6_the_parent_takes_what_no_nested_route_takes() {
    assert_eq!(takers(TREE, &[("team", "x"), ("sev", "p2")]), ["x", "y"]);
}

#[test]
fn r7_a_sink_that_two_routes_name_gets_an_alert_once() {
    let twice = TREE.replace("stdout/y", "stdout/x");
    assert_eq!(takers(&twice, &[("team", "x")]), ["x"]);
}

#[test]
fn r10_an_absent_label_is_the_empty_text() {
    let route = |condition: &str| format!("[[routes]]\n{condition}\nsinks = ['stdout/x']\n");
    for condition in [
        "match = { 'labels.team' = '' }",
        "match = { 'labels.team' = ['db', ''] }",
        "regex = { 'labels.team' = '.*' }",
        "when = \"labels.team != 'db'\"",
    ] {
        assert_eq!(takers(&route(condition), &[]), ["x"], "{condition}");
    }
    for condition in [
        "regex = { 'labels.team' = '.+' }",
        "match = { 'labels.team' = 'db' }",
    ] {
        assert_eq!(takers(&route(condition), &[]), ["root"], "{condition}");
    }
}

#[test]
fn r11_a_pattern_is_for_the_whole_value() {
    let route = "[[routes]]\nregex = { 'labels.name' = 'a' }\nsinks = ['stdout/x']\n";
    assert_eq!(takers(route, &[("name", "ab")]), ["root"]);
    assert_eq!(takers(route, &[("name", "a")]), ["x"]);
}

#[test]
fn n12_a_firing_and_its_end_are_on_the_same_side_of_a_share() {
    let config = config("[[routes]]\nshare = 5\nsinks = ['stdout/x']\n");
    let snapshot = Snapshot::new(&config, &[0, 1, 2, 3, 4]).unwrap();
    let mut taken = 0;
    for number in 0..4000 {
        let fingerprint = Fingerprint::of("p", [&*number.to_string()]);
        let sides = [Status::Firing, Status::Resolved].map(|status| {
            let report = Report::new(format!("{number} {status}"), fingerprint, status);
            let alert = report.into_alert("p/a", Timestamp::UNIX_EPOCH);
            decide(&alert, &snapshot).sinks.into_owned()
        });
        assert_eq!(sides[0], sides[1]);
        taken += usize::from(sides[0] == [1]);
    }
    // 5 % of 4000 are 200. Six standard deviations are 83.
    assert!((117..=283).contains(&taken), "{taken} of 4000");
}

#[test]
fn n13_a_sink_in_two_routes_has_one_delivery() {
    let both = "[[routes]]\ncontinue = true\nmatch = { 'labels.a' = '1' }\nsinks = ['stdout/x', 'stdout/y']\n\
                [[routes]]\nmatch = { 'labels.b' = '2' }\nsinks = ['stdout/y', 'stdout/x']\n";
    assert_eq!(takers(both, &[("a", "1"), ("b", "2")]), ["x", "y"]);
}
