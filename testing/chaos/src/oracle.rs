//! The verdict on what was sent, what was promised and what arrived. Pure: the same input gives the same verdict.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::ledger::Entry;
use crate::receiver::{Arrival, is_refused};

/// The breaches of one invariant that are printed in full.
const SHOWN_MAX: usize = 3;

/// The alerts that arrived at one receiver.
pub(crate) struct Came {
    pub(crate) name: &'static str,
    pub(crate) arrivals: Vec<Arrival>,
    /// The number of alerts that may arrive again, because they were in flight when the process died.
    pub(crate) again_max: usize,
    /// How many of those may arrive after a later alert of their lane: a process that was frozen can have begun to send them.
    pub(crate) late_max: usize,
}

/// All evidence, when nothing is pending any more.
pub(crate) struct Evidence<'e> {
    pub(crate) said: &'e HashMap<String, Entry>,
    pub(crate) came: &'e [Came],
    pub(crate) is_past: &'e dyn Fn(&str) -> bool,
    /// The database can lose its last commits. What it lost is appended again: under other ids, also after later alerts of its
    /// lane, and also if a receiver has it already.
    pub(crate) forgets: bool,
}

/// The result of the evidence.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) losses: usize,
    pub(crate) duplicates: usize,
    pub(crate) order_breaks: usize,
    pub(crate) breaches: Breaches,
}

