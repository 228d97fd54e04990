//! The share of each gateway in the leases: every gateway computes the same from the same view.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use uuid::Uuid;

use super::{Part, Peer, Row, View};
use crate::SinkId;

/// Who should have which lease: every gateway computes the same from the same view. Each sink goes to the gateway with the
/// highest rank for it that has room; a sink that a live gateway has stays there while that has room.
pub(super) fn shares(view: &View) -> BTreeMap<Part, Uuid> {
    let mut wanted: Vec<Row> = view.leases.clone();
    wanted.retain(|row| able(view, row.part.sink).next().is_some());
    wanted.sort_unstable_by_key(|row| row.part);
    let members = view.gateways.iter().filter(|peer| !peer.leaving).count();
    let room = wanted.len().div_ceil(members.max(1));
    let mut counts: HashMap<Uuid, usize> = HashMap::new();
    let mut shares = BTreeMap::new();
    let mut open = Vec::new();
    for Row { part, owner, .. } in wanted {
        let owner = owner.filter(|owner| able(view, part.sink).any(|peer| peer.id == *owner));
        match owner {
            Some(owner) if counts.get(&owner).copied().unwrap_or(0) < room => {
                *counts.entry(owner).or_default() += 1;
                shares.insert(part, owner);
            }
            _ => open.push(part),
        }
    }
    // Those with the least choice first.
    open.sort_by_key(|part| able(view, part.sink).count());
    for part in open {
        let mut peers: Vec<Uuid> = able(view, part.sink).map(|peer| peer.id).collect();
        peers.sort_unstable_by_key(|id| std::cmp::Reverse(rank(part, *id)));
        let free = peers
            .iter()
            .find(|id| counts.get(*id).copied().unwrap_or(0) < room);
        // A sink that only full gateways have configured goes to the first of them.
        if let Some(chosen) = free.or(peers.first()) {
            *counts.entry(*chosen).or_default() += 1;
            shares.insert(part, *chosen);
        }
    }
    shares
}

/// The gateways that can take this sink.
fn able(view: &View, sink: SinkId) -> impl Iterator<Item = &Peer> {
    let peers = view.gateways.iter();
    peers.filter(move |peer| !peer.leaving && peer.sinks.contains(&sink))
}

/// Into how many parts this sink is to be divided. While the gateways differ, the smallest number counts: a gateway of an older
/// version says none, and delivers for whole sinks only. None: no gateway has the sink.
pub(super) fn parts_of(view: &View, sink: SinkId) -> Option<u16> {
    let parts = able(view, sink).map(|peer| {
        let at = peer.sinks.iter().position(|of| *of == sink);
        at.and_then(|at| peer.parts.get(at)).copied().unwrap_or(1)
    });
    parts.min().map(|parts| parts.max(1))
}

/// Whether nobody who lives has this lease.
pub(super) fn is_free(view: &View, row: &Row) -> bool {
    let living = |owner: Uuid| view.gateways.iter().any(|peer| peer.id == owner);
    !row.owner.is_some_and(living)
}

/// The same for every gateway.
fn rank(part: Part, gateway: Uuid) -> u64 {
    let mut hasher = DefaultHasher::new();
    (part.sink, part.number, gateway.as_u128()).hash(&mut hasher);
    hasher.finish()
}
