//! Copies a database file, also of a running gateway, to a file that is complete and checked when it has its name.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::{StoreFile, TableRows};
use crate::Error;
use crate::sqlite::with_ending;

/// A finished copy.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Copied {
    /// Its size.
    pub bytes: u64,
    /// The version of its schema.
    pub schema: u32,
    /// Its tables.
    pub tables: Vec<TableRows>,
}

impl StoreFile {
    /// Copies what is committed now to the new file `to`. `VACUUM INTO` reads one snapshot, so the copy is consistent, and the
    /// gateway continues. Until the end the copy has a temporary name in the same folder.
    ///
    /// # Errors
    /// [`Error::Open`] when `to` exists, its folder does not, or it cannot be written. Then nothing is left behind.
    pub fn copy_to(&self, to: &Path) -> Result<Copied, Error> {
        check_free(to)?;
        let last = "SELECT coalesce(max(seq), 0) FROM alert";
        let last = |file: &Self| {
            let last = file.connection.query_row(last, [], |row| row.get(0));
            last.map_err(|e| file.unread(&e))
        };
        let (schema, newest): (_, i64) = (self.schema()?, last(self)?);
        let partial = Partial::create(to)?;
        let name = partial
            .0
            .to_str()
            .ok_or_else(|| Error::Open(format!("{} is not valid UTF-8", partial.0.display())))?;
        let copied = self.connection.execute("VACUUM INTO ?1", [name]);
        copied.map_err(|error| self.uncopied(&error, to))?;
        self.check_still()?;
        let unsynced = |e: io::Error| Error::Open(format!("cannot write {}: {e}", to.display()));
        File::open(&partial.0)
            .and_then(|file| file.sync_all())
            .map_err(unsynced)?;
        let copy = Self::open(&partial.0)?;
        let damage = copy.check_pages()?;
        if !damage.is_none() || copy.schema()? != schema || last(&copy)? < newest {
            return Err(Error::Read(format!(
                "the copy is not complete, so it was removed. Check both disks, and {} with `campanile store verify`. {}",
                self.path.display(),
                damage.found.join("; ")
            )));
        }
        let tables = copy.tables()?;
        let bytes = fs::metadata(&partial.0).map_err(unsynced)?.len();
        partial.finish(to).map_err(unsynced)?;
        Ok(Copied {
            bytes,
            schema,
            tables,
        })
    }

    fn uncopied(&self, error: &rusqlite::Error, to: &Path) -> Error {
        if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) {
            return self.unread(error);
        }
        let (from, to) = (self.path.display(), to.display());
        let bytes = self.path.metadata().map_or(0, |found| found.len());
        Error::Open(match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => format!(
                "no space is left for {to}: the copy needs up to {bytes} bytes. Nothing was kept. Free some space, or choose \
                 another disk."
            ),
            _ => format!(
                "cannot copy {from} to {to}: {error}. Nothing was kept. Check both disks; `campanile store verify` checks {from}."
            ),
        })
    }
}

/// A backup never replaces a file.
fn check_free(to: &Path) -> Result<(), Error> {
    let shown = to.display();
    if to.symlink_metadata().is_ok() {
        return Err(taken(to));
    }
    let folder = folder(to);
    if folder.is_dir() {
        return Ok(());
    }
    Err(Error::Open(format!(
        "the folder {} of {shown} does not exist. Create it, or choose another one.",
        folder.display()
    )))
}

fn taken(to: &Path) -> Error {
    Error::Open(format!(
        "{} exists already, and a backup never replaces a file. Choose another name, or remove the file first.",
        to.display()
    ))
}

fn folder(of: &Path) -> &Path {
    let folder = of.parent().filter(|f| !f.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// An unfinished copy. It is removed when it is dropped.
struct Partial(PathBuf);

impl Partial {
    /// Only its owner can read it: it has what vendors sent.
    fn create(to: &Path) -> Result<Self, Error> {
        let ending = format!(".{:08x}.partial", rand::random::<u32>());
        let path = with_ending(to, &ending);
        // An absolute path is never taken for a URI.
        let path = std::path::absolute(&path).unwrap_or(path);
        let made = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        made.map_err(|e| {
            Error::Open(format!(
                "cannot create {}: {e}. The user that runs the backup must be allowed to write there.",
                path.display()
            ))
        })?;
        Ok(Self(path))
    }

    /// Gives the copy its name, unless another file took it meanwhile.
    fn finish(self, to: &Path) -> io::Result<()> {
        match fs::hard_link(&self.0, to) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(error),
            // A file system without hard links.
            Err(_) if to.symlink_metadata().is_err() => fs::rename(&self.0, to)?,
            Err(error) => return Err(error),
        }
        let _renamed = fs::remove_file(&self.0);
        File::open(folder(to))?.sync_all()
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        let _renamed = fs::remove_file(&self.0);
    }
}
