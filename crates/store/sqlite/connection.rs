//! Opens a connection with the settings that every connection needs.

use std::path::Path;

use rusqlite::Connection;

use campanile_model::failpoint;

/// This version fixes the newest SQLite bug that matters here: a WAL reset that could lose commits.
const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// Opens a connection with the settings that every connection needs.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.set_prepared_statement_cache_capacity(512);
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    // FULL syncs the log with each commit: an answered callback survives a power loss, not only a crash.
    let broken = failpoint::broken("broken-sync-normal");
    connection.pragma_update(None, "synchronous", if broken { "NORMAL" } else { "FULL" })?;
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "cache_size", -16_384)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

/// Refuses a SQLite version with known WAL bugs.
pub(super) fn check_version() -> Result<(), String> {
    let version = rusqlite::version_number();
    if version < SQLITE_VERSION_MIN {
        return Err(format!(
            "SQLite {} can lose commits; Campanile needs 3.51.3 or newer",
            rusqlite::version()
        ));
    }
    Ok(())
}
