//! Implements the four traits: writes go through the queue of the writer, reads use their own connections.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use campanile_model::Fingerprint;
use jiff::Timestamp;
use uuid::Uuid;

use super::{Sqlite, audit, prune, read, settle, silences};
use crate::lease::Part;
use crate::packed::Packed;
use crate::{
    Act, AlertFilter, AlertToSend, Answer, Appended, Archive, ArrivalRow, AttemptRow, AuditFilter,
    AuditRow, CallbackFilter, CallbackRow, DeadFilter, DeadRow, DeliveryFilter, DeliveryRow, Entry,
    Error, Firing, FiringFilter, Following, Held, HeldPlace, Inbox, Listed, OpenEpisode, OpenPlace,
    Outbox, OutcomeRow, Pending, Progress, QuarantineFilter, QuarantineRow, Seq, Settlement,
    Silence, SilenceFilter, SilenceRow, SinkId, SourceTally, Stats, StoredAlert, TallyFilter,
    TallyRow, Upkeep,
};

impl Inbox for Sqlite {
    fn append(&self, entry: Entry) -> Answer<'_, Appended> {
        let packed = Packed::new(entry);
        Box::pin(self.enqueue(false, move |session| session.append(&packed)))
    }

    fn release(&self, id: i64, entry: Entry, act: Act) -> Answer<'_, Appended> {
        let packed = Packed::new(entry);
        Box::pin(self.write(move |session| settle::release(session, id, &packed, &act)))
    }

    fn append_by(&self, entry: Entry, act: Act) -> Answer<'_, Appended> {
        let packed = Packed::exact(entry);
        Box::pin(self.write(move |session| settle::append_by(session, &packed, &act)))
    }

    fn ready(&self) -> Answer<'_, ()> {
        Box::pin(self.write(|session| {
            let sql = "UPDATE meta SET value = value + 1 WHERE name = 'probe'";
            session
                .connection
                .prepare_cached(sql)?
                .execute([])
                .map(|_| ())
        }))
    }
}

impl Outbox for Sqlite {
    fn sink_ids(&self, names: Vec<String>) -> Answer<'_, Vec<SinkId>> {
        Box::pin(
            self.write(move |session| names.iter().map(|name| session.sink_id(name)).collect()),
        )
    }

    fn pending(&self, sink: SinkId, after: Seq, limit: usize) -> Answer<'_, Vec<Pending>> {
        Box::pin(
            self.readers
                .look(move |c| read::pending(c, sink, after, limit)),
        )
    }

    fn pending_in_lane(
        &self,
        sink: SinkId,
        lane: Fingerprint,
        after: Seq,
        limit: usize,
    ) -> Answer<'_, Vec<Pending>> {
        Box::pin(
            self.readers
                .look(move |c| read::pending_in_lane(c, sink, lane, after, limit)),
        )
    }

    fn alerts_at(&self, sink: SinkId, seqs: Vec<Seq>) -> Answer<'_, Vec<AlertToSend>> {
        Box::pin(self.readers.look(move |c| read::alerts_at(c, sink, &seqs)))
    }

    fn open_episodes(
        &self,
        sink: SinkId,
        after: Option<OpenPlace>,
        limit: usize,
    ) -> Answer<'_, Vec<OpenEpisode>> {
        Box::pin(
            self.readers
                .look(move |c| read::open_episodes(c, sink, after, limit)),
        )
    }

    fn held_of(&self, part: Part, after: HeldPlace, limit: usize) -> Answer<'_, Vec<Held>> {
        Box::pin(
            self.readers
                .look(move |c| read::held_of(c, part.sink, after, limit)),
        )
    }

    fn settle(&self, settlements: Vec<Settlement>) -> Answer<'_, ()> {
        Box::pin(self.write(move |session| {
            settlements
                .iter()
                .try_for_each(|settlement| settle::settle(session, settlement))
        }))
    }
}

