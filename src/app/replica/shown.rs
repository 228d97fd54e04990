//! What operators see of the gateways and of the sinks, also of those at another gateway.

use campanile_store::lease::{Peer, View};

use super::{Replica, State};
use crate::delivery::{BuiltSink, SinkState};
use crate::http::PeerState;

impl Replica {
    /// Every configured sink, also if another gateway delivers for it.
    pub(in crate::app) fn states(&self) -> Vec<SinkState> {
        let own = self.0.delivery.states();
        let state = self.state();
        let paused = |id| state.view.paused.contains(&id);
        let sinks = state.sinks.iter();
        sinks
            .map(|sink| {
                let here = own.iter().find(|shown| shown.name == sink.name);
                let shown = here.cloned().or_else(|| elsewhere(&state.view, sink));
                let new = || SinkState::new(sink.name.clone());
                let shown = shown.unwrap_or_else(new);
                if here.is_none() && paused(sink.id) {
                    shown.paused_by_operator()
                } else {
                    shown
                }
            })
            .collect()
    }

    /// Every gateway that is not dead. Ids are in the order of the starts.
    pub(in crate::app) fn gateways(&self) -> Vec<PeerState> {
        let state = self.state();
        let peers = state.view.gateways.iter();
        peers.map(|peer| state.shown(peer)).collect()
    }
}

impl State {
    fn shown(&self, peer: &Peer) -> PeerState {
        let leases = self.view.leases.iter();
        let own = leases.filter(|lease| lease.owner == Some(peer.id));
        let named = |id| self.sinks.iter().find(|sink| sink.id == id);
        let sinks = own.filter_map(|lease| Some(named(lease.sink)?.name.to_string()));
        PeerState {
            name: peer.name.clone(),
            this: peer.id == self.me,
            leaving: peer.leaving,
            sinks: sinks.collect(),
            differs: self.differences.of(peer.id),
        }
    }
}

/// What the owner of a sink last said of it.
fn elsewhere(view: &View, sink: &BuiltSink) -> Option<SinkState> {
    let lease = view.leases.iter().find(|lease| lease.sink == sink.id)?;
    let mut peers = view.gateways.iter();
    let owner = peers.find(|peer| Some(peer.id) == lease.owner)?;
    let states: Vec<SinkState> = serde_json::from_str(&owner.state).ok()?;
    states.into_iter().find(|shown| shown.name == sink.name)
}
