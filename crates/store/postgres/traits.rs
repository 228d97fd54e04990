//! Implements the four traits.

use campanile_model::Fingerprint;
use jiff::Timestamp;
use uuid::Uuid;

use super::pool::call;
use super::read::{alerts, arrival, callbacks, deliveries, firing, quarantine, to_send};
use super::{Postgres, append, names, prune, read, settle};
use crate::packed::Packed;
use crate::{
    AlertFilter, AlertToSend, Answer, Appended, Archive, ArrivalRow, AttemptRow, CallbackFilter,
    CallbackRow, DeadFilter, DeadRow, DeliveryFilter, DeliveryRow, Entry, Firing, FiringFilter,
    Following, Inbox, Listed, OpenEpisode, OpenPlace, Outbox, Pending, QuarantineFilter,
    QuarantineRow, Seq, Settlement, SinkId, Stats, StoredAlert, Upkeep,
};

impl Inbox for Postgres {
    fn append(&self, entry: Entry) -> Answer<'_, Appended> {
        let packed = Packed::new(entry);
        Box::pin(self.appender.append(packed))
    }

    fn release(&self, id: i64, entry: Entry) -> Answer<'_, Appended> {
        let packed = Packed::new(entry);
        Box::pin(async move { append::release(&self.shared, id, packed).await })
    }

    fn ready(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.writing(), s => append::ready(&s.client).await)
        })
    }
}

impl Outbox for Postgres {
    fn sink_ids(&self, names: Vec<String>) -> Answer<'_, Vec<SinkId>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.writing(), s => names::sink_ids(&s.client, &names).await)
        })
    }

    fn pending(&self, sink: SinkId, after: Seq, limit: usize) -> Answer<'_, Vec<Pending>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => deliveries::pending(s, sink, after, limit).await)
        })
    }

    fn pending_in_lane(
        &self,
        sink: SinkId,
        lane: Fingerprint,
        after: Seq,
        limit: usize,
    ) -> Answer<'_, Vec<Pending>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => deliveries::pending_in_lane(s, sink, lane, after, limit).await)
        })
    }

    fn alerts_at(&self, sink: SinkId, seqs: Vec<Seq>) -> Answer<'_, Vec<AlertToSend>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => to_send::alerts_at(&s.client, sink, &seqs).await)
        })
    }

    fn open_episodes(
        &self,
        sink: SinkId,
        after: Option<OpenPlace>,
        limit: usize,
    ) -> Answer<'_, Vec<OpenEpisode>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => to_send::open_episodes(&s.client, sink, after, limit).await)
        })
    }

    fn settle(&self, settlements: Vec<Settlement>) -> Answer<'_, ()> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.writing(), s => settle::settle(s, &settlements).await)
        })
    }
}

impl Archive for Postgres {
    fn known_sinks(&self) -> Answer<'_, Vec<(SinkId, String)>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => read::known_sinks(&s.client).await)
        })
    }

    fn alert(&self, id: Uuid) -> Answer<'_, Option<StoredAlert>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => alerts::alert(&s.client, id).await)
        })
    }

    fn alerts(&self, filter: AlertFilter) -> Answer<'_, Vec<StoredAlert>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => alerts::alerts(&s.client, &filter).await)
        })
    }

    fn firing(&self, filter: FiringFilter) -> Answer<'_, Firing> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => firing::firing(&s.client, &filter).await)
        })
    }

    fn alerts_by_seq(&self, seqs: Vec<Seq>) -> Answer<'_, Vec<StoredAlert>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => alerts::by_seq(&s.client, &seqs).await)
        })
    }

    fn alerts_after(&self, after: Seq, rows: u32, bytes: usize) -> Answer<'_, Following> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => alerts::after(s, after, rows, bytes).await)
        })
    }

    fn callback_of(&self, seq: Seq) -> Answer<'_, Option<Vec<u8>>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => alerts::callback_of(&s.client, seq).await)
        })
    }

    fn callbacks(&self, filter: CallbackFilter) -> Answer<'_, Listed<CallbackRow>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => callbacks::callbacks(&s.client, &filter).await)
        })
    }

    fn arrival_of(&self, seq: Seq) -> Answer<'_, Option<ArrivalRow>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => arrival::of(&s.client, seq).await)
        })
    }

    fn deliveries(&self, filter: DeliveryFilter) -> Answer<'_, Vec<DeliveryRow>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => deliveries::deliveries(&s.client, &filter).await)
        })
    }

    fn deliveries_of(&self, seq: Seq) -> Answer<'_, Vec<DeliveryRow>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => deliveries::of_alert(&s.client, seq).await)
        })
    }

    fn attempts_of(&self, seq: Seq) -> Answer<'_, Vec<AttemptRow>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => deliveries::attempts(&s.client, seq).await)
        })
    }

    fn retry(&self, seq: Seq, sink: SinkId, now: Timestamp) -> Answer<'_, bool> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.writing(), s => settle::retry(&s.client, seq, sink, now).await)
        })
    }

    fn drop_pending(&self, seq: Seq, sink: SinkId) -> Answer<'_, bool> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.writing(), s => settle::drop_pending(&s.client, seq, sink).await)
        })
    }

    fn dead(&self, filter: DeadFilter) -> Answer<'_, Vec<DeadRow>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => deliveries::dead(&s.client, &filter).await)
        })
    }

    fn retry_dead(&self, ids: Vec<i64>, now: Timestamp) -> Answer<'_, Vec<(SinkId, Seq)>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.writing(), s => settle::retry_dead(&s.client, &ids, now).await)
        })
    }

    fn drop_dead(&self, ids: Vec<i64>) -> Answer<'_, u64> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.writing(), s => settle::drop_dead(&s.client, &ids).await)
        })
    }

    fn quarantine(&self, filter: QuarantineFilter) -> Answer<'_, Vec<QuarantineRow>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => quarantine::quarantine(&s.client, &filter).await)
        })
    }

    fn quarantined(&self, id: i64) -> Answer<'_, Option<QuarantineRow>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => quarantine::quarantined(&s.client, id).await)
        })
    }

    fn drop_quarantined(&self, ids: Vec<i64>) -> Answer<'_, u64> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.writing(), s => settle::drop_quarantined(&s.client, &ids).await)
        })
    }
}

impl Upkeep for Postgres {
    fn prune(&self, before: Timestamp) -> Answer<'_, bool> {
        Box::pin(async move {
            let mut progress = self.pruning.lock().await;
            let pool = &self.pool;
            call!(pool.writing(), s => prune::step(&mut s.client, &mut progress, before).await)
        })
    }

    fn stats(&self) -> Answer<'_, Stats> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => read::stats(&s.client).await)
        })
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            self.appender.close().await;
            self.pool.close();
            Ok(())
        })
    }
}
