//! Measures how long it takes to choose the sinks of one alert, by the number of routes and the way in which they are written.
//!
//! `cargo bench --bench routes` builds configurations with 1, 10 and 100 routes, of which the alert matches one, and asks each of them
//! about the same alert, as the gateway does before it stores one. Then it asks 1,000 silences about an alert that none of them
//! matches, as the gateway does before each send. Then it applies rewrites to one alert: none, ten that it does not match, and one that
//! looks it up in a table of 100,000 rows. Environment variables: `ROUNDS` (7).

#[path = "support/words.rs"]
mod words;

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use campanile::config::{Environment, Matching, load};
use campanile::pipeline::decide;
use campanile::pipeline::gate::{Answer, Asked, answer};
use campanile::pipeline::rewrite::rewrite;
use campanile::snapshot::Snapshot;
use campanile::snapshot::matcher::Matcher;
use campanile::snapshot::silences::{After, Silence, Silences, Times};
use campanile_language::sample_alerts;
use campanile_model::Alert;
use jiff::Timestamp;
use words::{median, print};

/// The duration of each measurement.
const ROUND: Duration = Duration::from_millis(50);

/// The numbers of routes.
const COUNTS: [usize; 3] = [1, 10, 100];

/// The condition of one route, by its number.
type Written = fn(usize) -> String;

/// The ways to write a route. The team of the alert is `team0`.
const WAYS: [(&str, Written); 6] = [
    ("`match` of a label", |n| {
        format!("match = {{ 'labels.team' = 'team{n}' }}")
    }),
    ("`match` of a label and a list of severities", |n| {
        format!("match = {{ 'labels.team' = 'team{n}', severity = ['critical', 'error'] }}")
    }),
    ("`match` of a label, `regex` of another", |n| {
        format!(
            "match = {{ 'labels.team' = 'team{n}' }}\nregex = {{ 'labels.host' = 'db-[0-9]+' }}"
        )
    }),
    ("`match` of a label, then `when`", |n| {
        format!(
            "match = {{ 'labels.team' = 'team{n}' }}\nwhen = \"metric.value is defined and metric.value > 95\""
        )
    }),
    ("`regex` alone: not in the index", |n| {
        format!("regex = {{ 'labels.team' = 'team{n}|none[0-9]' }}")
    }),
    ("`when` alone: not in the index", |n| {
        format!("when = \"labels.team == 'team{n}'\"")
    }),
];

fn main() {
    let rounds = std::env::var("ROUNDS").ok();
    let rounds = rounds.map_or(7, |rounds| {
        rounds.parse().expect("ROUNDS is a whole number")
    });
    let alert = alert();
    let counts = COUNTS.map(|count| format!("{count} routes"));
    print(&format!(
        "| microseconds for one alert | {} |",
        counts.join(" | ")
    ));
    print("| --- | --- | --- | --- |");
    for (name, written) in WAYS {
        let cells = COUNTS.map(|count| {
            let snapshot = snapshot(count, written);
            let taken = decide(&alert, &snapshot).sinks.len();
            assert_eq!(taken, 1, "{name}: one route takes the alert");
            let rounds = (0..rounds).map(|_| round(&alert, &snapshot));
            format!("{:.2}", median(rounds.collect()))
        });
        print(&format!("| {name} | {} |", cells.join(" | ")));
    }
    let silences = silences(1_000);
    let gate = (0..rounds).map(|_| round_of(&alert, &silences));
    print(&format!(
        "\n1,000 silences of two equalities: {:.2} microseconds for one send",
        median(gate.collect())
    ));
    rewrites(&alert, rounds);
}

/// Silences of which none matches the alert, although each has its host.
fn silences(count: usize) -> Silences {
    let silence = |number: usize| {
        let matching = Matching {
            matches: [
                ("labels.team".to_owned(), vec![format!("other{number}")]),
                ("labels.host".to_owned(), vec!["db-12".to_owned()]),
            ]
            .into(),
            ..Matching::default()
        };
        Silence {
            name: number.to_string().into(),
            matcher: Matcher::compile(&matching).expect("it compiles"),
            times: Times::Span(Timestamp::MIN, Timestamp::MAX),
            after: After::Tell,
        }
    };
    Silences::of((0..count).map(silence).collect())
}

