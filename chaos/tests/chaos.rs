//! A few cycles of each kind.
