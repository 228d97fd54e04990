//! Reads alerts for a worker: each with the firing that opened its episode, and with the sink's handle of the episode.

use std::collections::HashMap;
use std::sync::Arc;

use campanile_model::Status;
use tokio_postgres::Row;
use uuid::Uuid;

use super::alerts::{Bodies, by_seq, columns};
use super::list::limit;
use crate::arrival::put_first;
use crate::id::seq_of;
use crate::postgres::numbers::{sink_number, status_number};
use crate::postgres::pool::Fault;
use crate::postgres::session::Session;
use crate::{AlertToSend, Arrival, OpenEpisode, OpenPlace, Seq, SinkId, StoredAlert};

pub(crate) async fn alerts_at(
    session: &Session,
    sink: SinkId,
    seqs: &[Seq],
) -> Result<Vec<AlertToSend>, Fault> {
    // `episode` is NULL when the alert opened the episode or is a resolved without a firing.
    let select = concat!(
        "SELECT ",
        columns!(),
        ", a.status, coalesce(p.episode = coalesce(a.episode, a.id), false), h.handle, f.id, u.sink IS NOT NULL FROM alert a
         LEFT JOIN alert f ON f.seq = a.callback
         LEFT JOIN problem p ON p.source = a.source AND p.fingerprint = a.fingerprint
         LEFT JOIN handle h ON h.episode = coalesce(a.episode, a.id) AND h.sink = $2
         LEFT JOIN untold u ON u.sink = $2 AND u.source = a.source AND u.fingerprint = a.fingerprint
             AND u.episode = coalesce(a.episode, a.id)
         WHERE a.seq = ANY($1)"
    );
    let rows = session.query(select, &[&seqs, &sink_number(sink)]).await?;
    let bodies = Bodies::of(session, &rows).await?;
    let mut found: HashMap<Seq, AlertToSend> = HashMap::new();
    found.extend(
        rows.iter()
            .filter_map(|row| Some((row.get(0), to_send(row, &bodies)?))),
    );
    let openings = openings(session, found.values().map(|one| one.alert.episode)).await?;
    for one in found
        .values_mut()
        .filter(|one| one.alert.episode != one.alert.id)
    {
        one.opened = openings.get(&one.alert.episode).cloned();
    }
    Ok(seqs
        .iter()
        .filter_map(|seq| found.get(seq).cloned())
        .collect())
}

fn to_send(row: &Row, bodies: &Bodies) -> Option<AlertToSend> {
    let alert = Arc::new(bodies.readable(row)?);
    let fires = row.get::<_, i16>(6) == status_number(Status::Firing);
    Some(AlertToSend {
        opened: fires.then(|| Arc::clone(&alert)),
        alert,
        episode_open: row.get(7),
        untold: row.get(10),
        handle: row.get(8),
        trace: trace(row, bodies),
    })
}

/// The trace of the callback of the alert, with the id of its first alert.
fn trace(row: &Row, bodies: &Bodies) -> Option<String> {
    let mut arrival = Arrival {
        trace: Some(bodies.trace(row)?),
        ..Arrival::default()
    };
    if let Some(first) = row.get(9) {
        put_first(&mut arrival, first);
    }
    arrival.trace
}

/// The alerts that opened these episodes. An episode is named by the id of its first alert, and the id contains the place.
async fn openings(
    session: &Session,
    episodes: impl Iterator<Item = Uuid>,
) -> Result<HashMap<Uuid, Arc<StoredAlert>>, Fault> {
    let seqs: Vec<Seq> = episodes.map(seq_of).collect();
    let alerts = by_seq(session, &seqs).await?;
    Ok(alerts
        .into_iter()
        .map(|alert| (alert.id, Arc::new(alert)))
        .collect())
}

pub(crate) async fn open_episodes(
    session: &Session,
    sink: SinkId,
    after: Option<OpenPlace>,
    count: usize,
) -> Result<Vec<OpenEpisode>, Fault> {
    let select = "SELECT p.source, p.fingerprint, p.episode, h.handle FROM problem p
                  JOIN handle h ON h.episode = p.episode AND h.sink = $1
                  WHERE (p.source, p.fingerprint) > ($2, $3) ORDER BY p.source, p.fingerprint LIMIT $4";
    let mut found = Vec::new();
    let OpenPlace(mut source, mut fingerprint) = after.unwrap_or(OpenPlace(-1, i64::MIN));
    while found.len() < count {
        let from = i32::try_from(source).unwrap_or(i32::MAX);
        let rows = session
            .query(
                select,
                &[&sink_number(sink), &from, &fingerprint, &limit(count)],
            )
            .await?;
        let Some(last) = rows.last() else { break };
        (source, fingerprint) = (last.get::<_, i32>(0).into(), last.get(1));
        let openings = openings(session, rows.iter().map(|row| row.get(2))).await?;
        let open = rows.iter().filter_map(|row| open_episode(row, &openings));
        found.extend(open);
    }
    found.truncate(count);
    Ok(found)
}

/// None when the alert that opened it is no longer kept.
fn open_episode(row: &Row, openings: &HashMap<Uuid, Arc<StoredAlert>>) -> Option<OpenEpisode> {
    let opening = openings.get(&row.get::<_, Uuid>(2))?;
    Some(OpenEpisode {
        place: OpenPlace(row.get::<_, i32>(0).into(), row.get(1)),
        opening: AlertToSend {
            opened: Some(Arc::clone(opening)),
            alert: Arc::clone(opening),
            episode_open: true,
            untold: false,
            handle: row.get(3),
            trace: None,
        },
    })
}
