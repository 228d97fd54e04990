//! Implements the four traits.

use std::sync::atomic::Ordering;
use std::time::Instant;

use campanile_model::Fingerprint;
use jiff::Timestamp;
use uuid::Uuid;

use super::pool::call;
use super::read::{
    alerts, arrival, callbacks, deliveries, firing, mutes, quarantine, search, to_send,
};
use super::{
    Postgres, append, audit, commit, members, names, prune, read, settle, silences, tallies,
    version,
};
use crate::lease::Part;
use crate::packed::Packed;
use crate::{
    Act, AlertFilter, AlertToSend, Answer, Appended, Archive, ArrivalRow, AttemptRow, AuditFilter,
    AuditRow, CallbackFilter, CallbackRow, DeadFilter, DeadRow, DeliveryFilter, DeliveryRow, Entry,
    Firing, FiringFilter, Following, Handover, Held, HeldPlace, Inbox, Listed, OpenEpisode,
    OpenPlace, Outbox, OutcomeRow, Pending, Progress, QuarantineFilter, QuarantineRow, Replication,
    Seq, Settlement, Silence, SilenceFilter, SilenceRow, SinkId, SourceTally, Stats, StoredAlert,
    TallyFilter, TallyRow, Upkeep,
};

impl Inbox for Postgres {
    fn append(&self, entry: Entry) -> Answer<'_, Appended> {
        let packed = Packed::new(entry);
        Box::pin(self.appender.append(packed))
    }

    fn release(&self, id: i64, entry: Entry, act: Act) -> Answer<'_, Appended> {
        let packed = Packed::new(entry);
        Box::pin(async move { append::by(&self.shared, packed, &act, Some(id)).await })
    }

    fn append_by(&self, entry: Entry, act: Act) -> Answer<'_, Appended> {
        let packed = Packed::exact(entry);
        Box::pin(async move { append::by(&self.shared, packed, &act, None).await })
    }

    fn ready(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            let pool = &self.pool;
            let standbys = call!(pool.writing(), s => commit::touch(&s.client).await)?;
            self.shared.copies.check(&standbys)
        })
    }
}

impl Outbox for Postgres {
    fn sink_ids(&self, names: Vec<String>) -> Answer<'_, Vec<SinkId>> {
        Box::pin(async move {
            let pool = &self.pool;
            let ids = call!(pool.writing(), s => names::sink_ids(s, &names).await)?;
            self.shared.failover.named(names, &ids);
            Ok(ids)
        })
    }

    fn pending(&self, sink: SinkId, after: Seq, limit: usize) -> Answer<'_, Vec<Pending>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => deliveries::pending(s, &self.floor, sink, after, limit).await)
        })
    }

    fn pending_of(&self, part: Part, after: Seq, limit: usize) -> Answer<'_, Vec<Pending>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => deliveries::pending_of(s, &self.floor, part, after, limit).await)
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
            call!(pool.reading(), s => deliveries::pending_in_lane(s, &self.floor, sink, lane, after, limit).await)
        })
    }

    fn alerts_at(&self, sink: SinkId, seqs: Vec<Seq>) -> Answer<'_, Vec<AlertToSend>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => to_send::alerts_at(s, sink, &seqs).await)
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
            call!(pool.reading(), s => to_send::open_episodes(s, sink, after, limit).await)
        })
    }

    fn held_of(&self, part: Part, after: HeldPlace, limit: usize) -> Answer<'_, Vec<Held>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => mutes::held_of(s, part, after, limit).await)
        })
    }

    fn settle(&self, settlements: Vec<Settlement>) -> Answer<'_, ()> {
        Box::pin(async move {
            let fence = self
                .held
                .fence(settlements.iter().map(|of| of.sink.into()))?;
            let pool = &self.pool;
            call!(pool.writing(), s => settle::settle(s, &fence, &settlements, None).await)
        })
    }

    fn settle_leaving(
        &self,
        part: Part,
        settlements: Vec<Settlement>,
        handover: Option<String>,
    ) -> Answer<'_, ()> {
        Box::pin(async move {
            let fence = self.held.fence(std::iter::once(part))?;
            let (pool, left) = (&self.pool, handover.as_deref());
            call!(pool.writing(), s => settle::settle(s, &fence, &settlements, left).await)
        })
    }

    fn handover(&self, part: Part) -> Answer<'_, Option<Handover>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => members::handover(&s.client, part).await)
        })
    }
}

