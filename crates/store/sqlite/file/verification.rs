//! Checks a database file: its pages, its log, every compressed row, and the rows that need each other.

use rusqlite::{Connection, Row};
use serde::de::IgnoredAny;

use super::{Stamp, StoreFile, places};
use crate::sqlite::log::{self, Fault};
use crate::sqlite::read::size;
use crate::sqlite::{schema, with_ending};
use crate::{Error, codec};

/// Findings that are listed. The others are counted.
pub const FOUND_MAX: usize = 100;

/// Callbacks that one statement reads. Between two of them, the gateway can move its log into the file.
const PAGE: i64 = 500;

/// The schema since which a callback says where its alerts end.
const LAST_SEQ: u32 = 9;

/// How often the log is read until no gateway wrote to it meanwhile.
const LOOKS: usize = 5;

/// What is wrong with a file.
#[derive(Debug, Default)]
pub struct Damage {
    /// One sentence each, at most [`FOUND_MAX`].
    pub found: Vec<String>,
    /// How many there are.
    pub count: u64,
}

impl Damage {
    /// Whether nothing is wrong.
    pub fn is_none(&self) -> bool {
        self.count == 0
    }

    /// Adds the findings of another check.
    pub fn add(&mut self, other: Self) {
        self.count += other.count;
        let room = FOUND_MAX.saturating_sub(self.found.len());
        self.found.extend(other.found.into_iter().take(room));
    }

    fn note(&mut self, what: impl Into<String>) {
        self.count += 1;
        if self.found.len() < FOUND_MAX {
            self.found.push(what.into());
        }
    }
}

impl StoreFile {
    /// Checks every page of the file, and the log next to it. Reads the whole file.
    ///
    /// # Errors
    /// [`Error::Read`] when the file cannot be read for another reason than damage.
    pub fn check_pages(&self) -> Result<Damage, Error> {
        let mut damage = Damage::default();
        if let Some(frame) = self.damaged_frame()? {
            damage.note(format!(
                "the log is damaged in frame {frame}, and later frames hold alerts that were answered"
            ));
        }
        self.checked(damage, |connection, damage| {
            let mut check =
                connection.prepare(&format!("PRAGMA integrity_check({})", FOUND_MAX + 1))?;
            let mut rows = check.query([])?;
            while let Some(row) = rows.next()? {
                let said: String = row.get(0)?;
                if said != "ok" {
                    damage.note(said);
                }
            }
            Ok(())
        })
    }

    /// The end of the span of callbacks, for the progress of [`Self::check_bodies`].
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn callbacks(&self) -> Result<u64, Error> {
        let span = "SELECT coalesce((SELECT max(id) FROM callback) - (SELECT min(id) FROM callback) + 1, 0)";
        let span = self
            .connection
            .query_row(span, [], |row| row.get::<_, i64>(0));
        span.map(i64::cast_unsigned).map_err(|e| self.unread(&e))
    }

    /// Decompresses every callback, kept or in quarantine, and finds every alert in it. Holds one callback at a time. `done`
    /// gets how far in the span it is.
    ///
    /// # Errors
    /// [`Error::Read`] when the file cannot be read for another reason than damage.
    pub fn check_bodies(&self, done: &mut dyn FnMut(u64)) -> Result<Damage, Error> {
        let schema = self.schema()?;
        let damage = self.checked(Damage::default(), |connection, damage| {
            let first = "SELECT coalesce(min(id), 0) FROM callback";
            let first: i64 = connection.query_row(first, [], |row| row.get(0))?;
            let mut after = first - 1;
            while let Some(last) = callbacks(connection, schema, after, damage)? {
                after = last;
                done((last - first + 1).cast_unsigned());
            }
            Ok(())
        })?;
        self.checked(damage, |connection, damage| {
            let mut after = 0;
            while let Some(last) = quarantined(connection, after, damage)? {
                after = last;
            }
            Ok(())
        })
    }

    /// Looks for pending deliveries and dead letters without their alert, and for alerts without their callback.
    ///
    /// # Errors
    /// [`Error::Read`] when the file cannot be read for another reason than damage.
    pub fn check_places(&self) -> Result<Damage, Error> {
        self.checked(Damage::default(), |connection, damage| {
            for lost in places::lost(connection)? {
                damage.note(format!(
                    "{}: {}, the first at place {}",
                    lost.what, lost.rows, lost.lowest
                ));
            }
            Ok(())
        })
    }

