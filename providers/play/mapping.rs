//! Plays a vendor that is a mapping, by its `[fresh]` and `[proof]` tables.

use crate::Mapping;
use crate::provider::{Player, Stamp};
use campanile_model::Callback;

impl Player for Mapping {
    fn refresh(&self, mut call: Callback, stamp: &Stamp<'_>) -> Callback {
        for set in &self.fresh {
            super::fresh::apply(set, &mut call, stamp, &self.zone);
        }
        self.proof.sign(&mut call, stamp, &self.taking);
        call
    }
}
