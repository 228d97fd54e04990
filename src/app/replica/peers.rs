//! What differs between the configurations of the gateways that share a store.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use campanile_settings::Digests;
use campanile_store::lease::{Peer, View};
use uuid::Uuid;

/// A new configuration reaches one gateway after the other. What differs for longer is a mistake.
const PATIENCE: Duration = Duration::from_mins(2);

/// The differences to each other gateway.
#[derive(Debug, Default)]
pub(super) struct Differences(HashMap<Uuid, Difference>);

#[derive(Debug)]
struct Difference {
    gateway: String,
    parts: Vec<String>,
    since: Duration,
    reported: bool,
}

/// What to report of another gateway.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Report {
    Differs { gateway: String, parts: Vec<String> },
    Agrees { gateway: String },
}

impl Differences {
    /// Compares the configurations in a view with the own one, at this time of the own clock.
    pub(super) fn look(
        &mut self,
        now: Duration,
        (me, own): (Uuid, &Digests),
        view: &View,
    ) -> Vec<Report> {
        let peers = view.gateways.iter().filter(|peer| peer.id != me);
        let differing = peers.filter_map(|peer| Some((peer, parts(own, peer)?)));
        let mut now_differ: HashMap<Uuid, Difference> = differing
            .map(|(peer, parts)| {
                let gateway = peer.name.clone();
                let begins = Difference {
                    gateway,
                    parts,
                    since: now,
                    reported: false,
                };
                (peer.id, begins)
            })
            .collect();
        let mut reports = Vec::new();
        for (id, before) in self.0.drain() {
            match now_differ.get_mut(&id) {
                Some(still) => {
                    still.since = before.since;
                    still.reported = before.reported && before.parts == still.parts;
                }
                None if before.reported && view.gateways.iter().any(|peer| peer.id == id) => {
                    let gateway = before.gateway;
                    reports.push(Report::Agrees { gateway });
                }
                None => {}
            }
        }
        for difference in now_differ.values_mut() {
            if now.saturating_sub(difference.since) >= PATIENCE && !difference.reported {
                difference.reported = true;
                let (gateway, parts) = (difference.gateway.clone(), difference.parts.clone());
                reports.push(Report::Differs { gateway, parts });
            }
        }
        self.0 = now_differ;
        reports
    }

    /// What has differed at a gateway for longer than it takes to change all of them.
    pub(super) fn of(&self, id: Uuid) -> Vec<String> {
        let reported = self.0.get(&id).filter(|difference| difference.reported);
        reported.map_or_else(Vec::new, |difference| difference.parts.clone())
    }
}

/// The parts that differ. None if all agree, or if the other gateway is of a version that does not say.
fn parts(own: &Digests, peer: &Peer) -> Option<Vec<String>> {
    let theirs: Digests = serde_json::from_str(&peer.config).ok()?;
    let all: BTreeSet<&String> = own.keys().chain(theirs.keys()).collect();
    let differing = all
        .into_iter()
        .filter(|part| own.get(*part) != theirs.get(*part));
    let parts: Vec<String> = differing.cloned().collect();
    (!parts.is_empty()).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(parts: &[(&str, &str)]) -> Digests {
        let parts = parts.iter();
        parts
            .map(|(part, digest)| ((*part).to_owned(), (*digest).to_owned()))
            .collect()
    }

    fn peer(number: u128, config: &str) -> Peer {
        Peer {
            id: Uuid::from_u128(number),
            beat: 1,
            sinks: Vec::new(),
            parts: Vec::new(),
            leaving: false,
            name: format!("gateway {number}"),
            state: String::new(),
            config: config.to_owned(),
        }
    }

    fn view(config: &str) -> View {
        View {
            gateways: vec![peer(1, "{}"), peer(2, config)],
            ..View::default()
        }
    }

    const ME: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);

    #[test]
    fn what_differs_for_two_minutes_is_reported_once_with_its_parts_and_so_is_its_end() {
        let own = digests(&[("routes", "a"), ("sinks.webhook.a", "b"), ("self", "c")]);
        let other = r#"{"routes":"a","sinks.webhook.a":"changed","sinks.webhook.new":"d"}"#;
        let mut differences = Differences::default();
        let mut at = |seconds, config: &str| {
            let now = Duration::from_secs(seconds);
            let reports = differences.look(now, (ME, &own), &view(config));
            (reports, differences.of(OTHER))
        };
        assert_eq!(at(0, other), (vec![], vec![]));
        assert_eq!(at(119, other), (vec![], vec![]));
        let parts: Vec<String> = ["self", "sinks.webhook.a", "sinks.webhook.new"]
            .map(str::to_owned)
            .to_vec();
        let gateway = "gateway 2".to_owned();
        let differs = Report::Differs {
            gateway: gateway.clone(),
            parts: parts.clone(),
        };
        assert_eq!(at(120, other), (vec![differs], parts.clone()));
        assert_eq!(at(122, other), (vec![], parts));
        let same = serde_json::to_string(&own).unwrap();
        assert_eq!(at(124, &same), (vec![Report::Agrees { gateway }], vec![]));
    }

    #[test]
    fn a_configuration_that_is_on_its_way_to_all_gateways_is_not_reported() {
        let own = digests(&[("routes", "a")]);
        let mut differences = Differences::default();
        let mut at = |seconds, config| {
            differences.look(Duration::from_secs(seconds), (ME, &own), &view(config))
        };
        assert_eq!(at(0, r#"{"routes":"old"}"#), []);
        assert_eq!(at(100, r#"{"routes":"a"}"#), []);
        assert_eq!(at(130, r#"{"routes":"new"}"#), []);
        assert_eq!(at(249, r#"{"routes":"new"}"#), []);
    }

    #[test]
    fn a_gateway_that_does_not_say_what_it_has_configured_does_not_differ() {
        let own = digests(&[("routes", "a")]);
        let mut differences = Differences::default();
        for seconds in [0, 200] {
            let now = Duration::from_secs(seconds);
            assert_eq!(differences.look(now, (ME, &own), &view("")), []);
        }
    }
}