/// Broken promises, by invariant.
#[derive(Debug, Default)]
pub(crate) struct Breaches(BTreeMap<&'static str, Vec<String>>);

impl Breaches {
    pub(crate) fn add(&mut self, invariant: &'static str, what: String) {
        self.0.entry(invariant).or_default().push(what);
    }

    /// Whether every promise was kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the breaches of `other`.
    pub(crate) fn extend(&mut self, other: Self) {
        for (invariant, all) in other.0 {
            self.0.entry(invariant).or_default().extend(all);
        }
    }

    /// Each breach in words: the first few of each invariant.
    pub(crate) fn shown(&self) -> Vec<String> {
        let shown = |(invariant, all): (&&'static str, &Vec<String>)| {
            let mut shown: Vec<_> = all
                .iter()
                .take(SHOWN_MAX)
                .map(|what| format!("{invariant}: {what}"))
                .collect();
            if all.len() > SHOWN_MAX {
                shown.push(format!("{invariant}: and {} more", all.len() - SHOWN_MAX));
            }
            shown
        };
        self.0.iter().flat_map(shown).collect()
    }
}

/// Whether a receiver must get an alert. The routes in the config of the stage have the same rule.
pub(crate) fn is_owed(receiver: &str, key: &str, entry: &Entry) -> bool {
    match receiver {
        "slow" => entry.source.starts_with("ucloud/"),
        "picky" => !is_refused(key),
        _ => true,
    }
}

/// Judges.
pub(crate) fn judge(evidence: &Evidence<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    for came in evidence.came {
        content(evidence, came, &mut verdict);
        order(evidence, came, &mut verdict);
        repetitions(evidence, came, &mut verdict);
    }
    completeness(evidence, &mut verdict);
    one_name(evidence, &mut verdict);
    verdict
}

/// I2: every alert that arrives was sent, and arrives as it was sent, with the same content on every attempt.
fn content(evidence: &Evidence<'_>, came: &Came, verdict: &mut Verdict) {
    let mut first: HashMap<&str, &Arrival> = HashMap::new();
    for arrival in &came.arrivals {
        let (key, to) = (&arrival.key, came.name);
        let Some(entry) = evidence.said.get(key) else {
            let what = if (evidence.is_past)(key) {
                format!("`{key}` arrived at {to} long after it was delivered and settled")
            } else {
                format!("`{key}` arrived at {to}, but no vendor sent it")
            };
            verdict.breaches.add("I2", what);
            continue;
        };
        if let Some(is) = &arrival.alert
            && *is != entry.alert
        {
            let should = &entry.alert;
            let what = format!("`{key}` arrived at {to} as {is}, but was sent as {should}");
            verdict.breaches.add("I2", what);
        }
        if to == "slow" && !is_owed(to, key, entry) {
            let what = format!("`{key}` arrived at {to}, but no route leads there");
            verdict.breaches.add("I2", what);
        }
        let first = first.entry(key).or_insert(arrival);
        if first.delivery != arrival.delivery && !evidence.forgets {
            let what = format!(
                "`{key}` has two delivery ids at {to}: the receiver cannot drop the second one"
            );
            verdict.breaches.add("I2", what);
        }
    }
}

/// I3: in a lane, no alert arrives after one that was sent later, not even again.
fn order(evidence: &Evidence<'_>, came: &Came, verdict: &mut Verdict) {
    let mut last: HashMap<&str, (u64, &str)> = HashMap::new();
    let mut taken = HashSet::new();
    let mut late = 0;
    for arrival in &came.arrivals {
        let is_copy = taken.contains(&arrival.key);
        if arrival.taken {
            taken.insert(&arrival.key);
        }
        let Some(entry) = evidence.said.get(&arrival.key) else {
            continue;
        };
        let (place, before) = *last.get(entry.lane.as_str()).unwrap_or(&(0, ""));
        if entry.place < place && is_copy && late < came.late_max {
            late += 1;
        } else if entry.place < place {
            verdict.order_breaks += 1;
            if evidence.forgets {
                continue;
            }
            let what = format!(
                "`{}` arrived at {} after `{before}`, which was sent later",
                arrival.key, came.name
            );
            verdict.breaches.add("I3", what);
        } else {
            last.insert(&entry.lane, (entry.place, &arrival.key));
        }
    }
}

/// I7: an alert that a receiver has accepted arrives again only if it was in flight when the process died.
fn repetitions(evidence: &Evidence<'_>, came: &Came, verdict: &mut Verdict) {
    let mut taken = HashSet::new();
    let mut again = 0;
    for arrival in &came.arrivals {
        again += usize::from(taken.contains(&arrival.key));
        if arrival.taken {
            taken.insert(&arrival.key);
        }
    }
    verdict.duplicates += again;
    if again > came.again_max && !evidence.forgets {
        let (to, most) = (came.name, came.again_max);
        let what = format!(
            "{again} alerts arrived again at {to}, which had accepted them; at most {most} were in flight"
        );
        verdict.breaches.add("I7", what);
    }
}

/// I1 and I4: a promised alert is at all its receivers, and an alert at one receiver is at all of them.
fn completeness(evidence: &Evidence<'_>, verdict: &mut Verdict) {
    let taken = |came: &Came| -> HashSet<String> {
        let taken = came.arrivals.iter().filter(|arrival| arrival.taken);
        taken.map(|arrival| arrival.key.clone()).collect()
    };
    let taken: Vec<_> = evidence
        .came
        .iter()
        .map(|came| (came.name, taken(came)))
        .collect();
    for (key, entry) in evidence.said {
        let pending = || taken.iter().filter(|(name, _)| is_owed(name, key, entry));
        let missing: Vec<_> = pending().filter(|(_, has)| !has.contains(key)).collect();
        if missing.is_empty() {
            continue;
        }
        let names: Vec<_> = missing.iter().map(|(name, _)| *name).collect();
        let names = names.join(" and ");
        if entry.promised {
            verdict.losses += 1;
            let what = format!("`{key}` was answered with a 2xx but never arrived at {names}");
            verdict.breaches.add("I1", what);
        } else if missing.len() < pending().count() {
            let what =
                format!("`{key}` got no answer and arrived at some receivers, but not at {names}");
            verdict.breaches.add("I4", what);
        }
    }
}

/// I2 again: a message is the same alert at every receiver.
fn one_name(evidence: &Evidence<'_>, verdict: &mut Verdict) {
    let mut ids: HashMap<&str, &str> = HashMap::new();
    for arrival in evidence.came.iter().flat_map(|came| &came.arrivals) {
        // A message for people does not carry the id.
        let Some(id) = &arrival.id else {
            continue;
        };
        let first = ids.entry(&arrival.key).or_insert(id);
        if first != id && !evidence.forgets {
            let what = format!("`{}` has two alert ids: {first} and {id}", arrival.key);
            verdict.breaches.add("I2", what);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(alerts: &[(&str, u64, bool)]) -> HashMap<String, Entry> {
        let entry = |(key, place, promised): &(&str, u64, bool)| {
            let entry = Entry {
                lane: "lane".to_owned(),
                place: *place,
                promised: *promised,
                source: "ucloud/prod".to_owned(),
                alert: json!({"message_id": key}),
            };
            ((*key).to_owned(), entry)
        };
        alerts.iter().map(entry).collect()
    }

    fn arrival(key: &str) -> Arrival {
        Arrival {
            delivery: Some(format!("dlv_{key}")),
            key: key.to_owned(),
            alert: Some(json!({"message_id": key})),
            id: Some(format!("id of {key}")),
            taken: true,
        }
    }

    fn came(name: &'static str, keys: &[&str]) -> Came {
        Came {
            name,
            arrivals: keys.iter().map(|key| arrival(key)).collect(),
            again_max: 0,
            late_max: 0,
        }
    }

    fn verdict(said: &HashMap<String, Entry>, came: &[Came]) -> Verdict {
        verdict_if(false, said, came)
    }

    fn verdict_if(forgets: bool, said: &HashMap<String, Entry>, came: &[Came]) -> Verdict {
        let is_past = |key: &str| key == "old";
        judge(&Evidence {
            said,
            came,
            is_past: &is_past,
            forgets,
        })
    }

    /// The invariants that are broken.
    fn broken(verdict: &Verdict) -> Vec<&'static str> {
        verdict.breaches.0.keys().copied().collect()
    }

    #[test]
    fn all_that_came_once_and_in_order_keeps_every_promise() {
        let said = said(&[("a", 1, true), ("b", 2, true), ("never answered", 3, false)]);
        let verdict = verdict(
            &said,
            &[came("good", &["a", "b"]), came("flaky", &["a", "b"])],
        );
        assert_eq!(verdict.breaches.shown(), [""; 0]);
        assert_eq!(
            (verdict.losses, verdict.duplicates, verdict.order_breaks),
            (0, 0, 0)
        );
    }

    #[test]
    fn a_promise_that_one_receiver_never_got_is_a_loss() {
        let said = said(&[("a", 1, true)]);
        let lost = verdict(&said, &[came("good", &["a"]), came("flaky", &[])]);
        assert_eq!((lost.losses, broken(&lost)), (1, vec!["I1"]));
        let mut failed = came("good", &["a"]);
        failed.arrivals[0].taken = false;
        assert_eq!(broken(&verdict(&said, &[failed])), ["I1"]);
    }

    #[test]
    fn what_was_not_answered_comes_to_all_or_to_none() {
        let said = said(&[("a", 1, false)]);
        let none = verdict(&said, &[came("good", &[]), came("flaky", &[])]);
        assert!(broken(&none).is_empty());
        let half = verdict(&said, &[came("good", &["a"]), came("flaky", &[])]);
        assert_eq!((half.losses, broken(&half)), (0, vec!["I4"]));
    }

    #[test]
    fn a_receiver_gets_only_what_was_said_as_it_was_said_under_one_name() {
        let said = said(&[("a", 1, true)]);
        assert_eq!(
            broken(&verdict(&said, &[came("good", &["a", "strange"])])),
            ["I2"]
        );
        let late = verdict(&said, &[came("good", &["a", "old"])]);
        assert!(late.breaches.shown()[0].contains("long after"), "{late:?}");
        let change: [fn(&mut Arrival); 3] = [
            |arrival| arrival.alert = Some(json!({})),
            |arrival| arrival.delivery = Some("dlv_other".to_owned()),
            |arrival| arrival.id = Some("another id".to_owned()),
        ];
        for change in change {
            let mut twice = came("good", &["a", "a"]);
            twice.again_max = 1;
            change(&mut twice.arrivals[1]);
            assert_eq!(broken(&verdict(&said, &[twice])), ["I2"]);
        }
    }

    #[test]
    fn a_text_that_only_names_its_alert_is_held_to_everything_but_its_content() {
        let said = said(&[("a", 1, true), ("b", 2, true)]);
        let text = |key: &str| Arrival {
            delivery: None,
            alert: None,
            id: None,
            ..arrival(key)
        };
        let texts = |keys: &[&str]| Came {
            name: "phone",
            arrivals: keys.iter().map(|key| text(key)).collect(),
            again_max: 0,
            late_max: 0,
        };
        let of = |keys: &[&str]| {
            let verdict = verdict(&said, &[came("good", &["a", "b"]), texts(keys)]);
            broken(&verdict).join(" ")
        };
        assert_eq!(of(&["a", "b"]), "");
        assert_eq!(of(&["a"]), "I1");
        assert_eq!(of(&["a", "b", "strange"]), "I2");
        assert_eq!(of(&["b", "a"]), "I3");
        assert_eq!(of(&["a", "b", "b"]), "I7");
    }

    #[test]
    fn nothing_comes_after_what_was_said_later_in_its_lane_not_even_again() {
        let said = said(&[("a", 1, true), ("b", 2, true)]);
        let back = verdict(&said, &[came("good", &["b", "a"])]);
        assert_eq!((back.order_breaks, broken(&back)), (1, vec!["I3"]));
        let mut again = came("good", &["a", "b", "a"]);
        again.again_max = 1;
        assert_eq!(broken(&verdict(&said, &[again])), ["I3"]);
    }

    #[test]
    fn a_database_that_forgets_may_send_again_under_other_ids_and_late_and_loses_nothing() {
        let said = said(&[("a", 1, true), ("b", 2, true)]);
        let mut again = came("good", &["a", "b", "a"]);
        again.arrivals[2].delivery = Some("dlv_other".to_owned());
        again.arrivals[2].id = Some("another id".to_owned());
        let found = verdict_if(true, &said, &[again]);
        assert!(broken(&found).is_empty(), "{found:?}");
        assert_eq!((found.duplicates, found.order_breaks), (1, 1));
        let lost = verdict_if(true, &said, &[came("good", &["a"])]);
        assert_eq!(broken(&lost), ["I1"]);
        let strange = verdict_if(true, &said, &[came("good", &["a", "b", "strange"])]);
        assert_eq!(broken(&strange), ["I2"]);
    }

    #[test]
    fn only_copies_of_a_frozen_process_come_late_and_only_as_many_as_it_was_sending() {
        let said = said(&[("a", 1, true), ("b", 2, true)]);
        let mut frozen = came("good", &["a", "b", "a"]);
        (frozen.again_max, frozen.late_max) = (2, 1);
        assert!(broken(&verdict(&said, &[frozen])).is_empty());
        let mut often = came("good", &["a", "b", "a", "a"]);
        (often.again_max, often.late_max) = (2, 1);
        assert_eq!(broken(&verdict(&said, &[often])), ["I3"]);
        let mut first = came("good", &["b", "a"]);
        first.late_max = 1;
        assert_eq!(broken(&verdict(&said, &[first])), ["I3"]);
    }

    #[test]
    fn what_was_taken_comes_again_only_as_often_as_a_crash_explains() {
        let said = said(&[("a", 1, true)]);
        let again = verdict(&said, &[came("good", &["a", "a"])]);
        assert_eq!((again.duplicates, broken(&again)), (1, vec!["I7"]));
        let mut crashed = came("good", &["a", "a"]);
        crashed.again_max = 1;
        assert!(broken(&verdict(&said, &[crashed])).is_empty());
        let mut retried = came("good", &["a", "a"]);
        retried.arrivals[0].taken = false;
        assert!(broken(&verdict(&said, &[retried])).is_empty());
    }
}
