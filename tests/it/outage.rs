//! A sink that is down for hours: it gets only probes, memory keeps its limit, no attempts are used up. When it works
//! again it gets everything, in order, within its rate limits.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use campanile::config::Policy;
use campanile::delivery::gate::Open;
use campanile::delivery::{BuiltSink, Delivery, Event, Observer, Phase, Tuning};
use campanile_model::Clock;
use campanile_model::Status;
use campanile_sinks::{Class, Delivered, Failure, Message, Sink};
use campanile_store::{Entry, Store};
use futures_util::future::BoxFuture;
use jiff::Timestamp;

use crate::message;
use crate::moody::Moody;
use crate::order::rig::{Note, Rig, Whim};
use crate::patience::{idle, within};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);

/// More is pending than this holds in memory.
const LOADED_MAX: usize = 5_000;

/// A sink that fails until `fixed` is set, and counts its calls.
#[derive(Default)]
struct Counting {
    fixed: OnceLock<()>,
    calls: AtomicUsize,
    now: AtomicUsize,
    most: AtomicUsize,
    most_loaded: AtomicUsize,
    delivery: OnceLock<Delivery>,
    /// What it accepted, by lane.
    taken: Mutex<BTreeMap<u64, Vec<u64>>>,
}

impl Sink for Counting {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Failure>> {
        Box::pin(async move {
            self.calls.fetch_add(1, Ordering::Relaxed);
            let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
            self.most.fetch_max(now, Ordering::Relaxed);
            self.look_at_memory();
            // Others may begin before this one ends.
            tokio::task::yield_now().await;
            self.now.fetch_sub(1, Ordering::Relaxed);
            if self.fixed.get().is_none() {
                return Err(Failure::new(Class::Transient, "down"));
            }
            let number = message.alerts[0].message_id.parse().unwrap();
            let mut taken = self.taken.lock().unwrap();
            taken
                .entry(message.alerts[0].fingerprint.0)
                .or_default()
                .push(number);
            Ok(Delivered::default())
        })
    }

    fn render(&self, _: &Message) -> Result<String, Failure> {
        Ok(String::new())
    }
}

impl Counting {
    fn look_at_memory(&self) {
        let loaded = self
            .delivery
            .get()
            .map_or(0, |delivery| delivery.states()[0].loaded);
        self.most_loaded.fetch_max(loaded, Ordering::Relaxed);
    }
}

struct Deaf;

impl Observer for Deaf {
    fn observe(&self, _: Event) {}
}

/// The lane of an alert: a fifth is of one problem that flaps, the rest is spread over thousands.
fn lane(number: u64) -> u64 {
    if number.is_multiple_of(5) {
        0
    } else {
        1 + number % 3_989
    }
}

/// The alerts of one callback, each with its number as message id.
fn batch(numbers: std::ops::Range<u64>, clock: &Clock, sink: i64) -> Entry {
    let at = clock.now();
    let alert = |number: u64| {
        message::alert(
            &number.to_string(),
            lane(number),
            Status::Firing,
            at,
            vec![sink],
        )
    };
    message::entry(numbers.map(alert).collect(), at)
}

/// When an open breaker may probe: after 10 s, then after twice as long each time, at most 5 min.
fn probes_within(whole: Duration) -> usize {
    let mut wait = 10 * SECOND;
    let mut at = Duration::ZERO;
    let mut probes = 0;
    while at + wait <= whole {
        at += wait;
        wait = (2 * wait).min(300 * SECOND);
        probes += 1;
    }
    probes
}