impl Archive for Postgres {
    fn tallies(&self, filter: TallyFilter) -> Answer<'_, Vec<TallyRow>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => tallies::rows(&s.client, &filter).await)
        })
    }

    fn tallies_by_source(&self, filter: TallyFilter) -> Answer<'_, Vec<SourceTally>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => tallies::by_source(&s.client, &filter).await)
        })
    }

    fn version(&self) -> Answer<'_, u64> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => version::version(s).await)
        })
    }

    fn known_sinks(&self) -> Answer<'_, Vec<(SinkId, String)>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => read::known_sinks(&s.client).await)
        })
    }

    fn alert(&self, id: Uuid) -> Answer<'_, Option<StoredAlert>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => alerts::alert(s, id).await)
        })
    }

    fn alerts(&self, filter: AlertFilter) -> Answer<'_, Listed<StoredAlert>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => search::alerts(s, &filter).await)
        })
    }

    fn firing(&self, filter: FiringFilter) -> Answer<'_, Firing> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => firing::firing(s, &filter).await)
        })
    }

    fn alerts_by_seq(&self, seqs: Vec<Seq>) -> Answer<'_, Vec<StoredAlert>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => alerts::by_seq(s, &seqs).await)
        })
    }

    fn alerts_after(&self, after: Seq, rows: u32, bytes: usize) -> Answer<'_, Following> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => alerts::after(s, &self.floor, after, rows, bytes).await)
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

    fn held_alert(&self, seq: Seq) -> Answer<'_, Vec<Held>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => mutes::held_alert(&s.client, seq).await)
        })
    }

    fn held(&self, sink: Option<SinkId>, limit: u32) -> Answer<'_, Vec<Held>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => mutes::held(&s.client, sink, limit).await)
        })
    }

    fn outcomes_of(&self, seq: Seq) -> Answer<'_, Vec<OutcomeRow>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => mutes::outcomes_of(&s.client, seq).await)
        })
    }

    fn silences(&self, filter: SilenceFilter) -> Answer<'_, Vec<SilenceRow>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => silences::list(&s.client, &filter).await)
        })
    }

    fn make_silence(&self, silence: Silence, act: Act) -> Answer<'_, i64> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.writing(), s => silences::make(s, &silence, &act).await)
        })
    }

    fn extend_silence(&self, id: i64, until: Timestamp, act: Act) -> Answer<'_, bool> {
        Box::pin(async move {
            let (pool, of) = (&self.pool, (id, until));
            call!(pool.writing(), s => silences::extend(s, of, &act).await)
        })
    }

    fn end_silence(&self, id: i64, act: Act) -> Answer<'_, bool> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.writing(), s => silences::end(s, id, &act).await)
        })
    }

    fn misplaced(&self, limit: u32) -> Answer<'_, Vec<(Seq, SinkId)>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => mutes::misplaced(&s.client, limit).await)
        })
    }

    fn progress_of(&self, seqs: Vec<Seq>) -> Answer<'_, Vec<Progress>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => deliveries::progress(&s.client, &seqs).await)
        })
    }

    fn retry(&self, seq: Seq, sink: SinkId, act: Act) -> Answer<'_, bool> {
        Box::pin(async move {
            let (pool, of) = (&self.pool, (seq, sink));
            call!(pool.writing(), s => settle::retry(s, of, &act).await)
        })
    }

    fn drop_pending(&self, seq: Seq, sink: SinkId, act: Act) -> Answer<'_, bool> {
        Box::pin(async move {
            let (pool, of) = (&self.pool, (seq, sink));
            call!(pool.writing(), s => settle::drop_pending(s, of, &act).await)
        })
    }

    fn dead(&self, filter: DeadFilter) -> Answer<'_, Vec<DeadRow>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => deliveries::dead(&s.client, &filter).await)
        })
    }

    fn retry_dead(&self, ids: Vec<i64>, act: Act) -> Answer<'_, Vec<(SinkId, Seq)>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.writing(), s => settle::retry_dead(s, &ids, &act).await)
        })
    }

    fn drop_dead(&self, ids: Vec<i64>, act: Act) -> Answer<'_, u64> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.writing(), s => settle::drop_dead(s, &ids, &act).await)
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

    fn drop_quarantined(&self, ids: Vec<i64>, act: Act) -> Answer<'_, u64> {
        Box::pin(async move {
            let (pool, rows) = (&self.pool, ("quarantine", ids.as_slice()));
            call!(pool.writing(), s => settle::drop_rows(s, rows, &act).await)
        })
    }

    fn record(&self, act: Act, count: u64) -> Answer<'_, ()> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.writing(), s => audit::record(s, &act, count).await)
        })
    }

    fn audit(&self, filter: AuditFilter) -> Answer<'_, Listed<AuditRow>> {
        Box::pin(async move {
            let pool = &self.pool;
            call!(pool.reading(), s => audit::list(&s.client, &filter).await)
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

    fn replication(&self) -> Option<Replication> {
        let shared = &self.shared;
        Some(Replication {
            safety: shared.copies.safety(),
            ring: shared.failover.ring.reach(Instant::now()),
            batches: shared.batches.load(Ordering::Relaxed),
            unknown_commits: shared.unknown_commits.load(Ordering::Relaxed),
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
