//! Which gateway delivers for a sink, when several share a store. Pure: a view of the tables goes in, wishes come out.
//!
//! Each gateway counts up its own row, the beat. Another gateway declares it dead when the beat has not changed for [`Times::ttl`]
//! of *its own* clock. No two clocks are compared, so a wrong clock cannot matter. The clock goes on while the machine is suspended.
//!
//! An owner starts a send only while it has [`Trust`]: its last accepted beat is younger than [`Times::ttl`] less
//! [`Times::margin`]. So it has stopped before another can have taken the sink. `tests/lease` tries every order of events.

mod part;
mod share;
mod times;
mod view;

use std::collections::BTreeMap;
use std::time::Duration;

use uuid::Uuid;

use crate::SinkId;

pub use part::Part;
use share::{is_free, parts_of, shares};
pub use times::{BEAT, TIMES, TTL, Times, Trust};
pub use view::{Member, Peer, Row, View, Wish};

/// What one gateway has seen of the others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Watch {
    times: Times,
    me: Uuid,
    sinks: Vec<SinkId>,
    seen: BTreeMap<Uuid, Seen>,
    /// The end of the last time that the gateways changed.
    changed: Duration,
    members: Vec<Uuid>,
    last_look: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Seen {
    beat: i64,
    since: Duration,
}

impl Watch {
    /// Of a gateway with these sinks.
    #[must_use]
    pub fn new(me: Uuid, sinks: Vec<SinkId>) -> Self {
        Self::timed(me, sinks, TIMES)
    }

    /// [`Self::new`] with other times.
    #[must_use]
    pub fn timed(me: Uuid, sinks: Vec<SinkId>, times: Times) -> Self {
        Self {
            times,
            me,
            sinks,
            seen: BTreeMap::new(),
            changed: Duration::ZERO,
            members: Vec::new(),
            last_look: None,
        }
    }

    /// The sinks of a new configuration.
    pub fn set_sinks(&mut self, sinks: Vec<SinkId>) {
        self.sinks = sinks;
    }

    /// Looks at the view of an accepted beat, at this time of the own clock.
    pub fn look(&mut self, now: Duration, view: &View) -> Vec<Wish> {
        self.see(now, view);
        let mut wishes: Vec<Wish> = view
            .gateways
            .iter()
            .filter(|peer| peer.id != self.me && self.is_silent(now, peer))
            .map(|peer| Wish::DeclareDead {
                id: peer.id,
                beat: peer.beat,
            })
            .collect();
        wishes.extend(self.divides(view));
        let shares = shares(view);
        wishes.extend(self.takes(view, &shares));
        if now.saturating_sub(self.changed) >= self.times.calm {
            wishes.extend(self.give_backs(view, &shares));
        }
        wishes
    }

    /// Silence counts only over an unbroken run of own beats: while the database was away, nobody could beat.
    fn see(&mut self, now: Duration, view: &View) {
        let broken = self
            .last_look
            .is_none_or(|last| now.saturating_sub(last) >= self.times.beat * 2);
        self.last_look = Some(now);
        if broken {
            self.seen.clear();
        }
        self.seen
            .retain(|id, _| view.gateways.iter().any(|peer| peer.id == *id));
        for Peer { id, beat, .. } in &view.gateways {
            let seen = self.seen.entry(*id).or_insert(Seen {
                beat: *beat,
                since: now,
            });
            if seen.beat != *beat {
                *seen = Seen {
                    beat: *beat,
                    since: now,
                };
            }
        }
        let mut members: Vec<Uuid> = view.gateways.iter().map(|peer| peer.id).collect();
        members.sort_unstable();
        if members != self.members {
            self.members = members;
            self.changed = now;
        }
    }

    fn is_silent(&self, now: Duration, peer: &Peer) -> bool {
        let seen = self.seen.get(&peer.id);
        seen.is_some_and(|seen| now.saturating_sub(seen.since) >= self.times.ttl)
    }

    /// Gives back the parts of each sink that is to be divided in another way, at once, and divides it when nobody has a part of it.
    fn divides(&self, view: &View) -> Vec<Wish> {
        let mut wishes = Vec::new();
        for sink in self.sinks.iter().copied() {
            let mut rows = view.leases.iter().filter(|row| row.part.sink == sink);
            let Some(from) = rows.clone().next().map(|row| row.part.of) else {
                continue;
            };
            let Some(to) = parts_of(view, sink).filter(|to| *to != from) else {
                continue;
            };
            let mine = rows.clone().filter(|row| row.owner == Some(self.me));
            wishes.extend(mine.map(|row| Wish::GiveBack(*row)));
            if rows.all(|row| is_free(view, row)) {
                wishes.push(Wish::Divide { sink, from, to });
            }
        }
        wishes
    }

