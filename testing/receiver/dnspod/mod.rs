//! Both APIs of DNSPod over one zone, `example.com`: they check the sender as the vendor does, and answer in its forms.

mod cloud;
mod legacy;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use crate::{Got, Play, Receiver};

/// The only zone.
pub const ZONE: &str = "example.com";
/// The key that is accepted.
pub const SECRET_ID: &str = "AKIDexampleexample";
/// The secret of [`SECRET_ID`].
pub const SECRET_KEY: &str = "c4nary-secret-key-of-dnspod";
/// The token that the older API accepts.
pub const LOGIN_TOKEN: &str = "12345,c4nary0123456789abcdef";

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The vendor's id.
    pub id: u64,
    /// The host inside the zone.
    pub name: String,
    /// Such as `A`.
    pub kind: String,
    /// Such as `默认`.
    pub line: String,
    /// Such as an address.
    pub value: String,
    /// Whether it is served.
    pub on: bool,
}

/// What goes wrong with the next request of an action.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Refused with this code; nothing is changed.
    Code(&'static str),
    /// Done, and then refused with this code.
    DoneThen(&'static str),
    /// Answered with this status by something in between; nothing is changed.
    Status(u16),
    /// Done, but the connection is reset instead of an answer.
    Lost,
    /// No answer; nothing is changed.
    Silence,
    /// Accepted, but not done.
    NotDone,
}

/// The server. Every clone is the same.
#[derive(Clone)]
pub struct Dnspod(Arc<Mutex<State>>, Arc<Receiver>);

struct State {
    now: Timestamp,
    rows: Vec<Row>,
    faults: VecDeque<(&'static str, Fault)>,
    calls: Vec<String>,
    needless: usize,
}

impl Dnspod {
    /// Listens, with A records of `www` with these values, numbered from 101, all on.
    ///
    /// # Panics
    /// There is no free port.
    pub async fn start(now: Timestamp, values: &[&str]) -> Self {
        let rows = values.iter().zip(101..).map(|(value, id)| Row {
            id,
            name: "www".to_owned(),
            kind: "A".to_owned(),
            line: "默认".to_owned(),
            value: (*value).to_owned(),
            on: true,
        });
        let state = Arc::new(Mutex::new(State {
            now,
            rows: rows.collect(),
            faults: VecDeque::new(),
            calls: Vec::new(),
            needless: 0,
        }));
        let held = Arc::clone(&state);
        let receiver = Receiver::start(move |got| {
            let mut state = held.lock().expect("no holder panics");
            if got.target == "/" {
                cloud::answer(&mut state, &got)
            } else {
                legacy::answer(&mut state, &got)
            }
        });
        Self(state, Arc::new(receiver.await.expect("a port is free")))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.1.address()
    }

    /// The address as a setting.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Changes what it holds.
    pub fn with<T>(&self, change: impl FnOnce(&mut Vec<Row>) -> T) -> T {
        change(&mut self.state().rows)
    }

    /// The values of the records that are on, in their order.
    pub fn on(&self) -> Vec<String> {
        let state = self.state();
        let on = state.rows.iter().filter(|row| row.on);
        on.map(|row| row.value.clone()).collect()
    }

    /// Switches by hand, as a person does in the console.
    pub fn by_hand(&self, value: &str, on: bool) {
        let mut state = self.state();
        let row = state.rows.iter_mut().find(|row| row.value == value);
        row.expect("there is such a record").on = on;
    }

    /// Moves its clock.
    pub fn set_now(&self, now: Timestamp) {
        self.state().now = now;
    }

    /// The next requests of this kind, `list` or `switch`, go wrong like this, in this order.
    pub fn fails(&self, action: &'static str, faults: impl IntoIterator<Item = Fault>) {
        let faults = faults.into_iter().map(|fault| (action, fault));
        self.state().faults.extend(faults);
    }

    /// Takes back what was to go wrong.
    pub fn works(&self) {
        self.state().faults.clear();
    }

    /// What was asked so far: `list`, `DISABLE 101`, `ENABLE 101`.
    pub fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    /// How many requests changed nothing: the vendor blocks an account for such requests.
    pub fn needless(&self) -> usize {
        self.state().needless
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().expect("no holder panics")
    }
}

impl State {
    /// What goes wrong with a request of this kind, once.
    fn fault(&mut self, action: &str) -> Option<Fault> {
        let at = self.faults.iter().position(|(of, _)| *of == action)?;
        self.faults.remove(at).map(|(_, fault)| fault)
    }

    /// Switches a record. False if there is none.
    fn switch(&mut self, id: u64, on: bool) -> bool {
        let word = if on { "ENABLE" } else { "DISABLE" };
        self.calls.push(format!("{word} {id}"));
        let Some(row) = self.rows.iter_mut().find(|row| row.id == id) else {
            return false;
        };
        if row.on == on {
            self.needless += 1;
        }
        row.on = on;
        true
    }
}

/// One request of either API: `refuse` makes the answer to a code, `does` does it and makes the answer to a success.
fn played(
    state: &mut State,
    action: &str,
    refuse: impl Fn(&str) -> Play,
    does: impl FnOnce(&mut State) -> Play,
) -> Play {
    let fault = state.fault(action);
    match fault {
        None => does(state),
        Some(Fault::Code(code)) => refuse(code),
        Some(Fault::Status(status)) => Play::status(status),
        Some(Fault::Silence) => Play::Silence,
        Some(Fault::DoneThen(code)) => {
            does(state);
            refuse(code)
        }
        Some(Fault::Lost) => {
            does(state);
            Play::Reset
        }
        Some(Fault::NotDone) => {
            let rows = state.rows.clone();
            let answer = does(state);
            state.rows = rows;
            answer
        }
    }
}

/// The value of a header, or nothing.
fn header<'g>(got: &'g Got, name: &str) -> &'g str {
    got.header(name).unwrap_or_default()
}
