//! Compares ingest of one, two and three gateways on one PostgreSQL with the database's own rate for the same statement.
//!
//! `cargo bench --bench replicas` starts PostgreSQL (15 or newer, Debian's package) with its data in the temporary folder. The database's own
//! rate is that of a client that only sends the gateway's append statement, prepared: after each number of gateways, on as many connections
//! and with as many callbacks in each statement as these gateways had, and once with 64 callbacks on four connections. The load goes to
//! one gateway, to two and to three, directly. Rounds are interleaved, and each measurement has an empty database.
//!
//! Everything runs on two cores. `together`: all programs on both. `apart`: the database has a core of its own, as if it had a machine of
//! its own, and the gateways and the load generator share the other.
//!
//! Environment variables: `ROUNDS` (3), `SECONDS` per measurement (3), `CONNECTIONS` (192), `LAYOUT` (`together`, `apart`; both), `FORM`
//! (`one`: an alert in each callback, `many`: 20 alerts; both).

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures for people: three digits are enough"
)]

mod support;

#[path = "../crates/store/benches/postgres/place.rs"]
mod place;
#[path = "../crates/store/benches/postgres/raw.rs"]
mod raw;

use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use place::{Database, Place};
use raw::Batch;
use support::load::Load;
use support::messages::{Form, NOTICE_ALERTS};
use support::process::{Usage, tree};
use support::rounds::{rounds, setting};
use support::server::{Gateway, Server, Sinks};
use support::spread::{Spread, head, row};
use support::{float, print};

/// As the gateway.
const WRITERS: usize = 4;

/// Callbacks in a statement of a client that has always enough.
const FULL: usize = 64;

/// One measurement.
struct Rate {
    /// Alerts a second.
    alerts: f64,
    /// CPU of the database for each alert, in microseconds.
    database_us: f64,
    /// CPU of the gateways for each alert.
    gateways_us: f64,
    /// Callbacks in a statement.
    batch: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// The measurements of a round.
struct Round {
    /// With one, two and three gateways, each with the database's own for the same statements.
    gateways: Vec<(Rate, Rate)>,
    /// The database's own with full statements.
    full: Rate,
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let wanted = |name: &str, value: &str| std::env::var(name).is_ok_and(|set| set != value);
    let mut tables = Vec::new();
    for layout in ["together", "apart"] {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let place = runtime.block_on(Place::start(folder.path()));
        if wanted("LAYOUT", layout) {
            continue;
        }
        if layout == "apart" {
            pin(0, &tree(place.server.pid().expect("it runs")));
            pin(1, &[std::process::id()]);
        }
        for (name, form, alerts) in [
            ("one", Form::Ucloud, 1),
            ("many", Form::Notice, NOTICE_ALERTS),
        ] {
            if wanted("FORM", name) {
                continue;
            }
            let bench = Bench {
                runtime: &runtime,
                place: &place,
                form,
                alerts: usize::try_from(alerts).unwrap_or(1),
                duration: Duration::from_secs(setting("SECONDS", 3)),
            };
            let measured = rounds(setting("ROUNDS", 3), |round| bench.round(layout, round));
            tables.push((format!("{layout}, {alerts} in a callback"), measured));
        }
    }
    table(&tables);
    ExitCode::SUCCESS
}

struct Bench<'b> {
    runtime: &'b tokio::runtime::Runtime,
    place: &'b Place,
    form: Form,
    /// In each callback.
    alerts: usize,
    duration: Duration,
}

