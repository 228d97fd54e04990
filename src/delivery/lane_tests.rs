//! The rules of lanes in memory: what makes room, what stands where it stood, what is asked for again.

use super::*;

fn pending(seq: Seq, lane: u64) -> Pending {
    Pending {
        seq,
        fingerprint: Fingerprint(lane),
        attempts: 0,
        due_at: None,
        pending_since: Timestamp::UNIX_EPOCH,
        retried: false,
    }
}

/// Lanes with these deliveries, each as its place and its lane.
fn lanes(loaded_max: usize, all: &[(Seq, u64)]) -> Lanes {
    let mut lanes = Lanes::new(loaded_max);
    for (seq, lane) in all {
        assert!(lanes.offer(&pending(*seq, *lane)), "no room for {seq}");
    }
    lanes
}

fn claimed(lanes: &mut Lanes) -> Option<Seq> {
    lanes.claim().map(|claim| claim.item.seq)
}

fn deliver(lanes: &mut Lanes, seq: Seq) {
    let claim = lanes.claim().unwrap();
    assert_eq!(claim.item.seq, seq);
    lanes.done(&claim);
}

#[test]
fn memory_that_is_full_of_heads_takes_no_more() {
    let mut lanes = lanes(3, &[(1, 1), (2, 2)]);
    assert!(lanes.has_room());
    assert!(lanes.offer(&pending(3, 3)));
    assert!(!lanes.has_room());
    assert!(!lanes.offer(&pending(4, 4)));
    assert_eq!(lanes.loaded(), 3);
}

#[test]
fn followers_make_room_for_a_head_and_their_own_head_stays() {
    let mut lanes = lanes(4, &[(1, 1), (2, 1), (3, 1), (4, 1)]);
    assert!(lanes.has_room());
    assert!(lanes.offer(&pending(5, 2)));
    assert_eq!(lanes.loaded(), 2);
    assert_eq!(claimed(&mut lanes), Some(1));
    assert_eq!(claimed(&mut lanes), Some(5));
}

#[test]
fn of_a_lane_whose_head_is_on_its_way_all_followers_make_room() {
    let mut lanes = lanes(3, &[(1, 1), (2, 1), (3, 1)]);
    assert_eq!(claimed(&mut lanes), Some(1));
    assert!(lanes.offer(&pending(4, 2)));
    assert_eq!(lanes.loaded(), 2, "the one on its way, and the new head");
}

#[test]
fn a_claim_that_was_not_sent_stands_where_it_stood() {
    let mut lanes = lanes(9, &[(1, 1), (2, 1)]);
    let claim = lanes.claim().unwrap();
    assert_eq!(claimed(&mut lanes), None, "its lane waits for it");
    lanes.release(&claim);
    let again = lanes.claim().unwrap().item;
    assert_eq!((again.seq, again.attempts), (1, 0));
}

#[test]
fn what_an_operator_dropped_leaves_its_room() {
    let mut lanes = lanes(9, &[(1, 1), (2, 1), (3, 1), (4, 2), (5, 3)]);
    lanes.remove(&HashSet::from([2, 4]));
    assert_eq!(lanes.loaded(), 3);
    for seq in [1, 3, 5] {
        deliver(&mut lanes, seq);
    }
    assert!(lanes.is_empty());
}

#[test]
fn what_an_operator_wants_now_does_not_wait_for_its_time() {
    let mut lanes = Lanes::new(9);
    for (seq, lane) in [(1, 1), (2, 1), (3, 2)] {
        assert!(lanes.offer(&Pending {
            due_at: Some(Timestamp::MAX),
            ..pending(seq, lane)
        }));
    }
    assert_eq!(claimed(&mut lanes), None);
    lanes.hurry(&HashSet::from([1, 9]));
    assert_eq!(claimed(&mut lanes), Some(1));
    assert_eq!(claimed(&mut lanes), None, "the other lane waits");
}

