//! What operators see of the gateways and of the sinks, also of those at another gateway.

use campanile_store::lease::{Part, Peer, Row};

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
                let all = here.cloned().into_iter().chain(state.elsewhere(sink));
                let new = || SinkState::new(sink.name.clone());
                let shown = all.reduce(SinkState::with).unwrap_or_else(new);
                if here.is_none() && paused(sink.part.sink) {
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
        let named = |id| self.sinks.iter().find(|sink| sink.part.sink == id);
        let sinks = own.filter_map(|lease| {
            let Part { sink, number, of } = lease.part;
            let name = &named(sink)?.name;
            Some(match of {
                1 => name.to_string(),
                _ => format!("{name} ({}/{of})", number + 1),
            })
        });
        PeerState {
            name: peer.name.clone(),
            this: peer.id == self.me,
            leaving: peer.leaving,
            sinks: sinks.collect(),
            differs: self.differences.of(peer.id),
        }
    }

    /// What the other owners of a sink, or of its parts, last said of it.
    fn elsewhere(&self, sink: &BuiltSink) -> Vec<SinkState> {
        let owns = |peer: &&Peer| {
            let mut leases = self.view.leases.iter();
            let of =
                |lease: &Row| lease.part.sink == sink.part.sink && lease.owner == Some(peer.id);
            peer.id != self.me && leases.any(of)
        };
        let owners = self.view.gateways.iter().filter(owns);
        let said = owners.filter_map(|owner| {
            let states: Vec<SinkState> = serde_json::from_str(&owner.state).ok()?;
            states.into_iter().find(|shown| shown.name == sink.name)
        });
        said.collect()
    }
}
