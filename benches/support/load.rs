//! A load generator. Each connection sends its next request after the answer, or at fixed times.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::messages::{Form, Id, Ids};
use super::process::Usage;
use super::rounds::Steal;
use super::wire::Wire;

/// A connection that fails this often in a row is given up.
const FAILURES_MAX: u32 = 20;

/// The load for a server.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) form: Form,
    pub(crate) connections: usize,
    pub(crate) duration: Duration,
    pub(crate) pace: Pace,
    /// Latencies before this time are not counted: directly after its start, a server maps memory and extends its
    /// files.
    pub(crate) warm: Duration,
    /// Whether each exchange is kept, to match it with the alerts at a sink.
    pub(crate) keep: bool,
}

/// The times at which requests are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Each connection sends its next request after the answer.
    Closed,
    /// A fixed number per second, independent of the server. The latency of a request counts from its planned time,
    /// even if no connection was free then. So a slow server cannot hide its delays.
    Open(f64),
    /// A fixed number in total. Each connection sends its next request after the answer.
    Count(u64),
}

/// One exchange that was kept.
pub(crate) struct Exchange {
    pub(crate) id: Id,
    pub(crate) sent: Instant,
    pub(crate) answered: Instant,
}

/// The result of a load.
#[derive(Default)]
pub(crate) struct Measured {
    /// The answers with a status of success.
    pub(crate) answers: u64,
    pub(crate) failures: u64,
    pub(crate) seconds: f64,
    pub(crate) steal_percent: f64,
    pub(crate) exchanges: Vec<Exchange>,
    latencies_us: Vec<u32>,
    /// The lag of the generator itself, when a connection was free.
    lags_us: Vec<u32>,
    cpu: Duration,
    written_bytes: u64,
}

impl Pace {
    pub(crate) fn open(a_second: u64) -> Self {
        Self::Open(a_second as f64)
    }
}

impl Load {
    /// A load in which each connection sends its next request after the answer.
    pub(crate) fn closed(form: Form, connections: usize, duration: Duration) -> Self {
        Self {
            form,
            connections,
            duration,
            pace: Pace::Closed,
            warm: Duration::ZERO,
            keep: false,
        }
    }

    /// A load at a fixed rate.
    pub(crate) fn open(form: Form, connections: usize, duration: Duration, rate: f64) -> Self {
        Self {
            pace: Pace::Open(rate),
            ..Self::closed(form, connections, duration)
        }
    }

    /// Loads the server at `address`. Each connection has its own thread.
    pub(crate) fn run(&self, address: SocketAddr) -> Measured {
        self.run_over(&[address])
    }

    /// Loads these servers, each with the same number of connections.
    pub(crate) fn run_over(&self, addresses: &[SocketAddr]) -> Measured {
        let steal = Steal::watch();
        let begun = Instant::now();
        let tickets = Arc::new(AtomicU64::new(0));
        let threads: Vec<_> = (0..self.connections)
            .zip(addresses.iter().copied().cycle())
            .map(|(_, address)| {
                let caller = Caller::new(*self, address, begun, Arc::clone(&tickets));
                std::thread::Builder::new()
                    .stack_size(128 * 1024)
                    .spawn(move || caller.run())
                    .expect("a thread can be started")
            })
            .collect();
        let mut all = Measured::default();
        for thread in threads {
            let one = thread.join().expect("a connection ends without a panic");
            all.answers += one.answers;
            all.failures += one.failures;
            all.latencies_us.extend(one.latencies_us);
            all.lags_us.extend(one.lags_us);
            all.exchanges.extend(one.exchanges);
        }
        all.seconds = begun.elapsed().as_secs_f64();
        all.latencies_us.sort_unstable();
        all.lags_us.sort_unstable();
        all.steal_percent = steal.percent();
        all
    }
}

/// One connection.
struct Caller {
    load: Load,
    begun: Instant,
    tickets: Arc<AtomicU64>,
    wire: Wire,
    ids: Ids,
    request: Vec<u8>,
    measured: Measured,
}