    fn takes(&self, view: &View, shares: &BTreeMap<Part, Uuid>) -> Vec<Wish> {
        let free = view.leases.iter().filter(|row| is_free(view, row));
        let mine = free.filter(|row| {
            let Part { sink, of, .. } = row.part;
            let stays = parts_of(view, sink) == Some(of);
            stays && shares.get(&row.part) == Some(&self.me) && self.sinks.contains(&sink)
        });
        mine.map(|row| Wish::Take(*row)).collect()
    }

    fn give_backs(&self, view: &View, shares: &BTreeMap<Part, Uuid>) -> Vec<Wish> {
        let mine = view.leases.iter().filter(|row| row.owner == Some(self.me));
        let above = mine.filter(|row| shares.get(&row.part).is_some_and(|owner| *owner != self.me));
        above.map(|row| Wish::GiveBack(*row)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    fn peer(number: u128, beat: i64, sinks: &[SinkId]) -> Peer {
        Peer {
            id: id(number),
            beat,
            sinks: sinks.to_vec(),
            parts: Vec::new(),
            leaving: false,
            name: String::new(),
            state: String::new(),
            config: String::new(),
        }
    }

    fn free(sink: SinkId) -> Row {
        Row {
            part: Part::whole(sink),
            owner: None,
            epoch: 0,
        }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn sinks_of(wishes: &[Wish]) -> Vec<SinkId> {
        let takes = wishes.iter().filter_map(|wish| match wish {
            Wish::Take(row) => Some(row.part.sink),
            _ => None,
        });
        takes.collect()
    }

    #[test]
    fn every_free_sink_is_taken_by_exactly_one_gateway_that_has_it_and_shares_differ_by_one() {
        let sinks: Vec<SinkId> = (1..=10).collect();
        let mut view = View {
            gateways: (1..=3).map(|n| peer(n, 1, &sinks)).collect(),
            leases: sinks.iter().map(|sink| free(*sink)).collect(),
            ..View::default()
        };
        // Only the first has sink 10.
        for peer in &mut view.gateways[1..] {
            peer.sinks.pop();
        }
        let taken: Vec<Vec<SinkId>> = view
            .gateways
            .iter()
            .map(|peer| {
                let mut watch = Watch::new(peer.id, peer.sinks.clone());
                sinks_of(&watch.look(seconds(0), &view))
            })
            .collect();
        let mut all: Vec<SinkId> = taken.iter().flatten().copied().collect();
        all.sort_unstable();
        assert_eq!(all, sinks);
        assert!(
            taken.iter().all(|of| (2..=4).contains(&of.len())),
            "{taken:?}"
        );
        assert!(taken[0].contains(&10));
    }

    #[test]
    fn a_gateway_is_declared_dead_after_ten_seconds_of_own_unbroken_beats_and_not_before() {
        let mut watch = Watch::new(id(1), vec![7]);
        let view = |beat| View {
            gateways: vec![peer(1, beat, &[7]), peer(2, 5, &[7])],
            leases: vec![Row {
                part: Part::whole(7),
                owner: Some(id(2)),
                epoch: 3,
            }],
            ..View::default()
        };
        let dead = Wish::DeclareDead { id: id(2), beat: 5 };
        for second in [0, 2, 4, 6, 8] {
            assert_eq!(watch.look(seconds(second), &view(1)), []);
        }
        assert_eq!(watch.look(seconds(10), &view(1)), [dead]);
        // The database was away: the count begins again.
        let mut watch = Watch::new(id(1), vec![7]);
        for second in [0, 2, 4, 30, 32, 34, 36, 38] {
            assert_eq!(watch.look(seconds(second), &view(1)), [], "{second}");
        }
        assert_eq!(watch.look(seconds(40), &view(1)), [dead]);
    }

    #[test]
    fn a_beat_that_changes_keeps_a_gateway_alive() {
        let mut watch = Watch::new(id(1), vec![]);
        for second in 0..60 {
            let beat = i64::try_from(second / 9).unwrap();
            let view = View {
                gateways: vec![peer(1, 0, &[]), peer(2, beat, &[])],
                leases: vec![],
                ..View::default()
            };
            assert_eq!(watch.look(seconds(second), &view), []);
        }
    }

    #[test]
    fn what_a_dead_gateway_had_is_taken() {
        let mut watch = Watch::new(id(1), vec![7]);
        let row = Row {
            part: Part::whole(7),
            owner: Some(id(2)),
            epoch: 3,
        };
        let view = View {
            gateways: vec![peer(1, 1, &[7])],
            leases: vec![row],
            ..View::default()
        };
        assert_eq!(watch.look(seconds(0), &view), [Wish::Take(row)]);
    }

    #[test]
    fn a_gateway_that_joins_gets_its_share_after_calm_and_nothing_moves_afterwards() {
        let sinks: Vec<SinkId> = (1..=6).collect();
        let mut leases: Vec<Row> = sinks
            .iter()
            .map(|sink| Row {
                owner: Some(id(1)),
                ..free(*sink)
            })
            .collect();
        let mut watches = [1, 2].map(|n| Watch::new(id(n), sinks.clone()));
        let mut moved_at = Vec::new();
        for second in (0..120).step_by(2) {
            let beat = i64::try_from(second).unwrap();
            let view = View {
                gateways: vec![peer(1, beat, &sinks), peer(2, beat, &sinks)],
                leases: leases.clone(),
                ..View::default()
            };
            for watch in &mut watches {
                for wish in watch.look(seconds(second), &view) {
                    let (row, owner) = match wish {
                        Wish::Take(row) => (row, Some(watch.me)),
                        Wish::GiveBack(row) => (row, None),
                        _ => panic!("both live"),
                    };
                    moved_at.push(second);
                    for lease in leases.iter_mut().filter(|lease| **lease == row) {
                        lease.owner = owner;
                        lease.epoch += 1;
                    }
                }
            }
        }
        let of = |n| leases.iter().filter(|row| row.owner == Some(id(n))).count();
        assert_eq!((of(1), of(2)), (3, 3));
        assert!(
            moved_at.iter().all(|second| (30..40).contains(second)),
            "{moved_at:?}"
        );
    }

    #[test]
    fn a_sink_is_divided_when_all_gateways_want_it_and_nobody_has_a_part_and_then_its_parts_are_shared()
     {
        let own = Row {
            owner: Some(id(1)),
            ..free(7)
        };
        let mut view = View {
            gateways: vec![peer(1, 1, &[7]), peer(2, 1, &[7])],
            leases: vec![own],
            ..View::default()
        };
        let look = |view: &View| [1, 2].map(|n| Watch::new(id(n), vec![7]).look(seconds(0), view));
        view.gateways[0].parts = vec![4];
        assert_eq!(look(&view), [vec![], vec![]], "one is of an older version");
        view.gateways[1].parts = vec![2];
        assert_eq!(look(&view), [vec![Wish::GiveBack(own)], vec![]]);
        view.leases = vec![free(7)];
        let (sink, from, to) = (7, 1, 2);
        let divide = Wish::Divide { sink, from, to };
        assert_eq!(look(&view), [vec![divide], vec![divide]]);
        let part = |number| Row {
            part: Part {
                sink,
                number,
                of: 2,
            },
            ..free(7)
        };
        view.leases = vec![part(0), part(1)];
        let takes = look(&view).concat();
        assert_eq!(takes.len(), 2);
        assert_ne!(takes[0], takes[1]);
    }

    #[test]
    fn a_gateway_that_stops_takes_nothing() {
        let mut leaving = peer(1, 1, &[7]);
        leaving.leaving = true;
        let view = View {
            gateways: vec![leaving, peer(2, 1, &[7])],
            leases: vec![free(7)],
            ..View::default()
        };
        assert_eq!(Watch::new(id(1), vec![7]).look(seconds(0), &view), []);
        let other = Watch::new(id(2), vec![7]).look(seconds(0), &view);
        assert_eq!(sinks_of(&other), [7]);
    }

    #[test]
    fn trust_ends_before_another_can_take_the_sink() {
        let trust = Trust::after(seconds(100));
        assert!(trust.holds(seconds(107)));
        assert!(!trust.holds(seconds(108)));
    }
}
