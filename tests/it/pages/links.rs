//! Every relative link of the docs leads to a file of the repository, and to a heading of it.

use std::fs;
use std::path::{Path, PathBuf};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The READMEs, the changelog, and all pages of `docs/`.
pub(super) fn pages() -> Vec<PathBuf> {
    let of_root = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut pages: Vec<_> = of_root.filter(|path| path.is_file()).collect();
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let list = if path.is_dir() {
                &mut folders
            } else {
                &mut pages
            };
            list.push(path);
        }
    }
    pages.retain(|path| path.extension().is_some_and(|is| is == "md"));
    pages
}

/// The links of a page, and the anchors of its headings by the rule of GitHub, in order. A heading that occurs twice has one anchor
/// here.
pub(super) fn links_and_anchors(page: &Path) -> (Vec<String>, Vec<String>) {
    let text = fs::read_to_string(page).unwrap();
    let (mut links, mut anchors, mut heading) = (Vec::new(), Vec::new(), None);
    for event in Parser::new_ext(&text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                links.push(dest_url.into_string());
            }
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let text = heading.take().unwrap().to_lowercase();
                let kept = text
                    .chars()
                    .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
                let anchor = kept.collect::<String>().replace(' ', "-");
                anchors.push(anchor);
            }
            Event::Text(part) | Event::Code(part) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&part);
                }
            }
            _ => {}
        }
    }
    (links, anchors)
}

/// Whether the link leads somewhere.
fn leads(page: &Path, link: &str) -> bool {
    if link.starts_with("https://") || link.starts_with("http://") {
        return true;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let to = match path {
        "" => page.to_owned(),
        path => page.parent().unwrap().join(path),
    };
    let has = |anchor: &str| links_and_anchors(&to).1.iter().any(|known| known == anchor);
    to.exists() && (anchor.is_empty() || has(anchor))
}

#[test]
fn every_relative_link_of_the_docs_leads_to_a_file_and_a_heading() {
    let pages = pages();
    assert!(pages.len() > 150, "{} pages", pages.len());
    let mut faults = Vec::new();
    for page in &pages {
        for link in links_and_anchors(page).0 {
            if !leads(page, &link) {
                faults.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let api = root().join("docs/api.md");
    assert!(
        !leads(&api, "operations.md#nothing") && !leads(&api, "nothing.md"),
        "a fault is seen"
    );
}
