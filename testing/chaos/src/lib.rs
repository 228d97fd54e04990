//! The oracle: posts in vendors' own forms, records every 2xx as a promise, injects faults, and checks that each
//! promise is kept.
//!
//! ```text
//!  callers ──posts──▶ gateway (a process of its own) ──sends──▶ receivers
//!     │                    ▲ kill -9, SIGTERM, points                │
//!     └──every 2xx──▶ ledger ◀──────what came, in which order────────┘
//! ```
//!
//! `docs/reliability.md` lists the invariants. The seed determines the messages and the faults. It does not determine
//! the timing of threads: a seed repeats a case, but not its exact moment.

mod gateway;
mod judge;
mod kinds;
mod ledger;
mod load;
mod message;
mod operator;
mod oracle;
mod receiver;
mod record;
mod replicas;
mod report;
mod run;
mod secrets;
mod silence;
mod stage;
mod vendors;

use std::path::PathBuf;
use std::time::Duration;

pub use kinds::{Kind, points};
pub use report::{Cycle, Report};
pub use run::run;

/// With this name as its first argument, the program is the gateway itself.
pub const GATEWAY: &str = "campanile-under-chaos";

/// The settings of a run.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Determines the messages and the faults.
    pub seed: u64,
    /// The fault that is injected.
    pub kind: Kind,
    /// The number of gateways that share a PostgreSQL database. One has a SQLite file.
    pub replicas: usize,
    /// The number of cycles. `None`: as many as the kind needs to cover everything once.
    pub cycles: Option<usize>,
    /// No further cycle starts after this time.
    pub stop_after: Option<Duration>,
    /// The program that is the gateway when it is called [`GATEWAY`].
    pub program: PathBuf,
    /// A new alert must arrive at its receiver within this time after a start.
    pub recover_within: Duration,
    /// Pending alerts must arrive at their receivers within this time. Others count as lost.
    pub patience: Duration,
}

/// A failure of the machine or the harness that ends a run. It is not a broken promise.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// A failure, in words.
    #[error("{0}")]
    Said(String),
    /// A system call failed.
    #[error("a system call failed: {0}")]
    System(#[from] std::io::Error),
    /// The gateway's file could not be changed while it was stopped.
    #[error("the gateway's file could not be changed: {0}")]
    File(#[from] rusqlite::Error),
}

impl Trouble {
    fn said(words: impl Into<String>) -> Self {
        Self::Said(words.into())
    }
}
