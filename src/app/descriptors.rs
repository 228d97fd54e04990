//! File descriptors: every connection takes one, and so do the database, its log and each send to a sink. When vendors'
//! connections have taken the last one, nothing is stored or delivered any more. So some are kept out of their reach.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;

/// For the database, logs, certificates, the operators' connections and what the libraries open.
const KEPT_MIN: u64 = 512;

/// Lets this process have as many as it may have, and says how many those are. The usual default of 1,024 is there for
/// programs of another age.
pub(super) fn raised() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: maximum,
        maximum,
    };
    match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => maximum.unwrap_or(u64::MAX),
        Err(_refused) => current.unwrap_or(u64::MAX),
    }
}

/// How many connections vendors may have when this process may have `descriptors`. At least half of those, for what little
/// can be done with very few.
pub(super) fn connections(config: &Config, descriptors: u64) -> usize {
    let sends = config.sinks.iter().map(|sink| sink.policy.in_flight_max);
    let sends = u64::try_from(sends.sum::<usize>()).unwrap_or(u64::MAX);
    let kept = KEPT_MIN.saturating_add(sends).min(descriptors / 2);
    let room = usize::try_from(descriptors - kept).unwrap_or(usize::MAX);
    let wanted = config.server.connections_max;
    if room < wanted {
        tracing::warn!(
            room,
            descriptors,
            "fewer connections than `connections_max` are taken: the system gives too few file descriptors"
        );
    }
    wanted.min(room)
}
