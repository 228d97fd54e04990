//! Measures what open pages cost: ingest with 32 open live pages over ingest with none.
//!
//! `cargo bench --bench tabs` starts the gateway once in each round, on an empty SQLite file with two sinks that are down, and
//! measures pairs: some seconds with no open page, and some with readers that do what an open page does while news does not end.
//! Each reads the event stream, and loads the live page every three seconds. The order changes with each pair. The readers are
//! part of this program, so their work takes from the same cores.
//!
//! Both halves of a pair have the same process and file: two starts differ by a tenth for other reasons, more than pages cost.
//!
//! Environment variables: `ROUNDS` (4), `PAIRS` a round (6), `SECONDS` per measurement (3), `CONNECTIONS` (64), `TABS` (32).

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use support::load::{Load, Measured};
use support::messages::Form;
use support::print;
use support::rounds::{rounds, setting};
use support::server::{self, Server, Sinks};
use support::spread::{head, row};
use support::wire::Wire;

/// A page loads itself again after this time while news does not end.
const RELOAD: Duration = Duration::from_secs(3);

/// Open pages.
struct Tabs {
    closed: Arc<AtomicBool>,
    bytes: Arc<AtomicU64>,
    loads: Arc<AtomicU64>,
    streams: Vec<TcpStream>,
    threads: Vec<JoinHandle<()>>,
}

impl Tabs {
    fn open(admin: SocketAddr, count: u64) -> Self {
        let mut tabs = Self {
            closed: Arc::default(),
            bytes: Arc::default(),
            loads: Arc::default(),
            streams: Vec::new(),
            threads: Vec::new(),
        };
        for number in 0..count {
            let stream = opened(admin);
            tabs.streams
                .push(stream.try_clone().expect("a second handle"));
            let (closed, bytes) = (Arc::clone(&tabs.closed), Arc::clone(&tabs.bytes));
            tabs.start(move || follow(stream, &closed, &bytes));
            let (closed, loads) = (Arc::clone(&tabs.closed), Arc::clone(&tabs.loads));
            let first =
                RELOAD * u32::try_from(number).unwrap_or(0) / u32::try_from(count).unwrap_or(1);
            tabs.start(move || reload(admin, first, &closed, &loads));
        }
        tabs
    }

    fn start(&mut self, work: impl FnOnce() + Send + 'static) {
        let thread = std::thread::Builder::new().stack_size(128 * 1024);
        self.threads
            .push(thread.spawn(work).expect("a thread can be started"));
    }

    /// Closes them, and returns the kilobytes of their streams and the number of loads.
    fn close(self) -> (u64, u64) {
        self.closed.store(true, Ordering::Relaxed);
        for stream in &self.streams {
            stream.shutdown(Shutdown::Both).expect("an open stream");
        }
        for thread in self.threads {
            thread.thread().unpark();
            thread.join().expect("a reader ends without a panic");
        }
        (
            self.bytes.load(Ordering::Relaxed) / 1024,
            self.loads.load(Ordering::Relaxed),
        )
    }
}

/// Asks for the event stream.
fn opened(admin: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(admin).expect("the admin listener answers");
    let request = format!(
        "GET /api/v1/stream HTTP/1.1\r\nhost: {admin}\r\naccept: text/event-stream\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("a request");
    stream
}

/// Reads the event stream until it is closed here.
fn follow(mut stream: TcpStream, closed: &AtomicBool, bytes: &AtomicU64) {
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = stream.read(&mut buffer).expect("the stream can be read");
        if read == 0 {
            assert!(closed.load(Ordering::Relaxed), "the stream ended");
            return;
        }
        let _before = bytes.fetch_add(read as u64, Ordering::Relaxed);
    }
}

/// Loads the live page.
fn reload(admin: SocketAddr, first: Duration, closed: &AtomicBool, loads: &AtomicU64) {
    let mut wire = Wire::new(admin);
    let request = format!(
        "GET / HTTP/1.1\r\nhost: {admin}\r\naccept: text/html\r\naccept-encoding: gzip\r\n\r\n"
    );
    let mut next = Instant::now() + first;
    loop {
        while !closed.load(Ordering::Relaxed) && Instant::now() < next {
            std::thread::park_timeout(next.saturating_duration_since(Instant::now()));
        }
        if closed.load(Ordering::Relaxed) {
            return;
        }
        let status = wire.exchange(request.as_bytes());
        assert!(matches!(status, Ok(200)), "the page: {status:?}");
        let _before = loads.fetch_add(1, Ordering::Relaxed);
        next += RELOAD;
    }
}

fn main() -> ExitCode {
    if let Some(code) = server::play_bare() {
        return code;
    }
    let (seconds, tabs) = (setting("SECONDS", 3), setting("TABS", 32));
    let connections = usize::try_from(setting("CONNECTIONS", 64)).unwrap_or(64);
    let load = Load::closed(Form::Ucloud, connections, Duration::from_secs(seconds));
    let pairs = setting("PAIRS", 6);
    print(&format!(
        "{connections} connections, {pairs} pairs of {seconds} s, {tabs} tabs\n"
    ));
    let rounds = rounds(setting("ROUNDS", 4), |round| {
        let server = Server::gateway(Sinks::TwoDown);
        print(&format!("round {round}  start {}", server.measure(&load)));
        let pairs = 0..pairs;
        pairs
            .map(|number| pair(&server, &load, tabs, number % 2 == 0))
            .collect::<Vec<_>>()
    });
    let measured: Vec<_> = rounds.into_iter().flatten().collect();
    head(&[
        "tabs",
        "pairs",
        "answers/s over none",
        "server CPU an answer, over none",
        "p99 over none",
    ]);
    row([
        &*tabs.to_string(),
        &measured.len().to_string(),
        &format!("{:.2}", support::ratio(&measured, Measured::per_second)),
        &format!("{:.2}", support::ratio(&measured, Measured::cpu_us)),
        &format!("{:.1}", support::ratio(&measured, Measured::p99_ms)),
    ]);
    ExitCode::SUCCESS
}

/// Measures without and with open pages, in this or the other order.
fn pair(server: &Server, load: &Load, tabs: u64, alone_first: bool) -> (Measured, Measured) {
    if alone_first {
        let alone = alone(server, load);
        (alone, watched(server, load, tabs))
    } else {
        let watched = watched(server, load, tabs);
        (alone(server, load), watched)
    }
}

fn alone(server: &Server, load: &Load) -> Measured {
    let alone = server.measure(load);
    print(&format!("  none  {alone}"));
    alone
}

fn watched(server: &Server, load: &Load, tabs: u64) -> Measured {
    let open = Tabs::open(server.admin, tabs);
    let watched = server.measure(load);
    let (kilobytes, loads) = open.close();
    print(&format!(
        "  tabs  {watched}; {kilobytes} KB of streams, {loads} loads"
    ));
    watched
}
