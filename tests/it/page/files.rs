//! Rules of the files of the pages: sizes, contrast, no inline script or style.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{files, read};

#[test]
fn script_and_style_stay_small() {
    let (style, script) = (read("assets/page.css"), read("assets/page.js"));
    assert!(
        style.len() <= 12 * 1024,
        "page.css has {} bytes",
        style.len()
    );
    assert!(
        script.len() <= 8 * 1024,
        "page.js has {} bytes",
        script.len()
    );
    assert!(
        script.lines().count() <= 300,
        "page.js has {} lines",
        script.lines().count()
    );
    let mut all = GzEncoder::new(Vec::new(), Compression::default());
    for (_, text) in files("assets") {
        all.write_all(text.as_bytes()).unwrap();
    }
    // A page itself may take the other 8 KB.
    let bytes = all.finish().unwrap().len();
    assert!(bytes <= 8 * 1024, "{bytes} bytes of assets, compressed");
}

#[test]
fn a_template_has_no_script_style_or_handler_of_its_own() {
    for (name, text) in files("html") {
        assert!(!text.contains("style="), "{name}: an inline style");
        assert!(!text.contains("<style"), "{name}: an inline style sheet");
        assert!(!text.contains("|safe"), "{name}: text that is not escaped");
        for script in text.split("<script").skip(1) {
            assert!(
                script.starts_with(" type=\"module\" src=\""),
                "{name}: an inline script"
            );
        }
        let handler = text
            .split_whitespace()
            .find(|word| word.starts_with("on") && word.contains("=\""));
        assert_eq!(handler, None, "{name}: an inline handler");
    }
}

/// The light and the dark value of a token.
fn token(style: &str, name: &str) -> [[f64; 3]; 2] {
    let start = format!("--{name}: light-dark(");
    let (_, rest) = style
        .split_once(&start)
        .unwrap_or_else(|| panic!("there is no token {name}"));
    let (values, _) = rest.split_once(')').unwrap();
    let (light, dark) = values.split_once(", ").unwrap();
    [light, dark].map(|value| {
        let part = |at: usize| u8::from_str_radix(value.get(at..at + 2).unwrap(), 16).unwrap();
        [part(1), part(3), part(5)].map(|part| f64::from(part) / 255.0)
    })
}

/// The contrast of two colours as WCAG 2.2 defines it.
fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let luminance = |colour: [f64; 3]| {
        let linear = colour.map(|c| {
            if c <= 0.04045 {
                c / 12.92
            } else {
                ((c + 0.055) / 1.055).powf(2.4)
            }
        });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn text_and_shapes_have_contrast_in_both_themes() {
    const TEXT: &[(&str, &str)] = &[
        ("text", "ground"),
        ("text", "raised"),
        ("quiet", "ground"),
        ("link", "ground"),
        ("on-critical", "critical"),
        ("on-error", "error"),
        ("on-warning", "warning"),
        ("info", "ground"),
        ("unknown", "ground"),
        ("resolved", "ground"),
        ("bad", "ground"),
    ];
    const SHAPES: &[(&str, &str)] = &[
        ("edge", "ground"),
        ("focus", "ground"),
        ("warning-edge", "ground"),
        ("critical", "ground"),
        ("error", "ground"),
    ];
    let style = read("assets/page.css");
    for (pairs, least) in [(TEXT, 4.5), (SHAPES, 3.0)] {
        for (of, on) in pairs {
            let themes = token(&style, of).into_iter().zip(token(&style, on));
            for (theme, (a, b)) in ["light", "dark"].iter().zip(themes) {
                let seen = contrast(a, b);
                assert!(seen >= least, "{of} on {on}, {theme}: {seen:.1} < {least}");
            }
        }
    }
}
