//! What a screen reader says of each page, as a file in `aria/`, so that a change of it is seen in a review.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::reader::{SOME, browser, dress};
use super::walk::filled;
use crate::driver::Browser;

/// Parts that tell a reader nothing. Their children are shown in their place.
const SILENT: &[&str] = &[
    "generic",
    "none",
    "InlineTextBox",
    "LineBreak",
    "RootWebArea",
];

/// The properties that follow the name.
const SAID: &[&str] = &[
    "checked", "disabled", "expanded", "invalid", "level", "pressed", "required",
];

/// Rows of a table that are written. The others have the same form.
const ROWS_MAX: usize = 2;

/// Replaces what differs from run to run: ids, times, ages.
const SAME: &str = "arguments[1](arguments[0]
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'UUID')
    .replace(/\\b[0-9a-f]{16}\\b/g, 'FINGERPRINT')
    .replace(/127\\.0\\.0\\.1:\\d+/g, 'ADDRESS')
    .replace(/\\d{4}-\\d\\d-\\d\\d[ T]\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?Z?/g, 'TIME')
    .replace(/\\b\\d\\d:\\d\\d:\\d\\d\\.\\d{3}/g, 'CLOCK')
    .replace(/\\d{4}-\\d\\d-\\d\\d/g, 'DATE').replace(/\\b\\d\\d:\\d\\d\\b/g, 'CLOCK')
    .replace(/\\b\\d+(\\.\\d+)? (ms|s|min|h|d)\\b/g, 'AGE')
    .replace(/x{100,}/g, 'x...'))";

/// The tree of accessibility of a page as lines, each deeper than its parent: the whole page, or what differs from other pages.
async fn as_text(browser: &Browser, whole: bool) -> String {
    let tree = browser
        .command("Accessibility.getFullAXTree", json!({}))
        .await;
    let nodes = tree["nodes"].as_array().unwrap();
    let mut lines = String::new();
    let main = nodes.iter().find(|node| node["role"]["value"] == "main");
    let from = if whole { &nodes[0] } else { main.unwrap() };
    tell(nodes, from, 0, "", &mut lines);
    let same = browser.run(SAME, &lines).await;
    same.as_str().unwrap().to_owned()
}

fn tell(nodes: &[Value], node: &Value, depth: usize, above: &str, lines: &mut String) {
    let role = node["role"]["value"].as_str().unwrap_or_default();
    let name = node["name"]["value"].as_str().unwrap_or_default().trim();
    let silent = node["ignored"] == true
        || SILENT.contains(&role)
        || role == "StaticText" && (name.is_empty() || above.contains(name));
    let (mut depth, mut above) = (depth, above);
    if !silent {
        let blanks = "  ".repeat(depth);
        let role = if role == "StaticText" { "text" } else { role };
        write!(lines, "{blanks}{role}").unwrap();
        if !name.is_empty() {
            let name = name.replace('\n', "\\n");
            write!(lines, " \"{name}\"").unwrap();
        }
        for property in node["properties"].as_array().into_iter().flatten() {
            let (said, value) = (
                property["name"].as_str().unwrap(),
                &property["value"]["value"],
            );
            if SAID.contains(&said) && *value != json!(false) && *value != json!("false") {
                let value = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                write!(lines, " {said}={value}").unwrap();
            }
        }
        lines.push('\n');
        (depth, above) = (depth + 1, name);
    }
    let children = node["childIds"].as_array().into_iter().flatten();
    let mut rows = 0;
    for child in children {
        let child = nodes.iter().find(|node| node["nodeId"] == *child).unwrap();
        rows += usize::from(child["role"]["value"] == "row");
        if rows <= ROWS_MAX {
            tell(nodes, child, depth, above, lines);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_screen_reader_says_of_each_page_what_its_file_says() {
    let (gateway, paths) = filled().await;
    let base = format!("http://{}", gateway.admin);
    let browser = browser().await;
    dress(&browser, &base, SOME[0]).await;
    let zone = json!({"timezoneId": "Asia/Taipei"});
    browser.command("Emulation.setTimezoneOverride", zone).await;
    let of = |start: &str| {
        paths
            .iter()
            .find(|path| path.starts_with(start))
            .unwrap()
            .as_str()
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/page/aria");
    let mut changed = Vec::new();
    for (name, path) in [
        ("live", "/"),
        ("callbacks", "/callbacks"),
        ("quarantine", "/quarantine"),
        ("quarantined", "/quarantine/1"),
        ("sources", "/sources"),
        ("source", "/sources/probe/c"),
        ("setup", "/sources/ucloud/prod/setup"),
        ("sinks", "/sinks"),
        ("silences", "/silences"),
        ("deliveries", "/deliveries"),
        ("dead", "/dead"),
        ("alert", of("/alerts/")),
        ("problem", of("/problems/")),
        ("nowhere", "/nowhere"),
    ] {
        browser.open(&format!("{base}{path}")).await;
        let text = as_text(&browser, name == "live").await;
        let file = folder.join(format!("{name}.txt"));
        if std::fs::read_to_string(&file).unwrap_or_default() != text {
            std::fs::write(&file, text).unwrap();
            changed.push(name);
        }
    }
    assert!(
        changed.is_empty(),
        "in tests/it/page/aria/, {changed:?} were not what the pages tell and are now: look at the difference and commit"
    );
}