impl Archive for Sqlite {
    fn tallies(&self, filter: TallyFilter) -> Answer<'_, Vec<TallyRow>> {
        let minutes = Arc::clone(&self.minutes);
        Box::pin(
            self.readers
                .look(move |c| read::tallies(c, &minutes, &filter)),
        )
    }

    fn tallies_by_source(&self, filter: TallyFilter) -> Answer<'_, Vec<SourceTally>> {
        let minutes = Arc::clone(&self.minutes);
        Box::pin(
            self.readers
                .look(move |c| read::tallies_by_source(c, &minutes, &filter)),
        )
    }

    fn version(&self) -> Answer<'_, u64> {
        let version = self.version.load(Ordering::SeqCst);
        Box::pin(std::future::ready(Ok(version)))
    }

    fn known_sinks(&self) -> Answer<'_, Vec<(SinkId, String)>> {
        Box::pin(self.readers.look(read::known_sinks))
    }

    fn alert(&self, id: Uuid) -> Answer<'_, Option<StoredAlert>> {
        Box::pin(self.readers.look(move |c| read::alert(c, id)))
    }

    fn alerts(&self, filter: AlertFilter) -> Answer<'_, Listed<StoredAlert>> {
        let recent = Arc::clone(&self.recent);
        Box::pin(
            self.readers
                .look(move |c| read::alerts(c, &recent, &filter)),
        )
    }

    fn firing(&self, filter: FiringFilter) -> Answer<'_, Firing> {
        let shared = Arc::clone(&self.firing);
        Box::pin(
            self.readers
                .look(move |c| read::firing(c, &shared, &filter)),
        )
    }

    fn alerts_by_seq(&self, seqs: Vec<Seq>) -> Answer<'_, Vec<StoredAlert>> {
        Box::pin(self.readers.look(move |c| read::alerts_by_seq(c, &seqs)))
    }

    fn alerts_after(&self, after: Seq, rows: u32, bytes: usize) -> Answer<'_, Following> {
        Box::pin(
            self.readers
                .look(move |c| read::alerts_after(c, after, rows, bytes)),
        )
    }

    fn callback_of(&self, seq: Seq) -> Answer<'_, Option<Vec<u8>>> {
        Box::pin(self.readers.look(move |c| read::callback_of(c, seq)))
    }

    fn callbacks(&self, filter: CallbackFilter) -> Answer<'_, Listed<CallbackRow>> {
        Box::pin(self.readers.look(move |c| read::callbacks(c, &filter)))
    }

    fn arrival_of(&self, seq: Seq) -> Answer<'_, Option<ArrivalRow>> {
        Box::pin(self.readers.look(move |c| read::arrival_of(c, seq)))
    }

    fn deliveries(&self, filter: DeliveryFilter) -> Answer<'_, Vec<DeliveryRow>> {
        Box::pin(self.readers.look(move |c| read::deliveries(c, &filter)))
    }

    fn deliveries_of(&self, seq: Seq) -> Answer<'_, Vec<DeliveryRow>> {
        Box::pin(self.readers.look(move |c| read::deliveries_of(c, seq)))
    }

    fn attempts_of(&self, seq: Seq) -> Answer<'_, Vec<AttemptRow>> {
        Box::pin(self.readers.look(move |c| read::attempts_of(c, seq)))
    }

    fn held_alert(&self, seq: Seq) -> Answer<'_, Vec<Held>> {
        Box::pin(self.readers.look(move |c| read::held_alert(c, seq)))
    }

    fn held(&self, sink: Option<SinkId>, limit: u32) -> Answer<'_, Vec<Held>> {
        Box::pin(self.readers.look(move |c| read::held(c, sink, limit)))
    }

    fn outcomes_of(&self, seq: Seq) -> Answer<'_, Vec<OutcomeRow>> {
        Box::pin(self.readers.look(move |c| read::outcomes_of(c, seq)))
    }

    fn silences(&self, filter: SilenceFilter) -> Answer<'_, Vec<SilenceRow>> {
        Box::pin(self.readers.look(move |c| silences::list(c, &filter)))
    }

    fn make_silence(&self, silence: Silence, act: Act) -> Answer<'_, i64> {
        Box::pin(self.write(move |session| silences::make(session, &silence, &act)))
    }

    fn extend_silence(&self, id: i64, until: Timestamp, act: Act) -> Answer<'_, bool> {
        Box::pin(self.write(move |session| silences::extend(session, id, until, &act)))
    }

    fn end_silence(&self, id: i64, act: Act) -> Answer<'_, bool> {
        Box::pin(self.write(move |session| silences::end(session, id, &act)))
    }

    fn misplaced(&self, limit: u32) -> Answer<'_, Vec<(Seq, SinkId)>> {
        Box::pin(self.readers.look(move |c| read::misplaced(c, limit)))
    }

    fn progress_of(&self, seqs: Vec<Seq>) -> Answer<'_, Vec<Progress>> {
        Box::pin(self.readers.look(move |c| read::progress_of(c, &seqs)))
    }

    fn retry(&self, seq: Seq, sink: SinkId, act: Act) -> Answer<'_, bool> {
        Box::pin(self.write(move |session| settle::retry(session, seq, sink, &act)))
    }

    fn drop_pending(&self, seq: Seq, sink: SinkId, act: Act) -> Answer<'_, bool> {
        Box::pin(self.write(move |session| settle::drop_pending(session, seq, sink, &act)))
    }

    fn dead(&self, filter: DeadFilter) -> Answer<'_, Vec<DeadRow>> {
        Box::pin(self.readers.look(move |c| read::dead(c, &filter)))
    }

    fn retry_dead(&self, dead: Vec<i64>, act: Act) -> Answer<'_, Vec<(SinkId, Seq)>> {
        Box::pin(self.write(move |session| settle::retry_dead(session, &dead, &act)))
    }

    fn drop_dead(&self, dead: Vec<i64>, act: Act) -> Answer<'_, u64> {
        Box::pin(self.write(move |session| settle::drop_dead(session, &dead, &act)))
    }

    fn quarantine(&self, filter: QuarantineFilter) -> Answer<'_, Vec<QuarantineRow>> {
        Box::pin(self.readers.look(move |c| read::quarantine(c, &filter)))
    }

    fn quarantined(&self, id: i64) -> Answer<'_, Option<QuarantineRow>> {
        Box::pin(self.readers.look(move |c| read::quarantined(c, id)))
    }

    fn drop_quarantined(&self, ids: Vec<i64>, act: Act) -> Answer<'_, u64> {
        Box::pin(self.write(move |session| settle::drop_rows(session, "quarantine", &ids, &act)))
    }

    fn record(&self, act: Act, count: u64) -> Answer<'_, ()> {
        Box::pin(self.write(move |session| audit::record(session, &act, count)))
    }

    fn audit(&self, filter: AuditFilter) -> Answer<'_, Listed<AuditRow>> {
        Box::pin(self.readers.look(move |c| read::audit(c, &filter)))
    }
}

impl Upkeep for Sqlite {
    fn prune(&self, before: Timestamp) -> Answer<'_, bool> {
        Box::pin(self.write(move |session| prune::step(session, before.as_millisecond())))
    }

    fn stats(&self) -> Answer<'_, Stats> {
        Box::pin(self.readers.look(read::stats))
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            drop(
                self.queue
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .take(),
            );
            self.readers.close();
            let writer = self
                .writer
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            let Some(writer) = writer else { return Ok(()) };
            tokio::task::spawn_blocking(move || writer.join())
                .await
                .map_err(|e| Error::Stopped(e.to_string()))?
                .map_err(|_| Error::Stopped("its writer thread panicked".to_owned()))
        })
    }
}
