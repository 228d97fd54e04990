//! What is decided about an alert before it is stored: whether it is known, and who gets it. Pure: equal input, equal
//! output.

pub mod dedup;
pub mod route;
