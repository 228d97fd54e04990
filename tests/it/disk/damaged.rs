//! D30: damaged files.