impl Caller {
    fn new(load: Load, address: SocketAddr, begun: Instant, tickets: Arc<AtomicU64>) -> Self {
        Self {
            load,
            begun,
            tickets,
            wire: Wire::new(address),
            ids: Ids::new(),
            request: Vec::with_capacity(1024),
            measured: Measured {
                latencies_us: Vec::with_capacity(16 * 1024),
                ..Measured::default()
            },
        }
    }

    fn run(mut self) -> Measured {
        let mut failures = 0;
        while failures < FAILURES_MAX {
            let id = self.ids.next();
            self.load.form.request(id, &mut self.request);
            let Some(due) = self.due() else { break };
            let sent = Instant::now();
            let status = self.wire.exchange(&self.request);
            let answered = Instant::now();
            if !status.is_ok_and(|status| (200..300).contains(&status)) {
                failures += 1;
                self.measured.failures += 1;
                continue;
            }
            failures = 0;
            self.measured.answers += 1;
            if due - self.begun >= self.load.warm {
                self.measured.latencies_us.push(us(answered - due));
            }
            if self.load.keep {
                self.measured
                    .exchanges
                    .push(Exchange { id, sent, answered });
            }
        }
        self.measured
    }

    /// Waits until the next request must be sent, and returns its planned time. `None` when the time is over.
    fn due(&mut self) -> Option<Instant> {
        let now = Instant::now();
        match self.load.pace {
            Pace::Closed => (now - self.begun < self.load.duration).then_some(now),
            Pace::Count(requests) => {
                let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
                (ticket < requests).then_some(now)
            }
            Pace::Open(rate) => {
                // Any free connection takes the next planned time.
                let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
                let at = Duration::from_secs_f64(ticket as f64 / rate);
                let due = self.begun + at;
                if let Some(early) = due.checked_duration_since(now) {
                    if at >= self.load.duration {
                        return None;
                    }
                    wait(early);
                    self.measured.lags_us.push(us(due.elapsed()));
                }
                (at < self.load.duration).then_some(due)
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "planned times follow the system clock"
)]
pub(crate) fn wait(time: Duration) {
    std::thread::sleep(time);
}

fn us(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

impl Measured {
    /// Adds the resources that the server used.
    pub(crate) fn charge(&mut self, before: &Usage, after: &Usage) {
        self.cpu = after.cpu.saturating_sub(before.cpu);
        self.written_bytes = after.written_bytes.saturating_sub(before.written_bytes);
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.answers as f64 / self.seconds
    }

    pub(crate) fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.answers as f64
    }

    pub(crate) fn cpu_percent(&self) -> f64 {
        self.cpu.as_secs_f64() * 100.0 / self.seconds
    }

    pub(crate) fn written_kb(&self) -> f64 {
        self.written_bytes as f64 / 1024.0 / self.answers as f64
    }

    pub(crate) fn p50_ms(&self) -> f64 {
        percentile_ms(&self.latencies_us, 0.5)
    }

    pub(crate) fn p99_ms(&self) -> f64 {
        percentile_ms(&self.latencies_us, 0.99)
    }

    pub(crate) fn p999_ms(&self) -> f64 {
        percentile_ms(&self.latencies_us, 0.999)
    }

    pub(crate) fn lag_p99_ms(&self) -> f64 {
        percentile_ms(&self.lags_us, 0.99)
    }
}

/// The quantile of sorted figures.
fn percentile_ms(sorted_us: &[u32], part: f64) -> f64 {
    let at = (sorted_us.len() as f64 * part) as usize;
    sorted_us
        .get(at)
        .map_or(f64::NAN, |us| f64::from(*us) / 1000.0)
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>7.0} answers/s  p50 {:>6.2} ms  p99 {:>7.2} ms  CPU {:>5.1} us  written {:>5.2} KB  failures: {}  \
             steal {:.0} %",
            self.per_second(),
            self.p50_ms(),
            self.p99_ms(),
            self.cpu_us(),
            self.written_kb(),
            self.failures,
            self.steal_percent,
        )
    }
}
