//! Lanes with sinks that answer at random: the order is kept, and no delivery is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use campanile::config::Policy;
use campanile::delivery::{Tuning, What};
use campanile_model::Fingerprint;
use campanile_sinks::{Class, Failure};
use campanile_store::Seq;
use proptest::prelude::*;

use super::rig::{Rig, policy, store, tuning};
use super::scripted::{Scripted, fails};
use super::{HOUR, MINUTE, SECOND};

use crate::patience::idle;

/// How a sink answers an attempt, drawn at random.
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

/// Runs lanes with random answers, little memory and restarts, and checks the run against the rules.
async fn play(lanes: Vec<u64>, whims: Vec<u8>, digest: bool, restart_every: usize) {
    let turn = Mutex::new(0);
    let sink = Scripted::new(move |_| {
        let mut turn = turn.lock().unwrap();
        *turn += 1;
        // In the end the sink works: a run must end.
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
            idle(&rig.delivery).await;
            rig.restart().await;
        }
        rig.pass(2 * SECOND, SECOND).await;
    }
    rig.pass(48 * HOUR, 10 * MINUTE).await;
    check(&rig, &sink, &lanes).await;
}

async fn check(rig: &Rig, sink: &Scripted, lanes: &[u64]) {
    assert_eq!(rig.pending().await, 0, "something is still pending");
    let digests = rig.notes.has(|e| matches!(e.what, What::Digested { .. }));
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
    let ended = notes.iter().filter_map(|e| match &e.what {
        What::Delivered { seq, .. } | What::Dead { seq, .. } => Some(*seq),
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
    let by_digest = notes.iter().map(|e| match &e.what {
        What::Digested { count, .. } => *count - 1,
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
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(play(lanes, whims, digest, restart_every));
    }
}
