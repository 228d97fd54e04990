//! What an alert does to a record: off while its problem is open, on again afterwards.
//!
//! One action at a time holds the lock of its zone, from reading the records to reading them again. So what is counted for
//! the floor cannot change in between.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use campanile_language::Template;
use campanile_model::{Alert, Status};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use super::cloud::Cloud;
use super::codes::{Effect, Refusal};
use super::ledger::{Done, Entry, Hold, Holds, Ledger};
use super::legacy::Legacy;
use super::record::{Host, RECORDS_MAX, Record};
use crate::http::client::Client;
use crate::{Class, Delivered, Failure, Message, Sink, Worth, digest};

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

/// One alert, with what the ledger says while it is worked on.
struct Action<'a> {
    sink: &'a Switch,
    alert: &'a Alert,
    at: Timestamp,
    problem: String,
    holds: Holds,
    /// Nothing is switched and nothing is written.
    dry_run: bool,
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
    async fn list(&self, at: Timestamp) -> Result<Vec<Record>, Failure> {
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

    async fn switch(&self, id: &str, on: bool, at: Timestamp) -> Result<(), Refusal> {
        let change = (id, on);
        match &self.door {
            Door::Cloud(cloud) => cloud.switch(&self.client, &self.host, change, at).await,
            Door::Legacy(legacy) => legacy.switch(&self.client, &self.host, change, at).await,
        }
    }

    /// The value of the record that the alert is about.
    fn wanted_value(&self, message: &Message) -> Result<Option<String>, Failure> {
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

impl Action<'_> {
    async fn fire(mut self, message: &Message) -> Result<Delivered, Failure> {
        if !message.episode_open {
            let remark = "the problem is resolved already: nothing was switched off";
            return Ok(self.done(message, &[remark.to_owned()]));
        }
        let value = self.sink.wanted_value(message)?;
        let records = self.sink.list(self.at).await?;
        let found = self.sink.host.wanted(&records, value.as_deref())?;
        let (on, off): (Vec<&Record>, Vec<&Record>) = found.iter().partition(|record| record.on);
        let broken = self.below_floor(&records, &on);
        if self.dry_run {
            let would = on
                .iter()
                .map(|record| format!("would switch off {}", self.named(record)));
            let remarks = would.chain(broken).collect();
            return Ok(self.done(message, &dry(remarks)));
        }
        self.let_go_of_switched_on(&records).await?;
        if let Some(reason) = broken {
            return Err(Failure::new(Class::Poison, reason));
        }
        let mut remarks = watched(&found);
        for record in off {
            remarks.push(self.hold_too(record).await?);
        }
        for record in &on {
            self.note(record, Done::SwitchingOff).await?;
            self.write(record, false).await?;
        }
        if !on.is_empty() {
            remarks.extend(self.read_back(&on, false).await?);
        }
        Ok(self.done(message, &remarks))
    }

    async fn resolve(mut self, message: &Message) -> Result<Delivered, Failure> {
        let ours = self.ours(message);
        if ours.is_empty() {
            let remark = "nothing was switched off for this problem, so nothing is switched on";
            return Ok(self.done(message, &[remark.to_owned()]));
        }
        let records = self.sink.list(self.at).await?;
        if !self.dry_run {
            self.let_go_of_switched_on(&records).await?;
        }
        let (mut remarks, mut due) = (Vec::new(), Vec::new());
        for id in ours {
            match records.iter().find(|record| record.id == id) {
                None => remarks.push(self.gone(&id).await?),
                Some(record) if record.on => {
                    remarks.push(format!("{} is on already", self.named(record)));
                }
                Some(record) => match self.reason_to_stay_off(record) {
                    Some(remark) => {
                        if !self.dry_run {
                            self.note(record, Done::LetGo).await?;
                        }
                        remarks.push(remark);
                    }
                    None => due.push(record),
                },
            }
        }
        remarks.extend(watched(&due));
        if self.dry_run {
            let would = due
                .iter()
                .map(|record| format!("would switch on {}", self.named(record)));
            remarks.extend(would);
            return Ok(self.done(message, &dry(remarks)));
        }
        for record in &due {
            self.write(record, true).await?;
        }
        if !due.is_empty() {
            remarks.extend(self.read_back(&due, true).await?);
        }
        Ok(self.done(message, &remarks))
    }

    /// The floor counts a record as off that another alert is about to switch off: its request may be on its way.
    fn below_floor(&self, records: &[Record], on: &[&Record]) -> Option<String> {
        let going = |record: &Record| {
            let mut holders = self.holds.holders(&record.id);
            holders.any(|(_, hold)| hold == Hold::Going)
        };
        let Switch { host, floor, .. } = self.sink;
        host.below_floor(records, on, *floor, going)
    }

    /// A record that is on although problems hold it off was switched on by a person: it is no longer ours.
    async fn let_go_of_switched_on(&mut self, records: &[Record]) -> Result<(), Failure> {
        for record in records.iter().filter(|record| record.on) {
            let holders = self.holds.holders(&record.id);
            let held = holders.filter(|(_, hold)| *hold == Hold::Off);
            let held: Vec<String> = held.map(|(problem, _)| problem.to_owned()).collect();
            for problem in held {
                self.note_for(record, &problem, Done::LetGo).await?;
            }
        }
        // What this problem was about to switch off and is on was not switched.
        let going =
            |record: &&Record| self.holds.of(&record.id, &self.problem) == Some(Hold::Going);
        let going: Vec<Record> = records
            .iter()
            .filter(|record| record.on)
            .filter(going)
            .cloned()
            .collect();
        for record in going {
            self.note(&record, Done::LetGo).await?;
        }
        Ok(())
    }

    /// A record that is off already: held by this problem too if it is Campanile that switched it off.
    async fn hold_too(&mut self, record: &Record) -> Result<String, Failure> {
        let ours = self.holds.holders(&record.id).next().is_some();
        let named = self.named(record);
        if !ours {
            return Ok(format!(
                "{named} was switched off by somebody else: the recovery leaves it off"
            ));
        }
        if self.holds.of(&record.id, &self.problem) != Some(Hold::Off) {
            self.note(record, Done::HeldOff).await?;
        }
        Ok(format!("{named} is off already"))
    }

    /// The records that the recovery of this problem switches on: those of the handle and of the ledger, less those that
    /// the ledger says were let go.
    fn ours(&self, message: &Message) -> Vec<String> {
        let handle = message.handle.as_deref().unwrap_or_default().split(',');
        let handle = handle.filter(|id| !id.is_empty());
        let handle = handle.filter(|id| self.holds.of(id, &self.problem) != Some(Hold::Ended));
        let all = handle.chain(self.holds.held_by(&self.problem));
        let mut all: Vec<_> = all.map(str::to_owned).collect();
        all.sort();
        all.dedup();
        all
    }

    fn reason_to_stay_off(&self, record: &Record) -> Option<String> {
        let holders = self.holds.holders(&record.id);
        let others = holders
            .filter(|(problem, _)| *problem != self.problem)
            .count();
        let named = self.named(record);
        if others > 0 {
            return Some(format!(
                "{named} stays off: {others} other problems hold it off"
            ));
        }
        let enables = self.sink.enables;
        (!enables).then(|| format!("{named} stays off, as `on_resolved` says"))
    }

    async fn gone(&mut self, id: &str) -> Result<String, Failure> {
        let host = self.sink.host.shown();
        let record = Record {
            id: id.to_owned(),
            name: String::new(),
            kind: String::new(),
            line: String::new(),
            value: String::new(),
            on: false,
            watched: false,
        };
        if !self.dry_run {
            self.note(&record, Done::LetGo).await?;
        }
        Ok(format!("record {id} is not among those of {host} any more"))
    }

    /// Sends the request. After a refusal that leaves the state open, the list decides.
    async fn write(&mut self, record: &Record, on: bool) -> Result<(), Failure> {
        let Err(Refusal { failure, effect }) = self.sink.switch(&record.id, on, self.at).await
        else {
            return Ok(());
        };
        match effect {
            Effect::Unclear => return self.confirm(record, on, failure).await,
            Effect::Nothing if !on => self.note(record, Done::LetGo).await?,
            // The ledger keeps the line that announces the switch.
            Effect::Nothing | Effect::Unknown => {}
        }
        Err(failure)
    }

    async fn confirm(&self, record: &Record, on: bool, failure: Failure) -> Result<(), Failure> {
        let records = self.sink.list(self.at).await?;
        let found = records.iter().find(|one| one.id == record.id);
        match found {
            Some(found) if found.on != on => Err(failure),
            _ => Ok(()),
        }
    }

    /// Only the list is proof.
    async fn read_back(&mut self, switched: &[&Record], on: bool) -> Result<Vec<String>, Failure> {
        let records = self.sink.list(self.at).await?;
        let mut remarks = Vec::new();
        for record in switched {
            let named = self.named(record);
            match records.iter().find(|one| one.id == record.id) {
                None => remarks.push(self.gone(&record.id).await?),
                Some(found) if found.on == on => {
                    let done = if on {
                        Done::SwitchedOn
                    } else {
                        Done::SwitchedOff
                    };
                    self.note(record, done).await?;
                    let word = if on { "on" } else { "off" };
                    remarks.push(format!("switched {word} {named}"));
                    tracing::info!(
                        sink = self.sink.name,
                        alert = self.alert.id,
                        record = record.id,
                        "sink {}: switched {word} {named}",
                        self.sink.name
                    );
                }
                Some(_) => {
                    let reason = format!(
                        "DNSPod accepted the switch, but its list does not show it for {named}"
                    );
                    return Err(Failure::new(Class::Transient, reason));
                }
            }
        }
        Ok(remarks)
    }

    async fn note(&mut self, record: &Record, done: Done) -> Result<(), Failure> {
        let problem = self.problem.clone();
        self.note_for(record, &problem, done).await
    }

    async fn note_for(
        &mut self,
        record: &Record,
        problem: &str,
        done: Done,
    ) -> Result<(), Failure> {
        let entry = Entry {
            at: self.at,
            sink: self.sink.name.clone(),
            zone: self.sink.host.domain.clone(),
            host: format!("{} {}", self.sink.host.shown(), record.value),
            record: record.id.clone(),
            problem: problem.to_owned(),
            alert: self.alert.id.clone(),
            done,
        };
        self.sink.ledger.write(entry.clone()).await?;
        self.holds.note(entry);
        Ok(())
    }

    fn named(&self, record: &Record) -> String {
        let host = self.sink.host.shown();
        format!("record {} ({host} {})", record.id, record.value)
    }

    /// The handle holds the ids of the records that this problem holds off.
    fn done(&self, message: &Message, remarks: &[String]) -> Delivered {
        let ours = match self.alert.status {
            Status::Firing => self.ours(message).join(","),
            Status::Resolved => String::new(),
        };
        Delivered {
            code: Some(200),
            handle: (!ours.is_empty()).then_some(ours),
            worth: Worth::Committed,
            remark: (!remarks.is_empty()).then(|| remarks.join("; ")),
        }
    }
}

fn dry(remarks: Vec<String>) -> Vec<String> {
    let label = std::iter::once("dry run".to_owned());
    label.chain(remarks).collect()
}

fn watched(records: &[&Record]) -> Vec<String> {
    let watched = records.iter().filter(|record| record.watched);
    let remark = |record: &&Record| {
        let id = &record.id;
        format!("the vendor's own monitor may switch record {id} too")
    };
    watched.map(remark).collect()
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
