//! Plays the vendors: fixtures, and new messages that are made of them and correctly signed.
//!
//! `campanile send`, the tests and the benches use it. Everything here forges; what judges is in `trust/`, and nothing
//! outside of this folder uses the keys in it.

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
