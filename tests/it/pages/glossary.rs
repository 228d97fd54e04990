//! The words of the product have the names of `docs/words.md`, in the pages and in the Chinese docs.

use std::collections::BTreeMap;
use std::fs;

use ferrous_opencc::OpenCC;
use ferrous_opencc::config::BuiltinConfig;

use super::links::{pages, root};

/// The cells of the rows of a table of `docs/words.md`, by the number of the table.
fn table(number: usize) -> Vec<Vec<String>> {
    let text = fs::read_to_string(root().join("docs/words.md")).unwrap();
    let tables = text.split("\n| --- ").skip(number);
    let rows = tables.take(1).flat_map(|table| table.lines().skip(1));
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.map(|line| {
        let cells = line.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect()
    })
    .collect()
}

/// The texts of the pages in one language by key. A text with forms has that of many.
fn words(language: &str) -> BTreeMap<String, String> {
    let path = root().join(format!("src/page/words/{language}.toml"));
    let file: toml::Table = fs::read_to_string(path).unwrap().parse().unwrap();
    let mut texts = BTreeMap::new();
    flatten("", &file, &mut texts);
    texts
}

fn flatten(above: &str, table: &toml::Table, texts: &mut BTreeMap<String, String>) {
    for (name, value) in table {
        let key = format!("{above}{name}");
        let many = value.get("other").unwrap_or(value);
        match (many.as_str(), value.as_table()) {
            (Some(text), _) => drop(texts.insert(key, text.to_owned())),
            (None, Some(table)) => flatten(&format!("{key}."), table, texts),
            (None, None) => panic!("{key} is not a text"),
        }
    }
}

/// Whether the text has this word or its plural, outside of places such as `{source}`.
fn has(text: &str, word: &str) -> bool {
    let plural = match word.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{word}s"),
    };
    let is_word = |c: char| c.is_alphanumeric() || "_{}".contains(c);
    let words = text.to_lowercase().replace(|c| !is_word(c), " ");
    let words = format!(" {words} ");
    [word, &plural]
        .iter()
        .any(|form| words.contains(&format!(" {form} ")))
}

const CHINESE: [&str; 2] = ["zh-Hant", "zh-Hans"];

/// Every text in this language: the words of the pages, the docs and the README, each with its place.
fn texts(language: &str) -> Vec<(String, String)> {
    let readme = ["README.zh-TW.md", "README.zh-CN.md"];
    let readme = readme[usize::from(language == "zh-Hans")];
    let of_language =
        |page: &String| page == readme || page.starts_with(&format!("docs/{language}/"));
    let paths = pages().into_iter();
    let paths = paths.map(|path| path.strip_prefix(root()).unwrap().display().to_string());
    let docs = paths.filter(of_language).flat_map(|page| {
        let text = fs::read_to_string(root().join(&page)).unwrap();
        let lines = text.lines().enumerate();
        let lines = lines.map(|(at, line)| (format!("{page}:{}", at + 1), line.to_owned()));
        lines.collect::<Vec<_>>()
    });
    words(language).into_iter().chain(docs).collect()
}

#[test]
fn a_word_of_the_product_has_one_name_in_each_language() {
    let (rows, english) = (table(1), words("en"));
    assert!(rows.len() > 30, "{rows:?}");
    let mut faults = Vec::new();
    for (language, column) in CHINESE.iter().zip([1, 2]) {
        let chinese = words(language);
        for row in &rows {
            let (word, name) = (&row[0], &row[column]);
            let with = english.iter().filter(|(_, text)| has(text, word));
            let without = with.filter(|(key, _)| !chinese[*key].to_lowercase().contains(name));
            faults.extend(without.map(|(key, text)| {
                format!(
                    "{language} {key}: `{text}` is `{}`, without {name}",
                    chinese[key]
                )
            }));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_text_has_another_name_for_a_word_of_the_product() {
    let mut faults = Vec::new();
    for language in CHINESE {
        for (place, text) in texts(language) {
            for row in table(1) {
                let others = row[4].split(", ").filter(|other| !other.is_empty());
                let used = others.filter(|other| text.contains(other));
                faults.extend(used.map(|other| format!("{place}: {other} is {}", row[0])));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The converter to the script of a language. It changes nothing in a text that is written in it.
fn script(language: &str) -> OpenCC {
    OpenCC::from_config(match language {
        "zh-Hant" => BuiltinConfig::S2tw,
        _ => BuiltinConfig::T2s,
    })
    .unwrap()
}

#[test]
fn no_character_of_the_other_script_slips_in() {
    // Names that are written in their own script.
    const NAMES: [&str; 4] = ["繁體中文", "简体中文", "監控專家", "监控宝"];
    let mut faults = Vec::new();
    for language in CHINESE {
        let script = script(language);
        for (place, text) in texts(language) {
            let text = NAMES.iter().fold(text, |text, name| text.replace(name, ""));
            // Taiwan writes both forms of this character; the converter knows only the older one.
            if script.convert(&text).replace('臺', "台") != text {
                faults.push(format!("{place}: {text}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_ne!(script("zh-Hant").convert("重试"), "重试", "a slip is seen");
}

#[test]
fn taiwan_and_the_mainland_have_their_own_words() {
    let pairs = table(2);
    assert!(pairs.len() > 30, "{pairs:?}");
    let mut faults = Vec::new();
    for (own, language) in CHINESE.into_iter().enumerate() {
        let script = script(language);
        for (place, text) in texts(language) {
            for pair in &pairs {
                let foreign = script.convert(&pair[1 - own]);
                if text.contains(&foreign) {
                    faults.push(format!("{place}: {foreign} is {}", pair[own]));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
