//! Bulk actions: retry or drop many dead letters, pending deliveries or quarantined callbacks.
//!
//! A dry run ([`survey`]) counts what an action would change. The action itself ([`run`]) goes through the rows in batches,
//! oldest first: while the operator waits, or in the background ([`jobs`]).

mod call;
mod jobs;
mod rows;
mod run;
mod selection;
mod survey;

use super::Failing;
use super::actor::{Actor, in_vain};
use super::error::ApiError;
use super::types::{Counted, Selection, StillUnreadable};
use crate::http::Gateway;
pub(crate) use call::Call;
pub(crate) use jobs::Jobs;
use rows::Walk;
use run::Progress;
use selection::selection;

/// The largest number of rows that one action changes.
const ROWS_MAX: usize = 1_000_000;

/// What a bulk action does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    DeadRetry,
    DeadDrop,
    DeliveriesRetry,
    DeliveriesDrop,
    QuarantineRetry,
    QuarantineDrop,
}

/// The list whose rows an action changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Dead,
    Deliveries,
    Quarantine,
}

impl Act {
    fn of(self) -> Of {
        match self {
            Self::DeadRetry | Self::DeadDrop => Of::Dead,
            Self::DeliveriesRetry | Self::DeliveriesDrop => Of::Deliveries,
            Self::QuarantineRetry | Self::QuarantineDrop => Of::Quarantine,
        }
    }

    /// Its name in the audit and in jobs.
    pub(super) fn action(self) -> &'static str {
        match self {
            Self::DeadRetry => "dead.retry",
            Self::DeadDrop => "dead.drop",
            Self::DeliveriesRetry => "deliveries.retry",
            Self::DeliveriesDrop => "deliveries.drop",
            Self::QuarantineRetry => "quarantine.retry",
            Self::QuarantineDrop => "quarantine.drop",
        }
    }
}

/// What an action did, or would do.
pub(crate) struct Acted {
    pub(crate) counted: Counted,
    /// The rows that it looked at.
    pub(crate) selected: u64,
    pub(crate) still_unreadable: Vec<StillUnreadable>,
}

/// Does what `act` says with the selected rows, or counts them in a dry run.
pub(crate) async fn act(
    gateway: &Gateway,
    act: Act,
    selection: &Selection,
    actor: &Actor,
) -> Failing<Acted> {
    if selection.dry_run {
        let counted = survey::survey(gateway, act, selection).await?;
        return Ok(Acted {
            selected: counted.count,
            counted,
            still_unreadable: Vec::new(),
        });
    }
    agree(gateway, act, selection).await?;
    let (rows, more) = rows::all(Walk::of(gateway, act.of(), selection).await?).await?;
    let progress = Progress::default();
    let audited = actor.does(gateway, act.action(), target(selection));
    let job = run::Job {
        act,
        audited,
        leave_out_ended: selection.leave_out_ended,
    };
    run::run(gateway, &job, &rows, &progress).await?;
    let mut acted = progress.acted();
    in_vain(gateway, job.audited, acted.counted.count).await?;
    acted.counted.more = more;
    acted.counted.seen_to = rows.last().map(|row| row.id);
    Ok(acted)
}

/// What the audit says that a bulk action was done to: a sink, a source, `all`, or numbers.
fn target(selection: &Selection) -> String {
    if let Some(name) = selection.sink.as_ref().or(selection.source.as_ref()) {
        return name.clone();
    }
    let ids = selection.ids.iter().flatten();
    let ids: Vec<String> = ids.map(i64::to_string).collect();
    if selection.all {
        "all".to_owned()
    } else {
        ids.join(",")
    }
}

/// Refuses an action whose rows are no longer those that the operator counted.
async fn agree(gateway: &Gateway, act: Act, selection: &Selection) -> Failing<()> {
    let Some(expected) = selection.count else {
        return Ok(());
    };
    let now = survey::survey(gateway, act, selection).await?.count;
    if now == expected {
        return Ok(());
    }
    Err(ApiError::changed(expected, now))
}
