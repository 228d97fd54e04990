//! The README in other languages says what the README says: the same sections, commands, configs and links.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const TRANSLATIONS: &[&str] = &["README.zh-TW.md", "README.zh-CN.md"];

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The blocks of code in this language, without comments: those are translated.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}\n");
    let blocks = page.split(&opening).skip(1);
    let code = |line: &str| line.split(" #").next().unwrap().trim_end().to_owned();
    let bare = |block: &str| {
        let block = block.split("```").next().unwrap();
        let lines = block.lines().map(code);
        let lines = lines.filter(|line| !line.trim_start().starts_with('#'));
        lines.collect::<Vec<_>>().join("\n")
    };
    blocks.map(bare).collect()
}

/// How deep each heading is, in order.
fn outline(page: &str) -> Vec<usize> {
    let text = page.split("```").step_by(2).collect::<String>();
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| line.chars().take_while(|c| *c == '#').count())
        .collect()
}

/// What it links to, other than itself and its translations.
fn links(page: &str) -> BTreeSet<&str> {
    let links = page.split("](").skip(1);
    let links = links.map(|rest| rest.split(')').next().unwrap());
    links.filter(|link| !link.starts_with("README")).collect()
}

/// How many rows its tables have.
fn rows(page: &str) -> usize {
    page.lines().filter(|line| line.starts_with('|')).count()
}

#[test]
fn a_translated_readme_has_the_sections_commands_and_links_of_the_readme() {
    let original = read("README.md");
    for name in TRANSLATIONS {
        let translated = read(name);
        assert_eq!(
            outline(&translated),
            outline(&original),
            "headings of {name}"
        );
        assert_eq!(links(&translated), links(&original), "links of {name}");
        assert_eq!(rows(&translated), rows(&original), "tables of {name}");
        for language in ["sh", "toml", "python"] {
            let (here, there) = (blocks(&translated, language), blocks(&original, language));
            assert_eq!(here, there, "{language} in {name}");
        }
    }
}
