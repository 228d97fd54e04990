//! Compares Campanile with other servers that accept alerts, with the same generator in the same run.
//!
//! `scripts/peers-setup` installs them. `cargo bench --bench peers` skips missing ones and reports this. Each server is
//! started again for each measurement and gets unique alerts in its own form over 64 kept-alive connections (if the
//! server closes a connection, it is opened again). Campanile is measured twice, once with the same body as
//! Alertmanager. At the end, each server gets alerts one after the other, is killed with `kill -9` directly after the
//! last answer, is started again on the same folder, and must list its alerts.
//!
//! Environment variables: `ROUNDS` (5), `SECONDS` per measurement (5), `CONNECTIONS` (64), `PEER` (a part of a name:
//! only these, and Campanile), `FATE` (50 alerts before the kill).

mod support;

use std::time::Duration;

use support::load::{Load, Measured, wait};
use support::messages::Ids;
use support::peer::{PEERS, Peer};
use support::process::{Usage, memory_mb};
use support::rounds::{rounds, setting};
use support::spread::{Spread, head, progress, row};
use support::wire::Wire;

/// The result of one peer under load.
struct Outcome {
    measured: Measured,
    before_mb: f64,
    after_mb: f64,
}

fn main() {
    let wanted = std::env::var("PEER").unwrap_or_default();
    let is_wanted =
        |peer: &&Peer| peer.name.starts_with("Campanile") || peer.name.contains(&wanted);
    let (there, missing): (Vec<&Peer>, Vec<&Peer>) = PEERS
        .iter()
        .filter(is_wanted)
        .partition(|peer| (peer.installed)().is_some());
    for peer in missing {
        support::print(&format!(
            "{}: not installed, skipped (scripts/peers-setup installs it)",
            peer.name
        ));
    }
    let connections = usize::try_from(setting("CONNECTIONS", 64)).unwrap_or(64);
    let duration = Duration::from_secs(setting("SECONDS", 5));
    let measured = rounds(setting("ROUNDS", 5), |round| {
        let all = there.iter().map(|peer| {
            let result = measure(peer, connections, duration);
            support::print(&format!(
                "round {round}  {:<40} {}",
                peer.name, result.measured
            ));
            result
        });
        all.collect::<Vec<Outcome>>()
    });
    let alerts = setting("FATE", 50);
    head(&[
        "server",
        "answers/s",
        "Campanile over it",
        "p50 / p99 (ms)",
        "CPU (% of one core)",
        "memory before, after (MB)",
        "of acknowledged alerts, there after `kill -9` and a start",
    ]);
    for (at, peer) in there.iter().enumerate() {
        let results: Vec<&Outcome> = measured.iter().filter_map(|round| round.get(at)).collect();
        let of =
            |figure: fn(&Outcome) -> f64| Spread::of(results.iter().map(|result| figure(result)));
        let (p50, p99) = (of(|r| r.measured.p50_ms()), of(|r| r.measured.p99_ms()));
        row([
            peer.name,
            &of(|r| r.measured.per_second()).to_string(),
            &format!("{:.1}", over(peer, &there, &measured, at)),
            &format!("{:.1} / {:.1}", p50.median, p99.median),
            &format!("{:.0}", of(|r| r.measured.cpu_percent()).median),
            &format!(
                "{:.0}, {:.0}",
                of(|r| r.before_mb).median,
                of(|r| r.after_mb).median
            ),
            &fate(peer, alerts),
        ]);
        let failures: u64 = results.iter().map(|result| result.measured.failures).sum();
        if failures > 0 {
            progress(&format!(
                "{}: {failures} requests failed and are not counted",
                peer.name
            ));
        }
    }
}

/// The rate of Campanile relative to the peer in the same round, with the peer's form if Campanile reads it, else with
/// UCloud's.
fn over(peer: &Peer, there: &[&Peer], measured: &[Vec<Outcome>], at: usize) -> Spread {
    let own = there
        .iter()
        .position(|own| own.name.starts_with("Campanile") && own.form == peer.form)
        .unwrap_or(0);
    let ratio = |round: &Vec<Outcome>| {
        let rate = |at: usize| round.get(at).map(|result| result.measured.per_second());
        rate(own).zip(rate(at)).map(|(own, peer)| own / peer)
    };
    Spread::of(measured.iter().filter_map(ratio))
}

fn measure(peer: &Peer, connections: usize, duration: Duration) -> Outcome {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let running = peer.start(folder.path());
    let before_mb = memory_mb(&running.pids());
    let usage = || Usage::of(&running.pids());
    let before = usage();
    let mut measured = Load::closed(peer.form, connections, duration).run(running.address);
    measured.charge(&before, &usage());
    Outcome {
        measured,
        before_mb,
        after_mb: memory_mb(&running.pids()),
    }
}

/// Counts the acknowledged alerts that remain after a kill directly after the last answer.
fn fate(peer: &Peer, alerts: u64) -> String {
    progress(&format!("{}: kill -9", peer.name));
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let running = peer.start(folder.path());
    let (mut ids, mut request) = (Ids::new(), Vec::new());
    let mut wire = Wire::new(running.address);
    let mut acknowledged = 0;
    for _ in 0..alerts {
        peer.form.request(ids.next(), &mut request);
        let status = wire.exchange(&request);
        acknowledged += u64::from(status.is_ok_and(|status| (200..300).contains(&status)));
    }
    running.kill();
    let again = peer.start(folder.path());
    // Within this time, the server has loaded what it can load.
    wait(Duration::from_secs(1));
    format!("{} of {acknowledged}", (peer.kept)(&again, folder.path()))
}
