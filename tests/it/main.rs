//! One binary for all tests that cross a boundary: HTTP, disk, process.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod agreement;
mod answers;
mod api;
mod bad_input;
mod canaries;
mod cli;
mod config;
mod delivery;
mod description;
mod disk;
mod dnspod;
mod drift;
mod driver;
mod field;
mod gateway;
mod hold;
mod ingest;
mod jiankong_ways;
mod laws;
mod message;
mod moody;
mod operations;
mod order;
mod other_pages;
mod outage;
mod own_mapping;
mod page;
mod pages;
mod patience;
mod peers;
mod process;
mod proxy;
mod receiver;
mod recoveries;
mod renormalize;
mod replicas;
mod restarted;
mod rewrites;
mod routes;
mod same_id;
mod secrets;
mod seeds;
mod senders;
mod silences;
mod standing;
mod stop;
mod templates;
mod tls;
mod traces;
mod troubles;
mod ucloud_table;
mod upgrade;
mod ways;

use proptest::test_runner::{FailurePersistence, FileFailurePersistence};

/// How many cases a property is tried with: few in every run, as many as `CAMPANILE_CASES` says in a long one.
fn cases(few: u32) -> u32 {
    let asked = std::env::var("CAMPANILE_CASES").ok();
    asked.map_or(few, |asked| asked.parse().unwrap())
}

/// Where seeds that failed are kept, next to the test. A promise that is broken on purpose leaves none behind.
fn regressions() -> Option<Box<dyn FailurePersistence>> {
    let kept = std::env::var_os("FAILPOINTS").is_none();
    kept.then(|| Box::new(FileFailurePersistence::WithSource("regressions")) as Box<_>)
}
