//! One batch of callbacks: the statement, and what callbacks with faults and without alerts need next to it.

use tokio_postgres::types::ToSql;
use tokio_postgres::{GenericClient, Row, Statement};
use uuid::Uuid;

use super::append::Shared;
use super::batch::{Batch, Outcome};
use super::commit::{commit, waited};
use super::names::Numbers;
use super::numbers::int;
use super::pool::Fault;
use super::ring::Receipt;
use super::session::Session;
use crate::arrival::Tail;
use crate::packed::Packed;
use crate::{Appended, Appending, Seq, SinkId, codec};

const APPEND: &str = include_str!("append.sql");

/// The synchronous standbys that the statement's own answer names.
const STANDBYS: &str = "SELECT current_setting('synchronous_standby_names')";

/// One batch to write.
pub(super) struct Write<'w> {
    pub(super) shared: &'w Shared,
    pub(super) batch: &'w Batch<'w>,
    pub(super) entries: &'w [&'w Packed],
    pub(super) numbers: &'w [Numbers],
    pub(super) token: i64,
}

/// What the alerts of a batch became.
#[derive(Default)]
struct Alerts {
    outcomes: Vec<Outcome>,
    /// Their deliveries, by place.
    pending: Vec<(Seq, SinkId)>,
    /// The synchronous standbys that the server names.
    standbys: String,
}

/// What one batch became.
pub(super) struct Written {
    /// One for each callback.
    pub(super) answers: Vec<Appended>,
    /// The same.
    pub(super) receipts: Vec<Receipt>,
    /// The synchronous standbys that the server names.
    pub(super) standbys: String,
}

impl Write<'_> {
    /// Commits the batch. `again`: an earlier attempt may have been committed.
    ///
    /// # Errors
    /// [`Fault::Store`]: it is committed, but not as safely as it must be.
    pub(super) async fn once(&self, session: &mut Session, again: bool) -> Result<Written, Fault> {
        session.take_warning();
        let append = statement(session).await?;
        let written = if self.has_more() {
            let transaction = session.client.transaction().await?;
            let written = self.run(&transaction, &append, again).await?;
            commit(transaction, &session.home).await?;
            written
        } else {
            self.run(&session.client, &append, again).await?
        };
        waited(session)?;
        self.shared.copies.check(&written.standbys)?;
        Ok(written)
    }

    /// Whether the batch needs more than the one statement.
    fn has_more(&self) -> bool {
        let more =
            |packed: &&Packed| packed.entry.alerts.is_empty() || !packed.entry.faults.is_empty();
        self.entries.iter().any(more)
    }

    /// Writes the batch on this client or in this transaction.
    pub(super) async fn run(
        &self,
        client: &impl GenericClient,
        append: &Statement,
        again: bool,
    ) -> Result<Written, tokio_postgres::Error> {
        let alerts = self.alerts(client, append, again).await?;
        let mut answers = self.batch.answers(&alerts.outcomes, &alerts.pending);
        let mut receipts = Vec::with_capacity(answers.len());
        for ((packed, numbers), answer) in self.entries.iter().zip(self.numbers).zip(&mut answers) {
            let mut receipt = Receipt::default();
            for appending in &answer.alerts {
                if let Appending::Accepted { seq, .. } = appending {
                    self.shared.failover.saw(*seq);
                }
            }
            if packed.entry.alerts.is_empty() && packed.entry.faults.is_empty() {
                let seq = insert_bare(client, packed, *numbers, self.token).await?;
                self.shared.failover.saw(seq);
                receipt.bare = Some((seq, self.token));
            }
            if !packed.entry.faults.is_empty() {
                receipt.quarantine = Some(insert_quarantined(client, packed, *numbers).await?);
            }
            answer.quarantine = receipt.quarantine;
            receipts.push(receipt);
        }
        Ok(Written {
            answers,
            receipts,
            standbys: alerts.standbys,
        })
    }

    /// Writes the alerts.
    async fn alerts(
        &self,
        client: &impl GenericClient,
        append: &Statement,
        again: bool,
    ) -> Result<Alerts, tokio_postgres::Error> {
        if self.batch.is_empty() {
            return Ok(Alerts {
                standbys: client.query_one(STANDBYS, &[]).await?.get(0),
                ..Alerts::default()
            });
        }
        let parameters = (self.batch).parameters(&self.shared.id_random, &self.token);
        let rows = client.query(append, &parameters).await?;
        let standbys = rows.first().map(|row: &Row| row.get(4));
        let mut alerts = Alerts {
            outcomes: self.batch.outcomes(&rows),
            pending: Batch::pending(&rows),
            standbys: standbys.unwrap_or_default(),
        };
        let unseen = |one: &Outcome| matches!(one, Outcome::Known(None));
        if again || alerts.outcomes.iter().any(unseen) {
            recognize(client, self.batch, self.token, &mut alerts).await?;
        }
        Ok(alerts)
    }
}

