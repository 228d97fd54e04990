//! Any text as a config file: it is accepted, or every mistake in it has a place and can be shown.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use campanile::config::{Environment, Location, Mistakes, load};
use tempfile::TempDir;

use crate::Seeds;

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| TempDir::new().expect("a temporary folder"));

/// The input is the file.
pub fn holds(bytes: &[u8]) {
    let file = written(bytes);
    let environment = Environment::from([("TOKEN".to_owned(), "3e5f1c7a9b".to_owned())]);
    if let Err(mistakes) = load(&[file], &environment) {
        have_places(&mistakes, bytes);
    }
}

/// The config files of the repository, whole and table by table, and some with mistakes.
pub fn seeds() -> Seeds {
    const FULL: &str = include_str!("../../../../config/full.toml");
    let tables = FULL.split("\n[").map(|table| format!("[{table}"));
    // Every setting of the full file is commented out. This is the file without the comment marks.
    let live = |table: &String| table.replace("\n# ", "\n").replace("\n#", "\n");
    let tables: Vec<_> = tables.filter(|table| table.len() < 4096).collect();
    let on: Vec<_> = tables.iter().map(live).collect();
    let own = [
        include_str!("../../../../config/demo.toml"),
        include_str!("../../../../config/minimal.toml"),
        "[providers.ucloud.prod]\nkey = \"3e5f1c7a9b\"\nallow_from = [\"10.0.0.0/8\"]\n",
        "[[routes]]\nwhen = \"severity == 'critical'\"\nsinks = [\"webhook/oncall\"]\n",
        "[sinks.webhook.oncall]\nurl = \"https://a.example/\"\nbody = \"{{ title|tojson }}\"\n",
        "[providers.acme.a]\ntoken = { env = \"TOKEN\" }\n[mappings.acme]\ntitle = \"A\"\n",
    ];
    let own = own.map(|text| text.as_bytes().to_vec());
    own.into_iter()
        .chain(tables.into_iter().chain(on).map(String::into_bytes))
        .collect()
}

fn written(bytes: &[u8]) -> PathBuf {
    let name = format!("{:?}.toml", std::thread::current().id());
    let file = FOLDER.path().join(name);
    fs::write(&file, bytes).expect("a writable temporary file");
    file
}

fn have_places(mistakes: &Mistakes, bytes: &[u8]) {
    let lines = String::from_utf8_lossy(bytes).matches('\n').count() + 1;
    assert!(mistakes.iter().count() > 0, "refused without a mistake");
    for mistake in mistakes {
        assert!(!mistake.message.is_empty(), "a mistake without a message");
        if let Location::Line(at) = &mistake.location {
            assert!(
                (1..=lines).contains(&at.line),
                "line {} of {lines}",
                at.line
            );
            assert!(at.column >= 1, "a mistake with column 0");
        }
    }
    assert!(
        mistakes.to_string().contains("error: "),
        "the mistakes are shown as an empty text"
    );
    assert!(
        mistakes.to_json().is_array(),
        "the JSON of the mistakes is not a list"
    );
}
