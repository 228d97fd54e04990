//! The table that the kind `sqlite` fills, read while the gateway writes it.

use std::path::PathBuf;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::Trouble;

/// A writer holds its lock for one row.
const LOCKED_AT_MOST: Duration = Duration::from_secs(10);

/// The file, and the last row that was read.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) path: PathBuf,
    read: i64,
}

impl Table {
    pub(super) fn of(path: PathBuf) -> Self {
        Self { path, read: 0 }
    }

    /// The alerts in the rows since the last call, in the order in which they were written.
    pub(super) fn next(&mut self) -> Result<Vec<String>, Trouble> {
        if !self.path.exists() {
            return Ok(Vec::new());
        }
        // Able to write: a process that died leaves a journal, which the next reader must roll back.
        let file = Connection::open_with_flags(&self.path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        file.busy_timeout(LOCKED_AT_MOST)?;
        let made = "SELECT count(*) FROM sqlite_master WHERE name = 'campanile_alerts'";
        if file.query_row(made, (), |row| row.get::<_, i64>(0))? == 0 {
            return Ok(Vec::new());
        }
        let since = "SELECT rowid, alert FROM campanile_alerts WHERE rowid > ? ORDER BY rowid";
        let mut rows = file.prepare(since)?;
        let rows = rows.query_map([self.read], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut alerts = Vec::new();
        for row in rows {
            let alert;
            (self.read, alert) = row?;
            alerts.push(alert);
        }
        Ok(alerts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_once_in_the_order_of_writing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.db");
        let mut table = Table::of(path.clone());
        assert!(table.next().unwrap().is_empty(), "there is no file yet");
        let file = Connection::open(path).unwrap();
        assert!(table.next().unwrap().is_empty(), "there is no table yet");
        file.execute_batch("CREATE TABLE campanile_alerts (id TEXT PRIMARY KEY, alert TEXT)")
            .unwrap();
        let write = |id: &str| {
            let row = "INSERT INTO campanile_alerts VALUES (?1, ?1)";
            file.execute(row, [id]).unwrap()
        };
        write("b");
        write("a");
        assert_eq!(table.next().unwrap(), ["b", "a"]);
        write("c");
        assert_eq!(table.next().unwrap(), ["c"]);
    }
}
