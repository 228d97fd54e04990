//! Delivery: what is pending reaches every sink, in order within a lane, also when something fails.

mod counts;
mod failures;
mod lanes;
mod limits;
mod operators;
mod refresh;
mod restarts;
mod rig;
mod schedule;
mod scripted;
mod shared;
mod silences;
mod whims;

use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
