//! Parts of a sink.

use campanile_model::Fingerprint;

use crate::SinkId;

/// Some lanes of a sink: those whose fingerprint leaves the remainder `number` when it is divided by `of`. One gateway delivers for
/// a part, so alerts of one problem stay in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part {
    /// The sink.
    pub sink: SinkId,
    /// From zero.
    pub number: u16,
    /// How many parts the sink has.
    pub of: u16,
}

impl Part {
    /// The only part of a sink that is not divided.
    #[must_use]
    pub fn whole(sink: SinkId) -> Self {
        Self {
            sink,
            number: 0,
            of: 1,
        }
    }

    /// Whether this lane belongs to it.
    #[must_use]
    pub fn has(&self, lane: Fingerprint) -> bool {
        // With its sign, as PostgreSQL stores it.
        let lane = lane.0.cast_signed();
        lane.rem_euclid(i64::from(self.of.max(1))) == i64::from(self.number)
    }
}

impl From<SinkId> for Part {
    fn from(sink: SinkId) -> Self {
        Self::whole(sink)
    }
}
