//! Tests of the SQLite store: the conformance suite, and rules of the database file.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../../suite/mod.rs"]
#[macro_use]
mod suite;

mod file;
mod operator;
mod planned;

use std::path::Path;
use std::sync::Arc;

use campanile_store::Store;
use campanile_store::sqlite::{Runs, Sqlite};
use tempfile::TempDir;

use suite::Place;

const FILE: &str = "campanile.db";

/// A folder with a database.
pub(crate) struct Folder(TempDir);

impl Place for Folder {
    const COUNTS_ALERTS: bool = false;

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

/// Undoes the step to schema 11.
pub(crate) const WITHOUT_MUTES: &str =
    "ALTER TABLE alert DROP COLUMN plan; DROP TABLE held; DROP TABLE untold;
    DROP TABLE outcome; DROP TABLE silence;";

pub(crate) fn open(folder: &Path) -> Arc<dyn Store> {
    // Short runs, so that each test has several.
    let runs = Runs {
        keys: 16,
        places: 8,
    };
    Arc::new(Sqlite::open_with(&folder.join(FILE), runs).unwrap())
}

conformance!(crate::Folder);
