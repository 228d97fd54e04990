//! The database file for operators: looked at next to a running gateway, copied, checked and migrated.
//!
//! Reading takes no lock of the gateway and writes nothing. A connection that may write would, at its end, move the log of a
//! killed gateway into the file and remove it, and the next start would miss it.

mod backup;
mod migration;
mod places;
mod verification;

use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, InterruptHandle, OpenFlags};

pub use backup::Copied;
pub use migration::{Migration, migrate, migration};
pub use verification::{Damage, FOUND_MAX};

use super::{inspect, schema, with_ending};
use crate::Error;

/// A database file that is open for reading.
pub struct StoreFile {
    path: PathBuf,
    pub(in crate::sqlite) connection: Connection,
    /// The state of the file, when it was opened without locks because nobody had it open.
    alone: Option<Stamp>,
}

/// A table and how many rows it has.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TableRows {
    /// The name of the table.
    pub table: String,
    /// The sink, for a table of pending deliveries.
    pub sink: Option<String>,
    /// Its rows.
    pub rows: u64,
}

impl StoreFile {
    /// Opens the file at `path` for reading.
    ///
    /// # Errors
    /// [`Error::Open`] when there is no such file, it is not a Campanile database, or a newer Campanile wrote it.
    pub fn open(path: &Path) -> Result<Self, Error> {
        inspect::check_header(path)?;
        let alone = Stamp::of_closed(path);
        let fault =
            |e: rusqlite::Error| Error::Open(format!("cannot open {}", schema::trouble(path, &e)));
        let connection = connect(path, alone.is_some()).map_err(fault)?;
        let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
        let application = number("application_id").map_err(fault)?;
        let version = number("user_version").map_err(fault)?;
        let file = Self {
            path: path.to_owned(),
            connection,
            alone,
        };
        if let Err(foreign) = inspect::check_written(path, version, application) {
            // Without the start of its log, a young database looks like any other file.
            return Err(match file.damaged_frame()? {
                Some(frame) => {
                    schema::damaged(path, &format!("its log is damaged in frame {frame}"))
                }
                None => foreign,
            });
        }
        Ok(file)
    }

    /// Opens a file into which another store is being copied by this process.
    pub(in crate::sqlite) fn open_copy(path: &Path) -> Result<Self, Error> {
        let fault =
            |e: rusqlite::Error| Error::Open(format!("cannot open {}", schema::trouble(path, &e)));
        Ok(Self {
            path: path.to_owned(),
            connection: connect(path, false).map_err(fault)?,
            alone: None,
        })
    }

    /// The path that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Ends what another thread reads from the file.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        self.connection.get_interrupt_handle()
    }

    /// The version of the schema.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn schema(&self) -> Result<u32, Error> {
        let version = self
            .connection
            .pragma_query_value(None, "user_version", |row| row.get(0));
        version.map_err(|e| self.unread(&e))
    }

    /// The rows of every table, in the order of their names. Reads the whole of each table.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn tables(&self) -> Result<Vec<TableRows>, Error> {
        places::tables(&self.connection).map_err(|e| self.unread(&e))
    }

    /// Refuses what was read when a gateway changed the file meanwhile, which a file without locks does not show.
    ///
    /// # Errors
    /// [`Error::Read`], which says to run the command again.
    pub fn check_still(&self) -> Result<(), Error> {
        let is_same = |before: &Stamp| Stamp::of_closed(&self.path).as_ref() == Some(before);
        if self.alone.as_ref().is_none_or(is_same) {
            return Ok(());
        }
        Err(Error::Read(format!(
            "{} changed while it was read, because a gateway started. Run the command again.",
            self.path.display()
        )))
    }

    pub(in crate::sqlite) fn unread(&self, error: &rusqlite::Error) -> Error {
        if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) {
            return Error::Open("stopped before the end; nothing was written".to_owned());
        }
        Error::Read(schema::trouble(&self.path, error))
    }
}

/// What changes when another process writes to a file that nobody had open.
#[derive(PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    inode: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(found: &Metadata) -> Self {
        Self {
            bytes: found.len(),
            inode: found.ino(),
            changed: (found.mtime(), found.mtime_nsec()),
        }
    }

    /// None when a process has the file open, or did not close it: SQLite must then read its log, under its locks.
    fn of_closed(path: &Path) -> Option<Self> {
        let is_there = |ending| with_ending(path, ending).exists();
        let found = path.metadata().ok()?;
        (!is_there("-wal") && !is_there("-journal")).then(|| Self::of(&found))
    }
}

/// Without locks, SQLite creates no `-wal` and no `-shm` next to a file that is closed.
fn connect(path: &Path, alone: bool) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(uri(path, alone), flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "cache_size", -16_384)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

/// The path as a URI of SQLite, which can ask for a file without locks.
fn uri(path: &Path, alone: bool) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let escaped = |byte: &u8| match byte {
        b'/' | b'.' | b'-' | b'_' => char::from(*byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(*byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    let path: String = path.as_os_str().as_bytes().iter().map(escaped).collect();
    let query = if alone { "?immutable=1" } else { "" };
    format!("file:{path}{query}")
}
