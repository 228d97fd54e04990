//! Lists `catalog/` for `catalog.rs` in alphabetical order: a recipe is added by adding its file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=catalog");
    let mut names = Vec::new();
    for entry in fs::read_dir(Path::new("catalog"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|is| is == "toml") {
            let stem = path.file_stem().unwrap_or_default();
            names.push(stem.to_string_lossy().into_owned());
        }
    }
    names.sort();
    let mut list = String::from("static FILES: &[(&str, &str)] = &[\n");
    for name in names {
        let path = format!("concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/catalog/{name}.toml\")");
        let _infallible = writeln!(list, "    ({name:?}, include_str!({path})),");
    }
    list.push_str("];\n");
    let out = env::var_os("OUT_DIR").map(PathBuf::from);
    fs::write(out.unwrap_or_default().join("catalog.rs"), list)
}
