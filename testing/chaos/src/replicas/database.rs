//! The database that the gateways share: one server, or a cluster that Patroni manages.

use std::path::Path;

use campanile_receiver::postgres::Postgres;
use tokio::process::Command;

use super::patroni::Cluster;
use crate::Trouble;
use crate::kinds::Kind;
use crate::secrets::PASSWORD;

/// The database of the gateways.
const ALERTS: &str = "alerts";

pub(super) enum Database {
    Server(Postgres),
    Cluster(Cluster),
}

impl Database {
    /// Starts what this kind of fault needs.
    pub(super) async fn start(folder: &Path, kind: Kind) -> Result<Self, Trouble> {
        let cluster = match kind {
            Kind::Patroni => Cluster::start(folder, true).await?,
            Kind::PatroniAsync => Cluster::start(folder, false).await?,
            _ => {
                return Ok(Self::Server(
                    Postgres::start_with_alerts(folder, PASSWORD).await,
                ));
            }
        };
        Ok(Self::Cluster(cluster))
    }

    /// The ports of all servers.
    pub(super) fn ports(&self) -> Vec<u16> {
        match self {
            Self::Server(server) => vec![server.port],
            Self::Cluster(cluster) => cluster.ports(),
        }
    }

    /// Runs statements on the server that takes writes, and gives the rows.
    pub(super) async fn sql(&self, statements: &str) -> String {
        match self {
            Self::Server(server) => server.sql(ALERTS, statements).await,
            Self::Cluster(cluster) => cluster.sql(ALERTS, statements).await,
        }
    }

    /// A command of the client, without the statement.
    pub(super) fn client(&self) -> Command {
        match self {
            Self::Server(server) => server.client(ALERTS),
            Self::Cluster(cluster) => cluster.client(ALERTS),
        }
    }

    /// Whether a failover can lose the last commits.
    pub(super) fn forgets(&self) -> bool {
        matches!(self, Self::Cluster(cluster) if !cluster.synchronous)
    }

    /// The one server.
    pub(super) fn server(&mut self) -> Result<&mut Postgres, Trouble> {
        match self {
            Self::Server(server) => Ok(server),
            Self::Cluster(_) => Err(Trouble::said("this fault is for one server")),
        }
    }

    /// The cluster.
    pub(super) fn cluster(&mut self) -> Result<&mut Cluster, Trouble> {
        match self {
            Self::Cluster(cluster) => Ok(cluster),
            Self::Server(_) => Err(Trouble::said("this fault is for a cluster")),
        }
    }
}
