//! Named points at which a test ends the process, and promises that a test breaks on purpose to see whether it is caught.
//!
//! All of it is compiled away without the feature `faults`. With it, the variable `FAILPOINTS` says what happens where,
//! in the words of the crate `fail`: `FAILPOINTS='after-commit=40*off->return'` dies at the 41st commit, and
//! `FAILPOINTS='broken-ack-before-commit=return'` answers too early.

/// Where the process can be made to die, in the order in which an alert passes.
pub const POINTS: &[&str] = &[
    // One name a line.
];

/// What can be broken on purpose. Each is caught by a test that `scripts/broken` names.
pub const BREAKS: &[&str] = &[
    "broken-connections-never-end",
    "broken-resolver-only-guard",
    "broken-log-secret",
    // One name a line.
];

/// Dies here, as by `kill -9`, when a test wants it: nothing is flushed, nothing is closed.
#[inline]
pub fn point(name: &'static str) {
    debug_assert!(POINTS.contains(&name), "{name} is not listed");
    arm();
    fail::fail_point!(name, |_| std::process::abort());
}

/// Whether a test wants this promise broken. Always false without the feature `faults`.
#[inline]
pub fn broken(promise: &'static str) -> bool {
    debug_assert!(BREAKS.contains(&promise), "{promise} is not listed");
    arm();
    fail::fail_point!(promise, |_| true);
    false
}

/// Reads `FAILPOINTS`, once.
#[inline]
fn arm() {
    #[cfg(feature = "faults")]
    {
        static ONCE: std::sync::Once = std::sync::Once::new();
        // Dropping the scenario would disarm it.
        ONCE.call_once(|| std::mem::forget(fail::FailScenario::setup()));
    }
}
