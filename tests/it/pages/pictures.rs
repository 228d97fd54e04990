//! Each README shows two pictures in its own language. They are small, and no other picture is kept.

use std::collections::BTreeSet;
use std::fs;

use pulldown_cmark::{Event, Parser, Tag};

use super::links::root;

/// The most bytes of a picture, and the least of one that shows something.
const BYTES_MAX: usize = 120 * 1024;
const BYTES_MIN: usize = 10 * 1024;

#[test]
fn each_readme_shows_two_small_pictures_in_its_language() {
    let mut shown = BTreeSet::new();
    for (readme, language) in [
        ("README.md", "en"),
        ("README.zh-TW.md", "zh-Hant"),
        ("README.zh-CN.md", "zh-Hans"),
    ] {
        let text = fs::read_to_string(root().join(readme)).unwrap();
        let images = Parser::new(&text).filter_map(|event| match event {
            Event::Start(Tag::Image { dest_url, .. }) => Some(dest_url.into_string()),
            _ => None,
        });
        let wanted = ["live", "alert"].map(|name| format!("docs/pictures/{name}-{language}.png"));
        assert_eq!(images.collect::<Vec<_>>(), wanted, "{readme}");
        shown.extend(wanted);
    }
    for name in &shown {
        let picture = fs::read(root().join(name)).unwrap();
        assert!(picture.starts_with(b"\x89PNG"), "{name}");
        let size = picture.len();
        assert!(
            (BYTES_MIN..BYTES_MAX).contains(&size),
            "{name}: {size} bytes"
        );
    }
    let kept = fs::read_dir(root().join("docs/pictures")).unwrap();
    assert_eq!(kept.count(), shown.len(), "pictures that no README shows");
}
