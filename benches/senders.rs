//! Measures the latency of a normal sender among many hostile connections, relative to its latency alone, in one run.
//!
//! `cargo bench --bench senders` starts the gateway, and then measures in turn one normal sender alone and in the
//! crowd. The crowd: `IDLE` (10000) connections that send nothing and reconnect when they are closed, `SLOW` (200) that
//! send a head or a body byte by byte, and one that sends requests with two lengths. `ROUNDS` (3) of `SECONDS` (5)
//! each. The result is the ratio of the medians. `CONNECTIONS_MAX` (20000) below `IDLE` shows the effect of more
//! connections than the limit.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures for people"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn setting(name: &str, default: usize) -> usize {
    let text = std::env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    match runtime
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(run()))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print(&format!("{error}\n"));
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Outcome<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )?;
    let (idle, slow) = (setting("IDLE", 10_000), setting("SLOW", 200));
    let rounds = setting("ROUNDS", 3);
    let duration = Duration::from_secs(setting("SECONDS", 5) as u64);
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path(), setting("CONNECTIONS_MAX", 20_000))?;
    print(&format!(
        "{idle} idle, {slow} slow; {rounds} rounds of {} s\n",
        duration.as_secs()
    ));
    let mut ratios = Vec::new();
    for round in 1..=rounds {
        let alone = honest(server.address, duration, &format!("{round}-alone")).await?;
        let crowd = Crowd::gather(server.address, idle, slow).await;
        let begun = Instant::now();
        let among = honest(server.address, duration, &format!("{round}-among")).await?;
        print(&format!(
            "round {round}  alone {}  among {} open of the crowd {}  (measured for {} s)\n",
            shown(&alone),
            crowd.open.load(Ordering::Relaxed),
            shown(&among),
            begun.elapsed().as_secs()
        ));
        ratios.push(percentile(&among, 99.0) / percentile(&alone, 99.0));
        drop(crowd);
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios.get(ratios.len() / 2).copied().unwrap_or_default();
    print(&format!(
        "p99 among the crowd is {median:.2} times that alone (median of {rounds})\n"
    ));
    Ok(())
}

/// The gateway process. Dropping it kills the process.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(folder: &std::path::Path, connections_max: usize) -> Outcome<Self> {
        let config = folder.join("campanile.toml");
        std::fs::write(
            &config,
            format!(
                "[server]\nlisten = \"127.0.0.1:0\"\nconnections_max = {connections_max}\n\
                 [admin]\nlisten = \"127.0.0.1:0\"\n[log]\nlevel = \"warn\"\n\
                 [self]\nalerts = false\n[store]\nurl = \"sqlite:{}\"\n[providers.ucloud.open]\nopen = true\n\
                 [sinks.stdout.screen]\n[[routes]]\nwhen = \"false\"\nsinks = [\"stdout/screen\"]\n",
                folder.join("campanile.db").display()
            ),
        )?;
        let mut child = Command::new(env!("CARGO_BIN_EXE_campanile"))
            .arg("run")
            .arg("--config")
            .arg(&config)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut greeting = String::new();
        let stdout = child.stdout.take().ok_or("no output")?;
        BufReader::new(stdout).read_line(&mut greeting)?;
        let url = greeting.split("http://").nth(1).unwrap_or_default();
        let address = url.split(' ').next().unwrap_or_default().parse()?;
        Ok(Self { child, address })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// The connections of the crowd. Dropping this value closes them.
struct Crowd {
    open: Arc<AtomicUsize>,
    _members: JoinSet<()>,
}

impl Crowd {
    /// Opens the connections, and waits until most are open or some time has passed: the gateway may not accept all of
    /// them.
    async fn gather(address: SocketAddr, idle: usize, slow: usize) -> Self {
        let open = Arc::new(AtomicUsize::new(0));
        let mut members = JoinSet::new();
        for number in 0..=idle + slow {
            let open = Arc::clone(&open);
            let kind = match number {
                0 => Kind::Smuggler,
                _ if number <= slow => Kind::Slow,
                _ => Kind::Idle,
            };
            members.spawn(async move {
                loop {
                    // The gateway has closed the connection, as it should: connect again.
                    let _closed = pester(address, kind, &open).await;
                    tokio::task::yield_now().await;
                }
            });
        }
        let deadline = Instant::now() + Duration::from_secs(20);
        while open.load(Ordering::Relaxed) < idle * 9 / 10 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Self {
            open,
            _members: members,
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Idle,
    Slow,
    Smuggler,
}

/// Keeps one connection open until the gateway closes it.
async fn pester(address: SocketAddr, kind: Kind, open: &AtomicUsize) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    open.fetch_add(1, Ordering::Relaxed);
    let done = bother(&mut stream, kind).await;
    open.fetch_sub(1, Ordering::Relaxed);
    done
}

async fn bother(stream: &mut TcpStream, kind: Kind) -> std::io::Result<()> {
    const HEAD: &[u8] =
        b"POST /callback/ucloud/open HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n{";
    const TWO: &[u8] = b"POST /callback/ucloud/open HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    let mut answer = [0; 512];
    match kind {
        Kind::Idle => {}
        Kind::Slow => {
            stream.write_all(HEAD).await?;
            loop {
                stream.write_all(b" ").await?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Kind::Smuggler => {
            tokio::time::sleep(Duration::from_millis(5)).await;
            stream.write_all(TWO).await?;
        }
    }
    while stream.read(&mut answer).await? > 0 {}
    Ok(())
}

/// Posts one alert after the other on one connection, and returns the time of each.
async fn honest(address: SocketAddr, duration: Duration, run: &str) -> Outcome<Vec<f64>> {
    let mut times = Vec::new();
    let end = Instant::now() + duration;
    let mut stream = None;
    while Instant::now() < end {
        let body = format!(
            "{{\"SessionID\":\"{run}-{}\",\"MetricName\":\"load\",\"AlarmTime\":1470822697}}",
            times.len()
        );
        let request = format!(
            "POST /callback/ucloud/open HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let begun = Instant::now();
        let mut wire: TcpStream = match stream.take() {
            Some(wire) => wire,
            None => TcpStream::connect(address).await?,
        };
        wire.write_all(request.as_bytes()).await?;
        let mut answer = [0; 2048];
        let read = wire.read(&mut answer).await?;
        let said = answer.get(..read).unwrap_or_default();
        if !said.starts_with(b"HTTP/1.1 200") {
            return Err(format!("answered {:?}", String::from_utf8_lossy(said)).into());
        }
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
        stream = Some(wire);
        // A normal sender pauses between its alerts.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

fn percentile(sorted: &[f64], percent: f64) -> f64 {
    let at = sorted.len() as f64 * percent / 100.0;
    let last = sorted.len().saturating_sub(1);
    sorted
        .get((at as usize).min(last))
        .copied()
        .unwrap_or(f64::NAN)
}

fn shown(sorted: &[f64]) -> String {
    let of = |percent| percentile(sorted, percent);
    let (count, most) = (sorted.len(), of(100.0));
    format!(
        "p50 {:.2} ms p99 {:.2} ms max {most:.2} ms ({count})",
        of(50.0),
        of(99.0)
    )
}

fn print(text: &str) {
    let _nobody_reads = std::io::stdout().write_all(text.as_bytes());
}
