//! Copies a store into another one, of either engine, next to a gateway that runs on the source.
//!
//! Places and ids stay, so what refers to an alert stays valid. Callbacks, alerts and attempts are copied in the order of their
//! places, in chunks of bounded size; the target keeps how far it is. After the gateway has stopped, the copy is finished: it takes
//! what came since, removes what the source has removed since, takes the other tables as a whole, compares both sides ([`digest`]),
//! and only then lets a gateway use the target. The source is never written.

mod digest;
mod finish;
mod pages;
mod repair;
mod report;
mod rows;

use std::sync::Arc;

use secrecy::ExposeSecret;

use crate::postgres::copy as postgres;
pub(crate) use crate::sqlite::tally_of;
use crate::sqlite::{Runs, copy as sqlite};
use crate::{Answer, Error, Seq, StoreUrl};

pub use report::{Report, Row};
pub(crate) use rows::{Alert, At, Attempt, Callback, Key, Own, Record, START, Table, clean};

/// What a copy is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// The gateway of the source has stopped. Gateways can use the target afterwards if the report finds no difference.
    pub finish: bool,
    /// Rows of each kind in memory at the same time, about. Fewer make more chunks, which a test wants.
    pub rows: usize,
    /// The sorted runs of a file that is written.
    pub runs: Runs,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            finish: false,
            rows: 8_192,
            runs: Runs::default(),
        }
    }
}

/// Compressed bytes of the callbacks in one chunk, about.
pub(crate) const CHUNK_BYTES: usize = 16 << 20;

/// How far a source was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Alerts and attempts up to this place.
    pub(crate) seq: Seq,
    /// Callbacks up to this number, which the source gives a meaning.
    pub(crate) callback: i64,
}

impl Cursor {
    pub(crate) const START: Self = Self {
        seq: 0,
        callback: i64::MIN,
    };
}

/// The next rows of a source, in the order of places.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Before it.
    pub(crate) from: Cursor,
    /// After it.
    pub(crate) to: Cursor,
    pub(crate) callbacks: Vec<Callback>,
    pub(crate) alerts: Vec<Alert>,
    pub(crate) attempts: Vec<Attempt>,
}

impl Chunk {
    fn rows(&self) -> u64 {
        (self.callbacks.len() + self.alerts.len() + self.attempts.len()) as u64
    }
}

/// The numbers that were given last.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    /// The highest place whose alert can be read. Nothing appears below it later.
    pub(crate) seq: Seq,
    /// The lowest place that is kept.
    pub(crate) lowest: Seq,
    pub(crate) dead: i64,
    pub(crate) quarantine: i64,
    pub(crate) audit: i64,
    /// A part of the ids.
    pub(crate) id_random: i64,
}

/// Reads one side.
pub(crate) trait Reader: Send {
    /// What this store is, to recognise it again.
    fn identity(&mut self) -> Answer<'_, String>;

    fn counters(&mut self) -> Answer<'_, Counters>;

    /// Where to go on for the rows of the places after this one.
    fn cursor_after(&mut self, seq: Seq) -> Answer<'_, Cursor>;

    /// The next rows with a place up to `until`. None: there is none.
    fn chunk(&mut self, from: Cursor, until: Seq) -> Answer<'_, Option<Chunk>>;

    /// The next rows of a table of [`Table::WHOLE`], in the order of their keys. After the last row there is an empty page.
    fn page(&mut self, table: Table, after: Key) -> Answer<'_, Vec<Record>>;

    /// The alerts at these places as JSON. One that cannot be read is left out.
    fn bodies(&mut self, seqs: Vec<Seq>) -> Answer<'_, Vec<(Seq, Vec<u8>)>>;

    /// Refuses while a gateway runs on this store.
    fn stopped(&mut self) -> Answer<'_, ()>;

    /// Refuses if a gateway has run on this store since [`Self::stopped`]: its callbacks can be at places that were read before.
    fn stayed_stopped(&mut self) -> Answer<'_, ()>;

    /// Sinks whose pause the store keeps.
    fn paused(&mut self) -> Answer<'_, Vec<String>>;
}

/// Writes the target. Each call is one transaction.
pub(crate) trait Writer: Send {
    /// Begins or continues the copy of this source. Refuses a store with rows of anything else.
    fn begin(&mut self, source: String) -> Answer<'_, Cursor>;

    /// Adds the rows of a chunk.
    fn write(&mut self, chunk: Arc<Chunk>) -> Answer<'_, ()>;

    /// Removes callbacks by the target's own numbers, and alerts with their keys.
    fn remove(&mut self, callbacks: Vec<i64>, alerts: Vec<Seq>) -> Answer<'_, ()>;

    /// Replaces the alerts of a chunk, whose keys have expired since.
    fn set_alerts(&mut self, chunk: Arc<Chunk>) -> Answer<'_, ()>;

    /// Replaces the attempts at the places of a chunk.
    fn set_attempts(&mut self, chunk: Arc<Chunk>) -> Answer<'_, ()>;

    /// Removes all rows of a table of [`Table::WHOLE`].
    fn clear(&mut self, table: Table) -> Answer<'_, ()>;

