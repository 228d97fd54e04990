//! A client of the admin listener: reads pending deliveries and dead letters, and resumes a sink.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::Trouble;
use campanile_wire::{Reply, Wire, request};

/// One sink, as the API shows it.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) pending: u64,
    pub(crate) dead: u64,
    pub(crate) in_flight: u64,
    pub(crate) retry_at: Option<Timestamp>,
}

impl Standing {
    /// Whether nothing is pending for it and nothing is in flight.
    pub(crate) fn is_done(&self) -> bool {
        self.pending + self.in_flight == 0
    }

    /// Whether its next attempt is further away than this.
    pub(crate) fn waits_longer_than(&self, most: Duration, now: Timestamp) -> bool {
        self.retry_at.is_some_and(|at| at > now + most)
    }
}

/// A client of the API of one gateway.
#[derive(Clone, Copy)]
pub(crate) struct Operator(pub(crate) SocketAddr);

impl Operator {
    /// A page as text.
    pub(crate) async fn page(self, path: &str) -> Result<String, Trouble> {
        let reply = self.ask("GET", path, b"").await?;
        if !reply.is_success() {
            return Err(Trouble::said(format!(
                "{path} answers {}: {}",
                reply.status, reply.body
            )));
        }
        Ok(reply.body)
    }

    /// The items of a list of the API.
    pub(crate) async fn list(self, path: &str) -> Result<Vec<Value>, Trouble> {
        let page = self.page(path).await?;
        let mut page: Value = serde_json::from_str(&page).unwrap_or_default();
        match page["items"].take() {
            Value::Array(items) => Ok(items),
            _ => Err(Trouble::said(format!("{path} did not answer a list"))),
        }
    }

    /// Every sink.
    pub(crate) async fn sinks(self) -> Result<Vec<Standing>, Trouble> {
        let items = self.list("/api/v1/sinks").await?;
        let standing = |item: &Value| {
            let word = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
            let number = |name: &str| item[name].as_u64().unwrap_or_default();
            Standing {
                name: word("name"),
                state: word("state"),
                pending: number("pending"),
                dead: number("dead"),
                in_flight: number("in_flight"),
                retry_at: item["retry_at"].as_str().and_then(|at| at.parse().ok()),
            }
        };
        Ok(items.iter().map(standing).collect())
    }

    /// The value of a metric without labels, or with all of them written out.
    pub(crate) async fn metric(self, name: &str) -> Result<u64, Trouble> {
        let text = self.page("/metrics").await?;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.ok_or_else(|| Trouble::said(format!("/metrics has no metric {name}")))
    }

    /// Resumes a sink, so it is tried at once.
    pub(crate) async fn resume(self, sink: &str) -> Result<(), Trouble> {
        let path = format!("/api/v1/sinks/{sink}/resume");
        self.ask("POST", &path, b"").await.map(|_| ())
    }

    /// Attempts everything that is pending for a sink, however long it would wait.
    pub(crate) async fn retry(self, sink: &str) -> Result<(), Trouble> {
        let which = json!({ "sink": sink }).to_string();
        let path = "/api/v1/deliveries/retry";
        let reply = self.ask("POST", path, which.as_bytes()).await?;
        if reply.is_success() {
            return Ok(());
        }
        let Reply { status, body, .. } = reply;
        Err(Trouble::said(format!("{path} answers {status}: {body}")))
    }

    async fn ask(self, method: &str, path: &str, body: &[u8]) -> Result<Reply, Trouble> {
        let gone = || Trouble::said(format!("no answer from {path}"));
        let mut wire = Wire::try_to(self.0).await.ok_or_else(gone)?;
        let headers = "connection: close\r\ncontent-type: application/json\r\n";
        let raw = request(method, path, headers, body);
        wire.ask(&raw).await.ok_or_else(gone)
    }
}
