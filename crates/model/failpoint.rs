//! Named points at which a test ends the process, and promises that a test breaks on purpose to see whether it is caught.
//!
//! All of it is compiled away without the feature `faults`. With it, the variable `FAILPOINTS` says what happens where,
//! in the words of the crate `fail`: `FAILPOINTS='after-commit=40*off->return'` dies at the 41st commit, and
//! `FAILPOINTS='broken-ack-before-commit=return'` answers too early.
//! `FAILPOINTS='run-keys=return(200)'` makes a bound smaller. Several are separated by `;`.

/// Where the process can be made to die, in the order in which an alert passes.
pub const POINTS: &[&str] = &[
    // A callback is read and believed, and nothing of it is on disk.
    "after-parse",
    // Its batch is written, and not committed.
    "before-commit",
    // It is committed, and nobody knows.
    "after-commit",
    // Its sinks are told, its vendor is not.
    "before-answer",
    // The answer is handed to the system.
    "after-answer",
    // A delivery is on its way to its sink.
    "before-send",
    // The sink has it, and nothing is noted of it.
    "after-send",
    // Outcomes wait for the store.
    "before-settle",
    // They are on disk, and their lanes do not know.
    "after-settle",
    // Some dedup keys of a run are in its table, and some in memory only.
    "mid-merge",
    // All of a run are, in a transaction that is not committed.
    "after-merge",
    // Attempts of an old alert are gone, the alert is not.
    "mid-prune",
    // Keys of an old run are gone, the run is not.
    "mid-forget",
    // The tables of a step are made, the version of the file is the old one.
    "mid-migration",
];

/// What can be broken on purpose. Each is caught by a test that `scripts/broken` names.
pub const BREAKS: &[&str] = &[
    // One name a line.
    "broken-ack-before-commit",
    "broken-breaker",
    "broken-connections-never-end",
    "broken-dedup-memory-only",
    "broken-dedup-pending",
    "broken-lane-order",
    "broken-late-flag",
    "broken-log-secret",
    "broken-no-dedup",
    "broken-resolver-only-guard",
    "broken-settle-before-send",
    "broken-sync-normal",
];

/// Bounds that a test makes smaller, so that what happens at them happens soon.
pub const BOUNDS: &[&str] = &[
    // One name a line.
    "run-keys",
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

/// The bound of this name: `normal`, unless a test wants another. Always `normal` without the feature `faults`.
#[inline]
pub fn bound(name: &'static str, normal: usize) -> usize {
    debug_assert!(BOUNDS.contains(&name), "{name} is not listed");
    arm();
    fail::fail_point!(name, |wanted| wanted
        .and_then(|number| number.parse().ok())
        .unwrap_or(normal));
    normal
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
