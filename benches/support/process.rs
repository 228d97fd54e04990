//! The resources that a process and its descendants have used, as the kernel counts them.

use std::collections::BTreeMap;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::load::wait;

/// The resources used so far.
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    pub(crate) written_bytes: u64,
}

/// The process and its descendants.
pub(crate) fn tree(root: u32) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if let Some(parent) = stat(pid, 1) {
            children
                .entry(u32::try_from(parent).unwrap_or(0))
                .or_default()
                .push(pid);
        }
    }
    let mut tree = vec![root];
    let mut next = 0;
    while let Some(pid) = tree.get(next) {
        tree.extend(children.get(pid).cloned().unwrap_or_default());
        next += 1;
    }
    tree
}

impl Usage {
    pub(crate) fn of(pids: &[u32]) -> Self {
        // In ticks of 10 ms: user and system time, of the process and of its ended children.
        let ticks = |pid: &u32| (11..15).filter_map(|field| stat(*pid, field)).sum::<u64>();
        let written = |pid: &u32| named(*pid, "io", "write_bytes:").unwrap_or(0);
        Self {
            cpu: Duration::from_millis(10 * pids.iter().map(ticks).sum::<u64>()),
            written_bytes: pids.iter().map(written).sum(),
        }
    }
}

/// The memory of some processes in MB. Shared memory is counted once.
pub(crate) fn memory_mb(pids: &[u32]) -> f64 {
    let pss = |pid: &u32| named(*pid, "smaps_rollup", "Pss:").unwrap_or(0);
    pids.iter().map(pss).sum::<u64>() as f64 / 1024.0
}

/// A field of `/proc/PID/stat`, counted from the first one after the name.
fn stat(pid: u32, field: usize) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, behind) = stat.rsplit_once(')')?;
    behind.split_whitespace().nth(field)?.parse().ok()
}

/// The number after a name in a file of `/proc/PID`.
fn named(pid: u32, file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Sends a signal, such as `KILL`, to some processes.
pub(crate) fn signal(name: &str, pids: &[u32]) {
    let pids = pids.iter().map(u32::to_string);
    // A process that has already ended needs no signal.
    let _gone = Command::new("kill")
        .args(["-s", name])
        .args(pids)
        .stderr(std::process::Stdio::null())
        .status();
}

/// Waits for the end of a process after a signal. False when it does not end in time.
pub(crate) fn ends_within(process: &mut Child, time: Duration) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < time {
        if !matches!(process.try_wait(), Ok(None)) {
            return true;
        }
        wait(Duration::from_millis(10));
    }
    false
}
