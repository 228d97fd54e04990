//! What stands at the path, before SQLite may touch it: SQLite would mend, convert or begin anew without a word.
//!
//! Whatever is refused here is left as it is, byte for byte.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::path::Path;

use super::log::{self, Fault, Log, number};
use super::mark::Mark;
use super::{beside, schema};
use crate::Error;

/// The header of the file and that of its first b-tree page.
const HEAD: usize = 108;
const MAGIC: &[u8] = b"SQLite format 3\0";

/// Refuses what is not ours, not whole or not to be written.
pub(super) fn check(path: &Path, mark: &Mark) -> Result<(), Error> {
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
            for name in [path, &beside(path, "-wal"), &beside(path, "-shm")] {
                check_writable(name)?;
            }
            check_kept(path, &found, mark)
        }
    }
}

/// There is no database yet, or there is none any more.
fn check_fresh(path: &Path, mark: &Mark) -> Result<(), Error> {
    let log = beside(path, "-wal");
    let logged = log.metadata().map_or(0, |found| found.len());
    let (shown, gone) = (path.display(), "is missing or empty");
    if logged > 0 {
        return Err(Error::Open(format!(
            "{shown} {gone}, but its log {} holds {logged} bytes: alerts that were answered may be in it. Nothing was \
             changed. Copy both away, then put a back-up in the place of the first and move the second aside.",
            log.display()
        )));
    }
    if mark.was_made() {
        return Err(Error::Open(format!(
            "{shown} {gone}, and {} says that a database was kept here. Nothing was changed. Is the disk mounted? Put the \
             file or a back-up in its place; or, to begin with an empty database, remove {}.",
            mark.path().display(),
            mark.path().display()
        )));
    }
    Ok(())
}

/// A file left by another user, as root leaves them behind, is the usual reason.
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

fn check_kept(path: &Path, found: &Metadata, mark: &Mark) -> Result<(), Error> {
    let (shown, log_path) = (path.display(), beside(path, "-wal"));
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
                "its log {} is damaged in frame {frame}, and alerts that were answered stand behind it",
                log_path.display()
            ),
        ),
    })?;
    check_identity(path, log.first.as_deref().unwrap_or(&head))?;
    if mark.wants_log_of(found) && !log_path.exists() {
        return Err(Error::Open(format!(
            "{shown} was not closed when Campanile last ended, and its log {} is gone: alerts that were answered may have \
             been in it. Nothing was changed. Put the log back; or, to go on without it, remove {}.",
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

/// Whose it is, and how old.
fn check_identity(path: &Path, head: &[u8]) -> Result<(), Error> {
    let shown = path.display();
    let (version, application) = (number(head, 60), number(head, 68));
    // A leaf without a cell: no table was ever made.
    let blank = head.get(100) == Some(&13) && head.get(103..105) == Some(&[0, 0]);
    if application != schema::APPLICATION_ID && !(blank && application == 0) {
        return Err(Error::Open(format!(
            "{shown} is a SQLite file of another program. Name another file in [store] url."
        )));
    }
    if version > schema::version() {
        return Err(Error::Open(format!(
            "{shown} was written by a newer Campanile (schema {version}, this one knows {}). Run that version, or restore \
             the back-up from before it.",
            schema::version()
        )));
    }
    Ok(())
}

/// Every page must be somewhere: in the file, or in the log on its way there.
fn check_length(path: &Path, bytes: u64, head: &[u8], log: &Log) -> Result<(), Error> {
    let page = match number(head, 16) >> 16 {
        1 => 65_536,
        size => u64::from(size.max(512)),
    };
    // A count of pages that an old SQLite did not keep says nothing.
    let counted = number(head, 24) == number(head, 92);
    let wanted = log.pages.or(counted.then(|| number(head, 28))).unwrap_or(0);
    let there = u32::try_from(bytes / page).unwrap_or(u32::MAX);
    let gone = (there.saturating_add(1)..=wanted).find(|page| !log.holds.contains(page));
    if gone.is_none() {
        return Ok(());
    }
    let wanted = u64::from(wanted) * page;
    let what = format!("it is cut short, {bytes} bytes of {wanted}");
    Err(schema::damaged(path, &what))
}