/// The statement that appends a batch.
pub(super) async fn statement(session: &mut Session) -> Result<Statement, tokio_postgres::Error> {
    session.prepared(APPEND).await
}

/// Looks up the keys that were committed after the statement's snapshot, and those of an earlier attempt of this batch whose
/// answer was lost.
async fn recognize(
    client: &impl GenericClient,
    batch: &Batch<'_>,
    token: i64,
    alerts: &mut Alerts,
) -> Result<(), tokio_postgres::Error> {
    let known = batch.known(&alerts.outcomes);
    if known.is_empty() {
        return Ok(());
    }
    let (rows, keys): (Vec<usize>, Vec<Uuid>) = known.into_iter().unzip();
    let select = "SELECT d.key, d.content, CASE WHEN c.batch = $2 THEN a.seq END, a.id,
                      CASE WHEN c.batch = $2 THEN ARRAY(SELECT p.sink FROM pending p WHERE p.seq = a.seq) END FROM dedup d
                  LEFT JOIN alert a ON a.seq = d.seq LEFT JOIN callback c ON c.seq = a.callback
                  WHERE d.key = ANY($1)";
    for found in client.query(select, &[&keys, &token]).await? {
        let key: Uuid = found.get(0);
        let own: Option<i64> = found.get(2);
        let outcome = match own {
            Some(seq) => Outcome::New(Appending::Accepted {
                seq,
                id: found.get(3),
            }),
            None => Outcome::Known(Some(found.get(1))),
        };
        let at = keys.iter().position(|one| *one == key);
        if let Some(slot) = at
            .and_then(|at| rows.get(at))
            .and_then(|row| alerts.outcomes.get_mut(*row))
        {
            *slot = outcome;
        }
        // What was delivered since needs no worker.
        let sinks: Vec<i32> = found.get::<_, Option<_>>(4).unwrap_or_default();
        let sinks = sinks.into_iter().map(SinkId::from);
        alerts.pending.extend(
            own.into_iter()
                .flat_map(|seq| sinks.clone().map(move |sink| (seq, sink))),
        );
    }
    alerts.pending.sort_unstable();
    Ok(())
}

/// A known message without an alert.
async fn insert_bare(
    client: &impl GenericClient,
    packed: &Packed,
    numbers: Numbers,
    token: i64,
) -> Result<Seq, tokio_postgres::Error> {
    let insert = "INSERT INTO callback (seq, last, batch, received, source, alerts, raw_bytes, arrival_bytes, routes, packed)
                  SELECT place, place, $1, $2, $3, 0, $4, $5, $6, $7 FROM (SELECT CASE WHEN pg_current_xact_id() IS NOT NULL
                      THEN nextval('place') END AS place) drawn RETURNING seq";
    let arrival_bytes = packed
        .arrival_bytes
        .map(|n| int(usize::try_from(n).unwrap_or(0)));
    let parameters: [&(dyn ToSql + Sync); 7] = [
        &token,
        &packed.entry.received_at,
        &numbers.source,
        &int(packed.entry.callback.len()),
        &arrival_bytes,
        &numbers.routes,
        &packed.bytes,
    ];
    Ok(client.query_one(insert, &parameters).await?.get(0))
}

async fn insert_quarantined(
    client: &impl GenericClient,
    packed: &Packed,
    numbers: Numbers,
) -> Result<i64, tokio_postgres::Error> {
    let insert = "INSERT INTO quarantine (received, source, faults, raw, arrival) VALUES ($1, $2, $3, $4, $5) RETURNING id";
    let faults = serde_json::to_string(&packed.entry.faults).unwrap_or_default();
    let arrival = Tail::of(&packed.entry.arrival, &[], 0).bytes();
    let parameters: [&(dyn ToSql + Sync); 5] = [
        &packed.entry.received_at,
        &numbers.source,
        &faults,
        &codec::pack(&packed.entry.callback),
        &arrival,
    ];
    Ok(client.query_one(insert, &parameters).await?.get(0))
}
