//! What keeps an expression or a template within bounds, whoever wrote it and whatever a vendor sends.
//!
//! The engine counts steps, and a step may ask for anything: `'x' * 99999999` is one, and a text set to itself twice,
//! and again, is the whole memory after thirty. So values are weighed *before* they are made:
//!
//! - [`meter`] has the filters that make more than they are given, and refuses what is out of measure;
//! - [`guard`] puts such a weighing to the operators, which the engine does not let us see.
//!
//! All that a run weighs counts against [`WORK_BYTES_MAX`], so that it bounds time as well.

pub mod guard;
pub mod meter;

/// Bytes that one run may weigh, all its values together: sixty times the longest output.
pub const WORK_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Items, blanks or digits that a filter or `range` may be asked for by number.
pub const COUNT_MAX: usize = 1000;
/// How deep lists and maps may stand in each other.
pub const DEPTH_MAX: usize = 64;
