//! Every order of events of two gateways that share a sink, within bounds: a model checker runs the code of the leases.
//!
//! A tick is the time between two beats, and a gateway is dead after three. A normal run tries each fault once, in some
//! combinations. `CAMPANILE_LEASES=5` tries so many ticks, with all faults together; `scripts/soak` does.

#![expect(clippy::print_stdout, reason = "a run shows how many states it met")]

mod action;
mod model;
mod world;

use std::collections::BTreeSet;

use model::{Flaw, IN_ORDER, Leases, NOTHING_STALE, ONE_SENDS};
use stateright::{Checker, HasDiscoveries, Model};
use world::Faults;

/// Enough for a takeover and for what the old owner does afterwards.
const TICKS: u8 = 5;

const NONE: Faults = Faults {
    kills: 0,
    freezes: 0,
    losses: 0,
    delays: 0,
    hints: 0,
};
const ENDS: Faults = Faults {
    kills: 1,
    freezes: 1,
    losses: 1,
    ..NONE
};
const KILLED: Faults = Faults {
    kills: 1,
    freezes: 1,
    ..NONE
};
const LATE: Faults = Faults { delays: 1, ..NONE };
const LATE_AND_HINTED: Faults = Faults { hints: 1, ..LATE };
const LATE_AND_LOST: Faults = Faults { losses: 1, ..LATE };
const ALL: Faults = Faults { delays: 2, ..ENDS };

/// One sink, whose owner fails.
fn takeover(flaw: Option<Flaw>, faults: Faults) -> Leases {
    Leases {
        flaw,
        ticks: TICKS,
        sinks: 1,
        parts: 1,
        faults,
    }
}

/// One sink that is to have two parts.
fn dividing(flaw: Option<Flaw>, faults: Faults) -> Leases {
    Leases {
        parts: 2,
        ..takeover(flaw, faults)
    }
}

/// The same, and a gateway beats twice in a tick.
fn hinted(flaw: Option<Flaw>) -> Leases {
    Leases {
        ticks: TICKS - 1,
        ..takeover(flaw, LATE_AND_HINTED)
    }
}

/// Two sinks, of which the owner gives one back.
fn giving_back(flaw: Option<Flaw>, faults: Faults) -> Leases {
    Leases {
        ticks: TICKS - 1,
        sinks: 2,
        ..takeover(flaw, faults)
    }
}

/// No order of events breaks a rule.
fn hold(leases: Leases) {
    let leases = match std::env::var("CAMPANILE_LEASES") {
        Ok(ticks) => Leases {
            ticks: ticks.parse().expect("a number of ticks"),
            faults: ALL,
            ..leases
        },
        Err(_) => leases,
    };
    let checker = leases.checker().threads(2).spawn_dfs().join();
    println!("{} states", checker.unique_state_count());
    checker.assert_properties();
}

/// Without one of its rules, the leases break this one.
fn breaks(leases: Leases, rule: &'static str) {
    let found = HasDiscoveries::AnyOf(BTreeSet::from([rule]));
    let checker = leases.checker().finish_when(found).spawn_bfs().join();
    assert!(checker.discovery(rule).is_some(), "the model finds nothing");
}

#[test]
fn one_gateway_sends_in_order_and_nothing_stale_is_settled_when_the_owner_fails() {
    hold(takeover(None, ENDS));
}

#[test]
fn one_gateway_sends_in_order_and_nothing_stale_is_settled_when_messages_are_late() {
    hold(takeover(None, LATE));
    hold(hinted(None));
}

#[test]
fn one_gateway_sends_in_order_and_nothing_stale_is_settled_when_a_lease_is_given_back() {
    hold(giving_back(None, LATE_AND_LOST));
}

#[test]
fn one_gateway_sends_in_order_and_nothing_stale_is_settled_when_a_sink_is_divided() {
    hold(dividing(None, KILLED));
    hold(dividing(None, LATE));
}

#[test]
fn two_gateways_send_if_a_sink_is_divided_while_one_delivers_for_it() {
    breaks(dividing(Some(Flaw::DividesOwned), NONE), ONE_SENDS);
}

#[test]
fn two_gateways_send_if_one_is_declared_dead_without_a_compare_of_its_beat() {
    breaks(takeover(Some(Flaw::DeadWithoutCompare), NONE), ONE_SENDS);
}

#[test]
fn two_gateways_send_if_trust_counts_from_the_answer() {
    breaks(takeover(Some(Flaw::TrustFromAnswer), LATE), ONE_SENDS);
}

#[test]
fn two_gateways_send_if_silence_counts_from_the_own_beat() {
    breaks(hinted(Some(Flaw::SilenceFromSend)), ONE_SENDS);
}

#[test]
fn an_old_owner_sends_out_of_order_if_its_trust_does_not_end() {
    breaks(takeover(Some(Flaw::NoDeadline), NONE), IN_ORDER);
}

#[test]
fn an_old_owner_settles_if_there_is_no_fence() {
    breaks(takeover(Some(Flaw::NoFence), LATE), NOTHING_STALE);
}

#[test]
fn two_gateways_send_if_a_view_from_before_a_lease_was_given_back_counts() {
    breaks(
        giving_back(Some(Flaw::OldViewAfterGivingBack), LATE),
        ONE_SENDS,
    );
}

#[test]
fn two_gateways_send_if_an_owner_forgets_that_it_asked_to_give_a_lease_back() {
    breaks(
        giving_back(Some(Flaw::GivesBackOnce), LATE_AND_LOST),
        ONE_SENDS,
    );
}
