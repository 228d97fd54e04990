//! Senders that mean ill, or are merely broken: what they get, and that everybody else is served meanwhile.

mod crowd;
mod forwarded;
mod smuggling;
mod storm;
