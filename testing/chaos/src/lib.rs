//! The oracle: posts in vendors' own forms, notes every 2xx as a promise, injects faults, and sees whether each promise
//! was kept.
//!
//! ```text
//!  callers ──posts──▶ gateway (a process of its own) ──sends──▶ receivers
//!     │                    ▲ kill -9, SIGTERM, points                │
//!     └──every 2xx──▶ ledger ◀──────what came, in which order────────┘
//! ```
//!
//! `docs/reliability.md` lists the invariants. The seed fixes what is said and what is injected; when the threads of two
//! processes run is up to the machine, so that a seed repeats a case and not its instant.

mod gateway;
mod kinds;
mod ledger;
mod load;
mod message;
mod operator;
mod oracle;
mod receiver;
mod report;
mod run;
mod secrets;
mod stage;
mod vendors;

use std::path::PathBuf;
use std::time::Duration;

pub use kinds::{Kind, points};
pub use report::{Cycle, Report};
pub use run::run;

/// The name under which the program is the gateway itself.
pub const GATEWAY: &str = "campanile-under-chaos";

/// What a run is asked to do.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Fixes what is said and what is injected.
    pub seed: u64,
    /// What is injected.
    pub kind: Kind,
    /// How often; none for as often as the kind needs to show everything once.
    pub cycles: Option<usize>,
    /// No further cycle begins after so long.
    pub stop_after: Option<Duration>,
    /// The program that is the gateway when it is called [`GATEWAY`].
    pub program: PathBuf,
    /// A fresh alert must be at its receiver within so long after a start.
    pub recover_within: Duration,
    /// What is pending must be at its receivers within so long; what is not is lost.
    pub patience: Duration,
}

/// Why a run could not go on. Not a broken promise: the machine or the harness failed.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// In words.
    #[error("{0}")]
    Said(String),
    /// The system refused something.
    #[error("the system refused: {0}")]
    System(#[from] std::io::Error),
    /// The gateway's file could not be changed while it was stopped.
    #[error("the gateway's file: {0}")]
    File(#[from] rusqlite::Error),
}

impl Trouble {
    fn said(words: impl Into<String>) -> Self {
        Self::Said(words.into())
    }
}
