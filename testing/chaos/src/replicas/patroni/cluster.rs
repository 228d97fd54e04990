//! Three members of etcd and three nodes of Patroni, all on loopback.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use campanile_receiver::postgres::{as_user, client};
use campanile_receiver::server::{Server, run};
use serde_json::Value;
use tokio::process::Command;

use super::node::{self, Node, free_address, own_folder};
use super::settings::{self, PASSWORD, SCOPE};
use crate::Trouble;
use crate::secrets;

/// The members of etcd, and the nodes.
const SIZE: usize = 3;

/// A cluster that needs longer has failed.
const PATIENCE: Duration = Duration::from_mins(2);

/// Between two questions to Patroni.
const ASK_EVERY: Duration = Duration::from_millis(500);

pub(crate) struct Cluster {
    nodes: Vec<Node>,
    pub(crate) synchronous: bool,
    /// Patroni ends before etcd does.
    _etcd: Vec<Server>,
}

/// What Patroni says of its nodes.
pub(super) struct Seen {
    pub(super) primary: usize,
    /// The standby that commits wait for.
    pub(super) synchronous: Option<usize>,
    /// The nodes that run.
    running: usize,
}

impl Cluster {
    /// Starts everything, and makes the database `alerts`.
    pub(crate) async fn start(folder: &Path, synchronous: bool) -> Result<Self, Trouble> {
        let addresses = || -> Vec<SocketAddr> { (0..SIZE).map(|_| free_address()).collect() };
        let (clients, peers) = (addresses(), addresses());
        let mut etcd = Vec::new();
        for number in 0..SIZE {
            let folder = folder.join(format!("etcd-{number}"));
            own_folder(&folder).await?;
            let arguments = settings::etcd(number, &folder.join("data"), &clients, &peers);
            etcd.push(node::start("etcd", &arguments, &folder.join("etcd.log")).await);
        }
        let mut nodes = Vec::new();
        for number in 0..SIZE {
            let mut node = Node::new(number, folder, &clients, synchronous).await?;
            node.start().await;
            nodes.push(node);
        }
        let cluster = Self {
            nodes,
            synchronous,
            _etcd: etcd,
        };
        cluster.whole().await?;
        let password = secrets::PASSWORD;
        let role = format!("CREATE ROLE campanile LOGIN PASSWORD '{password}'");
        for statement in [&role, "CREATE DATABASE alerts OWNER campanile"] {
            cluster.sql("postgres", statement).await;
        }
        Ok(cluster)
    }

    /// The ports of its servers.
    pub(crate) fn ports(&self) -> Vec<u16> {
        self.nodes.iter().map(|node| node.postgres.port()).collect()
    }

    /// A command of the client to the server that takes writes, without the statement.
    pub(crate) fn client(&self, database: &str) -> Command {
        let ports: Vec<String> = self.ports().iter().map(u16::to_string).collect();
        let hosts = vec!["127.0.0.1"; ports.len()].join(",");
        let mut client = client(&format!(
            "dbname={database} target_session_attrs=read-write connect_timeout=3"
        ));
        client.args(["--host", &hosts, "--port", &ports.join(",")]);
        client.env("PGPASSWORD", PASSWORD);
        client
    }

    /// Runs statements on the primary, and gives the rows.
    pub(crate) async fn sql(&self, database: &str, statements: &str) -> String {
        run(&mut self.client(database), statements).await
    }

    /// What a node says of the cluster that answers and sees a primary.
    pub(super) async fn seen(&self) -> Option<Seen> {
        for node in &self.nodes {
            if let Some(seen) = node.cluster().await.and_then(|said| self.read(&said)) {
                return Some(seen);
            }
        }
        None
    }

    fn read(&self, said: &Value) -> Option<Seen> {
        let members = said["members"].as_array()?;
        let number = |member: &Value| {
            self.nodes
                .iter()
                .position(|node| member["name"] == *node.name)
        };
        let with_role = |role: &str| members.iter().find(|member| member["role"] == role);
        let runs = |member: &&Value| member["state"] == "running" || member["state"] == "streaming";
        Some(Seen {
            primary: number(with_role("leader").filter(runs)?)?,
            synchronous: with_role("sync_standby").and_then(number),
            running: members.iter().filter(runs).count(),
        })
    }

    /// Waits until every node has its role, and every standby gets the log.
    pub(super) async fn whole(&self) -> Result<(), Trouble> {
        self.until("a whole cluster", async |seen| {
            if seen.running < SIZE || seen.synchronous.is_some() != self.synchronous {
                return false;
            }
            let standbys = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
            let mut client = self.client("postgres");
            let said = client.args(["--command", standbys]).output().await;
            // No primary may answer yet.
            said.is_ok_and(|said| said.stdout.trim_ascii() == (SIZE - 1).to_string().as_bytes())
        })
        .await
    }

    /// Waits until another node is the primary.
    pub(super) async fn failed_over(&self, from: usize) -> Result<(), Trouble> {
        self.until("another primary", async |seen| seen.primary != from)
            .await
    }

    async fn until(&self, what: &str, is_so: impl AsyncFn(&Seen) -> bool) -> Result<(), Trouble> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(seen) = self.seen().await
                && is_so(&seen).await
            {
                return Ok(());
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        Err(Trouble::said(format!("{PATIENCE:?} passed without {what}")))
    }

    /// One of its nodes.
    pub(super) fn node(&mut self, number: usize) -> &mut Node {
        &mut self.nodes[number]
    }

    /// Any node that is not this one.
    pub(super) fn other_than(&self, number: usize, turn: usize) -> usize {
        (number + 1 + turn % (self.nodes.len() - 1)) % self.nodes.len()
    }

    /// Makes a standby the primary, as an operator does.
    pub(super) async fn switch_over(&self, from: usize, to: usize) {
        let (from, to) = (&self.nodes[from], &self.nodes[to]);
        let mut ctl = as_user("patronictl");
        ctl.arg("-c")
            .arg(from.settings())
            .args(["switchover", SCOPE, "--force"]);
        ctl.args(["--leader", &from.name, "--candidate", &to.name]);
        run(&mut ctl, "").await;
    }
}