#[tokio::test]
async fn six_hours_down_with_fifty_thousand_owed_cost_only_probes_and_then_all_comes_in_order() {
    const PENDING: u64 = 50_000;
    let policy = Policy::default();
    let store: Arc<dyn Store> = Arc::new(Moody::new());
    let clock = Clock::manual("2026-01-01T00:00:00Z".parse().unwrap());
    let id = store.sink_ids(vec!["test/0".to_owned()]).await.unwrap()[0];
    for from in (0..PENDING).step_by(1_000) {
        let appended = store.append(batch(from..from + 1_000, &clock, id)).await;
        assert_eq!(appended.unwrap().alerts.len(), 1_000);
    }
    let sink = Arc::new(Counting::default());
    let built = BuiltSink {
        part: id.into(),
        name: "test/0".into(),
        policy: policy.clone(),
        sink: Arc::clone(&sink) as Arc<dyn Sink>,
    };
    let tuning = Tuning {
        loaded_max: LOADED_MAX,
        ..Tuning::default()
    };
    let delivery = Delivery::start_tuned(
        Arc::clone(&store),
        vec![built],
        clock.clone(),
        Arc::new(Deaf),
        (Arc::new(Open), tuning),
    );
    assert!(sink.delivery.set(delivery.clone()).is_ok());
    idle(&delivery).await;

    let before_it_opened = sink.calls.load(Ordering::Relaxed);
    // Four failures open nothing and make room for four more; the fifth opens it, and what is under way then ends.
    let at_most = policy.in_flight_max + 4;
    assert!(before_it_opened <= at_most, "{before_it_opened} calls");
    let down = 6 * HOUR;
    let step = 10 * SECOND;
    for steps in 1..=down.as_secs() / step.as_secs() {
        clock.advance(step);
        idle(&delivery).await;
        sink.look_at_memory();
        let probes = sink.calls.load(Ordering::Relaxed) - before_it_opened;
        let within = Duration::from_secs(steps * step.as_secs());
        assert!(
            probes <= probes_within(within),
            "{probes} probes in {within:?}"
        );
    }
    assert_eq!(
        sink.calls.load(Ordering::Relaxed) - before_it_opened,
        probes_within(down)
    );
    assert_eq!(delivery.states()[0].state, Phase::Open);
    assert_eq!(store.stats().await.unwrap().pending, [(id, PENDING)]);

    sink.fixed.set(()).unwrap();
    let drained = async {
        while !store.stats().await.unwrap().pending.is_empty() {
            clock.advance(60 * SECOND);
            idle(&delivery).await;
        }
    };
    within("an end of what is pending", drained).await;
    assert_eq!(sink.most.load(Ordering::Relaxed), policy.in_flight_max);
    let most_loaded = sink.most_loaded.load(Ordering::Relaxed);
    assert!(most_loaded <= LOADED_MAX, "{most_loaded} in memory");
    let mut expected: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    (0..PENDING).for_each(|number| expected.entry(lane(number)).or_default().push(number));
    assert!(
        *sink.taken.lock().unwrap() == expected,
        "lost, twice, or out of order"
    );
    assert_eq!(store.stats().await.unwrap().dead, []);
    delivery.stop(Duration::ZERO).await;
}

/// Few tries in a long window: too few to open the breaker.
fn patient() -> Policy {
    Policy {
        max_age: 6 * HOUR,
        retry_schedule: vec![4 * HOUR],
        ..Policy::default()
    }
}

#[tokio::test]
async fn a_delivery_gets_its_last_try_at_the_very_end_of_its_window_and_only_there_it_dies() {
    let sinks = vec![(patient(), Vec::new()), (patient(), Vec::new())];
    let rig = Rig::new(sinks, Tuning::default()).await;
    (0..2).for_each(|sink| rig.set_down(sink, true));
    let seq = rig.post("firing", 1, Status::Firing).await.unwrap();
    idle(&rig.delivery).await;
    let end = rig.clock.now() + 6 * HOUR;
    rig.pass(359 * 60 * SECOND, 20 * SECOND).await;
    rig.pass(59 * SECOND, SECOND).await;
    assert_eq!(
        (rig.pending(0).await, rig.pending(1).await),
        (vec![seq], vec![seq])
    );
    rig.set_down(1, false);
    rig.log.take();
    rig.pass(SECOND, SECOND).await;
    let last = |sink: usize, log: &[(Timestamp, Note)]| {
        let sent = log.iter().filter_map(|(_, note)| match note {
            Note::Sent(sent) if sent.sink == sink => Some(sent.at),
            _ => None,
        });
        sent.collect::<Vec<_>>()
    };
    let log = rig.log.take();
    assert_eq!((last(0, &log), last(1, &log)), (vec![end], vec![end]));
    let dead: Vec<_> = rig
        .dead(0)
        .await
        .into_iter()
        .map(|row| (row.seq, row.class))
        .collect();
    assert_eq!(dead, [(seq, "expired".to_owned())]);
    assert_eq!(
        rig.pending(1).await.len() + rig.dead(1).await.len(),
        0,
        "a last try can succeed"
    );
}

#[tokio::test]
async fn what_could_not_be_tried_for_longer_than_its_window_is_delivered_all_the_same() {
    let rig = Rig::new(vec![(patient(), Vec::new())], Tuning::default()).await;
    rig.delivery.pause("test/0");
    rig.post("held", 1, Status::Firing).await.unwrap();
    rig.pass(48 * HOUR, HOUR).await;
    rig.delivery.resume("test/0");
    idle(&rig.delivery).await;
    assert_eq!((rig.pending(0).await, rig.dead(0).await), (vec![], vec![]));
}

/// One call at a time, none of them a second try.
fn single() -> Policy {
    Policy {
        in_flight_max: 1,
        retry_schedule: vec![20 * HOUR],
        ..Policy::default()
    }
}

/// So many messages, each of a problem of its own, one after the other.
async fn one_by_one(rig: &Rig, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let message = number.to_string();
        rig.post(&message, number, Status::Firing).await.unwrap();
        idle(&rig.delivery).await;
    }
}

fn every_other() -> Vec<Whim> {
    let pair = [Whim::Fails(Class::Transient), Whim::Takes];
    pair.into_iter().cycle().take(100).collect()
}

