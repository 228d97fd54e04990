//! A disk for tests: the SQLite files of one folder fail, fill up and lose power on demand.
//!
//! SQLite accesses files through a "VFS". [`Disk::under`] installs one in front of the system's VFS, as the default of
//! the whole process: the program under test needs no change. Files in folders without a [`Disk`] go to the system's
//! VFS unchanged, so parallel tests do not affect each other.
//!
//! ```text
//!  SQLite ──▶ shim ──▶ the system's VFS ──▶ the real file
//!               │
//!               ├── rules   does this operation fail?
//!               └── power   what is synced, and what is only written
//! ```
//!
//! No crate does this: `sqlite-vfs` and `sqlite-plugin` need a complete implementation of files, with locks and shared
//! memory. Here the system's VFS does all of that. This shim only decides which operations fail and records them.

mod power;
mod rules;
mod shim;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

pub use power::Loss;
pub use rules::{Fault, Kind, Operation};

use power::{Inode, Power};
use rules::Rules;

/// The disk under one folder. While this value exists, it watches the SQLite files of the folder.
#[derive(Clone)]
pub struct Disk(Arc<Inner>);

type AtSync = Arc<dyn Fn(&Disk) + Send + Sync>;

struct Inner {
    folder: PathBuf,
    rules: Mutex<Rules>,
    power: Mutex<Power>,
    at_sync: Mutex<Option<AtSync>>,
}

static DISKS: LazyLock<Mutex<HashMap<PathBuf, Weak<Inner>>>> = LazyLock::new(Mutex::default);

