//! Hostile and broken senders: the answers that they get, and that all other senders are served at the same time.

mod crowd;
mod forwarded;
mod smuggling;
mod storm;
