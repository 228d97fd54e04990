//! Delivery: what is owed reaches every sink, in order inside a lane, whatever fails in between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use campanile::clock::Clock;
use campanile::config::Policy;
use campanile::delivery::{
    Delivery, Event, Observer, Outlet, PausedBy, Phase, SinkState, Tuning, backoff,
};
use campanile::sinks::{Class, Delivered, Failure, Parcel, Sink};
use campanile::store::{Appending, DeadRow, Entry, Filter, NewAlert, Seq, SinkId, Store};
use campanile_providers::{Fingerprint, Report, Severity, Status};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use proptest::prelude::*;
use tokio::sync::Semaphore;

use crate::moody::Moody;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

fn store() -> Arc<dyn Store> {
    Arc::new(Moody::new())
}

/// One send as the receiver saw it.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    message: String,
    lane: Fingerprint,
    attempt: u32,
    at: Timestamp,
    delivery_id: String,
    taken: bool,
}

type Script = dyn Fn(&Parcel) -> Result<(), Failure> + Send + Sync;

/// A receiver that answers by a script and notes what it saw.
struct Scripted {
    script: Mutex<Box<Script>>,
    seen: Mutex<Vec<Seen>>,
    parcels: Mutex<Vec<Parcel>>,
    /// Every send takes one permit before it is answered.
    gate: Semaphore,
    arrived: Semaphore,
}

impl Scripted {
    fn new(script: impl Fn(&Parcel) -> Result<(), Failure> + Send + Sync + 'static) -> Arc<Self> {
        Self::gated(script, Semaphore::MAX_PERMITS)
    }

    fn gated(
        script: impl Fn(&Parcel) -> Result<(), Failure> + Send + Sync + 'static,
        permits: usize,
    ) -> Arc<Self> {
        Arc::new(Self {
            script: Mutex::new(Box::new(script)),
            seen: Mutex::default(),
            parcels: Mutex::default(),
            gate: Semaphore::new(permits),
            arrived: Semaphore::new(0),
        })
    }

    fn takes_all() -> Arc<Self> {
        Self::new(|_| Ok(()))
    }

    fn now_does(&self, script: impl Fn(&Parcel) -> Result<(), Failure> + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Box::new(script);
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn messages(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.message).collect()
    }

    fn taken(&self) -> Vec<String> {
        let taken = self.seen().into_iter().filter(|seen| seen.taken);
        taken.map(|seen| seen.message).collect()
    }

    /// Waits until so many more sends have come in.
    async fn arrivals(&self, count: u32) {
        self.arrived.acquire_many(count).await.unwrap().forget();
    }
}

impl Sink for Scripted {
    fn send<'a>(&'a self, parcel: &'a Parcel) -> BoxFuture<'a, Result<Delivered, Failure>> {
        Box::pin(async move {
            self.arrived.add_permits(1);
            self.gate.acquire().await.unwrap().forget();
            let answer = (self.script.lock().unwrap())(parcel);
            self.parcels.lock().unwrap().push(parcel.clone());
            self.seen.lock().unwrap().push(Seen {
                message: parcel.alert.message_id.clone(),
                lane: parcel.alert.fingerprint,
                attempt: parcel.attempt,
                at: parcel.at,
                delivery_id: parcel.delivery_id.clone(),
                taken: answer.is_ok(),
            });
            answer.map(|()| Delivered { code: Some(200) })
        })
    }

    fn render(&self, _: &Parcel) -> Result<String, Failure> {
        Ok(String::new())
    }
}

fn fails(class: Class) -> Failure {
    Failure {
        class,
        code: None,
        retry_after: None,
        cause: "as the test wants it".to_owned(),
    }
}

/// Notes every event.
#[derive(Default)]
struct Notes(Mutex<Vec<Event>>);

impl Notes {
    fn has(&self, wanted: impl Fn(&Event) -> bool) -> bool {
        self.0.lock().unwrap().iter().any(wanted)
    }
}