    /// Adds rows to a table of [`Table::WHOLE`].
    fn put(&mut self, table: Table, rows: Vec<Record>) -> Answer<'_, ()>;

    /// Numbers that the target gives from now on are above these.
    fn count_from(&mut self, counters: Counters) -> Answer<'_, ()>;

    /// Lets gateways use the target.
    fn release(&mut self) -> Answer<'_, ()>;

    /// A reader of the target.
    fn reader(&mut self) -> Answer<'_, Box<dyn Reader>>;
}

/// What the copy does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Copies callbacks, alerts and attempts.
    Copying,
    /// Reads both sides.
    Comparing,
    /// Copies the other tables.
    Finishing,
}

/// How far the copy is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// What it does.
    pub step: Step,
    /// Up to this place.
    pub seq: Seq,
    /// The last place.
    pub last: Seq,
    /// Rows since the start of the step.
    pub rows: u64,
}

/// Called after each chunk.
pub type Watch<'w> = &'w mut dyn FnMut(Progress);

/// What was done.
#[derive(Debug)]
pub struct Copied {
    /// Rows that this call copied by place.
    pub rows: u64,
    /// Up to this place.
    pub seq: Seq,
    /// The comparison, when the copy was finished.
    pub report: Option<Report>,
    /// Sinks that are paused at the source, and not at the target.
    pub paused: Vec<String>,
}

/// Copies what is not yet copied.
///
/// # Errors
/// [`Error::Open`] names the side, the problem and the fix. The same call goes on after an error.
pub async fn copy(
    from: &StoreUrl,
    to: &StoreUrl,
    wish: Wish,
    watch: Watch<'_>,
) -> Result<Copied, Error> {
    let mut source = reader(from, wish.rows).await?;
    if wish.finish {
        source.stopped().await?;
    }
    let identity = source.identity().await?;
    let mut target: Box<dyn Writer> = match to {
        StoreUrl::Sqlite(path) => Box::new(sqlite::Target::open(path, wish)?),
        StoreUrl::Postgres(url) => {
            Box::new(postgres::Target::open(url.expose_secret(), wish.rows).await?)
        }
    };
    let cursor = target.begin(identity).await?;
    let (rows, seq) = by_place(&mut *source, &mut *target, cursor, watch).await?;
    let mut report = None;
    if wish.finish {
        report = Some(finish::finish(&mut *source, &mut *target, watch).await?);
    }
    Ok(Copied {
        rows,
        seq,
        report,
        paused: source.paused().await?,
    })
}

/// Compares two stores that no gateway writes.
///
/// # Errors
/// As [`copy`].
pub async fn compare(from: &StoreUrl, to: &StoreUrl, watch: Watch<'_>) -> Result<Report, Error> {
    let rows = Wish::default().rows;
    let (mut source, mut target) = (reader(from, rows).await?, reader(to, rows).await?);
    finish::compare(&mut *source, &mut *target, watch).await
}

async fn reader(url: &StoreUrl, rows: usize) -> Result<Box<dyn Reader>, Error> {
    Ok(match url {
        StoreUrl::Sqlite(path) => Box::new(sqlite::Source::open(path, rows)?),
        StoreUrl::Postgres(url) => {
            Box::new(postgres::Source::open(url.expose_secret(), rows).await?)
        }
    })
}

/// Reads the next chunk while the last one is written.
async fn by_place(
    source: &mut dyn Reader,
    target: &mut dyn Writer,
    mut cursor: Cursor,
    watch: Watch<'_>,
) -> Result<(u64, Seq), Error> {
    let last = source.counters().await?.seq;
    let mut rows = 0;
    let mut next = source.chunk(cursor, Seq::MAX).await?;
    while let Some(chunk) = next {
        let chunk = Arc::new(chunk);
        cursor = chunk.to;
        let read = source.chunk(cursor, Seq::MAX);
        let (read, written) =
            futures_util::future::join(read, target.write(Arc::clone(&chunk))).await;
        written?;
        rows += chunk.rows();
        watch(Progress {
            step: Step::Copying,
            seq: cursor.seq,
            last: last.max(cursor.seq),
            rows,
        });
        next = read?;
    }
    Ok((rows, cursor.seq))
}

/// Why a copy is not finished: a gateway has begun on the source.
pub(crate) fn begun(shown: &str) -> Error {
    Error::Open(format!(
        "a gateway has run on {shown} since this command began: what it accepted can be missing. Stop it, and run the same command again."
    ))
}

/// Why a gateway or a command does not open a store.
pub(crate) fn unfinished(shown: &str) -> String {
    format!(
        "{shown} is an unfinished copy of another store. Stop the gateway of that store, and finish the copy: \
         `campanile store copy FROM TO --finish`."
    )
}

/// Why a store cannot be the target: it has rows, or is an unfinished copy of another source.
pub(crate) fn taken(shown: &str, other: Option<&str>) -> String {
    match other {
        Some(other) => format!(
            "{shown} is an unfinished copy of {other}. Give that source again, or name an empty target."
        ),
        None => format!(
            "{shown} is not empty, and is not an unfinished copy. Nothing was changed. Name an empty target: the first argument is \
             read, and the second one is written. `--verify` compares a copy that is finished."
        ),
    }
}
