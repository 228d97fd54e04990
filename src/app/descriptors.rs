//! The limit of file descriptors. Every connection uses one, and so do the database, its log and each send to a sink.
//! If connections of vendors used all of them, the gateway could not store or deliver anything. So some are reserved.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;

/// Reserved for the database, logs, certificates, connections of operators and files that libraries open.
const KEPT_MIN: u64 = 512;

/// Raises the soft limit of file descriptors to the hard limit and returns it. The usual soft limit of 1,024 is too low
/// for a server.
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

/// The number of connections for vendors when this process can open `descriptors`. At least half of the descriptors:
/// with a very low limit the gateway still works with few connections.
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
            "the gateway accepts fewer connections than `connections_max`: the system allows too few file descriptors"
        );
    }
    wanted.min(room)
}
