//! What operators see from outside: log lines and metrics.

mod delivery;
pub mod log;
pub mod metrics;

pub use delivery::DeliveryLog;
pub use log::{Logs, init};
pub use metrics::Metrics;