/// Microseconds for one send.
fn round_of(alert: &Alert, silences: &Silences) -> f64 {
    let asked = Asked {
        sink: 1,
        alert,
        fires: true,
        untold: false,
        now: Timestamp::UNIX_EPOCH,
    };
    assert_eq!(answer(&asked, None, [silences]), Answer::Send);
    let begun = Instant::now();
    let mut sends = 0_u32;
    while begun.elapsed() < ROUND {
        for _ in 0..100 {
            black_box(answer(black_box(&asked), None, [silences]));
        }
        sends += 100;
    }
    begun.elapsed().as_secs_f64() * 1e6 / f64::from(sends)
}

/// Prints what rewrites add to one alert.
fn rewrites(alert: &Alert, rounds: usize) {
    let unmatched = (1..=10)
        .map(|n| {
            format!("[[rewrites]]\nmatch = {{ 'labels.team' = 'team{n}' }}\nset = {{ 'labels.a' = 'title' }}\n")
        })
        .collect::<Vec<_>>()
        .concat();
    let table = "[tables.cmdb]\nfile = 'cmdb.csv'\nkey = 'labels.host'\n\
        [[rewrites]]\ntable = 'cmdb'\nset = { 'labels.owner' = 'table.owner' }\n";
    let rows = (0..100_000).map(|n| format!("db-{n},storage,owner {n},2\n"));
    let csv = format!(
        "host,team,owner,tier\n{}",
        rows.collect::<Vec<_>>().concat()
    );
    print("\n| rewrites | microseconds for one alert |");
    print("| --- | --- |");
    for (name, text, fits) in [
        ("none", "", false),
        (
            "ten with a `match` of a label, none fits",
            &*unmatched,
            false,
        ),
        (
            "one that sets a label from a table of 100,000 rows",
            table,
            true,
        ),
    ] {
        let snapshot = loaded(&format!("[sinks.stdout.a]\n{text}"), &csv);
        let mut copy = alert.clone();
        rewrite([&mut copy], &snapshot.rewrites);
        assert_eq!(copy != *alert, fits, "{name}");
        let rounds = (0..rounds).map(|_| {
            let with = timed(|| {
                // The owner is set again in each turn.
                copy.labels.remove("owner");
                black_box(rewrite([black_box(&mut copy)], &snapshot.rewrites));
            });
            let without = timed(|| {
                black_box(copy.labels.remove(black_box("owner")));
            });
            with - without
        });
        print(&format!("| {name} | {:.2} |", median(rounds.collect())));
    }
}

/// An alert as vendors send them: ten labels.
fn alert() -> Alert {
    let [mut alert, _] = sample_alerts();
    for number in 0..8 {
        alert
            .labels
            .insert(format!("label_{number}"), format!("value {number}"));
    }
    alert.labels.insert("team".to_owned(), "team0".to_owned());
    alert.labels.insert("host".to_owned(), "db-12".to_owned());
    alert
}

fn snapshot(count: usize, written: Written) -> Snapshot {
    let mut text = String::from("[sinks.stdout.a]\n");
    for number in 0..count {
        // Writing to a string cannot fail.
        let _written = writeln!(
            text,
            "[[routes]]\n{}\nsinks = ['stdout/a']",
            written(number)
        );
    }
    loaded(&text, "")
}

/// The snapshot of this configuration and of a table next to it.
fn loaded(text: &str, csv: &str) -> Snapshot {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("campanile.toml");
    std::fs::write(&file, text).expect("a writable temporary folder");
    std::fs::write(folder.path().join("cmdb.csv"), csv).expect("a writable temporary folder");
    let config = load(&[file], &Environment::new());
    let config = config.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    Snapshot::new(&config, &[1]).expect("the routes compile")
}

/// Microseconds for one alert.
fn round(alert: &Alert, snapshot: &Snapshot) -> f64 {
    timed(|| {
        black_box(decide(black_box(alert), snapshot));
    })
}

/// Microseconds for one call.
fn timed(mut call: impl FnMut()) -> f64 {
    let begun = Instant::now();
    let mut calls = 0_u32;
    while begun.elapsed() < ROUND {
        for _ in 0..100 {
            call();
        }
        calls += 100;
    }
    begun.elapsed().as_secs_f64() * 1e6 / f64::from(calls)
}
