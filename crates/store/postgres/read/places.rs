//! The places of alerts by time, by bisection.
//!
//! The times of arrival do not grow with the places. The times in the ids nearly do: each gateway draws from its own clock, and
//! the clocks of two gateways differ. None is before the time of arrival.

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::postgres::pool::Fault;
use crate::{AlertFilter, Seq, id};

/// The times in two ids whose places are in the other order differ by less than this, and so does the time in an id from that of
/// the arrival, unless a clock is wrong by more.
const DISORDER: SignedDuration = SignedDuration::from_secs(60);

/// The places to look at: the lowest, and the one after the highest. None: no alert can match.
pub(super) async fn range(
    client: &Client,
    filter: &AlertFilter,
) -> Result<Option<(Seq, Seq)>, Fault> {
    let bounds = "SELECT min(seq), max(seq) FROM alert";
    let bounds = client.query_one(bounds, &[]).await?;
    let (Some(mut lowest), Some(highest)) = (bounds.get(0), bounds.get::<_, Option<Seq>>(1)) else {
        return Ok(None);
    };
    let all = (lowest, highest);
    let mut before = filter.before.unwrap_or(Seq::MAX).min(highest + 1);
    if let Some(since) = filter.since {
        let since = since.checked_sub(DISORDER).unwrap_or(Timestamp::MIN);
        lowest = first(client, all, since).await?;
    }
    if let Some(until) = filter.until {
        // An id has whole milliseconds.
        let until = until.checked_add(DISORDER * 2).unwrap_or(Timestamp::MAX);
        before = before.min(first(client, all, until).await?);
    }
    Ok((lowest < before).then_some((lowest, before)))
}

/// A place whose id has this time or a later one, after one whose id has an earlier time; the place after the last if there is
/// none. All ids before it are earlier than this time and [`DISORDER`], all after it are later than this time less [`DISORDER`].
async fn first(
    client: &Client,
    (lowest, highest): (Seq, Seq),
    at: Timestamp,
) -> Result<Seq, Fault> {
    // Pruning leaves gaps, so the row at a place is the next one that is kept.
    let next = client
        .prepare("SELECT seq, id FROM alert WHERE seq >= $1 ORDER BY seq LIMIT 1")
        .await?;
    let (mut low, mut high) = (lowest, highest + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let row = client.query_opt(&next, &[&middle]).await?;
        // Rows were removed since the highest place was read.
        let row = row.map_or((middle, Uuid::max()), |row| (row.get(0), row.get(1)));
        let (seq, id): (Seq, Uuid) = row;
        if id::ms_of(id) >= at.as_millisecond() {
            high = middle;
        } else {
            low = seq + 1;
        }
    }
    Ok(low)
}
