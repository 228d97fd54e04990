//! Named points where a test ends the process, and promises that a test breaks on purpose to check that another test
//! detects it.
//!
//! Without the feature `faults`, all of it compiles to nothing. With it, the variable `FAILPOINTS` configures the
//! points, in the syntax of the crate `fail`. `FAILPOINTS='after-commit=40*off->return'` aborts at the 41st commit.
//! `FAILPOINTS='broken-ack-before-commit=return'` answers too early. `FAILPOINTS='run-keys=return(200)'` makes a limit
//! smaller. Several entries are separated by `;`.
//!
//! The breaks are branches here and not patches that `scripts/broken` applies: each patch needs a rebuild of the changed
//! crate, of the program and of a test binary. That took more than two minutes on two shared cores, for 13 breaks
//! about half an hour; the branches need one build for all.

/// The points where a test can abort the process, in the order in which an alert passes them.
pub const POINTS: &[&str] = &[
    // A callback is verified and read. Nothing of it is on disk.
    "after-parse",
    // Its batch is written, but not committed.
    "before-commit",
    // It is committed. No other task knows it yet.
    "after-commit",
    // Its sinks are woken. The vendor has no answer yet.
    "before-answer",
    // The answer is passed to the operating system.
    "after-answer",
    // A delivery is about to be sent to its sink.
    "before-send",
    // The sink has the delivery. Its outcome is not recorded.
    "after-send",
    // Outcomes wait for the store.
    "before-settle",
    // The outcomes are on disk. Their lanes do not know it yet.
    "after-settle",
    // Some dedup keys of a run are in its table, and some are in memory only.
    "mid-merge",
    // All dedup keys of a run are in its table, in a transaction that is not committed.
    "after-merge",
    // The attempts of an old alert are deleted, the alert is not.
    "mid-prune",
    // The keys of an old run are deleted, the run is not.
    "mid-forget",
    // The tables of a migration step are created, the version of the file is still the old one.
    "mid-migration",
];

/// Promises that can be broken on purpose. For each, `scripts/broken` names the test that must fail.
pub const BREAKS: &[&str] = &[
    // One name per line.
    "broken-ack-before-commit",
    "broken-breaker",
    "broken-connections-never-end",
    "broken-dedup-memory-only",
    "broken-dedup-pending",
    "broken-died",
    "broken-end-forgotten",
    "broken-fence",
    "broken-fold-loses-row",
    "broken-gate-skipped-on-retry",
    "broken-lane-order",
    "broken-late-flag",
    "broken-log-secret",
    "broken-no-dedup",
    "broken-recovery-re-routed",
    "broken-resolver-only-guard",
    "broken-settle-before-send",
    "broken-sync-normal",
    "broken-trust",
    "broken-untold-ends",
];

/// Limits that a test can make smaller, to reach them soon.
pub const BOUNDS: &[&str] = &[
    // One name per line.
    "run-keys",
];

/// Aborts the process here if a test configured it, as `kill -9` does: nothing is flushed or closed.
#[inline]
pub fn point(name: &'static str) {
    debug_assert!(POINTS.contains(&name), "{name} is not listed");
    arm();
    fail::fail_point!(name, |_| std::process::abort());
}

/// Whether a test breaks this promise. Always false without the feature `faults`.
#[inline]
pub fn broken(promise: &'static str) -> bool {
    debug_assert!(BREAKS.contains(&promise), "{promise} is not listed");
    arm();
    fail::fail_point!(promise, |_| true);
    false
}

/// The limit of this name: `normal`, unless a test sets another. Always `normal` without the feature `faults`.
#[inline]
pub fn bound(name: &'static str, normal: usize) -> usize {
    debug_assert!(BOUNDS.contains(&name), "{name} is not listed");
    arm();
    fail::fail_point!(name, |wanted| wanted
        .and_then(|number| number.parse().ok())
        .unwrap_or(normal));
    normal
}

/// Reads `FAILPOINTS` once.
#[inline]
fn arm() {
    #[cfg(feature = "faults")]
    {
        static ONCE: std::sync::Once = std::sync::Once::new();
        // Dropping the scenario would disable all points.
        ONCE.call_once(|| std::mem::forget(fail::FailScenario::setup()));
    }
}