/// A panic of a test leaves no half-changed state here.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Disk {
    /// Watches all SQLite files of a folder that are opened from now on.
    ///
    /// # Errors
    /// The folder does not exist.
    pub fn under(folder: &Path) -> std::io::Result<Self> {
        shim::install();
        // SQLite passes paths without symbolic links.
        let folder = folder.canonicalize()?;
        let inner = Arc::new(Inner {
            folder: folder.clone(),
            rules: Mutex::default(),
            power: Mutex::default(),
            at_sync: Mutex::default(),
        });
        locked(&DISKS).insert(folder, Arc::downgrade(&inner));
        Ok(Self(inner))
    }

    /// The watched disk that holds a file, if there is one.
    fn of(file: &Path) -> Option<Self> {
        let disks = locked(&DISKS);
        disks.get(file.parent()?)?.upgrade().map(Self)
    }

    /// Makes operations fail from now on. Several faults can be active at the same time.
    pub fn fail(&self, fault: Fault) {
        locked(&self.0.rules).add(fault);
    }

    /// Removes all faults.
    pub fn repair(&self) {
        locked(&self.0.rules).clear();
    }

    /// The number of operations that failed on purpose.
    pub fn hits(&self) -> usize {
        locked(&self.0.rules).hits()
    }

    /// The number of operations of this kind, including those that failed.
    pub fn seen(&self, operation: Operation) -> usize {
        locked(&self.0.rules).seen(operation)
    }

    /// Calls this directly before and after each sync, on the thread that syncs: at these moments the state of the disk
    /// matters most.
    pub fn at_each_sync(&self, call: impl Fn(&Disk) + Send + Sync + 'static) {
        *locked(&self.0.at_sync) = Some(Arc::new(call));
    }

    /// Simulates a power failure: writes the content that the disk would have into another folder. This disk continues
    /// unchanged.
    ///
    /// # Errors
    /// The other folder cannot be written.
    pub fn cut(&self, loss: Loss, into: &Path) -> std::io::Result<()> {
        let left = locked(&self.0.power).left(loss);
        left.iter()
            .try_for_each(|(name, bytes)| std::fs::write(into.join(name), bytes))
    }

    fn judge(&self, operation: Operation) -> Option<Kind> {
        locked(&self.0.rules).judge(operation)
    }

    fn power(&self) -> MutexGuard<'_, Power> {
        locked(&self.0.power)
    }

    fn knows(&self, file: &Path) -> bool {
        let name = file.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| self.power().knows(name))
    }

    fn opened(&self, file: &Path, existing: Option<Vec<u8>>) -> Option<Inode> {
        let name = file.file_name()?.to_str()?;
        Some(self.power().open(name, existing))
    }

    fn sync_is_near(&self) {
        let call = locked(&self.0.at_sync).clone();
        if let Some(call) = call {
            call(self);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let mut disks = locked(&DISKS);
        // Another `Disk` may watch the same folder by now.
        if disks
            .get(&self.folder)
            .is_some_and(|disk| disk.strong_count() == 0)
        {
            disks.remove(&self.folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rusqlite::{Connection, ErrorCode};

    use super::*;

    fn store(folder: &Path, synchronous: &str) -> rusqlite::Result<Connection> {
        let connection = Connection::open(folder.join("a.db"))?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.execute_batch("CREATE TABLE IF NOT EXISTS t (x INTEGER)")?;
        Ok(connection)
    }

    fn rows(folder: &Path) -> i64 {
        let connection = Connection::open(folder.join("a.db")).unwrap();
        let check: String = connection
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(check, "ok");
        connection
            .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
            .unwrap()
    }

    #[test]
    fn the_nth_write_fails_once_or_until_it_is_mended() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::under(folder.path()).unwrap();
        let connection = store(folder.path(), "FULL").unwrap();
        let insert = || connection.execute("INSERT INTO t VALUES (1)", []);
        for (kind, code) in [
            (Kind::Full, ErrorCode::DiskFull),
            (Kind::Io, ErrorCode::SystemIoFailure),
            (Kind::Short, ErrorCode::SystemIoFailure),
        ] {
            let fault = Fault {
                operation: Operation::Write,
                kind,
                nth: 2,
                lasting: true,
            };
            disk.fail(fault);
            for _ in 0..2 {
                let failed = insert().unwrap_err();
                assert_eq!(failed.sqlite_error_code(), Some(code), "{kind:?}");
            }
            disk.repair();
            insert().unwrap();
            let lasting = false;
            disk.fail(Fault { lasting, ..fault });
            insert().unwrap_err();
            insert().unwrap();
        }
        assert_eq!(rows(folder.path()), 6);
        assert!(disk.hits() >= 9 && disk.seen(Operation::Write) > 0);
    }

    #[test]
    fn other_folders_are_left_alone() {
        let (ours, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let disk = Disk::under(ours.path()).unwrap();
        disk.fail(Fault {
            operation: Operation::Open,
            kind: Kind::Io,
            nth: 1,
            lasting: true,
        });
        assert!(store(ours.path(), "FULL").is_err());
        store(other.path(), "FULL").unwrap();
        drop(disk);
        store(ours.path(), "FULL").unwrap();
    }

    /// Rows that a power cut after ten commits leaves.
    fn left(synchronous: &str, loss: Loss) -> i64 {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::under(folder.path()).unwrap();
        let connection = store(folder.path(), synchronous).unwrap();
        connection
            .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
            .unwrap();
        for n in 0..10 {
            connection
                .execute("INSERT INTO t VALUES (?1)", [n])
                .unwrap();
        }
        let left = tempfile::tempdir().unwrap();
        disk.cut(loss, left.path()).unwrap();
        rows(left.path())
    }

    #[test]
    fn a_power_cut_takes_what_was_not_synced_and_nothing_else() {
        assert_eq!(left("FULL", Loss::Everything), 10);
        assert_eq!(left("NORMAL", Loss::Everything), 0);
        let mut least = 10;
        for seed in 0..20 {
            assert_eq!(left("FULL", Loss::Some(seed)), 10, "{seed}");
            least = least.min(left("NORMAL", Loss::Some(seed)));
        }
        assert!(least < 10);
    }

    #[test]
    fn a_test_is_called_around_each_sync() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::under(folder.path()).unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&calls);
        disk.at_each_sync(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        store(folder.path(), "FULL").unwrap();
        let calls = calls.load(Ordering::Relaxed);
        assert_eq!(calls, 2 * disk.seen(Operation::Sync));
    }
}
