//! How a mistake is shown: its line, a caret under its word, and the place in fields.

use campanile::config::{Location, Mistake};

use super::{load, load_files};

fn place(mistake: &Mistake) -> (usize, usize) {
    match &mistake.location {
        Location::Line(line) => (line.line, line.column),
        other => panic!("{other:?} is not a line"),
    }
}

#[test]
fn five_different_mistakes_show_five_each_in_its_place() {
    let mistakes = load(
        "[server]\n\
         listen = \"localhost:8080\"\n\
         [providers.ucloud.prod]\n\
         key = \"changeme\"\n\
         sevrity = \"warning\"\n\
         [sinks.webhook.oncall]\n\
         url = \"https://oncall.example.com\"\n\
         timeout = \"15\"\n\
         [[routes]]\n\
         sinks = [\"webhook/oncal\"]\n",
    )
    .unwrap_err();
    let places: Vec<_> = mistakes.iter().map(place).collect();
    assert_eq!(
        places,
        [(2, 10), (4, 7), (5, 1), (8, 11), (10, 10)],
        "{mistakes}"
    );
}

#[test]
fn a_mistake_is_drawn_with_its_line_a_caret_and_the_nearest_word() {
    let (folder, loaded) = load_files(&[("campanile.toml", "[log]\nfromat = \"json\"\n")], &[]);
    let drawn = loaded.unwrap_err().to_string();
    let file = folder.path().join("campanile.toml");
    let wanted = format!(
        "error: unknown setting `fromat`\n  --> {}:2:1\n  |\n2 | fromat = ***\n  | ^^^^^^ expected `format` or `level`; did you mean `format`?\n",
        file.display()
    );
    assert_eq!(drawn, wanted);
}

#[test]
fn the_caret_stands_under_its_word_behind_chinese_text() {
    let mistakes =
        load("[providers.ucloud.prod]\nopen = true\nlabels = { a = \"监控\", b = 3 }").unwrap_err();
    let drawn = mistakes.to_string();
    let lines: Vec<_> = drawn.lines().collect();
    assert!(
        lines[3].ends_with("labels = { a = \"监控\", b = 3 }"),
        "{drawn}"
    );
    // Two columns for each of the two characters.
    assert_eq!(
        lines[4].find('^'),
        lines[3].find("3 }").map(|bytes| bytes - 6 + 4),
        "{drawn}"
    );
}

#[test]
fn json_names_the_place_in_fields() {
    let json = load("[log]\nfromat = 'x'\n").unwrap_err().to_json();
    assert_eq!(json[0]["line"], 2);
    assert_eq!(json[0]["column"], 1);
    assert_eq!(json[0]["nearest"], "format");
    assert!(
        json[0]["file"]
            .as_str()
            .unwrap()
            .ends_with("campanile.toml")
    );
}

/// Found by a fuzzer's care for time: each character had the whole line before it measured, and each unknown word was
/// compared sign by sign with every known one.
#[test]
fn a_mistake_in_a_line_of_any_length_is_shown() {
    let long = "x".repeat(1024 * 1024);
    for text in [
        format!("[server]\nlisten = \"{long}\"\n"),
        format!("[server]\n{long} = 1\n"),
        format!("[[routes]]\nwhen = \"{long} == 'x'\"\nsinks = []\n"),
    ] {
        let mistakes = load(&text).unwrap_err();
        assert!(mistakes.to_string().contains("error: "));
    }
}
