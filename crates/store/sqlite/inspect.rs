//! Checks the database files before SQLite opens them. SQLite would repair, convert or recreate them without an error.
//!
//! Refused files are not changed.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::path::Path;

use super::log::{self, Fault, Log, number};
use super::mark::Mark;
use super::{schema, with_ending};
use crate::Error;
use crate::copy::unfinished;

/// The bytes of the file header and the header of the first b-tree page.
const HEAD: usize = 108;
const MAGIC: &[u8] = b"SQLite format 3\0";
const JOURNAL_MAGIC: &[u8] = &[0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];

/// Refuses a file that is not a Campanile database, is incomplete, or cannot be written.
pub(super) fn check(path: &Path, mark: &Mark) -> Result<(), Error> {
    check_for(path, mark, false)
}

/// The same for the target of a copy, which can be unfinished.
pub(super) fn check_target(path: &Path, mark: &Mark) -> Result<(), Error> {
    check_for(path, mark, true)
}

fn check_for(path: &Path, mark: &Mark, copying: bool) -> Result<(), Error> {
    let found = match path.metadata() {
        Ok(found) => Some(found),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(forbidden(path, &error)),
    };
    if found.as_ref().is_some_and(|found| !found.is_file()) {
        return Err(Error::Open(format!(
            "{} is not a file. [store] url names the database file itself, such as sqlite:/var/lib/campanile/campanile.db.",
            path.display()
        )));
    }
    match found.filter(|found| found.len() > 0) {
        None => check_fresh(path, mark),
        Some(found) => {
            for name in [path, &with_ending(path, "-wal"), &with_ending(path, "-shm")] {
                check_writable(name)?;
            }
            if !mark.was_made() && is_half_created(path) {
                return Ok(());
            }
            check_kept(path, &found, mark, copying)
        }
    }
}

/// There is no database. Refuses when there was one before.
fn check_fresh(path: &Path, mark: &Mark) -> Result<(), Error> {
    let log = with_ending(path, "-wal");
    let logged = log.metadata().map_or(0, |found| found.len());
    let (shown, gone) = (path.display(), "is missing or empty");
    if logged > 0 {
        return Err(Error::Open(format!(
            "{shown} {gone}, but its log {} holds {logged} bytes, which can contain alerts that were answered. Nothing was \
             changed. Copy both files to another folder, restore a backup of the database, and remove the log.",
            log.display()
        )));
    }
    if mark.was_made() {
        return Err(Error::Open(format!(
            "{shown} {gone}, and {} says that a database was kept here. Nothing was changed. Check that the disk is mounted, \
             or restore the file from a backup. To start with an empty database instead, remove {}.",
            mark.path().display(),
            mark.path().display()
        )));
    }
    Ok(())
}

/// The usual reason is a file that root owns, from a `sqlite3` that was run as root.
fn check_writable(path: &Path) -> Result<(), Error> {
    match File::options().read(true).write(true).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(forbidden(path, &error)),
    }
}

fn forbidden(path: &Path, error: &std::io::Error) -> Error {
    Error::Open(format!(
        "cannot open {} for reading and writing: {error}. The user that runs Campanile must own the file, and the disk must \
         not be mounted read-only.",
        path.display()
    ))
}

/// Whether the power failed while SQLite wrote the first pages of the file. Its rollback journal then says that the database
/// had no pages before, and SQLite empties the file when it opens it. Nothing was answered by then.
/// The header of a journal: <https://sqlite.org/fileformat.html#the_rollback_journal>.
fn is_half_created(path: &Path) -> bool {
    let journal = head(&with_ending(path, "-journal")).unwrap_or_default();
    journal.starts_with(JOURNAL_MAGIC) && journal.len() >= 20 && number(&journal, 16) == 0
}

