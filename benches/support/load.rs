//! A load generator: some connections, each asking as fast as it is answered, each message unique.

use std::fmt;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use md5::{Digest, Md5};

use super::server::Usage;

/// The key of the `ucloud` source of the gateway under load.
pub(crate) const KEY: &str = "bench-key-0123456789";
/// The callback token of its `jiankong` source.
pub(crate) const TOKEN: &str = "bench-token-0123456789";

/// Whose messages are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Vendor {
    /// A JSON body.
    Ucloud,
    /// A signed form.
    Jiankong,
}

/// What to do to a server.
pub(crate) struct Load {
    pub(crate) vendor: Vendor,
    pub(crate) connections: usize,
    pub(crate) duration: Duration,
}

/// What came of it.
pub(crate) struct Measured {
    pub(crate) answers: u64,
    pub(crate) failures: u64,
    pub(crate) seconds: f64,
    pub(crate) steal_percent: f64,
    latencies_us: Vec<u32>,
    cpu: Duration,
    written_bytes: u64,
}

impl Load {
    /// Loads the server at `address` from one thread that serves all connections in turn.
    pub(crate) fn run(&self, address: SocketAddr) -> Measured {
        let steal = steal_ticks();
        let begun = Instant::now();
        let threads: Vec<_> = (0..self.connections)
            .map(|connection| {
                let (vendor, duration) = (self.vendor, self.duration);
                std::thread::Builder::new()
                    .stack_size(128 * 1024)
                    .spawn(move || connection_loop(address, vendor, connection, duration))
                    .expect("a thread can be started")
            })
            .collect();
        let mut measured = Measured {
            answers: 0,
            failures: 0,
            seconds: 0.0,
            steal_percent: 0.0,
            latencies_us: Vec::new(),
            cpu: Duration::ZERO,
            written_bytes: 0,
        };
        for thread in threads {
            let (latencies, failures) = thread.join().expect("a connection ends by itself");
            measured.answers += latencies.len() as u64;
            measured.failures += failures;
            measured.latencies_us.extend(latencies);
        }
        measured.seconds = begun.elapsed().as_secs_f64();
        measured.latencies_us.sort_unstable();
        // A tick is 10 ms of one of the cores.
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        measured.steal_percent = (steal_ticks() - steal) as f64 / measured.seconds / cores;
        measured
    }
}

fn connection_loop(
    address: SocketAddr,
    vendor: Vendor,
    connection: usize,
    duration: Duration,
) -> (Vec<u32>, u64) {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_nodelay(true).expect("a TCP socket");
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("a TCP socket");
    let mut latencies = Vec::with_capacity(100_000);
    let (mut failures, mut serial, mut request, mut answer) = (0, 0_u64, Vec::new(), [0; 4096]);
    let begun = Instant::now();
    while begun.elapsed() < duration {
        serial += 1;
        vendor.request(connection, serial, &mut request);
        let sent = Instant::now();
        stream
            .write_all(&request)
            .expect("the server takes requests");
        let read = stream
            .read(&mut answer)
            .expect("the server answers within 30 s");
        latencies.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
        failures += u64::from(!answer[..read].starts_with(b"HTTP/1.1 200"));
    }
    (latencies, failures)
}

impl Vendor {
    /// A request that was never sent before, its id without any order.
    fn request(self, connection: usize, serial: u64, request: &mut Vec<u8>) {
        let mixed = (connection as u64) << 40 | serial;
        let random = mixed
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29)
            .wrapping_mul(0xbf58_476d_1ce4_e5b9);
        request.clear();
        let (path, kind, body) = match self {
            Self::Ucloud => (
                format!("/callback/ucloud/bench/{KEY}"),
                "application/json",
                ucloud(random, mixed),
            ),
            Self::Jiankong => (
                "/callback/jiankong/bench".to_owned(),
                "application/x-www-form-urlencoded",
                jiankong(random),
            ),
        };
        write!(
            request,
            "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: Go-http-client/1.1\r\ncontent-type: {kind}\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("memory can be written to");
    }
}

fn ucloud(random: u64, mixed: u64) -> String {
    format!(
        "{{\"SessionID\":\"{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}\",\"Region\":\"cn-bj2\",\"ResourceType\":\"uhost\",\
         \"ResourceId\":\"uhost-{:05x}\",\"MetricName\":\"CPUUtilization\",\"AlarmTime\":1767232800,\"RecoveryTime\":0,\
         \"Content\":\"【UCloud】Alarm: Beijing Two 2026-01-01 10:00:00 uhost(ID:uhost-{:05x}-10.9.0.1-) CPU utilization \
         rate(93.20)>90 % for 5 minutes, please look at it soon (UCloud) {:0>60}\"}}",
        random >> 32,
        (random >> 16) & 0xffff,
        random & 0xfff,
        (random >> 8) & 0xfff,
        mixed,
        random % 1000,
        random % 1000,
        "",
    )
}

fn jiankong(random: u64) -> String {
    let (id, task, time) = (
        random.to_string(),
        (random % 1000).to_string(),
        "1767232800",
    );
    let token = Md5::new()
        .chain_update(&id)
        .chain_update(&task)
        .chain_update(time)
        .chain_update(TOKEN)
        .finalize();
    let token = hex::encode(token);
    format!(
        "msg_id={id}&task_user_id=88&task_id={task}&task_type=http&fault_time={time}&message_type=1&message_status=1&\
         task_summary=site-a&task_name=site-a&content=%25E7%25BD%2591%25E7%25AB%2599+down&token={token}"
    )
}

/// Ticks that the machine's host gave to others.
fn steal_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let mut fields = stat.lines().next().unwrap_or_default().split_whitespace();
    fields
        .nth(8)
        .and_then(|ticks| ticks.parse().ok())
        .unwrap_or(0)
}

impl Measured {
    /// Adds what the server used.
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

    pub(crate) fn written_kb(&self) -> f64 {
        self.written_bytes as f64 / 1024.0 / self.answers as f64
    }

    pub(crate) fn p99_ms(&self) -> f64 {
        self.percentile_ms(0.99)
    }

    fn percentile_ms(&self, part: f64) -> f64 {
        let at = (self.latencies_us.len() as f64 * part) as usize;
        f64::from(self.latencies_us.get(at).copied().unwrap_or(0)) / 1000.0
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>7.0} answers/s  p50 {:>6.2} ms  p99 {:>7.2} ms  CPU {:>5.1} us  written {:>5.2} KB  not 200: {}  \
             steal {:.0} %",
            self.per_second(),
            self.percentile_ms(0.5),
            self.p99_ms(),
            self.cpu_us(),
            self.written_kb(),
            self.failures,
            self.steal_percent,
        )
    }
}
