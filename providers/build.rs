//! Lists `fixtures/` for `fixture.rs` and `catalog/` for `mapping/catalog.rs`, both in alphabetical order. So a new vendor
//! needs only its files.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    write("fixtures.rs", &fixtures()?)?;
    write("catalog.rs", &catalog()?)
}

fn write(name: &str, list: &str) -> io::Result<()> {
    let out = env::var_os("OUT_DIR")
        .map(PathBuf::from)
        .unwrap_or_default();
    fs::write(out.join(name), list)
}

fn catalog() -> io::Result<String> {
    println!("cargo::rerun-if-changed=catalog");
    let mut list = String::from("static FILES: &[(&str, &str)] = &[\n");
    for file in sorted(Path::new("catalog"))? {
        if file.extension().is_some_and(|is| is == "toml") {
            let name = stem(&file);
            let path = format!("concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/catalog/{name}.toml\")");
            let _infallible = writeln!(list, "    ({name:?}, include_str!({path})),");
        }
    }
    list.push_str("];\n");
    Ok(list)
}

fn fixtures() -> io::Result<String> {
    let root = Path::new("../fixtures");
    let mut list = String::from("static ALL: &[(&str, &[Fixture])] = &[\n");
    for provider in sorted(root)?
        .iter()
        .filter(|path| path.is_dir() && !path.ends_with("sinks"))
    {
        let name = stem(provider);
        let _infallible = writeln!(list, "    ({name:?}, &[");
        for request in sorted(provider)? {
            if request.extension().is_some_and(|is| is == "http") {
                list.push_str(&entry(&name, &request));
            }
        }
        list.push_str("    ]),\n");
    }
    list.push_str("];\n");
    println!("cargo::rerun-if-changed={}", root.display());
    Ok(list)
}

fn entry(provider: &str, request: &Path) -> String {
    let case = stem(request);
    let at = |kind: &str| {
        format!("concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/../fixtures/{provider}/{case}.{kind}\")")
    };
    let expected = if request.with_extension("json").exists() {
        format!("include_str!({})", at("json"))
    } else {
        String::from("\"\"")
    };
    let request = format!("include_bytes!({})", at("http"));
    format!(
        "        Fixture {{ provider: {provider:?}, case: {case:?}, request: {request}, expected: {expected} }},\n"
    )
}

fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()?;
    paths.sort();
    Ok(paths)
}

fn stem(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}
