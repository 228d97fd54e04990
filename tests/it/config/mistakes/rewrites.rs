//! In a rewrite or a table.

use super::super::load_files;
use super::Expected;

pub(crate) const MISTAKES: &[Expected] = &[
    (
        "[[rewrites]]\nset = { severity = \"'crit'\" }\n",
        (2, 21),
        &["`set.severity` cannot be compiled", "critical, error"],
    ),
    (
        "[[rewrites]]\nset = { \"labels.team\" = \"lables.a\" }\n",
        (2, 26),
        &["unknown name `lables`", "did you mean `labels`"],
    ),
    (
        "[[rewrites]]\nset.labels.team = \"table.team\"\n",
        (2, 20),
        &["`set.labels.team`", "the rewrite names none"],
    ),
    (
        "[[rewrites]]\nset = { fingerprint = \"title\" }\n",
        (2, 23),
        &["`set` has `fingerprint`, which cannot be changed"],
    ),
    (
        "[[rewrites]]\nset = { severty = \"'error'\" }\n",
        (2, 19),
        &["`severty`", "did you mean `severity`"],
    ),
    ("[[rewrites]]\nset = {}\n", (2, 7), &["`set` is empty"]),
    (
        "[[rewrites]]\nredact = [\"labels.a\", \"severity\"]\n",
        (2, 23),
        &["which is not a text"],
    ),
    (
        "[[rewrites]]\nmatch = { severity = \"info\" }\n",
        (1, 1),
        &["the rewrite changes nothing"],
    ),
    (
        "[[rewrites]]\ntable = \"cmbd\"\nset = { title = \"title\" }\n",
        (2, 9),
        &["there is no table `cmbd`", "[tables.NAME]"],
    ),
    (
        "[[rewrites]]\nname = \"1\"\nset = { title = \"title\" }\n",
        (2, 8),
        &["not a valid name of a rewrite"],
    ),
    (
        "[[rewrites]]\nname = \"a\"\nset = { title = \"title\" }\n[[rewrites]]\nname = \"a\"\nset = { title = \"title\" }\n",
        (5, 8),
        &["two rewrites are called `a`"],
    ),
    ("[rewrites]\nset = {}\n", (1, 2), &["[[rewrites]]"]),
    (
        "[[rewrites]]\nwen = \"true\"\nset = { title = \"title\" }\n",
        (2, 1),
        &["unknown setting `wen`", "did you mean `when`"],
    ),
    (
        "[tables.cmdb]\nfile = \"none.csv\"\nkey = \"resource.id\"\n",
        (2, 8),
        &["none.csv cannot be read", "a CSV file"],
    ),
    (
        "[tables.cmdb]\nfile = \"none.csv\"\nkey = \"resource.di\"\n",
        (3, 7),
        &["`key` has `resource.di`", "did you mean `resource.id`"],
    ),
    (
        "[tables.cmdb]\nkey = \"resource.id\"\n",
        (1, 9),
        &["`tables.cmdb` has no `file`"],
    ),
    ("[tables]\ncmdb = \"cmdb.csv\"\n", (2, 1), &["not a table"]),
];

#[test]
fn every_mistake_in_tables_and_rewrites_is_reported_at_once_with_its_place() {
    let config = "[tables.cmdb]\nfile = \"cmdb.csv\"\nkey = \"resource.id\"\n\
        [tables.good]\nfile = \"good.csv\"\nkey = \"resource.id\"\ncolumn = \"host\"\n\
        [[rewrites]]\ntable = \"cmdb\"\nset = { title = \"table.none\" }\n\
        [[rewrites]]\ntable = \"good\"\nset = { title = \"'x' ~ table.taem\" }\nredact = [\"source\"]\n";
    let files = [
        ("campanile.toml", config),
        ("cmdb.csv", "id,team\na,db\nb\na,web\n"),
        ("good.csv", "team,host\ndb,a\n"),
    ];
    let (_folder, loaded) = load_files(&files, &[]);
    let drawn = loaded.unwrap_err().to_string();
    for words in [
        "cmdb.csv:3:1",
        "3 | b",
        "the row has 1 cells, but the first line has 2 columns",
        "cmdb.csv:4:1",
        "two rows have the key `a`",
        "campanile.toml:13:24",
        "the table has no column `taem`: did you mean `team`?",
        "campanile.toml:14:11",
        "`redact` has `source`, which cannot be changed",
    ] {
        assert!(drawn.contains(words), "{words}\n{drawn}");
    }
    // The columns of a table with a mistake are not known.
    assert_eq!(drawn.matches("error: ").count(), 4, "{drawn}");
}
