//! Runs every law over the seeds of its fuzz target, and over all inputs that once broke it. It needs no fuzzer.

use std::fs;
use std::path::Path;

use campanile_laws::TARGETS;

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_law_holds_over_the_seeds_of_its_target() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        for seed in seeds {
            (target.holds)(&seed);
        }
    }
}

#[test]
fn what_once_broke_a_law_breaks_it_no_more() {
    for entry in fs::read_dir(folder().join("regressions")).expect("regressions/") {
        let entry = entry.expect("an entry").path();
        let name = entry.file_stem().expect("a name").to_string_lossy();
        let target = TARGETS.iter().find(|target| name.starts_with(target.name));
        let target = target.unwrap_or_else(|| {
            panic!("{name}: the name of the file must start with the name of a target")
        });
        (target.holds)(&fs::read(&entry).expect("a readable file"));
    }
}

/// Another toolchain builds the targets. This test checks as much of them as is possible without it.
#[test]
fn every_law_has_its_target_and_every_target_its_law() {
    let manifest = fs::read_to_string(folder().join("../Cargo.toml")).expect("fuzz/Cargo.toml");
    for target in TARGETS {
        let file = folder()
            .join("../targets")
            .join(target.name)
            .with_extension("rs");
        let text = fs::read_to_string(&file).expect("a target of this name in fuzz/targets/");
        let law = format!("campanile_laws::{}::holds(bytes)", target.name);
        assert!(
            text.contains(&law),
            "{}: does not call {law}",
            file.display()
        );
        let entry = format!("name = \"{0}\"\npath = \"targets/{0}.rs\"", target.name);
        assert!(
            manifest.contains(&entry),
            "fuzz/Cargo.toml has no target {}",
            target.name
        );
    }
    assert_eq!(
        manifest.matches("[[bin]]").count(),
        TARGETS.len(),
        "a target has no law"
    );
}