impl Observer for Notes {
    fn observe(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

/// A delivery with its store, clock and sinks `test/0`, `test/1` ...
struct Rig {
    store: Arc<dyn Store>,
    clock: Clock,
    notes: Arc<Notes>,
    outlets: Vec<Outlet>,
    tuning: Tuning,
    delivery: Delivery,
}

impl Rig {
    async fn new(sinks: &[(Arc<Scripted>, Policy)]) -> Self {
        Self::with(store(), sinks, tuning()).await
    }

    async fn with(
        store: Arc<dyn Store>,
        sinks: &[(Arc<Scripted>, Policy)],
        tuning: Tuning,
    ) -> Self {
        let clock = Clock::manual("2026-01-01T00:00:00Z".parse().unwrap());
        let names: Vec<String> = (0..sinks.len()).map(|n| format!("test/{n}")).collect();
        let ids = store.sink_ids(names.clone()).await.unwrap();
        let outlet =
            |((id, name), (sink, policy)): ((SinkId, String), &(Arc<Scripted>, Policy))| Outlet {
                id,
                name: name.into(),
                policy: policy.clone(),
                sink: sink.clone(),
            };
        let outlets: Vec<_> = ids.into_iter().zip(names).zip(sinks).map(outlet).collect();
        let notes = Arc::new(Notes::default());
        let delivery = Delivery::start_tuned(
            store.clone(),
            outlets.clone(),
            clock.clone(),
            notes.clone(),
            tuning,
        );
        Self {
            store,
            clock,
            notes,
            outlets,
            tuning,
            delivery,
        }
    }

    /// Owes a message of a lane to every sink.
    async fn accept(&self, message: &str, lane: u64) -> Seq {
        let status = if message.starts_with("resolved") {
            Status::Resolved
        } else {
            Status::Firing
        };
        let at = self.clock.now();
        let mut report = Report::new(message, Fingerprint(lane), status);
        report.title = message.to_owned();
        let body = serde_json::to_vec(&report.into_alert("test/source", at)).unwrap();
        let mut key = [0; 16];
        let bytes = message.as_bytes();
        key[..bytes.len()].copy_from_slice(bytes);
        let alert = NewAlert {
            key,
            content: 0,
            fingerprint: Fingerprint(lane),
            status,
            severity: Severity::Unknown,
            body,
            sinks: self.outlets.iter().map(|outlet| outlet.id).collect(),
        };
        let entry = Entry {
            source: "test/source".into(),
            received_at: at,
            callback: Vec::new(),
            alerts: vec![alert],
            faults: Vec::new(),
        };
        let appended = self.store.append(entry).await.unwrap();
        let Appending::Accepted { seq, .. } = appended.alerts[0] else {
            panic!("{message} is not new");
        };
        for outlet in &self.outlets {
            self.delivery.poke(outlet.id, &[seq]);
        }
        seq
    }

    /// Lets time pass in steps, everything due being done at each.
    async fn pass(&self, whole: Duration, step: Duration) {
        let end = self.clock.now() + whole;
        while self.clock.now() < end {
            self.clock.advance(step);
            self.delivery.idle().await;
        }
    }

    async fn restart(&mut self) {
        self.delivery.stop(Duration::ZERO).await;
        self.delivery = Delivery::start_tuned(
            self.store.clone(),
            self.outlets.clone(),
            self.clock.clone(),
            self.notes.clone(),
            self.tuning,
        );
    }

    async fn owed(&self) -> usize {
        let mut owed = 0;
        for outlet in &self.outlets {
            owed += self.store.owed(outlet.id, 0, 10_000).await.unwrap().len();
        }
        owed
    }

    async fn dead(&self) -> Vec<DeadRow> {
        let filter = Filter {
            limit: 10_000,
            ..Filter::default()
        };
        self.store.dead(filter).await.unwrap()
    }

    fn state(&self, sink: usize) -> SinkState {
        self.delivery.states().swap_remove(sink)
    }
}

fn tuning() -> Tuning {
    Tuning {
        seed: 7,
        ..Tuning::default()
    }
}

fn policy() -> Policy {
    Policy::default()
}

#[test]
fn the_schedule_is_waited_with_equal_jitter_and_its_last_step_repeats() {
    let schedule = policy().retry_schedule;
    let seconds = |attempt, chance| {
        backoff::jittered(backoff::step(&schedule, attempt), chance).as_secs_f64()
    };
    let least: Vec<f64> = (1..=12).map(|attempt| seconds(attempt, 0.0)).collect();
    let most: Vec<f64> = (1..=12).map(|attempt| seconds(attempt, 1.0)).collect();
    let table = [
        1., 5., 15., 30., 60., 120., 300., 600., 900., 1800., 1800., 1800.,
    ];
    assert_eq!(most, table);
    assert_eq!(least, table.map(|step| step / 2.0));
    let between = backoff::jittered(backoff::step(&schedule, 2), 0.5);
    assert_eq!(between, Duration::from_millis(3_750));
}

#[test]
fn what_an_operator_must_mend_is_tried_slowly() {
    let schedule = policy().retry_schedule;
    let slow = |attempt| backoff::slow_step(&schedule, attempt).as_secs();
    assert_eq!(
        [1, 2, 3, 4, 5, 6].map(slow),
        [120, 300, 600, 900, 1800, 1800]
    );
    assert_eq!(backoff::slow_step(&[SECOND], 1), MINUTE);
}

#[test]
fn retry_after_is_honoured_within_reason() {
    let honoured = backoff::honoured;
    assert_eq!(honoured(10 * SECOND, SECOND, 24 * HOUR), 10 * SECOND);
    assert_eq!(honoured(90_000 * HOUR, SECOND, 24 * HOUR), HOUR);
    assert_eq!(honoured(90_000 * HOUR, HOUR, 24 * HOUR), 2 * HOUR);
    assert_eq!(honoured(90_000 * HOUR, HOUR, MINUTE), MINUTE);
}

#[tokio::test]
async fn an_alert_reaches_every_sink_once_and_is_then_owed_to_none() {
    let (a, b) = (Scripted::takes_all(), Scripted::takes_all());
    let rig = Rig::new(&[(a.clone(), policy()), (b.clone(), policy())]).await;
    let seq = rig.accept("firing", 1).await;
    rig.delivery.idle().await;
    assert_eq!(a.messages(), ["firing"]);
    assert_eq!(b.messages(), ["firing"]);
    assert_eq!(rig.owed().await, 0);
    assert!(
        rig.notes
            .has(|e| matches!(e, Event::Delivered { seq: s, attempt: 1, .. } if *s == seq))
    );
    assert_ne!(a.seen()[0].delivery_id, b.seen()[0].delivery_id);
}

#[tokio::test]
async fn a_try_again_carries_the_same_delivery_id_and_the_next_number() {
    let sink = Scripted::new(|parcel| match parcel.attempt {
        1 | 2 => Err(fails(Class::Transient)),
        _ => Ok(()),
    });
    let rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.accept("firing", 1).await;
    rig.delivery.idle().await;
    rig.pass(MINUTE, SECOND).await;
    let seen = sink.seen();
    assert_eq!(
        seen.iter().map(|s| s.attempt).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    assert_eq!(
        seen.iter()
            .map(|s| &s.delivery_id)
            .collect::<BTreeSet<_>>()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_stuck_alert_holds_back_its_own_lane_and_no_other() {
    let sink = Scripted::new(|parcel| match parcel.alert.fingerprint {
        Fingerprint(1) => Err(fails(Class::Transient)),
        _ => Ok(()),
    });
    let rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.accept("firing", 1).await;
    rig.accept("resolved", 1).await;
    rig.accept("other", 2).await;
    rig.delivery.idle().await;
    assert_eq!(sink.taken(), ["other"]);
    assert!(!sink.messages().contains(&"resolved".to_owned()));
    sink.now_does(|_| Ok(()));
    rig.pass(10 * SECOND, SECOND).await;
    assert_eq!(sink.taken(), ["other", "firing", "resolved"]);
}

#[tokio::test]
async fn a_sink_that_was_down_for_an_hour_gets_everything_in_lane_order_and_no_other_noticed() {
    let down = Scripted::new(|_| Err(fails(Class::Transient)));
    let well = Scripted::takes_all();
    let rig = Rig::new(&[(down.clone(), policy()), (well.clone(), policy())]).await;
    let mut expected: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for minute in 0..60_u64 {
        let (lane, word) = (
            minute % 7,
            if minute / 7 % 2 == 0 {
                "firing"
            } else {
                "resolved"
            },
        );
        let message = format!("{word}{minute}");
        rig.accept(&message, lane).await;
        rig.delivery.idle().await;
        assert_eq!(
            well.messages().last(),
            Some(&message),
            "the other sink noticed"
        );
        expected.entry(lane).or_default().push(message);
        rig.pass(MINUTE, 10 * SECOND).await;
    }
    assert_eq!(rig.state(0).state, Phase::Open);
    down.now_does(|_| Ok(()));
    rig.pass(2 * HOUR, MINUTE).await;
    let mut got: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for seen in down.seen().into_iter().filter(|seen| seen.taken) {
        got.entry(seen.lane.0).or_default().push(seen.message);
    }
    assert_eq!(got, expected);
    assert_eq!(rig.owed().await, 0);
}

#[tokio::test]
async fn a_retry_after_holds_the_whole_sink() {
    let sink = Scripted::new(|parcel| match parcel.attempt {
        1 => Err(Failure {
            retry_after: Some(2 * MINUTE),
            ..fails(Class::Transient)
        }),
        _ => Ok(()),
    });
    let rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.accept("first", 1).await;
    rig.delivery.idle().await;
    sink.now_does(|_| Ok(()));
    rig.accept("other lane", 2).await;
    rig.pass(Duration::from_secs(119), SECOND).await;
    assert_eq!(sink.messages(), ["first"]);
    assert_eq!(rig.state(0).state, Phase::Waiting);
    rig.pass(SECOND, SECOND).await;
    assert_eq!(sink.taken().len(), 2);
}

#[tokio::test]
async fn poison_is_tried_three_times_then_dead_and_the_lane_goes_on() {
    let sink = Scripted::new(|parcel| match parcel.alert.message_id.as_str() {
        "poison" => Err(fails(Class::Poison)),
        _ => Ok(()),
    });
    let rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.accept("poison", 1).await;
    rig.accept("after", 1).await;
    rig.delivery.idle().await;
    rig.pass(MINUTE, SECOND).await;
    assert_eq!(sink.messages(), ["poison", "poison", "poison", "after"]);
    let dead = rig.dead().await;
    assert_eq!(
        (dead.len(), dead[0].class.as_str(), dead[0].attempts),
        (1, "poison", 3)
    );
}

#[tokio::test]
async fn a_sink_whose_code_panics_loses_one_alert_and_not_its_worker() {
    let sink = Scripted::new(|parcel| {
        assert_ne!(parcel.alert.message_id, "bad");
        Ok(())
    });
    let rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.accept("bad", 1).await;
    rig.delivery.idle().await;
    // The panic poisoned the test's own lock, not the worker.
    sink.script.clear_poison();
    rig.accept("good", 2).await;
    rig.delivery.idle().await;
    assert_eq!(sink.taken(), ["good"]);
}

#[tokio::test]
async fn what_is_too_old_gets_a_last_try_and_is_then_dead() {
    let sink = Scripted::new(|_| Err(fails(Class::Transient)));
    let short = Policy {
        max_age: 10 * SECOND,
        ..policy()
    };
    let rig = Rig::new(&[(sink.clone(), short)]).await;
    rig.accept("firing", 1).await;
    rig.delivery.idle().await;
    rig.pass(15 * SECOND, SECOND).await;
    let last = sink.seen().pop().unwrap();
    assert_eq!(rig.dead().await[0].class, "expired");
    assert_eq!(last.at, "2026-01-01T00:00:10Z".parse().unwrap());
}

#[tokio::test]
async fn an_open_breaker_uses_up_no_tries_and_probes_with_the_oldest() {
    let sink = Scripted::new(|_| Err(fails(Class::Transient)));
    let one = Policy {
        in_flight_max: 1,
        ..policy()
    };
    let rig = Rig::new(&[(sink.clone(), one)]).await;
    for lane in 0..50 {
        rig.accept(&format!("m{lane:02}"), lane).await;
    }
    rig.delivery.idle().await;
    assert_eq!(sink.seen().len(), 5);
    assert!(rig.notes.has(|e| matches!(e, Event::BreakerOpened { .. })));
    rig.pass(9 * SECOND, SECOND).await;
    assert_eq!(sink.seen().len(), 5, "sent while open");
    rig.pass(SECOND, SECOND).await;
    assert_eq!(sink.messages()[5..], ["m00"], "one probe, the oldest");
    rig.pass(19 * SECOND, SECOND).await;
    assert_eq!(sink.seen().len(), 6, "the second pause is twice the first");
    sink.now_does(|_| Ok(()));
    rig.pass(MINUTE, SECOND).await;
    assert!(rig.notes.has(|e| matches!(e, Event::BreakerClosed { .. })));
    assert_eq!(sink.taken().len(), 50);
    let untouched = sink
        .seen()
        .into_iter()
        .filter(|s| s.taken && s.attempt == 1);
    assert_eq!(untouched.count(), 45);
}

#[tokio::test]
async fn a_refused_token_is_told_once_and_tried_slowly() {
    let sink = Scripted::new(|_| Err(fails(Class::Operator)));
    let rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.accept("a", 1).await;
    rig.accept("b", 2).await;
    rig.delivery.idle().await;
    rig.pass(59 * SECOND, SECOND).await;
    assert_eq!(sink.seen().len(), 2);
    let notes = rig.notes.0.lock().unwrap();
    let told = notes
        .iter()
        .filter(|e| matches!(e, Event::OperatorNeeded { .. }));
    assert_eq!(told.count(), 1);
}

#[tokio::test]
async fn a_receiver_that_says_gone_pauses_its_sink_until_it_is_resumed() {
    let sink = Scripted::new(|_| Err(fails(Class::Gone)));
    let rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.accept("first", 1).await;
    rig.delivery.idle().await;
    rig.accept("second", 2).await;
    rig.pass(HOUR, MINUTE).await;
    assert_eq!(sink.messages(), ["first"]);
    assert_eq!(rig.state(0).paused_by, Some(PausedBy::Receiver));
    sink.now_does(|_| Ok(()));
    assert!(rig.delivery.resume("test/0"));
    rig.delivery.idle().await;
    assert_eq!(sink.taken(), ["first", "second"]);
    assert!(!rig.delivery.resume("test/unknown"));
}

#[tokio::test]
async fn a_slow_sink_slows_no_other_and_sends_no_more_than_its_bound() {
    let slow = Scripted::gated(|_| Ok(()), 0);
    let quick = Scripted::takes_all();
    let two = Policy {
        in_flight_max: 2,
        ..policy()
    };
    let rig = Rig::new(&[(slow.clone(), two), (quick.clone(), policy())]).await;
    for lane in 0..20 {
        rig.accept(&format!("m{lane}"), lane).await;
    }
    quick.arrivals(20).await;
    slow.arrivals(2).await;
    assert_eq!(rig.state(0).in_flight, 2);
    assert_eq!(slow.arrived.available_permits(), 0);
    slow.gate.add_permits(100);
    rig.delivery.idle().await;
    assert_eq!(slow.taken().len(), 20);
}

#[tokio::test]
async fn lanes_that_did_not_fit_into_memory_come_later_in_order() {
    let sink = Scripted::new(|parcel| match parcel.alert.fingerprint {
        Fingerprint(1) => Err(fails(Class::Transient)),
        _ => Ok(()),
    });
    let tight = Tuning {
        loaded_max: 5,
        page: 3,
        ..tuning()
    };
    let rig = Rig::with(store(), &[(sink.clone(), policy())], tight).await;
    let stuck: Vec<String> = (0..40).map(|n| format!("stuck{n:02}")).collect();
    for message in &stuck {
        rig.accept(message, 1).await;
    }
    for lane in 2..12 {
        rig.accept(&format!("free{lane}"), lane).await;
    }
    rig.delivery.idle().await;
    assert_eq!(sink.taken().len(), 10, "the stuck lane holds up the others");
    assert!(rig.state(0).loaded <= 5);
    sink.now_does(|_| Ok(()));
    rig.pass(MINUTE, SECOND).await;
    assert_eq!(sink.taken()[10..], stuck);
}

#[tokio::test]
async fn stopping_waits_for_what_is_in_flight_and_writes_it_down() {
    let sink = Scripted::gated(|_| Ok(()), 0);
    let rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.accept("in flight", 1).await;
    rig.accept("follower", 1).await;
    sink.arrivals(1).await;
    let stopping = rig.delivery.stop(25 * SECOND);
    let ending = async { sink.gate.add_permits(100) };
    tokio::join!(stopping, ending);
    assert_eq!(sink.messages(), ["in flight"]);
    assert_eq!(rig.owed().await, 1);
}

#[tokio::test]
async fn what_does_not_end_within_the_grace_stays_owed() {
    let sink = Scripted::gated(|_| Ok(()), 0);
    let rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.accept("hangs", 1).await;
    sink.arrivals(1).await;
    let clock = rig.clock.clone();
    let stopping = rig.delivery.stop(5 * SECOND);
    tokio::join!(stopping, async { clock.advance(5 * SECOND) });
    assert_eq!(rig.owed().await, 1);
}

#[tokio::test]
async fn an_outcome_that_cannot_be_written_is_kept_and_never_sent_again() {
    let moody = Arc::new(Moody::new());
    moody.failing_settles.store(4, Ordering::SeqCst);
    let sink = Scripted::takes_all();
    let rig = Rig::with(moody, &[(sink.clone(), policy())], tuning()).await;
    rig.accept("firing", 1).await;
    rig.accept("resolved", 1).await;
    rig.delivery.idle().await;
    assert!(
        rig.notes
            .has(|e| matches!(e, Event::StoreFailed { unsettled: 1, .. }))
    );
    assert_eq!(
        sink.messages(),
        ["firing"],
        "the follower waits for the commit"
    );
    rig.pass(MINUTE, Duration::from_millis(250)).await;
    assert_eq!(sink.messages(), ["firing", "resolved"]);
    assert_eq!(rig.owed().await, 0);
}

#[tokio::test]
async fn a_restart_waits_for_the_due_time_and_keeps_the_lane_in_order() {
    let sink = Scripted::new(|_| Err(fails(Class::Operator)));
    let mut rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.accept("firing", 1).await;
    rig.accept("resolved", 1).await;
    rig.delivery.idle().await;
    sink.now_does(|_| Ok(()));
    rig.restart().await;
    rig.pass(59 * SECOND, SECOND).await;
    assert_eq!(sink.messages(), ["firing"], "the due time is forgotten");
    rig.pass(MINUTE + SECOND, SECOND).await;
    assert_eq!(sink.messages(), ["firing", "firing", "resolved"]);
    assert_eq!(sink.seen()[1].attempt, 2);
}

#[tokio::test]
async fn a_dead_letter_sent_again_is_found_below_what_was_already_read() {
    let sink = Scripted::new(|parcel| match parcel.alert.message_id.as_str() {
        "dead" => Err(fails(Class::Poison)),
        "waits" => Err(fails(Class::Transient)),
        _ => Ok(()),
    });
    let rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.accept("dead", 1).await;
    rig.pass(MINUTE, SECOND).await;
    rig.accept("waits", 2).await;
    rig.delivery.idle().await;
    sink.now_does(|_| Ok(()));
    let id = rig.dead().await[0].id;
    for (sink, seq) in rig.store.redrive(vec![id], rig.clock.now()).await.unwrap() {
        rig.delivery.poke(sink, &[seq]);
    }
    rig.delivery.idle().await;
    assert_eq!(sink.taken(), ["dead"]);
    assert!(sink.parcels.lock().unwrap().last().unwrap().redriven);
}

#[tokio::test]
async fn a_delivery_dropped_by_an_operator_is_not_sent() {
    let sink = Scripted::new(|_| Err(fails(Class::Transient)));
    let rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.accept("waits", 1).await;
    rig.delivery.idle().await;
    let seq = rig.accept("dropped", 1).await;
    rig.accept("kept", 1).await;
    rig.delivery.idle().await;
    assert_eq!(rig.state(0).loaded, 3);
    let id = rig.outlets[0].id;
    assert!(rig.store.drop_owed(seq, id).await.unwrap());
    rig.delivery.forget(id, &[seq]);
    sink.now_does(|_| Ok(()));
    rig.pass(MINUTE, SECOND).await;
    assert_eq!(sink.messages(), ["waits", "waits", "kept"]);
}

#[tokio::test]
async fn a_paused_sink_gets_nothing_until_it_is_resumed() {
    let sink = Scripted::takes_all();
    let rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.delivery.pause("test/0");
    rig.accept("waits", 1).await;
    rig.pass(MINUTE, SECOND).await;
    assert_eq!(rig.state(0).state, Phase::Paused);
    assert!(sink.messages().is_empty());
    rig.delivery.resume("test/0");
    rig.delivery.idle().await;
    assert_eq!(sink.messages(), ["waits"]);
}

#[tokio::test]
async fn what_came_during_a_pause_goes_out_at_once_when_it_ends() {
    let sink = Scripted::takes_all();
    let rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.delivery.pause("test/0");
    rig.delivery.idle().await;
    rig.accept("waits", 1).await;
    rig.delivery.resume("test/0");
    // No time passes: the look at the store that comes every second is not what sends it.
    rig.delivery.idle().await;
    assert_eq!(sink.messages(), ["waits"]);
}

#[tokio::test]
async fn a_replaced_sink_starts_after_the_old_one_has_ended() {
    let old = Scripted::gated(|_| Ok(()), 0);
    let rig = Rig::new(&[(old.clone(), policy())]).await;
    rig.accept("firing", 1).await;
    rig.accept("resolved", 1).await;
    old.arrivals(1).await;
    let new = Scripted::takes_all();
    rig.delivery.replace(vec![Outlet {
        sink: new.clone(),
        ..rig.outlets[0].clone()
    }]);
    tokio::task::yield_now().await;
    assert_eq!(new.messages().len(), 0);
    old.gate.add_permits(100);
    rig.delivery.idle().await;
    assert_eq!(
        (old.messages(), new.messages()),
        (vec!["firing".into()], vec!["resolved".into()])
    );
}

#[tokio::test]
async fn what_does_not_fit_under_a_limit_waits_for_its_window() {
    let sink = Scripted::takes_all();
    let limited = Policy {
        per_minute: Some(3),
        ..policy()
    };
    let rig = Rig::new(&[(sink.clone(), limited)]).await;
    for lane in 0..8 {
        rig.accept(&format!("m{lane}"), lane).await;
    }
    rig.delivery.idle().await;
    assert_eq!(sink.seen().len(), 3);
    assert_eq!(rig.state(0).state, Phase::Waiting);
    rig.pass(59 * SECOND, SECOND).await;
    assert_eq!(sink.seen().len(), 3);
    rig.pass(SECOND, SECOND).await;
    assert_eq!(sink.seen().len(), 6);
    rig.pass(MINUTE, SECOND).await;
    assert_eq!(
        sink.messages(),
        (0..8).map(|n| format!("m{n}")).collect::<Vec<_>>()
    );
}

fn digesting() -> Policy {
    Policy {
        per_minute: Some(3),
        digest: true,
        ..policy()
    }
}

#[tokio::test]
async fn what_overflows_a_limit_goes_out_as_one_digest() {
    let sink = Scripted::takes_all();
    let rig = Rig::new(&[(sink.clone(), digesting())]).await;
    for n in 0..40 {
        rig.accept(&format!("m{n:02}"), n % 20).await;
    }
    rig.delivery.idle().await;
    assert_eq!(sink.seen().len(), 3);
    rig.pass(MINUTE, SECOND).await;
    assert_eq!(sink.seen().len(), 4);
    let digest = sink.parcels.lock().unwrap().pop().unwrap().alert;
    assert_eq!(
        digest.title,
        "37 alerts held back by the limit of 3 a minute"
    );
    assert_eq!(
        (digest.source.as_str(), digest.severity),
        ("campanile", Severity::Unknown)
    );
    assert!(
        digest.description.contains("37 firing"),
        "{}",
        digest.description
    );
    assert_eq!(rig.owed().await, 0);
    rig.accept("single again", 99).await;
    rig.delivery.idle().await;
    assert_eq!(sink.messages().pop().unwrap(), "single again");
}

#[tokio::test]
async fn a_digest_that_is_refused_kills_none_of_its_alerts() {
    let sink = Scripted::new(|parcel| match parcel.alert.source.as_str() {
        "campanile" => Err(fails(Class::Poison)),
        _ => Ok(()),
    });
    let rig = Rig::new(&[(sink.clone(), digesting())]).await;
    for n in 0..20 {
        rig.accept(&format!("m{n:02}"), n).await;
    }
    rig.delivery.idle().await;
    rig.pass(HOUR, MINUTE).await;
    assert_eq!(sink.taken().len(), 20);
    assert!(rig.dead().await.is_empty());
}

/// What a sink does with a try, drawn at random.
fn whim() -> impl Strategy<Value = u8> {
    prop_oneof![4 => Just(0_u8), 3 => Just(1), 1 => Just(2), 1 => Just(3), 1 => Just(4)]
}

fn answer(whim: u8) -> Result<(), Failure> {
    match whim {
        0 => Ok(()),
        1 => Err(fails(Class::Transient)),
        2 => Err(fails(Class::Poison)),
        3 => Err(fails(Class::Operator)),
        _ => Err(Failure {
            retry_after: Some(90 * SECOND),
            ..fails(Class::Transient)
        }),
    }
}

/// Plays lanes against whims with tight memory and restarts, and checks the run against the rules.
async fn play(lanes: Vec<u64>, whims: Vec<u8>, digest: bool, restart_every: usize) {
    let turn = Mutex::new(0);
    let sink = Scripted::new(move |_| {
        let mut turn = turn.lock().unwrap();
        *turn += 1;
        // In the end the sink is well: a run must come to an end.
        whims.get(*turn).map_or(Ok(()), |whim| answer(*whim))
    });
    let limited = Policy {
        per_minute: digest.then_some(5),
        digest,
        ..policy()
    };
    let tight = Tuning {
        loaded_max: 6,
        page: 4,
        ..tuning()
    };
    let mut rig = Rig::with(store(), &[(sink.clone(), limited)], tight).await;
    for (n, lane) in lanes.iter().enumerate() {
        rig.accept(&format!("m{n:03}"), *lane).await;
        if n % restart_every == 0 {
            rig.delivery.idle().await;
            rig.restart().await;
        }
        rig.pass(2 * SECOND, SECOND).await;
    }
    rig.pass(48 * HOUR, 10 * MINUTE).await;
    check(&rig, &sink, &lanes).await;
}

async fn check(rig: &Rig, sink: &Scripted, lanes: &[u64]) {
    assert_eq!(rig.owed().await, 0, "something is still owed");
    let digests = rig.notes.has(|e| matches!(e, Event::Digested { .. }));
    let dead = rig.dead().await;
    let mut last: BTreeMap<Fingerprint, String> = BTreeMap::new();
    for seen in sink.seen() {
        let before = last.insert(seen.lane, seen.message.clone());
        if digests || before.is_none() {
            continue;
        }
        assert!(
            before.unwrap() <= seen.message,
            "{} came too late",
            seen.message
        );
    }
    let notes = rig.notes.0.lock().unwrap();
    let ended = notes.iter().filter_map(|e| match e {
        Event::Delivered { seq, .. } | Event::Dead { seq, .. } => Some(*seq),
        _ => None,
    });
    let ended: Vec<Seq> = ended.collect();
    let once: BTreeSet<Seq> = ended.iter().copied().collect();
    assert_eq!(
        (ended.len(), once.len()),
        (lanes.len(), lanes.len()),
        "each ends exactly once"
    );
    let delivered = lanes.len() - dead.len();
    let by_digest = notes.iter().map(|e| match e {
        Event::Digested { count, .. } => *count - 1,
        _ => 0,
    });
    assert_eq!(sink.taken().len() + by_digest.sum::<usize>(), delivered);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_resolved_overtakes_its_firing_and_nothing_vanishes_whatever_fails(
        lanes in prop::collection::vec(0_u64..6, 1..60),
        whims in prop::collection::vec(whim(), 0..120),
        digest in any::<bool>(),
        restart_every in 5_usize..40,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(play(lanes, whims, digest, restart_every));
    }
}
