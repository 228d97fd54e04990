//! The lock file, and the mark in it: whether a database was created here, and whether its log must exist.
//!
//! SQLite takes an empty file for a new database, and a missing log for an empty one. Without the mark, a lost file would
//! silently become an empty database.

use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::with_ending;
use crate::Error;

/// Both words have the same length: one overwrites the other without more disk space.
const OPEN: &str = "open  ";
const CLOSED: &str = "closed";

const NOTE: &str = "Campanile locks this file while it runs, and records here that a database exists next to it.\n\
                    Remove this file only to start with an empty database, or after you replaced the database.\n";

/// The lock, held until it is dropped.
pub(super) struct Mark {
    file: File,
    path: PathBuf,
    said: String,
}

impl Mark {
    /// Takes the lock, so two gateways never share one file, and reads the mark of the last holder.
    pub(super) fn take(database: &Path) -> Result<Self, Error> {
        let path = with_ending(database, ".lock");
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
                    "{} is in use by another Campanile process. Stop that process first, or set [store] url to another file.",
                    database.display()
                )));
            }
            Err(TryLockError::Error(e)) => {
                return Err(Error::Open(format!(
                    "cannot lock {}: {e}. Put the database on a local disk: SQLite does not work on a network file system.",
                    path.display()
                )));
            }
        }
        let said = io::read_to_string(&file).unwrap_or_default();
        Ok(Self { file, path, said })
    }

    /// The path of the lock file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a database was created here before.
    pub(super) fn was_made(&self) -> bool {
        self.said.starts_with(OPEN) || self.said.starts_with(CLOSED)
    }

    /// Whether the last holder ended without closing this file. Its log is then still needed.
    pub(super) fn wants_log_of(&self, database: &Metadata) -> bool {
        self.said.starts_with(&words(OPEN, database))
    }

    /// Records that the database is open and its log exists. A failed write leaves the older mark, which is safe.
    pub(super) fn opened(&self, database: &Path) -> io::Result<()> {
        // The folder entry of the log must be synced first. Only then does a missing log mean a loss.
        let folder = database.parent().filter(|f| !f.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        let words = words(OPEN, &database.metadata()?);
        self.write((words + "\n" + NOTE).as_bytes())
    }

    /// Records that the database is about to be closed, which removes the log.
    pub(super) fn closing(&self) -> io::Result<()> {
        self.write(CLOSED.as_bytes())
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, 0)?;
        self.file.sync_data()
    }
}

impl Drop for Mark {
    /// Unlocks explicitly: a forked child that still has the file open would keep the lock.
    fn drop(&mut self) {
        let _failed = self.file.unlock();
    }
}

/// Keeps gateways away from a database that is only read, until the file is dropped. None: no gateway ever had the database. Writes
/// nothing.
pub(super) fn keep_out(database: &Path) -> Result<Option<File>, TryLockError> {
    let file = match File::open(with_ending(database, ".lock")) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(TryLockError::Error(error)),
    };
    file.try_lock()?;
    Ok(Some(file))
}

fn unmade(path: &Path, error: &io::Error) -> Error {
    Error::Open(format!(
        "cannot create {}: {error}. Its folder must exist, and the user that runs Campanile must be allowed to write there.",
        path.display()
    ))
}

/// The state with inode and creation time. A copy in the place of the file has other values.
fn words(state: &str, database: &Metadata) -> String {
    let born = database.created().ok();
    let born = born.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let born = born.map_or(0, |age| age.as_nanos());
    format!("{state} {:020} {born:030}", database.ino())
}
