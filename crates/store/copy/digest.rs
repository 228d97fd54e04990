//! The sums of the hashes of rows, by table, source and 100,000 places.

use std::collections::BTreeMap;

use super::pages::Rows;
use super::rows::{self, Record, Table};
use super::{Chunk, Cursor, Progress, Reader, Step, Watch};
use crate::{Error, Seq};

/// Places in one sum.
pub(crate) const BUCKET: Seq = 100_000;

/// Rows of a table at places of one bucket, by source. Without a source it is -1.
pub(crate) type Place = (Table, i64, i64);

/// How many rows, and the sum of their hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) rows: u64,
    hash: u64,
}

/// The sums of one side.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Digest(pub(crate) BTreeMap<Place, Sum>);

/// The bucket of a place.
pub(crate) fn bucket(seq: Seq) -> i64 {
    seq.div_euclid(BUCKET)
}

/// The places of a bucket: after the first one, up to the second one.
pub(crate) fn places(bucket: i64) -> (Seq, Seq) {
    (bucket * BUCKET - 1, (bucket + 1) * BUCKET - 1)
}

impl Digest {
    fn add(&mut self, table: Table, place: Seq, source: Option<i64>, hash: u64) {
        let sum = self.0.entry((table, bucket(place), source.unwrap_or(-1)));
        let sum = sum.or_default();
        sum.rows += 1;
        sum.hash = sum.hash.wrapping_add(hash);
    }

    fn add_chunk(&mut self, chunk: &Chunk) {
        for row in &chunk.callbacks {
            self.add(Table::Callback, row.seq, Some(row.source), rows::hash(row));
        }
        for row in &chunk.alerts {
            self.add(Table::Alert, row.seq, Some(row.source), rows::hash(row));
        }
        for row in &chunk.attempts {
            self.add(Table::Attempt, row.seq, None, rows::hash(row));
        }
    }

    fn add_record(&mut self, table: Table, row: &Record) {
        let (source, place) = row.place();
        self.add(table, place, source, rows::hash(row));
    }

    /// The buckets whose rows by place differ from those of the other side.
    pub(crate) fn differing(&self, other: &Self) -> Vec<i64> {
        let by_place = |(table, _, _): &Place| !Table::WHOLE.contains(table);
        let either = self.0.keys().chain(other.0.keys());
        let differing = either.filter(|at| by_place(at) && self.0.get(at) != other.0.get(at));
        let mut buckets: Vec<i64> = differing.map(|(_, bucket, _)| *bucket).collect();
        buckets.sort_unstable();
        buckets.dedup();
        buckets
    }

    /// Takes the sums of one bucket from a later digest.
    pub(crate) fn replace(&mut self, bucket: i64, later: Self) {
        self.0
            .retain(|(table, of, _), _| *of != bucket || Table::WHOLE.contains(table));
        self.0.extend(later.0);
    }
}

/// A random sample of the places of alerts (reservoir sampling): every alert has the same chance to be in it.
pub(crate) struct Sample {
    pub(crate) seqs: Vec<Seq>,
    size: usize,
    seen: u64,
}

impl Sample {
    pub(crate) fn of(size: usize) -> Self {
        Self {
            seqs: Vec::new(),
            size,
            seen: 0,
        }
    }

    fn add(&mut self, seq: Seq) {
        self.seen += 1;
        if self.seqs.len() < self.size {
            self.seqs.push(seq);
            return;
        }
        let at = usize::try_from(rand::random_range(0..self.seen)).unwrap_or(usize::MAX);
        if let Some(slot) = self.seqs.get_mut(at) {
            *slot = seq;
        }
    }
}

/// The sums of what is copied by place, of all places.
pub(crate) async fn by_place(
    reader: &mut dyn Reader,
    sample: &mut Sample,
    last: Seq,
    mut watch: Option<Watch<'_>>,
) -> Result<Digest, Error> {
    let (mut digest, mut cursor, mut rows) = (Digest::default(), Cursor::START, 0);
    while let Some(chunk) = reader.chunk(cursor, Seq::MAX).await? {
        cursor = chunk.to;
        digest.add_chunk(&chunk);
        chunk.alerts.iter().for_each(|alert| sample.add(alert.seq));
        rows += chunk.rows();
        if let Some(watch) = &mut watch {
            watch(Progress {
                step: Step::Comparing,
                seq: cursor.seq,
                last: last.max(cursor.seq),
                rows,
            });
        }
    }
    Ok(digest)
}

/// The sums of what is copied by place, of one bucket.
pub(crate) async fn of_bucket(reader: &mut dyn Reader, bucket: i64) -> Result<Digest, Error> {
    let (after, until) = places(bucket);
    let mut digest = Digest::default();
    let mut cursor = reader.cursor_after(after).await?;
    while let Some(chunk) = reader.chunk(cursor, until).await? {
        cursor = chunk.to;
        digest.add_chunk(&chunk);
    }
    Ok(digest)
}

/// Adds the sums of the tables that are copied as a whole.
pub(crate) async fn whole(reader: &mut dyn Reader, digest: &mut Digest) -> Result<(), Error> {
    for table in Table::WHOLE {
        let mut rows = Rows::of(reader, table);
        while let Some(row) = rows.next().await? {
            digest.add_record(table, &row);
        }
    }
    Ok(())
}
