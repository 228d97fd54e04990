//! Lists the docs for `src/page/help/library.rs`, in the order of their paths. So a new page of `docs/` needs only its file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What is listed: files, and folders with all that is in them.
const ROOTS: &[&str] = &[
    "CHANGELOG.md",
    "README.md",
    "README.zh-CN.md",
    "README.zh-TW.md",
    "docs",
];

/// The endings of the files. A picture with a script must not be on the admin listener, so there is no `svg`.
const ENDINGS: &[&str] = &["md", "yml"];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let mut paths = Vec::new();
    for root in ROOTS {
        println!("cargo::rerun-if-changed={root}");
        collect(Path::new(root), &mut paths)?;
    }
    paths.sort();
    let (pages, files): (Vec<_>, Vec<_>) = paths.iter().partition(|path| has_ending(path, "md"));
    let list = table("PAGES", &pages) + &table("FILES", &files);
    let out = env::var_os("OUT_DIR").map(PathBuf::from);
    fs::write(out.unwrap_or_default().join("docs.rs"), list)
}

fn table(name: &str, paths: &[&PathBuf]) -> String {
    let mut table = format!("static {name}: &[(&str, &str)] = &[\n");
    for path in paths {
        let path = path.display();
        let file = format!("include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/{path}\"))");
        let _infallible = writeln!(table, "    (\"{path}\", {file}),");
    }
    table + "];\n"
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|is| is == ending)
}

fn collect(path: &Path, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            collect(&entry?.path(), paths)?;
        }
    } else if ENDINGS.iter().any(|ending| has_ending(path, ending)) {
        paths.push(path.to_owned());
    }
    Ok(())
}
