//! The real store with switchable faults: a database whose commits fail, hang or are refused when a test wants it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use campanile_model::Fingerprint;
use campanile_store::lease::Part;
use campanile_store::sqlite::Sqlite;
use campanile_store::{
    Act, AlertFilter, AlertToSend, Answer, Appended, Archive, ArrivalRow, AttemptRow, AuditFilter,
    AuditRow, CallbackFilter, CallbackRow, DeadFilter, DeadRow, DeliveryFilter, DeliveryRow, Entry,
    Error, Firing, FiringFilter, Following, Held, HeldPlace, Inbox, Listed, OpenEpisode, OpenPlace,
    Outbox, OutcomeRow, Patience, Pending, Progress, QuarantineFilter, QuarantineRow, Seq,
    Settlement, Silence, SilenceFilter, SilenceRow, SinkId, SourceTally, Stats, StoredAlert,
    TallyFilter, TallyRow, Upkeep, Verdict,
};
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::sync::Notify;
use uuid::Uuid;

/// How the store handles the next callbacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Well,
    Busy,
    Failing,
    /// A commit waits for `go`.
    Stuck,
}

/// A store in a folder of its own. The next `failing_settles` settlements fail, and so do the next `failing_reads` reads of
/// alerts.
pub(crate) struct Moody {
    store: Sqlite,
    mood: Mutex<Mood>,
    pub(crate) go: Notify,
    pub(crate) failing_settles: AtomicU32,
    pub(crate) failing_reads: AtomicU32,
    /// How often a method without faults was called.
    pub(crate) calls: AtomicUsize,
    /// How often pending deliveries were read from the first place.
    pub(crate) looks_at_all: AtomicUsize,
    /// A search of alerts ends as soon as it can.
    pub(crate) impatient: AtomicBool,
    _folder: TempDir,
}

/// Every row of any list.
const MANY: u32 = 10_000;

impl Moody {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            store: Sqlite::open(&folder.path().join("campanile.db")).unwrap(),
            mood: Mutex::default(),
            go: Notify::new(),
            failing_settles: AtomicU32::new(0),
            failing_reads: AtomicU32::new(0),
            calls: AtomicUsize::new(0),
            looks_at_all: AtomicUsize::new(0),
            impatient: AtomicBool::new(false),
            _folder: folder,
        }
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// The number of a sink.
    pub(crate) async fn sink(&self, name: &str) -> SinkId {
        self.store.sink_ids(vec![name.to_owned()]).await.unwrap()[0]
    }

    /// Every alert, oldest first.
    pub(crate) async fn all_alerts(&self) -> Vec<StoredAlert> {
        let mut alerts = self
            .store
            .alerts(AlertFilter {
                limit: MANY,
                ..AlertFilter::default()
            })
            .await
            .unwrap()
            .rows;
        alerts.reverse();
        alerts
    }

    /// The first alert, as JSON.
    pub(crate) async fn first_alert(&self) -> serde_json::Value {
        serde_json::from_slice(&self.all_alerts().await[0].json).unwrap()
    }

    /// The raw callback of the first alert.
    pub(crate) async fn first_callback(&self) -> Vec<u8> {
        self.store.callback_of(1).await.unwrap().unwrap()
    }

    /// Every quarantined callback, oldest first.
    pub(crate) async fn all_quarantined(&self) -> Vec<QuarantineRow> {
        let mut rows = self
            .store
            .quarantine(QuarantineFilter {
                limit: MANY,
                ..QuarantineFilter::default()
            })
            .await
            .unwrap();
        rows.reverse();
        rows
    }

    /// Whether the store keeps no alert and no quarantined callback.
    pub(crate) async fn is_empty(&self) -> bool {
        let stats = self.store.stats().await.unwrap();
        stats.alerts == 0 && stats.quarantined == 0
    }

    /// Settles the first attempt of every pending delivery.
    pub(crate) async fn settle_all(&self, verdict: &Verdict) {
        let mut pending = self
            .store
            .deliveries(DeliveryFilter {
                limit: MANY,
                ..DeliveryFilter::default()
            })
            .await
            .unwrap();
        pending.reverse();
        let settled = pending.iter().map(|row| Settlement {
            sink: row.sink,
            seq: row.pending.seq,
            at: Timestamp::UNIX_EPOCH,
            took_ms: 12,
            attempt: 1,
            code: Some(500),
            verdict: verdict.clone(),
            handle: None,
            worth: None,
            remark: None,
        });
        self.store.settle(settled.collect()).await.unwrap();
    }

    /// Makes a silence that lasts.
    pub(crate) async fn silence(&self, action: &str) {
        let silence = Silence {
            from: Timestamp::UNIX_EPOCH,
            until: Timestamp::MAX,
            matching: r#"{"match":{"title":["nothing"]}}"#.to_owned(),
            after: "tell".to_owned(),
            who: "ops".to_owned(),
            comment: String::new(),
        };
        let act = Act::new(Timestamp::UNIX_EPOCH, action);
        self.store.make_silence(silence, act).await.unwrap();
    }

    async fn admit(&self) -> Result<(), Error> {
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Well => Ok(()),
            Mood::Busy => Err(Error::Busy),
            Mood::Failing => Err(Error::Commit("disk full".into())),
            Mood::Stuck => {
                self.go.notified().await;
                Ok(())
            }
        }
    }
}

/// Decreases the counter. False when it was zero.
fn counts_down(left: &AtomicU32) -> bool {
    let less = |left: u32| left.checked_sub(1);
    let counted = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
    counted.is_ok()
}

