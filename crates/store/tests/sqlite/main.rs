//! Tests of the SQLite store: the conformance suite, and rules of the database file.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../../suite/mod.rs"]
#[macro_use]
mod suite;

mod file;

use std::path::Path;
use std::sync::Arc;

use campanile_store::Store;
use campanile_store::sqlite::Sqlite;
use tempfile::TempDir;

use suite::Place;

const FILE: &str = "campanile.db";

/// A folder with a database.
pub(crate) struct Folder(TempDir);

impl Place for Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    async fn open(&self) -> Arc<dyn Store> {
        open(self.0.path())
    }

    /// A copy of the open file and its log. Nothing is being written, because the test waited for every answer.
    fn crashed(&self) -> Self {
        let left = Self::new();
        for name in [FILE, "campanile.db-wal"] {
            std::fs::copy(self.0.path().join(name), left.0.path().join(name)).unwrap();
        }
        left
    }
}

pub(crate) fn open(folder: &Path) -> Arc<dyn Store> {
    Arc::new(Sqlite::open(&folder.join(FILE)).unwrap())
}

conformance!(crate::Folder);
