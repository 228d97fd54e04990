//! Migrates a database file without starting the gateway, or says what a migration would do.

use std::path::Path;

use super::StoreFile;
use crate::Error;
use crate::sqlite::mark::Mark;
use crate::sqlite::{connection, inspect, schema};

/// The steps from the schema of a file to that of this program.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Migration {
    /// The version of the file.
    pub from: u32,
    /// The version of this program.
    pub to: u32,
    /// The SQL of each step. A step is one transaction.
    pub steps: Vec<String>,
}

/// What a migration of the file at `path` would do. Writes nothing.
///
/// # Errors
/// As [`StoreFile::open`]; a file of a newer Campanile is refused.
pub fn migration(path: &Path) -> Result<Migration, Error> {
    let file = StoreFile::open(path)?;
    let from = file.schema()?;
    let steps = schema::steps(&file.connection, from).map_err(|e| file.unread(&e))?;
    Ok(Migration {
        from,
        to: schema::version(),
        steps,
    })
}

/// Migrates the file at `path`. Each step happens completely or not at all. Writes nothing when the file has the newest schema.
///
/// # Errors
/// As [`migration`], and [`Error::Open`] when a gateway has the file or it cannot be written.
pub fn migrate(path: &Path) -> Result<Migration, Error> {
    let migration = migration(path)?;
    if migration.steps.is_empty() {
        return Ok(migration);
    }
    let mark = Mark::take(path)?;
    inspect::check(path, &mark)?;
    let fault =
        |e: rusqlite::Error| Error::Open(format!("cannot migrate {}", schema::trouble(path, &e)));
    let mut connection = connection::connect(path).map_err(fault)?;
    schema::migrate(&mut connection).map_err(fault)?;
    // Closing moves the log into the file and removes it. A mark that cannot be written keeps the log.
    if mark.closing().is_err() {
        let keep_log = rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        connection.set_db_config(keep_log, true).map_err(fault)?;
    }
    connection.close().map_err(|(_, e)| fault(e))?;
    Ok(migration)
}
