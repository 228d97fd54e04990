//! What an alert does to a record: off while its problem is open, on again afterwards.

use campanile_model::{Alert, Status};
use jiff::Timestamp;

use super::codes::{Effect, Refusal};
use super::ledger::{Done, Entry, Hold, Holds};
use super::record::Record;
use super::switch::Switch;
use crate::{Class, Delivered, Failure, Message, Worth};

/// One alert, with what the ledger says while it is worked on.
pub(super) struct Action<'a> {
    pub(super) sink: &'a Switch,
    pub(super) alert: &'a Alert,
    pub(super) at: Timestamp,
    pub(super) problem: String,
    pub(super) holds: Holds,
    /// Nothing is switched and nothing is written.
    pub(super) dry_run: bool,
}

impl Action<'_> {
    pub(super) async fn fire(mut self, message: &Message) -> Result<Delivered, Failure> {
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

    pub(super) async fn resolve(mut self, message: &Message) -> Result<Delivered, Failure> {
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
