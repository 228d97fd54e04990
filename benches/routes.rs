//! Measures how long it takes to choose the sinks of one alert, by the number of routes and the way in which they are written.
//!
//! `cargo bench --bench routes` builds configurations with 1, 10 and 100 routes, of which the alert matches one, and asks each of them
//! about the same alert, as the gateway does before it stores one. Then it asks 1,000 silences about an alert that none of them
//! matches, as the gateway does before each send. Environment variables: `ROUNDS` (7).

#[path = "support/words.rs"]
mod words;

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use campanile::config::{Environment, Matching, load};
use campanile::pipeline::decide;
use campanile::pipeline::gate::{Answer, Asked, answer};
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
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("campanile.toml");
    std::fs::write(&file, text).expect("a writable temporary folder");
    let config = load(&[file], &Environment::new());
    let config = config.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    Snapshot::new(&config, &[1]).expect("the routes compile")
}

/// Microseconds for one alert.
fn round(alert: &Alert, snapshot: &Snapshot) -> f64 {
    let begun = Instant::now();
    let mut alerts = 0_u32;
    while begun.elapsed() < ROUND {
        for _ in 0..100 {
            black_box(decide(black_box(alert), snapshot));
        }
        alerts += 100;
    }
    begun.elapsed().as_secs_f64() * 1e6 / f64::from(alerts)
}
