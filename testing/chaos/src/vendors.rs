//! The vendors that call: the configured sources, and the expected alert of each of their messages.
//!
//! UCloud and 監控專家 always call. Other vendors join with their fixtures, if a fixture can be renewed: it gets a new
//! message id and a valid proof, and its alert does not depend on the time of arrival.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use campanile_model::Clock;
use campanile_model::{Callback, Report, Secret};
use campanile_providers::fixture::{KEY, TOKEN, TOPIC, TOPIC_URN, USER};
use campanile_providers::{Fixture, Provider, Source, Stamp, all, by_name, fixtures, verify};
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::Value;

use crate::Trouble;
use crate::message::{self, JIANKONG_TOKEN, Message, Said, Step, UCLOUD};

/// The vendors that join in one run, in addition to the two that always call.
const GUESTS: usize = 4;

/// The vendor whose form a message has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    UCloud(usize),
    JiankongGet,
    JiankongPost,
    Guest(usize),
}

/// All vendors of one run.
pub(crate) struct Vendors {
    guests: Vec<Guest>,
    problems: AtomicU64,
}

/// A vendor that joins with its fixtures.
#[derive(Clone)]
struct Guest {
    provider: &'static Arc<dyn Provider>,
    source: Source,
    firing: &'static Fixture,
    resolved: &'static Fixture,
}

impl Vendors {
    /// Chooses the vendors for this seed.
    pub(crate) fn of(random: &mut StdRng) -> Self {
        let guests = able().sample(random, GUESTS).cloned().collect();
        // Numbers start at the current time, so two runs share none.
        let first = Clock::machine().now().as_second().unsigned_abs() << 16;
        Self {
            guests,
            problems: AtomicU64::new(first),
        }
    }

    /// The names of the vendors that joined.
    pub(crate) fn guests(&self) -> Vec<String> {
        let name = |guest: &Guest| guest.provider.name().to_owned();
        self.guests.iter().map(name).collect()
    }

    /// A number that no other problem has.
    pub(crate) fn new_problem(&self) -> u64 {
        self.problems.fetch_add(1, Ordering::Relaxed)
    }

    /// Their sources, as TOML of the config.
    pub(crate) fn config(&self) -> String {
        let mut text = String::new();
        for (name, key) in UCLOUD {
            let _infallible = writeln!(text, "[providers.ucloud.{name}]\nkey = \"{key}\"");
        }
        let _infallible = writeln!(
            text,
            "[providers.jiankong.web]\ntoken = \"{JIANKONG_TOKEN}\""
        );
        self.guests.iter().for_each(|guest| text += &guest.config());
        text
    }

    /// The next message of a problem.
    pub(crate) fn message(&self, form: Form, step: Step) -> Result<Message, Trouble> {
        let known = |name: &str| {
            let unknown = || Trouble::said(format!("there is no provider {name}"));
            by_name(name).ok_or_else(unknown)
        };
        let plain = |name: &str| Source {
            name: name.to_owned(),
            ..Source::default()
        };
        match form {
            Form::UCloud(which) => {
                let (name, key) = UCLOUD[which % UCLOUD.len()];
                let raw = message::ucloud(name, key, step);
                read(known("ucloud")?, &plain(&format!("ucloud/{name}")), raw)
            }
            Form::JiankongGet | Form::JiankongPost => {
                let raw = message::jiankong(matches!(form, Form::JiankongPost), step);
                read(known("jiankong")?, &plain("jiankong/web"), raw)
            }
            Form::Guest(which) => {
                let missing = || Trouble::said("there is no such guest");
                let guest = self.guests.get(which).ok_or_else(missing)?;
                let at = Clock::machine().now();
                let call = guest.call(step.is_resolved(), step.problem, at);
                let call = call.ok_or_else(|| Trouble::said("a fixture is no request"))?;
                let raw = message::raw(&call);
                read(guest.provider, &guest.source, raw)
            }
        }
    }
}

/// Reads a request with the vendor's adapter, to get the expected alerts. The adapters have their own tests.
fn read(provider: &Arc<dyn Provider>, source: &Source, raw: Vec<u8>) -> Result<Message, Trouble> {
    let wrong = |what: String| Trouble::said(format!("{}: {what}", source.name));
    let mut call = Callback::from_http(&raw).map_err(|e| wrong(e.to_string()))?;
    call.received_at = Some(Clock::machine().now());
    let reading = provider.read(&call, source);
    let reading = reading.map_err(|unreadable| wrong(format!("{unreadable:?}")))?;
    let said = reading
        .reports
        .into_iter()
        .map(|report| said(report, source));
    Ok(Message {
        said: said.collect(),
        raw,
    })
}

fn said(report: Report, source: &Source) -> Said {
    let name = &source.name;
    let (key, lane) = (
        format!("{name} {}", report.message_id),
        format!("{name} {}", report.fingerprint),
    );
    let alert = report.into_alert(name, Timestamp::UNIX_EPOCH);
    Said {
        key,
        lane,
        source: name.clone(),
        alert: own_words(serde_json::to_value(alert).unwrap_or_default()),
    }
}

/// An alert without what the gateway adds to it.
pub(crate) fn own_words(mut alert: Value) -> Value {
    if let Some(fields) = alert.as_object_mut() {
        fields.retain(|name, _| name != "id" && name != "received_at");
    }
    alert
}

