//! The end of a copy, after the gateway of the source has stopped.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::digest::{self, Digest, Sample};
use super::pages::Rows;
use super::repair::repair;
use super::rows::{self, Record, Table};
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
async fn sources(reader: &mut dyn Reader) -> Result<HashMap<i64, String>, Error> {
    let mut names = HashMap::new();
    let mut rows = Rows::of(reader, Table::Name);
    while let Some(row) = rows.next().await? {
        if let Record::Name {
            routes: false,
            id,
            name,
        } = row
        {
            names.insert(id, name);
        }
    }
    Ok(names)
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
        let order = match (&one, &other) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) => one.key().cmp(&other.key()),
        };
        let (row, what) = match order {
            Ordering::Less => (&one, "is missing in the target"),
            Ordering::Equal => (&one, "differs"),
            Ordering::Greater => (&other, "is not in the source"),
        };
        let same = order.is_eq() && rows::hash(&one) == rows::hash(&other);
        if let Some(row) = row
            && !same
        {
            report.note(format!("{}: {} {what}", table.shown(), row.shown()));
        }
        if order.is_le() {
            one = source.next().await?;
        }
        if order.is_ge() {
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
