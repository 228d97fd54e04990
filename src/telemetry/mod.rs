//! What operators see from outside: log lines, metrics and traces.

mod delivery;
pub mod log;
pub mod metrics;
mod rewrites;
mod sinks;
mod store;
pub mod traces;

pub use delivery::DeliveryLog;
pub use log::{Logs, init};
pub use metrics::Metrics;
pub use traces::Traces;
