//! The sink: one action at a time holds the lock of its zone, from reading the records to reading them again. So what is
//! counted for the floor cannot change in between.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use campanile_language::Template;
use campanile_model::Status;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use super::action::Action;
use super::cloud::Cloud;
use super::codes::Refusal;
use super::ledger::{Holds, Ledger};
use super::legacy::Legacy;
use super::record::{Host, RECORDS_MAX, Record};
use crate::http::client::Client;
use crate::{Class, Delivered, Failure, Message, Sink, digest};

/// Alerts of these sources are about Campanile, not about a server.
const OWN_SOURCES: &str = "campanile/";

/// The API.
pub(super) enum Door {
    Cloud(Cloud),
    Legacy(Legacy),
}

impl Door {
    pub(super) fn address(&self) -> &Url {
        match self {
            Self::Cloud(cloud) => &cloud.url,
            Self::Legacy(legacy) => &legacy.url,
        }
    }
}

/// One at a time for each zone of an API, over all sinks of the process.
pub(super) fn zone(api: &Url, domain: &str) -> Arc<Mutex<()>> {
    static ZONES: LazyLock<std::sync::Mutex<HashMap<String, Arc<Mutex<()>>>>> =
        LazyLock::new(std::sync::Mutex::default);
    let mut zones = ZONES
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let host = api.host_str().unwrap_or_default();
    let port = api.port().unwrap_or_default();
    Arc::clone(zones.entry(format!("{host}:{port}/{domain}")).or_default())
}

/// The sink.
pub(super) struct Switch {
    pub(super) name: String,
    pub(super) host: Host,
    pub(super) value: Option<Template>,
    pub(super) door: Door,
    pub(super) client: Client,
    pub(super) floor: usize,
    pub(super) dry_run: bool,
    /// A recovery switches on.
    pub(super) enables: bool,
    pub(super) ledger: Ledger,
    pub(super) zone: Arc<Mutex<()>>,
    pub(super) timeout: Duration,
}

impl Switch {
    async fn deliver(&self, message: &Message) -> Result<Delivered, Failure> {
        let alert = message.only().ok_or_else(|| {
            let reason = "a record is switched for one alert, not for a digest";
            Failure::new(Class::Poison, reason)
        })?;
        // A message of Campanile's own, such as that of `campanile sinks test`: another process may use the ledger.
        let own = alert.source.starts_with(OWN_SOURCES);
        let _turn = self.zone.lock().await;
        let action = Action {
            sink: self,
            alert,
            at: message.at,
            problem: format!("{}:{}", alert.source, alert.fingerprint),
            holds: if own {
                Holds::default()
            } else {
                self.ledger.holds(&self.host.domain).await?
            },
            dry_run: self.dry_run || own,
        };
        match alert.status {
            Status::Firing => action.fire(message).await,
            Status::Resolved => action.resolve(message).await,
        }
    }

    /// The records of the host.
    pub(super) async fn list(&self, at: Timestamp) -> Result<Vec<Record>, Failure> {
        let listed = match &self.door {
            Door::Cloud(cloud) => cloud.list(&self.client, &self.host, at).await,
            Door::Legacy(legacy) => legacy.list(&self.client, &self.host, at).await,
        };
        let (mut records, total) = listed.map_err(|refusal| refusal.failure)?;
        if total > RECORDS_MAX || records.len() > RECORDS_MAX {
            let host = self.host.shown();
            let reason = format!(
                "{host} has more than {RECORDS_MAX} records: set `line`; nothing was switched"
            );
            return Err(Failure::new(Class::Operator, reason));
        }
        records.retain(|record| self.host.has(record));
        Ok(records)
    }

    pub(super) async fn switch(&self, id: &str, on: bool, at: Timestamp) -> Result<(), Refusal> {
        let change = (id, on);
        match &self.door {
            Door::Cloud(cloud) => cloud.switch(&self.client, &self.host, change, at).await,
            Door::Legacy(legacy) => legacy.switch(&self.client, &self.host, change, at).await,
        }
    }

    /// The value of the record that the alert is about.
    pub(super) fn wanted_value(&self, message: &Message) -> Result<Option<String>, Failure> {
        let Some(template) = &self.value else {
            return Ok(None);
        };
        let operator = |reason| Failure::new(Class::Operator, reason);
        let value = template.render(&digest::facts(message));
        let value =
            value.map_err(|failed| operator(format!("the template `value` fails: {failed}")))?;
        if value.trim().is_empty() {
            let reason = "the template `value` gives nothing for this alert: extend it, or send this alert to other sinks; nothing was switched";
            return Err(operator(reason.to_owned()));
        }
        Ok(Some(value))
    }

    async fn limited<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let late = |_| {
            let limit = self.timeout.as_secs_f32();
            let reason = format!("not done within {limit} s; the next attempt reads first");
            Err(Failure::new(Class::Transient, reason))
        };
        let done = tokio::time::timeout(self.timeout, work).await;
        done.unwrap_or_else(late)
    }

    async fn ask(&self, at: Timestamp) -> Result<String, Failure> {
        let records = self.list(at).await?;
        let on = records.iter().filter(|record| record.on).count();
        Ok(format!(
            "{} has {} records, {on} of them on",
            self.host.shown(),
            records.len()
        ))
    }
}

impl Sink for Switch {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Failure>> {
        Box::pin(self.limited(self.deliver(message)))
    }

    fn probe(&self, at: Timestamp) -> Option<BoxFuture<'_, Result<String, Failure>>> {
        Some(Box::pin(self.limited(self.ask(at))))
    }

    fn render(&self, message: &Message) -> Result<String, Failure> {
        let value = self.wanted_value(message)?;
        let on = message
            .only()
            .is_some_and(|alert| alert.status == Status::Resolved);
        let host = &self.host;
        let mut out = match &self.door {
            Door::Cloud(_) => format!(
                "POST DescribeRecordList\n{}\n\nPOST ModifyRecordStatus\n{}\n",
                Cloud::list_body(host),
                Cloud::switch_body(host, &Value::from("RECORD"), on),
            ),
            Door::Legacy(_) => format!(
                "POST Record.List\n{}\n\nPOST Record.Status\n{}\n",
                Legacy::body("***", &Legacy::list_fields(host)),
                Legacy::body("***", &Legacy::switch_fields(host, "RECORD", on)),
            ),
        };
        let about = match (on, value) {
            (true, _) => "RECORD: each record that this problem switched off".to_owned(),
            (false, Some(value)) => format!(
                "RECORD: the records of {} with the value {value}",
                host.shown()
            ),
            (false, None) => format!("RECORD: the only record of {}", host.shown()),
        };
        let _infallible = writeln!(out, "\n{about}");
        Ok(out)
    }
}
