//! What a commit on a server survives.

use std::fmt;
use std::time::Duration;

/// What a server does with commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replication {
    /// What a commit survives.
    pub safety: Safety,
    /// How far back the acknowledged callbacks reach that are kept in memory, to be appended again after a failover. Zero: none are.
    pub ring: Duration,
    /// Batches of callbacks that this gateway committed.
    pub batches: u64,
    /// Commits whose answer was lost with the connection.
    pub unknown_commits: u64,
}

/// What a commit survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Safety {
    /// One server has it.
    OneServer,
    /// The server waits until a synchronous standby has it too.
    Standby,
    /// Standbys are connected, and the server waits for none of them.
    Asynchronous,
    /// The operator says that the storage of the service replicates.
    Storage,
}

impl Safety {
    /// Servers that have a callback when it is answered. The storage of a service counts as two.
    pub fn copies(self) -> u8 {
        match self {
            Self::OneServer | Self::Asynchronous => 1,
            Self::Standby | Self::Storage => 2,
        }
    }
}

impl fmt::Display for Safety {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OneServer => {
                "a 2xx survives a crash of PostgreSQL, not the loss of its disk: no standby is connected"
            }
            Self::Standby => {
                "a 2xx survives the loss of one server: each commit waits for a synchronous standby"
            }
            Self::Asynchronous => {
                "a 2xx survives a crash of PostgreSQL; a failover can lose the last moments: its standbys are asynchronous"
            }
            Self::Storage => {
                "a 2xx survives what the service promises for its storage: [store] copies says so"
            }
        })
    }
}
