//! Writes the seeds of every target into `<folder>/<target>/`, as the first corpus of a fuzzer: `seeds fuzz/corpus`.

use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = env::args_os().nth(1).map(PathBuf::from);
    let root =
        root.ok_or_else(|| io::Error::other("name the folder to write to: `seeds FOLDER`"))?;
    for target in campanile_laws::TARGETS {
        let folder = root.join(target.name);
        fs::create_dir_all(&folder)?;
        for (at, seed) in (target.seeds)().into_iter().enumerate() {
            fs::write(folder.join(format!("seed-{at:04}")), seed)?;
        }
    }
    Ok(())
}
