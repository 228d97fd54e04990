//! The lock beside the file, and the word in it: that a store was made here, and whether its log must be there.
//!
//! SQLite takes an empty file for a new one, and a missing log for an empty one. Without the mark, a lost file would be
//! a fresh start in silence.

use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::beside;
use crate::Error;

/// The words have one length, so that one is written over the other without room being needed.
const OPEN: &str = "open  ";
const CLOSED: &str = "closed";

const NOTE: &str = "Campanile holds this file locked while it runs, and notes here that a database stands beside it.\n\
                    Remove it only to begin with an empty database, or after another one was put in its place.\n";

/// The held lock.
pub(super) struct Mark {
    file: File,
    path: PathBuf,
    said: String,
}

impl Mark {
    /// Takes the lock, so that two gateways never share one file, and reads what the last holder left.
    pub(super) fn take(database: &Path) -> Result<Self, Error> {
        let path = beside(database, ".lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|e| unmade(&path, &e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Open(format!(
                    "{} is in use by another Campanile. Stop that one first, or name another file in [store] url.",
                    database.display()
                )));
            }
            Err(TryLockError::Error(e)) => {
                return Err(Error::Open(format!(
                    "cannot lock {}: {e}. SQLite needs a local disk, not a network file system.",
                    path.display()
                )));
            }
        }
        let said = io::read_to_string(&file).unwrap_or_default();
        Ok(Self { file, path, said })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a store was made here before.
    pub(super) fn was_made(&self) -> bool {
        self.said.starts_with(OPEN) || self.said.starts_with(CLOSED)
    }

    /// Whether this very file was open when its holder ended without closing it: then its log is still needed.
    pub(super) fn wants_log_of(&self, database: &Metadata) -> bool {
        self.said.starts_with(&words(OPEN, database))
    }

    /// The file is open and its log is there. What cannot be written is no claim, and does no harm.
    pub(super) fn opened(&self, database: &Path) -> io::Result<()> {
        // The log's name must be on the disk before its absence can mean anything.
        let folder = database.parent().filter(|f| !f.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        let words = words(OPEN, &database.metadata()?);
        self.write((words + "\n" + NOTE).as_bytes())
    }

    /// The file is about to be closed, which removes the log.
    pub(super) fn closing(&self) -> io::Result<()> {
        self.write(CLOSED.as_bytes())
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, 0)?;
        self.file.sync_data()
    }
}

impl Drop for Mark {
    /// Given back by word: a child that was forked meanwhile and still holds the file would keep the lock.
    fn drop(&mut self) {
        let _failed = self.file.unlock();
    }
}

fn unmade(path: &Path, error: &io::Error) -> Error {
    Error::Open(format!(
        "cannot make {}: {error}. Its folder must exist, and the user that runs Campanile must be allowed to write there.",
        path.display()
    ))
}

/// A copy that was put in the place of a file has another number or another time of birth.
fn words(state: &str, database: &Metadata) -> String {
    let born = database.created().ok();
    let born = born.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let born = born.map_or(0, |age| age.as_nanos());
    format!("{state} {:020} {born:030}", database.ino())
}