/// Methods without faults.
macro_rules! untouched {
    ($($method:ident($($given:ident: $type:ty),*) -> $result:ty;)*) => {
        $(fn $method(&self, $($given: $type),*) -> Answer<'_, $result> {
            self.calls.fetch_add(1, Ordering::SeqCst);
            self.store.$method($($given),*)
        })*
    };
}

impl Inbox for Moody {
    fn append(&self, entry: Entry) -> Answer<'_, Appended> {
        Box::pin(async move {
            self.admit().await?;
            self.store.append(entry).await
        })
    }

    fn ready(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            self.admit().await?;
            self.store.ready().await
        })
    }

    untouched! {
        release(id: i64, entry: Entry, act: Act) -> Appended;
        append_by(entry: Entry, act: Act) -> Appended;
    }
}

impl Outbox for Moody {
    fn settle(&self, settlements: Vec<Settlement>) -> Answer<'_, ()> {
        if counts_down(&self.failing_settles) {
            return Box::pin(async { Err(Error::Commit("disk full".into())) });
        }
        self.store.settle(settlements)
    }

    fn pending(&self, sink: SinkId, after: Seq, limit: usize) -> Answer<'_, Vec<Pending>> {
        let whole = usize::from(after == 0);
        self.looks_at_all.fetch_add(whole, Ordering::SeqCst);
        self.store.pending(sink, after, limit)
    }

    fn alerts_at(&self, sink: SinkId, seqs: Vec<Seq>) -> Answer<'_, Vec<AlertToSend>> {
        if counts_down(&self.failing_reads) {
            return Box::pin(async { Err(Error::Commit("disk I/O error".into())) });
        }
        self.store.alerts_at(sink, seqs)
    }

    untouched! {
        sink_ids(names: Vec<String>) -> Vec<SinkId>;
        pending_in_lane(sink: SinkId, lane: Fingerprint, after: Seq, limit: usize) -> Vec<Pending>;
        held_of(part: Part, after: HeldPlace, limit: usize) -> Vec<Held>;
        open_episodes(sink: SinkId, after: Option<OpenPlace>, limit: usize) -> Vec<OpenEpisode>;
    }
}

impl Archive for Moody {
    fn firing(&self, filter: FiringFilter) -> Answer<'_, Firing> {
        if counts_down(&self.failing_reads) {
            return Box::pin(async { Err(Error::Commit("disk I/O error".into())) });
        }
        self.store.firing(filter)
    }

    fn alerts(&self, filter: AlertFilter) -> Answer<'_, Listed<StoredAlert>> {
        if counts_down(&self.failing_reads) {
            return Box::pin(async { Err(Error::Commit("disk I/O error".into())) });
        }
        let mut filter = filter;
        if self.impatient.load(Ordering::SeqCst) {
            filter.patience = Patience::until(|| true);
        }
        self.store.alerts(filter)
    }

    fn drop_pending(&self, seq: Seq, sink: SinkId, act: Act) -> Answer<'_, bool> {
        Box::pin(async move {
            self.admit().await?;
            self.store.drop_pending(seq, sink, act).await
        })
    }

    fn drop_dead(&self, ids: Vec<i64>, act: Act) -> Answer<'_, u64> {
        Box::pin(async move {
            self.admit().await?;
            self.store.drop_dead(ids, act).await
        })
    }

    untouched! {
        version() -> u64;
        known_sinks() -> Vec<(SinkId, String)>;
        tallies(filter: TallyFilter) -> Vec<TallyRow>;
        tallies_by_source(filter: TallyFilter) -> Vec<SourceTally>;
        alert(id: Uuid) -> Option<StoredAlert>;
        alerts_by_seq(seqs: Vec<Seq>) -> Vec<StoredAlert>;
        alerts_after(after: Seq, rows: u32, bytes: usize) -> Following;
        callback_of(seq: Seq) -> Option<Vec<u8>>;
        callbacks(filter: CallbackFilter) -> Listed<CallbackRow>;
        arrival_of(seq: Seq) -> Option<ArrivalRow>;
        deliveries(filter: DeliveryFilter) -> Vec<DeliveryRow>;
        deliveries_of(seq: Seq) -> Vec<DeliveryRow>;
        attempts_of(seq: Seq) -> Vec<AttemptRow>;
        held_alert(seq: Seq) -> Vec<Held>;
        held(sink: Option<SinkId>, limit: u32) -> Vec<Held>;
        outcomes_of(seq: Seq) -> Vec<OutcomeRow>;
        silences(filter: SilenceFilter) -> Vec<SilenceRow>;
        make_silence(silence: Silence, act: Act) -> i64;
        extend_silence(id: i64, until: Timestamp, act: Act) -> bool;
        end_silence(id: i64, act: Act) -> bool;
        misplaced(limit: u32) -> Vec<(Seq, SinkId)>;
        progress_of(seqs: Vec<Seq>) -> Vec<Progress>;
        retry(seq: Seq, sink: SinkId, act: Act) -> bool;
        dead(filter: DeadFilter) -> Vec<DeadRow>;
        retry_dead(ids: Vec<i64>, act: Act) -> Vec<(SinkId, Seq)>;
        quarantine(filter: QuarantineFilter) -> Vec<QuarantineRow>;
        quarantined(id: i64) -> Option<QuarantineRow>;
        drop_quarantined(ids: Vec<i64>, act: Act) -> u64;
        record(act: Act, count: u64) -> ();
        audit(filter: AuditFilter) -> Listed<AuditRow>;
    }
}

impl Upkeep for Moody {
    untouched! {
        prune(before: Timestamp) -> bool;
        stats() -> Stats;
        close() -> ();
    }
}
