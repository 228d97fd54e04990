//! The shape of the tree: who may import whom, what every file has, and that the pages name what is there.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Which modules of `src/` a module may import; the borders between crates are Cargo's.
const ARROWS: &[(&str, &[&str])] = &[
    ("config", &[]),
    ("snapshot", &["config"]),
    ("intake", &["snapshot"]),
    ("pipeline", &["snapshot"]),
    ("forecast", &["intake", "pipeline", "snapshot"]),
    // The gate before each send is a pure question.
    ("delivery", &["config", "pipeline"]),
    ("telemetry", &["config", "delivery", "intake"]),
    (
        "http",
        &[
            "config",
            "delivery",
            "intake",
            "pipeline",
            "snapshot",
            "telemetry",
        ],
    ),
    (
        "api",
        &[
            "config",
            "delivery",
            "forecast",
            "http",
            "intake",
            "snapshot",
            "telemetry",
        ],
    ),
    ("page", &["api", "delivery", "http"]),
    ("admin", &["api", "http", "page", "telemetry"]),
    (
        "app",
        &[
            "admin",
            "config",
            "delivery",
            "http",
            "intake",
            "pipeline",
            "snapshot",
            "telemetry",
        ],
    ),
    (
        "cli",
        &["api", "app", "config", "forecast", "intake", "snapshot"],
    ),
];

/// Which crates of the project a crate depends on. `model` has no crate below it; the store sees no vendor and no sink.
const CRATES: &[(&str, &[&str])] = &[
    ("crates/model", &[]),
    ("crates/language", &["model"]),
    ("crates/settings", &["language", "model"]),
    ("crates/store", &["model"]),
    ("providers", &["language", "model", "settings"]),
    ("sinks", &["language", "model", "settings"]),
];

