//! `docs/operations.md` and `docs/prometheus-rules.yml` are written by hand. Here is what of them must agree with the program.

use std::fs;
use std::path::{Path, PathBuf};

use campanile::telemetry::metrics::{ALL, Described, Kind};

use super::docs;

pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(super) fn read(name: &str) -> String {
    fs::read_to_string(docs().join(name)).unwrap()
}

/// Every metric of ours in a rule, with the matchers behind its name.
pub(super) fn metrics_in(rule: &str) -> Vec<(String, &str)> {
    let metric = |rest: &'_ str| {
        let word = rest
            .chars()
            .take_while(|c| c.is_ascii_lowercase() || *c == '_');
        format!("campanile_{}", word.collect::<String>())
    };
    let matchers = |rest| {
        let braced = str::trim_start_matches(rest, |c: char| c.is_ascii_lowercase() || c == '_');
        let inside = braced.strip_prefix('{').and_then(|it| it.split_once('}'));
        inside.map_or("", |(matchers, _)| matchers)
    };
    let rests = rule.split("campanile_").skip(1);
    rests.map(|rest| (metric(rest), matchers(rest))).collect()
}

/// The metric that this name of Prometheus belongs to.
pub(super) fn described(name: &str) -> Option<&'static Described> {
    let of = |metric: &&Described| {
        let part = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end));
        metric.name == name || metric.kind == Kind::Histogram && part == Some(metric.name)
    };
    ALL.iter().find(of)
}

#[test]
fn rules_name_only_metrics_and_labels_that_there_are() {
    let rules = read("prometheus-rules.yml");
    let exprs = rules.lines().filter(|line| line.contains("expr:"));
    let named: Vec<_> = exprs.flat_map(metrics_in).collect();
    assert!(named.len() > 10, "{named:?}");
    for (name, matchers) in named {
        let metric = described(&name).unwrap_or_else(|| panic!("there is no metric {name}"));
        for matcher in matchers.split(',').filter(|matcher| !matcher.is_empty()) {
            let label = matcher.split(['=', '!']).next().unwrap().trim();
            assert!(
                metric.labels.contains(&label),
                "{name} has no label {label}"
            );
        }
    }
}

#[test]
fn operations_say_what_to_do_about_every_rule() {
    let page = read("operations.md");
    let rules = read("prometheus-rules.yml");
    let names = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    for name in names {
        assert!(
            page.contains(&format!("| `{name}` |")),
            "{name} is not in docs/operations.md"
        );
    }
}

/// Every file of Rust below a folder of the repository.
pub(super) fn sources(folder: PathBuf) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| {
        if path.is_dir() {
            sources(path)
        } else {
            vec![path]
        }
    });
    files
        .filter(|path| path.extension().is_some_and(|is| is == "rs"))
        .collect()
}

/// The message of a log line: the last text of the macro that begins here, up to the first value in it.
fn message(macro_text: &str) -> String {
    let (mut depth, mut texts) = (1, vec![String::new()]);
    let (mut quoted, mut escaped) = (false, false);
    for letter in macro_text.chars() {
        match letter {
            '"' if !escaped => {
                quoted = !quoted;
                if quoted {
                    texts.push(String::new());
                }
            }
            _ if quoted => texts.last_mut().unwrap().push(letter),
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        escaped = letter == '\\' && !escaped;
        if depth == 0 {
            break;
        }
    }
    let last = texts.pop().unwrap();
    last.split('{').next().unwrap().trim().to_owned()
}

#[test]
fn operations_explain_every_log_line_at_warn_and_error() {
    let pages = ["", "zh-Hant/", "zh-Hans/"].map(|folder| read(&format!("{folder}operations.md")));
    let explained = |line: &str| {
        pages
            .iter()
            .all(|page| page.contains(&format!("| {line} |")))
    };
    let mut missing = Vec::new();
    let code = ["crates", "providers", "sinks", "src"].map(|folder| root().join(folder));
    for path in code.into_iter().flat_map(sources) {
        let text = fs::read_to_string(&path).unwrap();
        for level in ["tracing::warn!(", "tracing::error!("] {
            let messages = text.split(level).skip(1).map(message);
            missing.extend(messages.filter(|line| !explained(line)));
        }
    }
    assert!(
        missing.is_empty(),
        "one of the three operations.md has no row for {missing:#?}"
    );
}

/// `64 * 1024`, `100_000` or `Duration::from_mins(5)` as a number; durations in milliseconds.
fn value(expression: &str) -> u64 {
    let unit = |text: &str| match text {
        "Duration::from_millis" => 1,
        "Duration::from_secs" => 1_000,
        "Duration::from_mins" => 60_000,
        "Duration::from_hours" => 3_600_000,
        other => panic!("`{other}` is no unit that is known here"),
    };
    let (factor, digits) = match expression.split_once('(') {
        Some((of, inside)) => (unit(of), inside.trim_end_matches(')')),
        None => (1, expression),
    };
    let factors = digits.split('*').map(|part| part.trim().replace('_', ""));
    factors
        .map(|part| part.parse::<u64>().unwrap())
        .product::<u64>()
        * factor
}

/// `64 KiB`, `4096` or `5 min` as the same number.
fn written(cell: &str) -> u64 {
    let (number, unit) = cell.split_once(' ').unwrap_or((cell, ""));
    let unit = match unit {
        "" => 1,
        "KiB" => 1024,
        "MiB" => 1024 * 1024,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        other => panic!("`{other}` is no unit that is known here"),
    };
    number.parse::<u64>().unwrap() * unit
}

#[test]
fn the_table_of_limits_has_the_values_of_the_code() {
    let page = read("operations.md");
    let (_, table) = page.split_once("## Limits").unwrap();
    let rows = table.lines().filter(|line| {
        ["`src/", "`crates/", "`providers/", "`sinks/"]
            .iter()
            .any(|folder| line.contains(folder))
    });
    let mut seen = 0;
    for row in rows {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let [path, _, name] = cells[3].trim_matches('`').split('`').collect::<Vec<_>>()[..] else {
            panic!("{row} does not name a file and a constant");
        };
        let code = fs::read_to_string(root().join(path)).unwrap();
        let declared = code.split_once(&format!("const {name}: "));
        let (_, declared) = declared.unwrap_or_else(|| panic!("{path} has no {name}"));
        let expression = declared
            .split(" = ")
            .nth(1)
            .unwrap()
            .split(';')
            .next()
            .unwrap();
        assert_eq!(written(cells[2]), value(expression), "{row}");
        seen += 1;
    }
    assert!(seen > 20, "{seen} limits");
}