#[tokio::test]
async fn a_sink_that_fails_half_of_twenty_calls_within_a_minute_is_left_alone() {
    let rig = Rig::new(vec![(single(), every_other())], Tuning::default()).await;
    one_by_one(&rig, 0..10).await;
    rig.pass(59 * SECOND, SECOND).await;
    one_by_one(&rig, 10..19).await;
    assert_ne!(rig.state(0).state, Phase::Open);
    one_by_one(&rig, 19..20).await;
    assert_eq!(rig.state(0).state, Phase::Open);
    assert_eq!(rig.state(0).retry_at, Some(rig.clock.now() + 10 * SECOND));
}

#[tokio::test]
async fn failures_of_a_minute_ago_speak_no_more_against_a_sink() {
    let rig = Rig::new(vec![(single(), every_other())], Tuning::default()).await;
    one_by_one(&rig, 0..10).await;
    rig.pass(60 * SECOND, SECOND).await;
    one_by_one(&rig, 10..29).await;
    assert_ne!(rig.state(0).state, Phase::Open);
    one_by_one(&rig, 29..30).await;
    assert_eq!(rig.state(0).state, Phase::Open);
}

#[tokio::test]
async fn four_failures_in_a_row_open_nothing_and_a_success_begins_the_count_anew() {
    let fails = Whim::Fails(Class::Transient);
    let four = [fails, fails, fails, fails, Whim::Takes];
    let whims = four.into_iter().chain([fails; 5]).collect();
    let rig = Rig::new(vec![(single(), whims)], Tuning::default()).await;
    one_by_one(&rig, 0..9).await;
    assert_ne!(rig.state(0).state, Phase::Open);
    one_by_one(&rig, 9..10).await;
    assert_eq!(rig.state(0).state, Phase::Open);
}

#[tokio::test]
async fn each_try_speaks_for_a_minute_of_its_own_however_many_came_before_it() {
    let fails = Whim::Fails(Class::Transient);
    // A success, nine failures and ten successes, one more failure: ten of the last twenty.
    let pairs = [fails, Whim::Takes].into_iter().cycle().take(18);
    let whims = [Whim::Takes]
        .into_iter()
        .chain(pairs)
        .chain([Whim::Takes, fails]);
    let rig = Rig::new(vec![(single(), whims.collect())], Tuning::default()).await;
    one_by_one(&rig, 0..1).await;
    rig.pass(30 * SECOND, SECOND).await;
    one_by_one(&rig, 1..20).await;
    rig.pass(31 * SECOND, SECOND).await;
    assert_ne!(rig.state(0).state, Phase::Open);
    one_by_one(&rig, 20..21).await;
    assert_eq!(rig.state(0).state, Phase::Open);
}

fn down_five_times() -> Vec<(Policy, Vec<Whim>)> {
    vec![(single(), vec![Whim::Fails(Class::Transient); 5])]
}

#[tokio::test]
async fn an_operator_who_resumes_a_sink_that_is_left_alone_has_it_tried_at_once() {
    let rig = Rig::new(down_five_times(), Tuning::default()).await;
    one_by_one(&rig, 0..6).await;
    assert_eq!(rig.state(0).state, Phase::Open);
    assert_eq!(rig.pending(0).await.len(), 6);
    rig.delivery.resume("test/0");
    idle(&rig.delivery).await;
    assert_ne!(rig.state(0).state, Phase::Open);
    let waits = "what failed waits for its own next try";
    assert_eq!(rig.pending(0).await.len(), 5, "{waits}");
}

#[tokio::test]
async fn a_probe_that_never_left_is_made_again() {
    let store = Arc::new(Moody::new());
    let rig = Rig::on(store.clone(), down_five_times(), Tuning::default()).await;
    one_by_one(&rig, 0..6).await;
    assert_eq!(rig.state(0).state, Phase::Open);
    store.failing_reads.store(1, Ordering::SeqCst);
    rig.pass(10 * SECOND, SECOND).await;
    assert_eq!(store.failing_reads.load(Ordering::SeqCst), 0, "no probe");
    rig.pass(5 * SECOND, SECOND).await;
    assert_ne!(rig.state(0).state, Phase::Open);
    assert_eq!(rig.pending(0).await.len(), 5);
}

#[tokio::test]
async fn what_could_not_be_read_keeps_its_turn() {
    let store = Arc::new(Moody::new());
    let rig = Rig::on(store.clone(), vec![(single(), vec![])], Tuning::default()).await;
    store.failing_reads.store(3, Ordering::SeqCst);
    let fired = rig.post("fired", 1, Status::Firing).await;
    let over = rig.post("over", 1, Status::Resolved).await;
    rig.pass(20 * SECOND, SECOND).await;
    let sent = rig
        .log
        .take()
        .into_iter()
        .filter_map(|(_, note)| match note {
            Note::Sent(sent) => Some((sent.seq, sent.attempt)),
            Note::Reported(_) => None,
        });
    assert_eq!(sent.collect::<Vec<_>>(), [(fired, 1), (over, 1)]);
    assert_eq!(rig.pending(0).await, Vec::<i64>::new());
}
