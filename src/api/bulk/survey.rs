//! The dry run of a bulk action.

use std::collections::{BTreeMap, BTreeSet};

use super::rows::{self, Row, Seen, Walk};
use super::{Act, Of};
use crate::api::Failing;
use crate::api::types::{Counted, Group, Selection};
use crate::http::Gateway;

/// Counting ends here. The answer says that there are more.
pub(super) const COUNT_MAX: u64 = 10_000;

/// Groups of one answer. All others are one group.
const GROUPS_MAX: usize = 100;

/// Counts the rows that an action would change.
pub(super) async fn survey(gateway: &Gateway, act: Act, selection: &Selection) -> Failing<Counted> {
    let mut walk = Walk::of(gateway, act.of(), selection).await?;
    let mut tally = Tally::new(act, selection.leave_out_ended);
    while let Some(seen) = walk.next().await? {
        let rows: Vec<Row> = seen.iter().map(|seen| seen.row).collect();
        let ended = match act {
            Act::DeadRetry => rows::ended(gateway, &rows).await?,
            _ => BTreeSet::new(),
        };
        for seen in seen {
            let is_ended = ended.contains(&seen.row.seq);
            if !tally.add(seen, is_ended) {
                return Ok(tally.finished());
            }
        }
    }
    Ok(tally.finished())
}

struct Tally {
    act: Act,
    leave_out_ended: bool,
    counted: Counted,
    groups: BTreeMap<(String, String), u64>,
}

impl Tally {
    fn new(act: Act, leave_out_ended: bool) -> Self {
        Self {
            act,
            leave_out_ended,
            counted: Counted {
                dry_run: true,
                ..Counted::default()
            },
            groups: BTreeMap::new(),
        }
    }

    /// Counts a row. False: that was enough.
    fn add(&mut self, seen: Seen, ended: bool) -> bool {
        let counted = &mut self.counted;
        counted.seen_to = counted.seen_to.max(Some(seen.row.id));
        counted.ended += u64::from(ended);
        if ended && self.leave_out_ended {
            counted.left_out += 1;
            return true;
        }
        if counted.count == COUNT_MAX {
            counted.more = true;
            return false;
        }
        counted.count += 1;
        let oldest = counted.oldest_at.map_or(seen.at, |at| at.min(seen.at));
        counted.oldest_at = Some(oldest);
        let mut group = (seen.name, seen.reason);
        if self.groups.len() >= GROUPS_MAX && !self.groups.contains_key(&group) {
            group = (String::new(), "other".to_owned());
        }
        *self.groups.entry(group).or_default() += 1;
        true
    }

    fn finished(mut self) -> Counted {
        let of_source = self.act.of() == Of::Quarantine;
        let groups = self.groups.into_iter().map(|((name, reason), count)| {
            let name = Some(name).filter(|name| !name.is_empty());
            let (source, sink) = if of_source {
                (name, None)
            } else {
                (None, name)
            };
            Group {
                sink,
                source,
                reason,
                count,
            }
        });
        let mut groups: Vec<Group> = groups.collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        self.counted.groups = groups;
        self.counted
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn seen(id: i64) -> Seen {
        Seen {
            row: Row {
                id,
                sink: 1,
                seq: id,
            },
            at: Timestamp::from_second(id).unwrap(),
            name: "webhook/oncall".to_owned(),
            reason: (id % 300).to_string(),
        }
    }

    #[test]
    fn counting_ends_at_ten_thousand_and_says_that_there_are_more() {
        for (rows, more) in [(10_000, false), (10_001, true)] {
            let mut tally = Tally::new(Act::DeadDrop, false);
            let counted = (0..rows).rev().all(|id| tally.add(seen(id), false));
            assert_eq!(counted, !more);
            let counted = tally.finished();
            assert_eq!((counted.count, counted.more), (10_000, more));
            assert_eq!(counted.seen_to, Some(rows - 1));
            assert_eq!(counted.groups.len(), GROUPS_MAX + 1);
            let sum: u64 = counted.groups.iter().map(|group| group.count).sum();
            assert_eq!(sum, 10_000);
        }
    }
}