/// A file longer than this is to be split by noun; tests count as the program does.
const LINES_MAX: usize = 480;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder` with this ending, in order.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|is| is == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<PathBuf> {
    [
        "benches",
        "crates",
        "providers",
        "sinks",
        "src",
        "testing/chaos",
        "testing/faultfs",
        "testing/fuzz/laws",
        "testing/fuzz/targets",
        "testing/receiver",
        "testing/wire",
        "tests",
    ]
    .iter()
    .flat_map(|folder| files(folder, "rs"))
    .collect()
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

/// The top-level module of `src/` that a file belongs to.
fn module(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    inside
        .iter()
        .next()
        .unwrap()
        .to_string_lossy()
        .trim_end_matches(".rs")
        .to_owned()
}

/// The top-level modules that a file names as `crate::module`.
fn imports(text: &str) -> BTreeSet<String> {
    let named = text.split("crate::").skip(1);
    named
        .map(|rest| {
            rest.chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                .collect()
        })
        .collect()
}

fn check(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn modules_import_only_what_the_architecture_allows() {
    let mut faults = Vec::new();
    for path in files("src", "rs") {
        let of = module(&path);
        if ["main", "lib"].contains(&of.as_str()) {
            continue;
        }
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == of) else {
            faults.push(format!(
                "{}: the module `{of}` has no line in ARROWS",
                shown(&path)
            ));
            continue;
        };
        for import in imports(&text(&path)) {
            let known = ARROWS.iter().any(|(name, _)| *name == import);
            let may = import == of || allowed.contains(&&*import);
            if known && !may {
                faults.push(format!(
                    "{}: `{of}` must not import `{import}`",
                    shown(&path)
                ));
            }
        }
    }
    check(&faults);
}

#[test]
fn crates_depend_only_on_what_the_architecture_allows() {
    let mut faults = Vec::new();
    for (folder, allowed) in CRATES {
        let manifest = text(&root().join(folder).join("Cargo.toml"));
        let (_, dependencies) = manifest.split_once("[dependencies]").unwrap();
        let dependencies = dependencies.split("\n[").next().unwrap();
        let ours = dependencies.lines().filter_map(|line| {
            let name = line.strip_prefix("campanile-")?;
            name.split([' ', '.', '=']).next()
        });
        for name in ours.filter(|name| !allowed.contains(name)) {
            faults.push(format!("{folder}: must not depend on `campanile-{name}`"));
        }
    }
    check(&faults);
}

#[test]
fn providers_intake_and_pipeline_do_no_input_or_output_and_ask_no_clock() {
    const BANNED: &[&str] = &[
        "async ",
        "tokio",
        "std::fs",
        "std::net::Tcp",
        "std::net::Udp",
        "std::env::var",
        "Instant::now",
        "SystemTime",
        "Timestamp::now",
        "Zoned::now",
        "reqwest",
        "println!",
        "thread::",
    ];
    let mut faults = Vec::new();
    let tests_and_build = |path: &PathBuf| {
        path.ends_with("build.rs") || path.starts_with(root().join("providers/tests"))
    };
    let pure = files("providers", "rs")
        .into_iter()
        .chain(files("src/intake", "rs"))
        .chain(files("src/pipeline", "rs"))
        .chain(files("src/snapshot", "rs"));
    for path in pure.filter(|path| !tests_and_build(path)) {
        for (number, line) in text(&path).lines().enumerate() {
            let code = line.split("//").next().unwrap();
            for banned in BANNED.iter().filter(|banned| code.contains(**banned)) {
                faults.push(format!(
                    "{}:{}: `{banned}` in code that must be pure",
                    shown(&path),
                    number + 1
                ));
            }
        }
    }
    check(&faults);
}

#[test]
fn every_module_opens_with_what_it_is_for() {
    let bare = sources()
        .into_iter()
        .filter(|path| !text(path).starts_with("//!"));
    check(
        &bare
            .map(|path| format!("{}: the first line is no `//!`", shown(&path)))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn no_file_is_too_long_to_be_read() {
    let long = sources()
        .into_iter()
        .map(|path| (text(&path).lines().count(), path))
        .filter(|(lines, _)| *lines > LINES_MAX);
    check(
        &long
            .map(|(lines, path)| format!("{}: {lines} lines; split it by noun", shown(&path)))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn no_file_is_named_for_nothing_in_particular() {
    const EMPTY: &[&str] = &[
        "util", "utils", "common", "helpers", "helper", "manager", "misc", "imp",
    ];
    let named = sources()
        .into_iter()
        .filter(|path| EMPTY.contains(&&*path.file_stem().unwrap().to_string_lossy()));
    check(
        &named
            .map(|path| format!("{}: name it for what is in it", shown(&path)))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn a_test_waits_only_where_its_patience_ends() {
    // A wait without a bound, or one that does not say what did not come.
    const BANNED: &[&str] = &[
        "time::timeout(",
        ".idle().await",
        ".output().unwrap()",
        ".wait_with_output()",
    ];
    let mut faults = Vec::new();
    let waiting = files("tests/it", "rs").into_iter();
    for path in waiting.filter(|path| !path.ends_with("patience.rs")) {
        for banned in BANNED
            .iter()
            .filter(|banned| text(&path).contains(**banned))
        {
            let path = shown(&path);
            faults.push(format!(
                "{path}: `{banned}` outside of `tests/it/patience.rs`"
            ));
        }
    }
    check(&faults);
}

/// Paths in backticks that begin with a folder of ours.
fn paths_named_in(page: &str) -> impl Iterator<Item = &str> {
    const FOLDERS: &[&str] = &[
        "crates/",
        "providers/",
        "sinks/",
        "src/",
        "testing/",
        "docs/",
        "config/",
        "tests/",
        "benches/",
        "fixtures/",
        "scripts/",
    ];
    let quoted = page.split('`').skip(1).step_by(2);
    quoted.filter(|path| {
        FOLDERS.iter().any(|folder| path.starts_with(folder))
            && !path.contains(['<', '*', ' ', '{'])
    })
}

#[test]
fn pages_name_only_paths_that_are_there() {
    let mut faults = Vec::new();
    let readme = ["README.md", "CHANGELOG.md"].map(|name| root().join(name));
    for path in files("docs", "md").into_iter().chain(readme) {
        for named in paths_named_in(&text(&path)) {
            if !root().join(named.split(':').next().unwrap()).exists() {
                faults.push(format!(
                    "{}: names `{named}`, which is not there",
                    shown(&path)
                ));
            }
        }
    }
    check(&faults);
}

/// The words in the first column of the table "Words to avoid" of `docs/STYLE.md`.
fn words_to_avoid() -> Vec<String> {
    let style = text(&root().join("docs/STYLE.md"));
    let (_, table) = style.split_once("## Words to avoid").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| "));
    let words = rows
        .skip(2)
        .flat_map(|row| row.split('|').nth(1).unwrap().split(','));
    words.map(|word| word.trim().to_owned()).collect()
}

/// The text in lower case, with one blank between words and a blank at both ends. An identifier is one word.
fn as_words(text: &str) -> String {
    let letters = |c: char| {
        if c.is_alphanumeric() || c == '_' {
            c
        } else {
            ' '
        }
    };
    let spaced: String = text.to_lowercase().chars().map(letters).collect();
    format!(
        " {} ",
        spaced.split_whitespace().collect::<Vec<_>>().join(" ")
    )
}

#[test]
fn no_text_uses_a_word_that_the_style_guide_avoids() {
    let words = words_to_avoid();
    assert!(words.len() > 20, "{words:?}");
    let pages = ["README.md", "CHANGELOG.md"].map(|name| root().join(name));
    let docs = files("docs", "md").into_iter().chain(pages);
    let catalogs = ["providers/catalog", "sinks/catalog", "config"];
    let settings = catalogs.iter().flat_map(|folder| files(folder, "toml"));
    let mut faults = Vec::new();
    for path in sources().into_iter().chain(docs).chain(settings) {
        if path.ends_with("docs/STYLE.md") || path.ends_with("tests/tidy.rs") {
            continue;
        }
        for (number, line) in text(&path).lines().enumerate() {
            let spoken = as_words(line);
            for word in words
                .iter()
                .filter(|word| spoken.contains(&format!(" {word} ")))
            {
                let place = format!("{}:{}", shown(&path), number + 1);
                faults.push(format!("{place}: `{word}`; see docs/STYLE.md"));
            }
        }
    }
    check(&faults);
}

/// Whether a line of code compares a secret in a way whose time tells how much of it is right.
fn compares_a_secret(line: &str) -> bool {
    const SHORT_CUTS: &[&str] = &[
        "==",
        "!=",
        ".eq(",
        ".ne(",
        ".cmp(",
        ".contains(",
        ".starts_with(",
        ".ends_with(",
        ".find(",
        "matches!",
    ];
    let code = line.split("//").next().unwrap();
    code.contains("expose_secret()") && SHORT_CUTS.iter().any(|word| code.contains(word))
}

/// Everything that decides about a secret compares through `subtle` or a MAC's own verification.
#[test]
fn secrets_are_compared_in_constant_time() {
    // Where a proof or a token is judged. Fixtures and tests have no secrets.
    const JUDGES: &[(&str, &[&str])] = &[
        (
            "providers/trust/proof.rs",
            &["ct_eq(&hash(", ".ct_eq(&given)"],
        ),
        ("providers/trust/signature.rs", &["verify_slice(signature)"]),
        ("src/api/auth.rs", &[".ct_eq(&given)"]),
    ];
    let mut faults = Vec::new();
    let code = ["crates", "providers", "sinks", "src"];
    for path in code.iter().flat_map(|folder| files(folder, "rs")) {
        let name = shown(&path);
        if name.starts_with("providers/tests/") || name == "providers/play/fixture.rs" {
            continue;
        }
        for (number, line) in text(&path).lines().enumerate() {
            if compares_a_secret(line) {
                faults.push(format!(
                    "{name}:{}: a secret is compared otherwise than by `ct_eq`",
                    number + 1
                ));
            }
        }
    }
    for (judge, ways) in JUDGES {
        let code = text(&root().join(judge));
        for way in ways.iter().filter(|way| !code.contains(**way)) {
            faults.push(format!("{judge}: no longer compares by `{way}`"));
        }
    }
    check(&faults);
}

#[test]
fn every_law_here_sees_a_breach() {
    assert!(compares_a_secret("if given == token.expose_secret() {"));
    assert!(!compares_a_secret(
        "hash(given).ct_eq(&hash(secret.expose_secret())) // =="
    ));
    assert!(imports("use crate::config::Seq;\nlet x = crate::http::Y;").contains("http"));
    assert_eq!(
        paths_named_in("see `src/nowhere.rs` and `src/<name>.rs`").collect::<Vec<_>>(),
        ["src/nowhere.rs"]
    );
    assert_eq!(as_words("// It is `told`, x_told."), " it is told x_told ");
    assert!(words_to_avoid().contains(&"told".to_owned()));
    assert_eq!(module(&root().join("src/http/mod.rs")), "http");
    assert_eq!(module(&root().join("src/main.rs")), "main");
}
