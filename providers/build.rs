//! Lists the files of `catalog`, so that a vendor is added by adding its file and nothing else.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let catalog = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("catalog");
    println!("cargo::rerun-if-changed=catalog");
    let mut names = Vec::new();
    for entry in fs::read_dir(&catalog)? {
        let path = entry?.path();
        let is_toml = path.extension().is_some_and(|extension| extension == "toml");
        if let Some(name) = path.file_stem().and_then(|stem| stem.to_str()).filter(|_| is_toml) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    let mut list = String::from("static FILES: &[(&str, &str)] = &[\n");
    for name in names {
        let path = catalog.join(format!("{name}.toml"));
        writeln!(list, "    ({name:?}, include_str!({:?})),", path.display().to_string())?;
    }
    list.push_str("];\n");
    fs::write(Path::new(&env::var("OUT_DIR")?).join("catalog.rs"), list)?;
    Ok(())
}
