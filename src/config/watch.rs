//! Tells when a file of the configuration has changed.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;

/// How often the files are looked at. A change is told when two looks in a row saw the same, because editors write in
/// several steps.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// One `()` for each change of a file or of a folder's files, after the writing ended. Must be called within a tokio
/// runtime; the watching ends when the receiver is dropped.
///
/// Files are looked at now and then, not subscribed to: editors and Kubernetes put a new file in the place of the old one,
/// and a database that stands beside the config would wake a subscriber with every commit.
pub fn changes(paths: &[PathBuf]) -> mpsc::Receiver<()> {
    let (told, receiver) = mpsc::channel(1);
    let paths = paths.to_vec();
    let mut seen = look(&paths);
    tokio::spawn(async move {
        let mut unsettled = false;
        while !told.is_closed() {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = look(&paths);
            if now != seen {
                seen = now;
                unsettled = true;
            } else if unsettled {
                unsettled = false;
                // A full channel: the receiver has not looked at the change before, and will see both.
                let _full = told.try_send(()).is_err();
            }
        }
    });
    receiver
}

/// What tells one state of a file from another.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    path: PathBuf,
    inode: u64,
    bytes: u64,
    modified: Option<SystemTime>,
}

fn look(paths: &[PathBuf]) -> Vec<Seen> {
    let files = paths.iter().flat_map(|path| {
        if path.is_dir() {
            tables(path)
        } else {
            vec![path.clone()]
        }
    });
    let mut seen: Vec<Seen> = files.filter_map(state).collect();
    seen.sort();
    seen
}

/// The files of a folder that are configuration.
fn tables(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect()
}

/// Links are followed: Kubernetes swaps the folder behind one.
fn state(path: PathBuf) -> Option<Seen> {
    let facts = std::fs::metadata(&path).ok()?;
    Some(Seen {
        path,
        inode: facts.ino(),
        bytes: facts.len(),
        modified: facts.modified().ok(),
    })
}