impl Bench<'_> {
    fn round(&self, layout: &str, round: u64) -> Round {
        let mut gateways = Vec::new();
        for count in 1..=3 {
            let rate = self.gateways(count);
            let text = shown(&rate);
            print(&format!(
                "{layout}, round {round}, {count} gateways: {text}"
            ));
            let own = self.own(WRITERS * count, rate.batch.round().max(1.0) as usize);
            let text = shown(&own);
            print(&format!(
                "{layout}, round {round}, their statement alone: {text}"
            ));
            gateways.push((rate, own));
        }
        let full = self.own(WRITERS, FULL);
        print(&format!(
            "{layout}, round {round}, the statement alone, full: {}",
            shown(&full)
        ));
        Round { gateways, full }
    }

    /// The statement alone, on this number of connections.
    fn own(&self, connections: usize, callbacks: usize) -> Rate {
        let batch = Batch {
            callbacks,
            alerts: self.alerts,
            sinks: 2,
        };
        let database = self.runtime.block_on(self.place.fresh());
        let before = self.database();
        let append = raw::append(&database.url, connections, batch, self.duration);
        let taken = self.runtime.block_on(append);
        let used = self.database().cpu.saturating_sub(before.cpu);
        let at = |part: f64| support::spread::percentile(&taken.commits_ms(), part);
        let rate = Rate {
            alerts: taken.per_second(),
            database_us: used.as_secs_f64() * 1e6 / taken.alerts as f64,
            gateways_us: 0.0,
            batch: float(callbacks),
            p50_ms: at(0.5),
            p99_ms: at(0.99),
        };
        self.runtime.block_on(self.place.remove(database));
        rate
    }

    /// The load over this number of gateways.
    fn gateways(&self, count: usize) -> Rate {
        let database = self.runtime.block_on(self.place.fresh());
        let gateway = Gateway {
            url: Some(&database.url),
            ..Gateway::empty(Sinks::TwoDown)
        };
        let servers: Vec<Server> = (0..count).map(|_| gateway.start()).collect();
        servers.iter().for_each(Server::await_ready);
        let addresses: Vec<_> = servers.iter().map(|server| server.address).collect();
        let connections = usize::try_from(setting("CONNECTIONS", 192)).unwrap_or(192);
        let pids: Vec<u32> = servers.iter().map(Server::pid).collect();
        let (database_before, before) = (self.database(), Usage::of(&pids));
        let load = Load::closed(self.form, connections, self.duration);
        let measured = load.run_over(&addresses);
        let used = Usage::of(&pids).cpu.saturating_sub(before.cpu);
        let database_used = self.database().cpu.saturating_sub(database_before.cpu);
        let batches: u64 = servers
            .iter()
            .map(|server| server.metric("campanile_append_batches_total"))
            .sum();
        let alerts = measured.answers as f64 * float(self.alerts);
        self.check(&database, alerts);
        drop(servers);
        self.runtime.block_on(self.place.remove(database));
        Rate {
            alerts: alerts / measured.seconds,
            database_us: database_used.as_secs_f64() * 1e6 / alerts,
            gateways_us: used.as_secs_f64() * 1e6 / alerts,
            batch: measured.answers as f64 / batches as f64,
            p50_ms: measured.p50_ms(),
            p99_ms: measured.p99_ms(),
        }
    }

    /// What was answered is stored.
    fn check(&self, database: &Database, alerts: f64) {
        let count = self.place.sql(&database.name, "SELECT count(*) FROM alert");
        let stored: f64 = self.runtime.block_on(count).parse().expect("a number");
        assert!(
            stored >= alerts,
            "{stored} stored of {alerts} that were answered"
        );
    }

    /// What the processes of the database have used.
    fn database(&self) -> Usage {
        Usage::of(&tree(self.place.server.pid().expect("it runs")))
    }
}

/// Binds processes, with what they start later, to a core.
fn pin(core: u32, pids: &[u32]) {
    for pid in pids {
        let pinned = Command::new("taskset")
            .args(["--all-tasks", "--cpu-list", "--pid"])
            .args([core, *pid].map(|number| number.to_string()))
            .stdout(Stdio::null())
            .status();
        assert!(pinned.is_ok_and(|status| status.success()), "taskset");
    }
}

fn shown(rate: &Rate) -> String {
    format!(
        "{:.0} alerts/s, {:.1} callbacks a statement, p50 {:.1} ms, p99 {:.1} ms, CPU an alert: database {:.1} us, gateways {:.1} us",
        rate.alerts, rate.batch, rate.p50_ms, rate.p99_ms, rate.database_us, rate.gateways_us
    )
}

fn table(tables: &[(String, Vec<Round>)]) {
    head(&[
        "layout, alerts",
        "gateways",
        "alerts/s",
        "the same statement alone",
        "over it",
        "over full statements",
        "callbacks a statement",
        "p50, p99 (ms)",
        "CPU an alert: database, gateways (us)",
        "the database's CPU over its own",
    ]);
    for (name, measured) in tables {
        for count in 1..=3 {
            let rates = || {
                let rates = measured.iter();
                rates.filter_map(|round| Some((round.gateways.get(count - 1)?, &round.full)))
            };
            let of = |figure: &dyn Fn(&Rate, &Rate, &Rate) -> f64, digits: usize| {
                let figures = rates().map(|((rate, own), full)| figure(rate, own, full));
                format!("{:.digits$}", Spread::of(figures))
            };
            row([
                &**name,
                &count.to_string(),
                &of(&|rate, _, _| rate.alerts, 0),
                &of(&|_, own, _| own.alerts, 0),
                &of(&|rate, own, _| rate.alerts / own.alerts, 2),
                &of(&|rate, _, full| rate.alerts / full.alerts, 2),
                &of(&|rate, _, _| rate.batch, 0),
                &format!(
                    "{}, {}",
                    of(&|rate, _, _| rate.p50_ms, 1),
                    of(&|rate, _, _| rate.p99_ms, 1)
                ),
                &format!(
                    "{}, {}",
                    of(&|rate, _, _| rate.database_us, 0),
                    of(&|rate, _, _| rate.gateways_us, 0)
                ),
                &of(&|rate, own, _| rate.database_us / own.database_us, 2),
            ]);
        }
        let full = Spread::of(measured.iter().map(|round| round.full.alerts));
        print(&format!("{name}: full statements alone {full:.0} alerts/s"));
    }
}
