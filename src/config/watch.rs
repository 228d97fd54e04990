//! Watches the files of the configuration.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;

/// How often the files are looked at. A change is reported when two looks in a row saw the same, because editors write
/// in several steps.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// One `()` for each change of a file or of a folder's files, after the writing ended. Must be called within a tokio
/// runtime; the watching ends when the receiver is dropped.
///
/// The files are polled. A subscription would miss that editors and Kubernetes replace a file by a new one, and a database
/// in the same folder would wake it with every commit.
pub fn changes(paths: &[PathBuf]) -> mpsc::Receiver<()> {
    let (changed, receiver) = mpsc::channel(1);
    let paths = paths.to_vec();
    let mut seen = look(&paths);
    tokio::spawn(async move {
        let mut unsettled = false;
        while !changed.is_closed() {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = look(&paths);
            if now != seen {
                seen = now;
                unsettled = true;
            } else if unsettled {
                unsettled = false;
                // A full channel: the receiver has not looked at the change before, and will see both.
                let _full = changed.try_send(()).is_err();
            }
        }
    });
    receiver
}

/// The state of a file: it changes when the file does.
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
