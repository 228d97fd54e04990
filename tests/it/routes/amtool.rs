//! Random route trees, asked of Alertmanager's own `amtool` and of Campanile with `take = "first"`: the same receivers.
//!
//! `scripts/soak` asks for 500 trees by `CAMPANILE_CASES`. Without `amtool` (Debian: `prometheus-alertmanager`) the test fails, as
//! others do without their programs.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use campanile::config::{Environment, load};
use campanile::pipeline::decide;
use campanile::snapshot::Snapshot;
use campanile_model::{Alert, Fingerprint, Report, Status};
use jiff::Timestamp;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The receivers: the first is the root's.
const RECEIVERS: usize = 6;
const LABELS: [&str; 3] = ["team", "env", "host"];
const VALUES: [&str; 4] = ["a", "b", "ab", ""];
const PATTERNS: [&str; 7] = ["a|b", "a.*", ".+", ".*", "[^a]*", "", "b"];

/// What one label must be.
#[derive(Clone, Debug)]
enum Matcher {
    Equal(&'static str),
    Pattern(&'static str),
}

#[derive(Clone, Debug)]
struct Tree {
    matchers: Vec<(&'static str, Matcher)>,
    goes_on: bool,
    receiver: usize,
    routes: Vec<Tree>,
}

fn matcher() -> impl Strategy<Value = Matcher> {
    prop_oneof![
        2 => prop::sample::select(&VALUES[..]).prop_map(Matcher::Equal),
        1 => prop::sample::select(&PATTERNS[..]).prop_map(Matcher::Pattern),
    ]
}

/// A route without its nested routes.
fn alone() -> impl Strategy<Value = Tree> {
    let matchers = btree_map(prop::sample::select(&LABELS[..]), matcher(), 0..3);
    let parts = (matchers, any::<bool>(), 1..RECEIVERS);
    parts.prop_map(|(matchers, goes_on, receiver)| Tree {
        matchers: matchers.into_iter().collect(),
        goes_on,
        receiver,
        routes: Vec::new(),
    })
}

/// At most three levels: the root is the fourth.
fn tree() -> impl Strategy<Value = Tree> {
    alone().prop_recursive(2, 24, 4, |inner| {
        (alone(), vec(inner, 0..4)).prop_map(|(route, routes)| Tree { routes, ..route })
    })
}

fn labels() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    let values = prop::sample::select(&VALUES[..3]);
    btree_map(prop::sample::select(&LABELS[..]), values, 0..=3)
        .prop_map(|labels| labels.into_iter().collect())
}

/// The tree as Alertmanager has it. JSON is YAML.
fn alertmanager(routes: &[Tree]) -> Value {
    let receivers: Vec<_> = (0..RECEIVERS)
        .map(|number| json!({"name": format!("r{number}")}))
        .collect();
    json!({"receivers": receivers, "route": {"receiver": "r0", "routes": nodes(routes)}})
}

fn nodes(routes: &[Tree]) -> Vec<Value> {
    let node = |tree: &Tree| {
        let matchers = tree.matchers.iter().map(|(label, matcher)| match matcher {
            Matcher::Equal(value) => format!("{label}=\"{value}\""),
            Matcher::Pattern(pattern) => format!("{label}=~\"{pattern}\""),
        });
        json!({
            "receiver": format!("r{}", tree.receiver),
            "matchers": matchers.collect::<Vec<_>>(),
            "continue": tree.goes_on,
            "routes": nodes(&tree.routes),
        })
    };
    routes.iter().map(node).collect()
}

/// The same as our configuration.
fn campanile(routes: &[Tree]) -> String {
    let mut text = String::from("[routing]\ntake = 'first'\notherwise = ['stdout/r0']\n");
    for number in 0..RECEIVERS {
        let _written = writeln!(text, "[sinks.stdout.r{number}]");
    }
    tables(routes, "routes", &mut text);
    text
}

fn tables(routes: &[Tree], path: &str, text: &mut String) {
    for tree in routes {
        let _written = writeln!(
            text,
            "[[{path}]]\nsinks = ['stdout/r{}']\ncontinue = {}",
            tree.receiver, tree.goes_on
        );
        let table = |wanted: fn(&Matcher) -> Option<&'static str>| {
            let pairs = tree.matchers.iter().filter_map(|(label, matcher)| {
                Some(format!("'labels.{label}' = '{}'", wanted(matcher)?))
            });
            pairs.collect::<Vec<_>>().join(", ")
        };
        let equal = table(|matcher| match matcher {
            Matcher::Equal(value) => Some(value),
            Matcher::Pattern(_) => None,
        });
        let patterns = table(|matcher| match matcher {
            Matcher::Pattern(pattern) => Some(pattern),
            Matcher::Equal(_) => None,
        });
        for (name, pairs) in [("match", equal), ("regex", patterns)] {
            if !pairs.is_empty() {
                let _written = writeln!(text, "{name} = {{ {pairs} }}");
            }
        }
        tables(&tree.routes, &format!("{path}.routes"), text);
    }
}

fn alert(labels: &[(&str, &str)]) -> Alert {
    let mut report = Report::new("1", Fingerprint::of("p", ["a"]), Status::Firing);
    for (name, value) in labels {
        report
            .labels
            .insert((*name).to_owned(), (*value).to_owned());
    }
    report.into_alert("p/a", Timestamp::UNIX_EPOCH)
}

/// The receivers that amtool names.
fn asked(file: &Path, labels: &[(&str, &str)]) -> BTreeSet<String> {
    let file = format!("--config.file={}", file.display());
    let mut command = Command::new("amtool");
    command.args(["config", "routes", "test", &file]);
    command.args(labels.iter().map(|(name, value)| format!("{name}={value}")));
    let output = command
        .output()
        .expect("amtool of prometheus-alertmanager is installed");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    said.trim().split(',').map(str::to_owned).collect()
}

/// The sinks that Campanile names.
fn decided(snapshot: &Snapshot, labels: &[(&str, &str)]) -> BTreeSet<String> {
    let decision = decide(&alert(labels), snapshot);
    decision
        .sinks
        .iter()
        .map(|sink| format!("r{sink}"))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: crate::cases(40),
        failure_persistence: crate::regressions(),
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_tree_of_routes_has_the_receivers_that_amtool_names(
        routes in vec(tree(), 1..5),
        alerts in vec(labels(), 4),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let [theirs, ours] = ["alertmanager.yml", "campanile.toml"].map(|name| folder.path().join(name));
        std::fs::write(&theirs, alertmanager(&routes).to_string()).unwrap();
        std::fs::write(&ours, campanile(&routes)).unwrap();
        let config = load(&[ours], &Environment::new()).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let numbers: Vec<i64> = (0..).take(RECEIVERS).collect();
        let snapshot = Snapshot::new(&config, &numbers).unwrap();
        for labels in alerts {
            prop_assert_eq!(decided(&snapshot, &labels), asked(&theirs, &labels), "{:?}", labels);
        }
    }
}
