//! A receiver of webhooks that plays a script.

pub(crate) use campanile_receiver::scripted::Receiver;
pub(crate) use campanile_receiver::{Got, Play, Then};
