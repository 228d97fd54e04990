//! Gateways that are restarted one after the other, behind a balancer, while callers go on.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use campanile_receiver::server::{Server, free_port};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::task::JoinSet;

use super::balancers::shipped;
use super::{Place, SINKS, send_to, shares};
use crate::patience::{until, within};
use crate::process::Process;

const NAMES: [&str; 2] = ["one", "two"];

/// The balancer in front of two gateways that keep their ports.
struct Front {
    _haproxy: Server,
    address: SocketAddr,
    stats: PathBuf,
}

/// The ports of the listeners of a gateway: for vendors, for operators.
type Ports = [u16; 2];

impl Front {
    /// With the shipped config, but it sends nothing again, so that a callback that a gateway refuses fails.
    async fn of(folder: &Path, ports: [Ports; 2]) -> Self {
        let (front, stats) = (free_port(), folder.join("stats"));
        let socket = format!("global\n    stats socket {}\n", stats.display());
        let mut text = std::fs::read_to_string(shipped("haproxy.cfg")).unwrap();
        for (from, to) in [
            ("global\n", &*socket),
            ("    option redispatch\n", ""),
            ("    retries 2\n", "    retries 0\n"),
            (
                "    retry-on conn-failure empty-response response-timeout 503\n",
                "    timeout check 30s\n",
            ),
            ("inter 1s", "inter 50ms"),
        ] {
            assert!(text.contains(from), "haproxy.cfg has no `{from}`");
            text = text.replace(from, to);
        }
        let file = folder.join("haproxy.cfg");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new("haproxy");
        command
            .args(["-W", "-f"])
            .arg(file)
            .env("FRONT", front.to_string());
        for (name, [public, admin]) in ["ONE", "TWO"].into_iter().zip(ports) {
            command.env(name, public.to_string());
            command.env(format!("{name}_ADMIN"), admin.to_string());
        }
        Self {
            _haproxy: Server::start(&mut command, "Loading success").await,
            address: SocketAddr::from(([127, 0, 0, 1], front)),
            stats,
        }
    }

    /// Waits until it sends callbacks to this gateway, or none any more.
    async fn uses(&self, gateway: &str, used: bool) {
        let state = if used { "2" } else { "0" };
        until(format!("{gateway} used: {used}"), async || {
            let mut socket = UnixStream::connect(&self.stats).await.unwrap();
            let ask = b"show servers state campanile\n";
            socket.write_all(ask).await.unwrap();
            let mut shown = String::new();
            socket.read_to_string(&mut shown).await.unwrap();
            let servers = shown
                .lines()
                .map(|line| line.split(' ').collect::<Vec<_>>());
            let mut servers = servers.filter(|fields| fields.get(3) == Some(&gateway));
            servers.any(|fields| fields.get(5) == Some(&state))
        })
        .await;
    }
}

impl Place {
    /// Starts a gateway with these ports, again in the same folder.
    async fn fixed(&self, name: &str, [public, admin]: Ports) -> Process {
        let mut settings = self.settings().replace("\"0s\"", "\"5m\"");
        for port in [public, admin] {
            settings = settings.replacen("127.0.0.1:0", &format!("127.0.0.1:{port}"), 1);
        }
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("campanile.toml"), settings).unwrap();
        Process::start(&folder).await
    }
}

/// Sends callbacks until it is stopped, each on a connection of its own and never again. Gives the messages.
async fn calls(front: SocketAddr, name: String, stopped: Arc<AtomicBool>) -> Vec<String> {
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    let mut messages = Vec::new();
    while !stopped.load(Ordering::Relaxed) {
        pace.tick().await;
        let message = format!("{name}-{:05}", messages.len());
        let reply = send_to(front, &message).await;
        assert_eq!(reply.status, 200, "{message}: {}", reply.body);
        messages.push(message);
    }
    messages
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_behind_haproxy_fails_no_callback_of_callers_that_never_retry() {
    let place = Place::new().await;
    let ports: [Ports; 2] = NAMES.map(|_| [free_port(), free_port()]);
    let mut gateways = [
        place.fixed("one", ports[0]).await,
        place.fixed("two", ports[1]).await,
    ];
    let front = Front::of(place.folder.path(), ports).await;
    for name in NAMES {
        front.uses(name, true).await;
    }
    let stopped = Arc::new(AtomicBool::new(false));
    let mut callers = JoinSet::new();
    for caller in ["a", "b", "c"] {
        let caller = caller.to_owned();
        callers.spawn(calls(front.address, caller, Arc::clone(&stopped)));
    }

    let mut messages = Vec::new();
    for (number, name) in NAMES.into_iter().enumerate() {
        let (stops, other) = (&gateways[number], &gateways[1 - number]);
        stops.signal("TERM");
        front.uses(name, false).await;
        // Its sinks do not wait for its end, and it still accepts.
        until("all sinks at the other gateway", async || {
            shares(other).await[0].len() == SINKS.len()
        })
        .await;
        let late = format!("late-{name}");
        let answer = send_to(stops.public, &late).await;
        assert_eq!((answer.status, answer.header("connection")), (200, "close"));
        messages.push(late);
        stops.signal("TERM");
        let ended = stops.ended().await;
        assert_eq!(ended.code(), Some(0), "{}", stops.log());
        gateways[number] = place.fixed(name, ports[number]).await;
        front.uses(name, true).await;
    }
    stopped.store(true, Ordering::Relaxed);
    let called = within("the callers", callers.join_all()).await;
    messages.extend(called.concat());
    messages.sort();
    place.all_get(&messages).await;
}
