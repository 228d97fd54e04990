//! Plays the vendors: fixtures, and new, correctly signed messages that are made from them.
//!
//! `campanile send`, the tests and the benches use it. Verification is in `trust/`. Only this folder uses the private keys
//! in it.

mod alertmanager_api;
mod bearer;
mod cloudevents;
mod cloudwatch;
pub mod fixture;
mod fresh;
mod huawei_smn;
mod jiankong;
mod key;
mod mapping;
mod pagerduty_events;
mod proof;
mod token;
mod topic;
mod ucloud;
