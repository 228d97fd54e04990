//! Rules of the words of the pages, in all languages.

use std::collections::{BTreeMap, BTreeSet};

use unicode_width::UnicodeWidthStr;

use super::{files, folder};

/// The texts of a file by key. A text with forms has one entry for each, such as `live.firing.one`.
fn words(name: &str) -> BTreeMap<String, String> {
    let (_, file) = files("words")
        .into_iter()
        .find(|file| file.0 == name)
        .unwrap();
    let mut found = BTreeMap::new();
    flatten("", &file.parse::<toml::Table>().unwrap(), &mut found);
    found
}

fn flatten(above: &str, table: &toml::Table, found: &mut BTreeMap<String, String>) {
    for (name, value) in table {
        let key = format!("{above}{name}");
        match value {
            toml::Value::Table(table) => flatten(&format!("{key}."), table, found),
            text => drop(found.insert(key, text.as_str().unwrap().to_owned())),
        }
    }
}

/// The key without its form.
fn base(key: &str) -> &str {
    key.strip_suffix(".one")
        .or_else(|| key.strip_suffix(".other"))
        .unwrap_or(key)
}

fn places(text: &str) -> BTreeSet<String> {
    let parts = text.split('{').skip(1);
    parts
        .map(|part| part.split('}').next().unwrap().to_owned())
        .collect()
}

const CHINESE: [&str; 2] = ["zh-Hant.toml", "zh-Hans.toml"];

#[test]
fn every_language_has_the_same_texts_with_the_same_places() {
    let english = words("en.toml");
    let places_of = |words: &BTreeMap<String, String>| {
        let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (key, text) in words {
            all.entry(base(key).to_owned())
                .or_default()
                .extend(places(text));
        }
        all
    };
    for name in CHINESE {
        let chinese = words(name);
        assert_eq!(places_of(&chinese), places_of(&english), "{name}");
        // Chinese has one form for all numbers.
        let form = chinese.keys().find(|key| base(key) != *key);
        assert_eq!(form, None, "{name}");
    }
}

#[test]
fn a_text_is_at_most_about_as_wide_as_the_english_one() {
    let english = words("en.toml");
    for name in CHINESE {
        for (key, text) in words(name) {
            let other = english
                .get(&key)
                .or_else(|| english.get(&format!("{key}.other")))
                .unwrap();
            // Short words may differ more.
            let most = (other.width() * 8 / 5).max(12);
            assert!(
                text.width() <= most,
                "{name}: {key}: `{text}` next to `{other}`"
            );
        }
    }
}

/// The keys that a template or the code uses. One that ends with a dot is a whole table, chosen by a value.
fn used() -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (_, text) in files("html") {
        for (at, _) in text.match_indices("w.") {
            if text.get(..at).unwrap().ends_with(char::is_alphanumeric) {
                continue;
            }
            let rest = text.get(at + 2..).unwrap();
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"_.".contains(c));
            let (key, after) = rest.split_at(end.unwrap());
            let table = if after.starts_with('[') { "." } else { "" };
            used.insert(format!("{key}{table}"));
        }
    }
    for (name, text) in files("") {
        for call in text.split(".counted(\"").skip(1) {
            let key = call.split('"').next().unwrap();
            assert!(key.contains('.'), "{name}: {key}");
            used.insert(key.to_owned());
        }
    }
    used
}

#[test]
fn every_text_is_used_and_every_used_text_exists() {
    let (words, used) = (words("en.toml"), used());
    let keys: BTreeSet<&str> = words.keys().map(|key| base(key)).collect();
    let is_used = |key: &str| {
        used.contains(key)
            || used
                .iter()
                .any(|used| used.ends_with('.') && key.starts_with(used.as_str()))
    };
    let unused: Vec<_> = keys.iter().filter(|key| !is_used(key)).collect();
    assert!(unused.is_empty(), "not used: {unused:?}");
    let exists = |used: &str| {
        keys.contains(used) || (used.ends_with('.') && keys.iter().any(|key| key.starts_with(used)))
    };
    let absent: Vec<_> = used.iter().filter(|used| !exists(used)).collect();
    assert!(absent.is_empty(), "no such text: {absent:?}");
    assert!(folder().join("words").exists());
}

/// The text of a template that a reader sees or hears: outside of tags and of Jinja, and in the attributes that are read out.
fn seen(template: &str) -> String {
    let without = |text: String, open: &str, close: &str| {
        let mut parts = text.split(open);
        let first = parts.next().unwrap().to_owned();
        parts.fold(first, |kept, part| {
            kept + " " + part.split_once(close).map_or("", |part| part.1)
        })
    };
    let text = without(template.to_owned(), "{%", "%}");
    let text = without(text, "{{", "}}");
    let attributes = ["title=\"", "aria-label=\"", "alt=\"", "placeholder=\""];
    let spoken = attributes.iter().flat_map(|name| text.split(name).skip(1));
    let spoken: String = spoken
        .map(|value| value.split('"').next().unwrap())
        .collect();
    without(text.clone(), "<", ">") + &spoken
}

#[test]
fn a_template_has_no_words_of_its_own() {
    // Names of fields, which are the same in every language.
    const NAMES: &[&str] = &["labels", "raw"];
    for (name, text) in files("html") {
        let seen = seen(&text);
        let words = seen.split(|c: char| !c.is_alphabetic());
        let own: Vec<&str> = words
            .filter(|word| !word.is_empty() && !NAMES.contains(word))
            .collect();
        assert!(own.is_empty(), "{name}: {own:?}");
    }
    assert_eq!(
        seen("<p title=\"Hi\">{{ w.a }}</p>{% if x %}You")
            .split_whitespace()
            .collect::<String>(),
        "YouHi"
    );
}
