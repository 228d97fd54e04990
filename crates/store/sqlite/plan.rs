//! The sinks of an open episode, as one blob: their numbers, ascending, each as a LEB128 integer.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::SinkId;

/// The sinks of an open episode: ascending, each once.
pub(super) type Plan = Arc<[SinkId]>;

/// Different plans that are kept. There are about as many as combinations of routes; beyond this number all are removed.
const KEPT_MAX: usize = 1_024;

/// Plans that are kept once, however many problems have them.
#[derive(Default)]
pub(super) struct Plans(HashSet<Plan>);

impl Plans {
    /// Whether there is one with these sinks.
    pub(super) fn has(&self, sinks: &[SinkId]) -> bool {
        self.0.contains(sinks)
    }

    /// The plan with these sinks.
    pub(super) fn of(&mut self, sinks: &[SinkId]) -> Plan {
        if let Some(plan) = self.0.get(sinks) {
            return Arc::clone(plan);
        }
        if self.0.len() >= KEPT_MAX {
            self.0.clear();
        }
        let plan: Plan = sinks.into();
        self.0.insert(Arc::clone(&plan));
        plan
    }
}

/// The plan with these sinks too. None: it has them already.
pub(super) fn grown(plan: &[SinkId], sinks: &[SinkId]) -> Option<Vec<SinkId>> {
    if sinks.iter().all(|sink| plan.contains(sink)) {
        return None;
    }
    let mut all = [plan, sinks].concat();
    all.sort_unstable();
    all.dedup();
    Some(all)
}

/// The stored form.
pub(super) fn bytes(plan: &[SinkId]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(plan.len());
    for sink in plan {
        let mut left = sink.cast_unsigned();
        while left > 0x7f {
            bytes.push(low(left) | 0x80);
            left >>= 7;
        }
        bytes.push(low(left));
    }
    bytes
}

/// The form of an alert's plan, which SQL can read.
pub(super) fn text(plan: &[SinkId]) -> String {
    let mut text = String::with_capacity(plan.len() * 2);
    for sink in plan {
        if !text.is_empty() {
            text.push(',');
        }
        // Writing into a string does not fail.
        let _written = write!(text, "{sink}");
    }
    text
}

/// From the form of an alert's plan. None: the text is damaged.
pub(super) fn of_text(text: &str) -> Option<Vec<SinkId>> {
    let sinks = text.split(',').filter(|sink| !sink.is_empty());
    sinks.map(|sink| sink.parse().ok()).collect()
}

/// The lowest seven bits.
fn low(number: u64) -> u8 {
    u8::try_from(number & 0x7f).unwrap_or_default()
}

/// From the stored form. None: the bytes are damaged, so the plan is not known.
pub(super) fn read(bytes: &[u8]) -> Option<Vec<SinkId>> {
    let (mut plan, mut sink, mut shift) = (Vec::new(), 0_u64, 0);
    for byte in bytes {
        sink |= u64::from(byte & 0x7f).checked_shl(shift)?;
        shift += 7;
        if byte & 0x80 == 0 {
            plan.push(sink.cast_signed());
            (sink, shift) = (0, 0);
        }
    }
    (shift == 0).then_some(plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_as_it_was_written_and_never_from_a_part_of_its_bytes() {
        for plan in [vec![], vec![1], vec![1, 127, 128, 300, i64::MAX]] {
            assert_eq!(read(&bytes(&plan)), Some(plan.clone()));
            assert_eq!(of_text(&text(&plan)), Some(plan));
        }
        assert_eq!(bytes(&[1, 2, 3]), [1, 2, 3]);
        assert_eq!(read(&bytes(&[1, 300])[..2]), None);
    }

    #[test]
    fn a_plan_grows_by_sinks_that_it_does_not_have() {
        assert_eq!(grown(&[1, 3], &[3]), None);
        assert_eq!(grown(&[1, 3], &[]), None);
        assert_eq!(grown(&[1, 3], &[2, 3]), Some(vec![1, 2, 3]));
        assert_eq!(grown(&[], &[2]), Some(vec![2]));
    }
}
