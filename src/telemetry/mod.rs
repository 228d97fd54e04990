//! What operators see from outside: log lines and metrics.

pub mod log;
pub mod metrics;

pub use log::{Logs, init};
pub use metrics::Metrics;