impl Guest {
    fn config(&self) -> String {
        let mut text = format!("[providers.{}]\n", self.source.name.replace('/', "."));
        if !self.source.keys.is_empty() {
            let _infallible = writeln!(text, "key = \"{KEY}\"");
        }
        for setting in &self.provider.about().settings {
            let value = match &*setting.name {
                "token" => format!("\"{TOKEN}\""),
                "user" => format!("\"{USER}\""),
                "topics" => format!("[\"{TOPIC}\", \"{TOPIC_URN}\"]"),
                // Without a tenant, a vendor with tokens of an identity provider is verified by its path key.
                _ => continue,
            };
            let _infallible = writeln!(text, "{} = {value}", setting.name);
        }
        text
    }

    /// A renewed message of this vendor.
    fn call(&self, resolved: bool, serial: u64, at: Timestamp) -> Option<Callback> {
        let token = Secret::from(TOKEN);
        let fixture = if resolved { self.resolved } else { self.firing };
        let stamp = Stamp {
            serial,
            at,
            token: Some(&token),
        };
        let mut call = self.provider.refresh(fixture.callback().ok()?, &stamp);
        call.received_at = Some(at);
        call.fetched.clear();
        Some(call)
    }

    /// The expected alert of its message at a given time; `None` when it is not certain.
    fn reports(&self, resolved: bool, serial: u64, at: Timestamp) -> Option<Vec<Report>> {
        let call = self.call(resolved, serial, at)?;
        verify(&**self.provider, &call, &self.source).ok()?;
        let reading = self.provider.read(&call, &self.source).ok()?;
        let mut later = call.clone();
        // Some ids contain the minute of arrival, because the vendor sends no id. Sent again later, such a message is a
        // new one.
        later.received_at = Some(at + Duration::from_hours(1));
        let later = self.provider.read(&later, &self.source).ok()?;
        let plain = reading.unreadable.is_empty() && reading.effect.is_none();
        let same = later.reports == reading.reports;
        (plain && same && !reading.reports.is_empty()).then_some(reading.reports)
    }

    /// Whether its messages can be renewed: other ids, the same problem.
    fn is_able(&self) -> Option<bool> {
        let at = Clock::machine().now();
        let mut ids = BTreeSet::new();
        let mut problems = BTreeSet::new();
        let mut count = 0;
        for (resolved, serial) in [
            (false, 1 << 40),
            (true, (1 << 40) + 1),
            (false, (1 << 40) + 2),
        ] {
            for report in self.reports(resolved, serial, at)? {
                ids.insert(report.message_id);
                problems.insert(report.fingerprint.to_string());
                count += 1;
            }
        }
        Some(ids.len() == count && problems.len() * 3 == count)
    }
}

/// Every vendor that can join.
fn able() -> &'static [Guest] {
    static ABLE: LazyLock<Vec<Guest>> = LazyLock::new(|| {
        let guest = |provider: &'static Arc<dyn Provider>| {
            let case = |name| fixtures(provider.name()).iter().find(|f| f.case == name);
            let firing = case("firing")?;
            Some(Guest {
                provider,
                source: firing.source(),
                firing,
                resolved: case("resolved")?,
            })
        };
        let ours = ["ucloud", "jiankong"];
        let others = all().iter().filter(|p| !ours.contains(&p.name()));
        let guests = others.filter_map(guest);
        guests
            .filter(|guest| guest.is_able() == Some(true))
            .collect()
    });
    &ABLE
}

#[cfg(test)]
mod tests {
    use campanile::config;

    use super::*;

    #[test]
    fn every_vendor_that_joins_has_a_source_that_is_configured_as_it_is_read() {
        let vendors = Vendors {
            guests: able().to_vec(),
            problems: AtomicU64::new(1),
        };
        assert!(vendors.guests.len() > 20, "{:?}", vendors.guests());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("campanile.toml");
        std::fs::write(&file, vendors.config()).unwrap();
        let config = config::load(&[file], &config::Environment::new());
        let config = config.unwrap_or_else(|mistakes| panic!("{mistakes}"));
        for guest in &vendors.guests {
            let spec = config
                .sources
                .iter()
                .find(|f| f.source.name == guest.source.name);
            let at = Clock::machine().now();
            let call = guest.call(false, 7, at).unwrap();
            verify(&**guest.provider, &call, &spec.unwrap().source).unwrap();
        }
    }

    #[test]
    fn an_alarm_and_its_recovery_are_two_messages_of_one_problem_in_every_form() {
        let vendors = Vendors::of(&mut rand::SeedableRng::seed_from_u64(1));
        let forms = [
            Form::UCloud(0),
            Form::UCloud(1),
            Form::JiankongGet,
            Form::JiankongPost,
            Form::Guest(0),
        ];
        for form in forms {
            let said = |turn, more| {
                let step = Step {
                    problem: 1000 + more,
                    turn,
                };
                vendors.message(form, step).unwrap().said.remove(0)
            };
            let more = u64::from(matches!(form, Form::Guest(_)));
            let (alarm, recovery) = (said(0, 0), said(1, more));
            assert_ne!(alarm.key, recovery.key, "{form:?}");
            assert_eq!(alarm.lane, recovery.lane, "{form:?}");
            assert_eq!(alarm.alert["status"], "firing", "{form:?}");
            assert_eq!(recovery.alert["status"], "resolved", "{form:?}");
        }
    }
}
