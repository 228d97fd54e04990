//! `docs/prometheus-rules.yml`, checked and fired by Prometheus' own `promtool`.

use std::process::Command;

use super::operations::{read, root};
use crate::patience::output;

/// The series that make each rule fire.
const CASES: &str = "tests/it/pages/prometheus-rules-test.yml";

fn promtool(args: &[&str]) {
    // Debian's package `prometheus` has it.
    let run = output(Command::new("promtool").args(args).current_dir(root()));
    let said = [run.stdout, run.stderr].concat();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn prometheus_accepts_the_rules() {
    promtool(&["check", "rules", "docs/prometheus-rules.yml"]);
}

#[test]
fn each_rule_fires_on_its_trouble_and_only_then() {
    promtool(&["test", "rules", CASES]);
}

#[test]
fn no_rule_is_without_a_case_in_which_it_fires_and_one_in_which_it_does_not() {
    let cases = std::fs::read_to_string(root().join(CASES)).unwrap();
    let rules = read("prometheus-rules.yml");
    let names = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    for name in names {
        let of = cases.split("alertname: ").skip(1);
        let of: Vec<_> = of
            .filter(|case| case.lines().next() == Some(name))
            .collect();
        let fires = of.iter().any(|case| case.contains("exp_labels:"));
        let quiet = of.iter().any(|case| case.contains("exp_alerts: []"));
        assert!(fires && quiet, "{name}: fires {fires}, does not {quiet}");
    }
}