fn check_kept(path: &Path, found: &Metadata, mark: &Mark, copying: bool) -> Result<(), Error> {
    let (shown, log_path) = (path.display(), with_ending(path, "-wal"));
    let head = head(path).map_err(|error| forbidden(path, &error))?;
    if !head.starts_with(MAGIC) || head.len() < HEAD {
        return Err(schema::damaged(
            path,
            "its header is not that of a SQLite database",
        ));
    }
    let log = log::read(&log_path).map_err(|fault| match fault {
        Fault::Fault(error) => forbidden(&log_path, &error),
        Fault::Damaged(frame) => schema::damaged(
            path,
            &format!(
                "its log {} is damaged in frame {frame}, and later frames hold alerts that were answered",
                log_path.display()
            ),
        ),
    })?;
    check_identity(path, log.first.as_deref().unwrap_or(&head), copying)?;
    if mark.wants_log_of(found) && !log_path.exists() {
        return Err(Error::Open(format!(
            "{shown} was not closed when Campanile last ended, and its log {} is gone. It can have contained alerts that \
             were answered. Nothing was changed. Put the log back. To start without it and lose them, remove {}.",
            log_path.display(),
            mark.path().display()
        )));
    }
    check_length(path, found.len(), &head, &log)
}

fn head(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD);
    File::open(path)?.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Refuses what is not a SQLite database. Opens it for reading only.
pub(super) fn check_header(path: &Path) -> Result<(), Error> {
    let shown = path.display();
    let found = path.metadata().and_then(|found| {
        let head = if found.is_file() {
            head(path)?
        } else {
            Vec::new()
        };
        Ok((found.is_file(), head))
    });
    match found {
        Ok((true, head)) if head.starts_with(MAGIC) => Ok(()),
        Ok((true, _)) => Err(Error::Open(format!(
            "{shown} is not a SQLite database. Name a database or a backup of Campanile."
        ))),
        Ok((false, _)) => Err(Error::Open(format!(
            "{shown} is not a file. Name a database or a backup of Campanile."
        ))),
        Err(error) => Err(Error::Open(format!(
            "cannot read {shown}: {error}. Check the path, and that you may read the file."
        ))),
    }
}

/// Which program wrote the file, and which schema version it has.
fn check_identity(path: &Path, head: &[u8], copying: bool) -> Result<(), Error> {
    let (version, application) = (number(head, 60), number(head, 68));
    // An empty leaf page: no table was ever created.
    let blank = head.get(100) == Some(&13) && head.get(103..105) == Some(&[0, 0]);
    let is_new = blank && application == 0;
    let application = if is_new || copying && application == schema::COPY_ID {
        schema::APPLICATION_ID
    } else {
        application
    };
    check_written(path, version, application)
}

/// Refuses a file of another program, and of a newer version.
pub(super) fn check_written(path: &Path, version: u32, application: u32) -> Result<(), Error> {
    let shown = path.display();
    if application == schema::COPY_ID {
        return Err(Error::Open(unfinished(&shown.to_string())));
    }
    if application != schema::APPLICATION_ID {
        return Err(Error::Open(format!(
            "{shown} is a SQLite file of another program. Set [store] url to another file."
        )));
    }
    if version > schema::version() {
        return Err(Error::Open(format!(
            "{shown} was written by a newer Campanile (schema {version}; this program supports at most {}). Run the newer \
             version, or restore a backup that was made before the upgrade.",
            schema::version()
        )));
    }
    Ok(())
}

/// Every page must be in the file or in the log.
fn check_length(path: &Path, bytes: u64, head: &[u8], log: &Log) -> Result<(), Error> {
    let page = match number(head, 16) >> 16 {
        1 => 65_536,
        size => u64::from(size.max(512)),
    };
    // The page count is valid only when its version matches the change counter; old SQLite versions did not update it.
    let counted = number(head, 24) == number(head, 92);
    let wanted = log.pages.or(counted.then(|| number(head, 28))).unwrap_or(0);
    let there = u32::try_from(bytes / page).unwrap_or(u32::MAX);
    let gone = (there.saturating_add(1)..=wanted).find(|page| !log.holds.contains(page));
    if gone.is_none() {
        return Ok(());
    }
    let wanted = u64::from(wanted) * page;
    let what = format!("it is cut short: it has {bytes} of {wanted} bytes");
    Err(schema::damaged(path, &what))
}