#[test]
fn a_digest_takes_no_more_than_its_limit() {
    let all = [(1, 1), (2, 1), (3, 1), (4, 2), (5, 3)];
    for limit in 1..=5 {
        let claims = lanes(9, &all).claim_all(Timestamp::UNIX_EPOCH, limit);
        assert_eq!(claims.len(), limit);
    }
}

#[test]
fn a_digest_takes_of_a_lane_what_is_due_up_to_what_is_not() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let mut lanes = lanes(9, &[(1, 1)]);
    for (seq, due) in [(2, 10), (3, 11), (4, 10)] {
        let due_at = Some(at(due));
        assert!(lanes.offer(&Pending {
            due_at,
            ..pending(seq, 1)
        }));
    }
    let claims = lanes.claim_all(at(10), 9);
    let seqs: Vec<_> = claims.iter().map(|claim| claim.item.seq).collect();
    assert_eq!(seqs, [1, 2]);
}

#[test]
fn a_lane_that_cannot_go_now_makes_room_before_one_that_can() {
    let mut lanes = lanes(4, &[(1, 1), (2, 1)]);
    for seq in [3, 4] {
        let due_at = Some(Timestamp::MAX);
        assert!(lanes.offer(&Pending {
            due_at,
            ..pending(seq, 2)
        }));
    }
    assert!(lanes.offer(&pending(5, 3)));
    deliver(&mut lanes, 1);
    assert_eq!(claimed(&mut lanes), Some(2), "it is still in memory");
}

#[test]
fn a_head_that_waits_is_ready_at_its_time_and_not_before() {
    let mut lanes = lanes(9, &[(1, 1), (2, 2)]);
    let claim = lanes.claim().unwrap();
    let due = Timestamp::from_millisecond(1_500).unwrap();
    lanes.again(&claim, due, 1);
    assert_eq!((lanes.next_due(), lanes.ready()), (Some(due), 1));
    lanes.wake(Timestamp::from_millisecond(1_499).unwrap());
    assert_eq!((lanes.next_due(), lanes.ready()), (Some(due), 1));
    lanes.wake(due);
    assert_eq!((lanes.next_due(), lanes.ready()), (None, 2));
    let again = lanes.claim().unwrap().item;
    assert_eq!((again.seq, again.attempts, again.refusals), (1, 1, 1));
}

#[test]
fn a_lane_that_came_in_whole_is_not_asked_for_again() {
    let mut lanes = lanes(2, &[(1, 1), (2, 1), (3, 1)]);
    assert_eq!(lanes.loaded(), 2, "the last one stays in the store");
    deliver(&mut lanes, 1);
    deliver(&mut lanes, 2);
    assert_eq!(lanes.dry(), Some(Fingerprint(1)));
    lanes.reload(Fingerprint(1), &[pending(3, 1), pending(4, 1)], true);
    assert_eq!((lanes.dry(), lanes.loaded()), (None, 2));
    deliver(&mut lanes, 3);
    deliver(&mut lanes, 4);
    assert_eq!(lanes.dry(), None);
    assert!(lanes.is_empty());
}

#[test]
fn a_lane_of_which_the_store_holds_more_is_asked_for_again() {
    let rows = [pending(3, 1), pending(4, 1), pending(5, 1)];
    // The store holds more than it gave; or it gave more than there is room for.
    for (given, whole, taken) in [(&rows[..1], false, 1), (&rows[..], true, 2)] {
        let mut lanes = lanes(2, &[(1, 1), (2, 1), (3, 1)]);
        deliver(&mut lanes, 1);
        deliver(&mut lanes, 2);
        lanes.reload(Fingerprint(1), given, whole);
        assert_eq!(lanes.loaded(), taken);
        for seq in 3.. {
            let Some(claim) = lanes.claim() else {
                break;
            };
            assert_eq!(claim.item.seq, seq);
            lanes.done(&claim);
        }
        assert_eq!(lanes.dry(), Some(Fingerprint(1)));
    }
}
