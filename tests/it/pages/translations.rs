//! A translation says what its original says, section by section: the same commands, code, figures, tables and links.

use std::fs;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use super::links::{links_and_anchors, pages, root};

/// What a section shares with the same section of the original. Words may change their order, so most of it is sorted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Section {
    level: usize,
    /// Commands, settings and other code in a sentence.
    code: Vec<String>,
    figures: Vec<String>,
    links: Vec<String>,
    pictures: usize,
    blocks: Vec<String>,
    rows: usize,
    items: usize,
}

/// The original of a translation. Both are paths from the root of the repository.
fn original(page: &str) -> Option<String> {
    match page {
        "README.zh-TW.md" | "README.zh-CN.md" => Some("README.md".to_owned()),
        page => {
            let below = page.strip_prefix("docs/zh-Hant/");
            let below = below.or_else(|| page.strip_prefix("docs/zh-Hans/"));
            below.map(|below| format!("docs/{below}"))
        }
    }
}

/// The pages of this one's language that translate the original.
fn translation(of: &str, page: &str) -> Option<String> {
    let folder = match page {
        "README.zh-TW.md" => "zh-Hant",
        "README.zh-CN.md" => "zh-Hans",
        page => page.split('/').nth(1)?,
    };
    let translated = of.replacen("docs/", &format!("docs/{folder}/"), 1);
    (translated != of && root().join(&translated).exists()).then_some(translated)
}

/// Each translation with its original. The Chinese page of a vendor has only how to set it up.
fn translations() -> Vec<(String, String)> {
    let pages = pages();
    let paths = pages.iter().map(|page| page.strip_prefix(root()).unwrap());
    let paths = paths.map(|page| page.to_str().unwrap().to_owned());
    let whole = paths.filter(|page| !page.contains("/providers/"));
    whole
        .filter_map(|page| original(&page).map(|original| (page, original)))
        .collect()
}

/// The path that a link leads to, from the root of the repository.
fn joined(page: &str, link: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    if !link.is_empty() {
        parts.pop();
    }
    for part in link.split('/').filter(|part| !part.is_empty()) {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Where a link leads: the original of the page, and the number of its heading. None for another language of the page itself.
fn target(page: &str, link: &str) -> Option<String> {
    if link.starts_with("https://") || link.starts_with("http://") {
        return Some(link.to_owned());
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let to = joined(page, path);
    let of = |page: &str| original(page).unwrap_or_else(|| page.to_owned());
    if to != page && of(&to) == of(page) {
        return None;
    }
    let anchors = links_and_anchors(&root().join(&to)).1;
    let heading = anchors.iter().position(|known| known == anchor);
    Some(format!("{} {heading:?}", of(&to)))
}

/// A block of code without comments: those are translated. A block without a language is output or a drawing.
fn bare(language: &str, block: &str) -> String {
    if language.is_empty() {
        return String::new();
    }
    let lines = block.lines().map(|line| line.split(" #").next().unwrap());
    let lines = lines.filter(|line| !line.trim_start().starts_with('#'));
    lines.map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn figures(text: &str) -> impl Iterator<Item = String> {
    let numbers = text.split(|c: char| !c.is_ascii_digit());
    numbers
        .filter(|number| !number.is_empty())
        .map(str::to_owned)
}

fn sections(page: &str) -> Vec<Section> {
    let text = fs::read_to_string(root().join(page)).unwrap();
    let (mut sections, mut block) = (vec![Section::default()], None);
    for event in Parser::new_ext(&text, Options::ENABLE_TABLES) {
        let section = sections.last_mut().unwrap();
        match event {
            Event::Start(Tag::Heading { level, .. }) => sections.push(Section {
                level: level as usize,
                ..Section::default()
            }),
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => {
                block = Some((language.into_string(), String::new()));
            }
            Event::End(TagEnd::CodeBlock) => {
                let (language, text) = block.take().unwrap();
                section.blocks.push(bare(&language, &text));
            }
            Event::Start(Tag::Link { dest_url, .. }) => {
                section.links.extend(target(page, &dest_url));
            }
            Event::Start(Tag::Image { .. }) => section.pictures += 1,
            Event::Start(Tag::TableRow) => section.rows += 1,
            Event::Start(Tag::Item) => section.items += 1,
            Event::Code(code) => section.code.push(code.into_string()),
            Event::Text(text) => match &mut block {
                Some((_, block)) => block.push_str(&text),
                None => section.figures.extend(figures(&text)),
            },
            _ => {}
        }
    }
    for section in &mut sections {
        section.code.sort();
        section.figures.sort();
        section.links.sort();
    }
    sections
}

/// What only one of two sections has.
fn differences(here: &Section, there: &Section) -> String {
    let lines = |section: &Section| format!("{section:#?}");
    let (here, there) = (lines(here), lines(there));
    let only = |of: &str, other: &str, sign| {
        let mut others: Vec<_> = other.lines().collect();
        let kept = of.lines().filter(|line| {
            let at = others.iter().position(|other| other == line);
            at.map(|at| others.swap_remove(at)).is_none()
        });
        kept.map(|line| format!("  {sign} {}", line.trim()))
            .collect::<Vec<_>>()
    };
    let lines = [only(&here, &there, "has"), only(&there, &here, "needs")];
    lines.concat().join("\n")
}

#[test]
fn a_translation_has_the_commands_figures_tables_and_links_of_its_original() {
    let (translations, mut faults) = (translations(), Vec::new());
    assert!(translations.len() >= 6, "{translations:?}");
    for (page, original) in translations {
        let (here, there) = (sections(&page), sections(&original));
        let pairs = here.iter().zip(&there).enumerate();
        let differing = pairs.filter(|(_, (here, there))| here != there);
        faults.extend(differing.map(|(at, (here, there))| {
            format!("section {at} of {page}\n{}", differences(here, there))
        }));
        if here.len() != there.len() {
            faults.push(format!("{page} does not have the sections of {original}"));
        }
    }
    assert!(
        faults.is_empty(),
        "change the three languages together: {}",
        faults.join("\n")
    );
}

#[test]
fn a_translation_links_to_translations_where_there_are_some() {
    for (page, own) in translations() {
        for link in links_and_anchors(&root().join(&page)).0 {
            let to = joined(&page, link.split('#').next().unwrap());
            let better = translation(&to, &page).filter(|_| to != own);
            assert_eq!(better, None, "{page} links to {link}");
        }
    }
}
