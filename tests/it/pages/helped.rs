//! A message that names a page of the docs also names its address under `/help`, and the part of the page exists.

use std::path::Path;

use super::links::{links_and_anchors, root};
use super::operations::sources;

/// The code of a file without its comments and without the tests at its end.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// What follows this beginning, up to the first character that an address does not have.
fn addresses<'a>(text: &'a str, beginning: &'a str) -> impl Iterator<Item = &'a str> {
    let rests = text.split(beginning).skip(1);
    rests.map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"-_/#".contains(c));
        rest.split_at(end.unwrap_or(rest.len())).0
    })
}

/// The faults of an address below `/help`. None if its page and its heading exist.
fn fault(address: &str) -> Option<String> {
    let (name, anchor) = address.split_once('#').unwrap_or((address, ""));
    let page = root().join(format!("docs/{name}.md"));
    let page = Some(page).filter(|page| page.exists());
    let page = page.or_else(|| Some(root().join(format!("docs/{name}/README.md"))));
    let page = page.filter(|page| page.exists());
    let Some(page) = page else {
        return Some(format!("there is no page {name}"));
    };
    let has = |page: &Path| {
        links_and_anchors(page)
            .1
            .iter()
            .any(|known| known == anchor)
    };
    (!anchor.is_empty() && !has(&page)).then(|| format!("{name} has no heading {anchor}"))
}

/// Every message of a file with a path of the docs or an address of help, and what is wrong with it.
fn faults(file: &str, text: &str) -> Vec<String> {
    let code = code(text);
    let helped: Vec<_> = addresses(&code, "/help/").collect();
    let wrong = helped.iter().filter(|address| !address.is_empty());
    let wrong = wrong.filter_map(|address| fault(address));
    let mut faults: Vec<_> = wrong.map(|fault| format!("{file}: {fault}")).collect();
    for name in addresses(&code, " docs/").filter(|name| !name.is_empty()) {
        if !helped
            .iter()
            .any(|address| address.split('#').next() == Some(name))
        {
            faults.push(format!(
                "{file}: docs/{name}.md is named without /help/{name}"
            ));
        }
    }
    faults
}

#[test]
fn a_message_that_names_a_page_of_the_docs_names_its_part_of_help_and_that_exists() {
    let folders = ["crates", "providers", "sinks", "src"].map(|folder| root().join(folder));
    let (mut found, mut seen) = (Vec::new(), 0);
    for path in folders.into_iter().flat_map(sources) {
        let file = path.strip_prefix(root()).unwrap().display().to_string();
        // Help itself has addresses of pages that it builds. Tests are no messages.
        if file.starts_with("src/page/help") || file.contains("tests/") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        seen += addresses(&code(&text), "/help/").count();
        found.extend(faults(&file, &text));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(seen >= 3, "{seen} addresses");
    for fault in [
        "\"see /help/nothing\"",
        "\"see /help/operations#nothing\"",
        "\"see docs/api.md\"",
    ] {
        assert_eq!(faults("a", fault).len(), 1, "{fault} is seen");
    }
}
