//! The end of a copy, after the gateway of the source has stopped.

use super::digest::{self, Digest, Sample};
use super::repair::repair;
use super::rows::{self, Key, Record, Table};
use super::{Progress, Reader, Report, START, Step, Watch, Writer};
use crate::{Error, Seq};

/// Alerts whose JSON is compared byte by byte.
const BODIES: usize = 1_000;

/// Bodies that are in memory at the same time.
const BODIES_AT_ONCE: usize = 50;

/// Takes what changed since it was copied, compares both sides, and lets gateways use the target if they are the same.
pub(super) async fn finish(
    source: &mut dyn Reader,
    target: &mut dyn Writer,
    watch: Watch<'_>,
) -> Result<Report, Error> {
    let mut written = target.reader().await?;
    let written = &mut *written;
    let (mut sums, sample) = both_by_place(source, written, watch).await?;
    let buckets = sums.0.differing(&sums.1);
    for bucket in buckets {
        repair(source, (target, written), bucket).await?;
        let later = digest::of_bucket(written, bucket).await?;
        sums.1.replace(bucket, later);
    }
    tables(source, target, watch).await?;
    let report = compared(source, written, sums, &sample).await?;
    source.stayed_stopped().await?;
    if report.is_same() {
        target.release().await?;
    }
    Ok(report)
}

/// Copies the other tables, and where numbers continue.
async fn tables(
    source: &mut dyn Reader,
    target: &mut dyn Writer,
    watch: Watch<'_>,
) -> Result<(), Error> {
    let counters = source.counters().await?;
    let mut rows = 0;
    for table in Table::WHOLE {
        target.clear(table).await?;
        let mut after = START;
        loop {
            let page = source.page(table, after).await?;
            let Some(last) = page.last() else { break };
            after = last.key();
            rows += page.len() as u64;
            target.put(table, page).await?;
            watch(Progress {
                step: Step::Finishing,
                seq: counters.seq,
                last: counters.seq,
                rows,
            });
        }
    }
    target.count_from(counters).await
}

/// Compares both sides.
pub(super) async fn compare(
    source: &mut dyn Reader,
    target: &mut dyn Reader,
    watch: Watch<'_>,
) -> Result<Report, Error> {
    let (sums, sample) = both_by_place(source, target, watch).await?;
    compared(source, target, sums, &sample).await
}

async fn both_by_place(
    source: &mut dyn Reader,
    target: &mut dyn Reader,
    watch: Watch<'_>,
) -> Result<((Digest, Digest), Sample), Error> {
    let last = source.counters().await?.seq;
    let (mut sample, mut none) = (Sample::of(BODIES), Sample::of(0));
    let source = digest::by_place(source, &mut sample, last, Some(watch));
    let target = digest::by_place(target, &mut none, last, None);
    let (source, target) = futures_util::future::join(source, target).await;
    Ok(((source?, target?), sample))
}

async fn compared(
    source: &mut dyn Reader,
    target: &mut dyn Reader,
    (mut one, mut other): (Digest, Digest),
    sample: &Sample,
) -> Result<Report, Error> {
    digest::whole(source, &mut one).await?;
    digest::whole(target, &mut other).await?;
    let mut report = Report::of(&one, &other, &sources(source).await?);
    for table in [Table::Pending, Table::Dead] {
        keys(source, target, table, &mut report).await?;
    }
    bodies(source, target, &sample.seqs, &mut report).await?;
    Ok(report)
}

/// The names of the sources, by number.
async fn sources(reader: &mut dyn Reader) -> Result<Vec<(i64, String)>, Error> {
    let (mut names, mut after) = (Vec::new(), START);
    loop {
        let page = reader.page(Table::Name, after).await?;
        let Some(last) = page.last() else { break };
        after = last.key();
        names.extend(page.into_iter().filter_map(|row| match row {
            Record::Name {
                routes: false,
                id,
                name,
            } => Some((id, name)),
            _ => None,
        }));
    }
    Ok(names)
}

/// The rows of a table, one after the other.
struct Rows<'r> {
    reader: &'r mut dyn Reader,
    table: Table,
    after: Key,
    page: std::vec::IntoIter<Record>,
}

impl<'r> Rows<'r> {
    fn of(reader: &'r mut dyn Reader, table: Table) -> Self {
        Self {
            reader,
            table,
            after: START,
            page: Vec::new().into_iter(),
        }
    }

    async fn next(&mut self) -> Result<Option<Record>, Error> {
        if self.page.as_slice().is_empty() {
            let page = self.reader.page(self.table, self.after).await?;
            self.page = page.into_iter();
        }
        let next = self.page.next();
        if let Some(next) = &next {
            self.after = next.key();
        }
        Ok(next)
    }
}

/// Finds each row of a table that is on one side only, or differs.
async fn keys(
    source: &mut dyn Reader,
    target: &mut dyn Reader,
    table: Table,
    report: &mut Report,
) -> Result<(), Error> {
    let (mut source, mut target) = (Rows::of(source, table), Rows::of(target, table));
    let (mut one, mut other) = (source.next().await?, target.next().await?);
    loop {
        let keys = (
            one.as_ref().map(Record::key),
            other.as_ref().map(Record::key),
        );
        let (is_next, other_is_next) = match keys {
            (None, None) => return Ok(()),
            (Some(key), Some(other_key)) => (key <= other_key, other_key <= key),
            (key, other_key) => (key.is_some(), other_key.is_some()),
        };
        let row = if is_next { &one } else { &other };
        let shown = row.as_ref().map(Record::shown).unwrap_or_default();
        let what = match (&one, &other) {
            (Some(one), Some(other)) if is_next && other_is_next => {
                (rows::hash(one) != rows::hash(other)).then_some("differs")
            }
            _ if is_next => Some("is missing in the target"),
            _ => Some("is not in the source"),
        };
        if let Some(what) = what {
            report.note(format!("{}: {shown} {what}", table.shown()));
        }
        if is_next {
            one = source.next().await?;
        }
        if other_is_next {
            other = target.next().await?;
        }
    }
}

/// Compares the JSON of some alerts, as the API shows it.
async fn bodies(
    source: &mut dyn Reader,
    target: &mut dyn Reader,
    seqs: &[Seq],
    report: &mut Report,
) -> Result<(), Error> {
    let mut seqs = seqs.to_vec();
    seqs.sort_unstable();
    for seqs in seqs.chunks(BODIES_AT_ONCE) {
        let one = source.bodies(seqs.to_vec()).await?;
        let other = target.bodies(seqs.to_vec()).await?;
        for seq in seqs {
            let of = |bodies: &[(Seq, Vec<u8>)]| {
                let found = bodies.iter().find(|(at, _)| at == seq);
                found.map(|(_, body)| body.clone())
            };
            if of(&one) != of(&other) {
                report.note(format!("alerts: the one at place {seq} reads differently"));
            }
        }
        report.bodies += seqs.len() as u64;
    }
    Ok(())
}