    /// A check that meets a damaged page has found damage. It has not failed.
    fn checked(
        &self,
        mut damage: Damage,
        check: impl FnOnce(&Connection, &mut Damage) -> rusqlite::Result<()>,
    ) -> Result<Damage, Error> {
        match check(&self.connection, &mut damage) {
            Ok(()) => Ok(damage),
            Err(error) if schema::is_damage(&error) => {
                damage.note(error.to_string());
                Ok(damage)
            }
            Err(error) => Err(self.unread(&error)),
        }
    }

    /// The frame in which the log is damaged. What a gateway writes while the log is read looks like damage, so only a log
    /// that did not change counts.
    pub(super) fn damaged_frame(&self) -> Result<Option<usize>, Error> {
        let path = with_ending(&self.path, "-wal");
        let stamp = || path.metadata().ok().map(|found| Stamp::of(&found));
        for _ in 0..LOOKS {
            let before = stamp();
            match log::read(&path) {
                Ok(_) => return Ok(None),
                Err(Fault::Damaged(frame)) if stamp() == before => return Ok(Some(frame)),
                Err(Fault::Damaged(_)) => {}
                Err(Fault::Fault(error)) => {
                    let path = path.display();
                    return Err(Error::Read(format!("cannot read {path}: {error}")));
                }
            }
        }
        Ok(None)
    }
}

/// Checks the next callbacks. Returns the number of the last one; none at the end.
fn callbacks(
    connection: &Connection,
    schema: u32,
    after: i64,
    damage: &mut Damage,
) -> rusqlite::Result<Option<i64>> {
    // The last place of its alerts: `last_seq` is newer than older files (`schema.rs`).
    let dense = "first_seq + alerts - 1";
    let last = if schema < LAST_SEQ {
        dense.to_owned()
    } else {
        format!("coalesce(last_seq, {dense})")
    };
    let sql = &format!(
        "SELECT id, packed, raw_bytes, first_seq, {last} FROM callback WHERE id > ?1 ORDER BY id LIMIT ?2"
    );
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query([after, PAGE])?;
    let mut last = None;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        match codec::unpack(row.get_ref(1)?.as_blob()?) {
            Some(plain) => alerts(connection, row, &plain, damage)?,
            None => damage.note(format!("callback {id} cannot be decompressed")),
        }
        last = Some(id);
    }
    Ok(last)
}

/// Finds the alerts of a callback in its bytes.
fn alerts(
    connection: &Connection,
    row: &Row<'_>,
    plain: &[u8],
    damage: &mut Damage,
) -> rusqlite::Result<()> {
    let (id, raw_bytes): (i64, usize) = (row.get(0)?, size(row.get(2)?));
    let (first, last): (i64, i64) = (row.get(3)?, row.get(4)?);
    if raw_bytes > plain.len() {
        damage.note(format!("callback {id} is cut short"));
    }
    let sql = "SELECT seq, body_at, body_bytes FROM alert WHERE seq >= ?1 AND seq <= ?2 AND callback = ?3";
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query([first, last, id])?;
    while let Some(row) = rows.next()? {
        let (seq, at, bytes): (i64, usize, usize) =
            (row.get(0)?, size(row.get(1)?), size(row.get(2)?));
        let body = plain.get(at..).and_then(|rest| rest.get(..bytes));
        let is_object = |body: &[u8]| {
            body.starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(body).is_ok()
        };
        if !body.is_some_and(is_object) {
            damage.note(format!(
                "the alert at place {seq} cannot be read from callback {id}"
            ));
        }
    }
    Ok(())
}

/// Checks the next quarantined callbacks. Returns the number of the last one; none at the end.
fn quarantined(
    connection: &Connection,
    after: i64,
    damage: &mut Damage,
) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT id, raw FROM quarantine WHERE id > ?1 ORDER BY id LIMIT ?2";
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query([after, PAGE])?;
    let mut last = None;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        if codec::unpack(row.get_ref(1)?.as_blob()?).is_none() {
            damage.note(format!(
                "the quarantined callback {id} cannot be decompressed"
            ));
        }
        last = Some(id);
    }
    Ok(last)
}
