//! Judges a cycle when nothing is pending any more, and adds the result to its figures and breaches.

use std::collections::HashSet;

use crate::Trouble;
use crate::gateway::Size;
use crate::ledger::Ledger;
use crate::oracle::{self, Came, Evidence};
use crate::receiver::Receiver;
use crate::record::Record;

/// A growth of memory or open files beyond this is a leak.
const RSS_MIB_MAX: u64 = 400;
const FILES_MAX: usize = 400;

/// What arrived at each receiver since the last call.
pub(crate) fn came(
    receivers: &[Receiver],
    again_max: usize,
    late_max: usize,
) -> Result<Vec<Came>, Trouble> {
    let came = |receiver: &Receiver| {
        Ok(Came {
            name: receiver.name,
            arrivals: receiver.drain()?,
            again_max,
            late_max,
        })
    };
    receivers.iter().map(came).collect()
}

/// Judges what came, and closes the ledger. Returns the accepted alerts: those with a 2xx, and those that arrived without one.
/// `forgets`: the database can lose its last commits.
pub(crate) fn judge(
    ledger: &Ledger,
    came: &[Came],
    forgets: bool,
    record: &mut Record,
) -> HashSet<String> {
    let cycle = &mut record.cycle;
    let said = ledger.said();
    let verdict = oracle::judge(&Evidence {
        said: &said,
        came,
        is_past: &|key| ledger.is_past(key),
        forgets,
    });
    cycle.losses += verdict.losses;
    cycle.duplicates += verdict.duplicates;
    cycle.order_breaks += verdict.order_breaks;
    record.breaches.extend(verdict.breaches);
    let promised = said.iter().filter(|(_, entry)| entry.promised);
    let mut accepted: HashSet<String> = promised.map(|(key, _)| key.clone()).collect();
    cycle.promised += accepted.len();
    let arrived = came.iter().flat_map(|came| &came.arrivals);
    let arrived = arrived.map(|arrival| &arrival.key);
    accepted.extend(arrived.filter(|key| said.contains_key(*key)).cloned());
    ledger.close(|key| accepted.contains(key));
    accepted
}

/// I9: memory and open files of a gateway have not grown.
pub(crate) fn size(size: &Size, record: &mut Record) {
    let Size { rss_mib, files } = *size;
    let cycle = &mut record.cycle;
    cycle.rss_mib = cycle.rss_mib.max(rss_mib);
    cycle.files = cycle.files.max(files);
    if rss_mib > RSS_MIB_MAX || files > FILES_MAX {
        let what = format!("a gateway has grown to {rss_mib} MiB and {files} open files");
        record.breach("I9", what);
    }
}
