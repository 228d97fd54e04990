//! The state of a run: the folder with its gateway, the callers, the receivers and the ledger. Also the steps that
//! every kind of fault uses.

mod calm;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitStatus;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

use crate::gateway::{Gateway, House};
use crate::ledger::Ledger;
use crate::load::{self, Caller, CallerManner, Floor, Patience};
use crate::operator::Operator;
use crate::receiver::{Manner, Receiver, Way};
use crate::record::Record;
use crate::vendors::Vendors;
use crate::{Trouble, Wish, secrets};
use campanile_wire::Wire;

/// The number of vendors that call at the same time.
pub(crate) const CALLERS: usize = 8;
/// The number of sends of one sink at the same time.
pub(crate) const IN_FLIGHT: usize = 16;
/// The longest wait of the schedule for retries. A longer one was asked for by a receiver.
const RETRY_MAX: Duration = Duration::from_secs(2);
/// The number of outcomes that may be sent but not committed: the limit of the worker.
pub(crate) const UNSETTLED: usize = 256;
/// The polling interval, in places without a notification.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The receivers, in the order of the config.
pub(crate) const RECEIVERS: [(&str, Way); 11] = [
    ("good", Way::Webhook),
    ("flaky", Way::Webhook),
    ("slow", Way::Webhook),
    ("picky", Way::Webhook),
    ("events", Way::CloudEvents),
    ("phone", Way::Ntfy),
    ("channel", Way::Slack),
    ("group", Way::Wecom),
    ("robot", Way::Dingtalk),
    ("lines", Way::File),
    ("rows", Way::Sqlite),
];
/// The receivers that fail when a kind of fault wants failures, each as its vendor does.
pub(crate) const FAILING: [&str; 4] = ["flaky", "channel", "group", "robot"];

/// The state of a run.
pub(crate) struct Stage {
    pub(crate) wish: Wish,
    pub(crate) random: StdRng,
    pub(crate) house: House,
    pub(crate) floor: Arc<Floor>,
    pub(crate) gateway: Option<Gateway>,
    receivers: Vec<Receiver>,
    callers: Vec<Caller>,
    pub(crate) record: Record,
    /// The number of process ends since nothing was pending.
    crashes: usize,
    /// The number of alerts in the store, and of dead letters.
    kept: usize,
    dead: usize,
    /// The number of aborts at each point.
    pub(crate) died_at: BTreeMap<String, usize>,
}

/// The running callers, and those that have stopped because the gateway is gone.
pub(crate) struct Talks {
    talking: JoinSet<Result<Caller, Trouble>>,
    left: Vec<Caller>,
}

impl Talks {
    /// Starts all callers.
    pub(crate) fn begin(callers: Vec<Caller>, floor: &Arc<Floor>, patience: Patience) -> Self {
        Self {
            talking: load::begin(callers, floor, patience),
            left: Vec::new(),
        }
    }

    /// Lets the callers finish their current call, stops them, and returns them.
    pub(crate) async fn end(mut self, floor: &Floor) -> Result<Vec<Caller>, Trouble> {
        floor.halted.send_replace(true);
        self.all_left().await?;
        Ok(self.left)
    }

    /// Waits until all callers have stopped.
    pub(crate) async fn all_left(&mut self) -> Result<(), Trouble> {
        while let Some(caller) = self.talking.join_next().await {
            let broken =
                |e: tokio::task::JoinError| Trouble::said(format!("a caller panicked: {e}"));
            self.left.push(caller.map_err(broken)??);
        }
        Ok(())
    }
}

impl Stage {
    /// Prepares everything. No gateway runs yet.
    pub(crate) async fn new(wish: &Wish, kind: &'static str) -> Result<Self, Trouble> {
        let mut random = StdRng::seed_from_u64(wish.seed);
        let folder = tempfile::Builder::new()
            .prefix("campanile-chaos-")
            .tempdir()?;
        let house = House::new(folder.path(), &wish.program)?;
        let vendors = Arc::new(Vendors::of(&mut random));
        let mut receivers = Vec::new();
        for (name, way) in RECEIVERS {
            let chance = StdRng::seed_from_u64(random.random());
            receivers.push(Receiver::start(name, way, &house.delivered(), chance).await?);
        }
        house.furnish(&house.url(), &config(&vendors, &receivers))?;
        let guests = vendors.guests().len();
        let floor = Arc::new(Floor::new(
            vendors,
            Arc::new(Ledger::default()),
            CallerManner::ONE_GATEWAY,
        ));
        Ok(Self {
            callers: Caller::crew(CALLERS, guests, random.random()),
            wish: wish.clone(),
            random,
            house,
            floor,
            gateway: None,
            receivers,
            record: Record::new(wish.seed, kind, folder),
            crashes: 0,
            kept: 0,
            dead: 0,
            died_at: BTreeMap::new(),
        })
    }

    /// Sets the behaviour of the receivers: how often some fail, how slow another is.
    pub(crate) fn behave(&self, flaky: Manner, picky: Manner) {
        for receiver in &self.receivers {
            receiver.behave(match receiver.name {
                name if FAILING.contains(&name) => flaky,
                "picky" => picky,
                "slow" => Manner::Slow(20),
                _ => Manner::Good,
            });
        }
    }

    /// Starts a gateway, which aborts at `point` if one is given. False when it ended before it listened.
    pub(crate) async fn start(&mut self, point: Option<&str>) -> Result<bool, Trouble> {
        let mut gateway = self.house.start(point)?;
        let listens = gateway.greets().await?;
        self.floor
            .addresses
            .send_replace(gateway.public().into_iter().collect());
        self.gateway = Some(gateway);
        Ok(listens)
    }

    /// Takes the running gateway, to end it.
    pub(crate) fn take_gateway(&mut self) -> Result<Gateway, Trouble> {
        self.floor.addresses.send_replace(Vec::new());
        let none = || Trouble::said("no gateway runs");
        self.gateway.take().ok_or_else(none)
    }

    /// After the end of a process: waits until everything that it sent is read, before another process sends.
    pub(crate) async fn died(&mut self) {
        self.crashes += 1;
        self.left().await;
    }

    /// Waits until no receiver has an open connection.
    pub(crate) async fn left(&self) {
        for receiver in &self.receivers {
            receiver.is_left().await;
        }
    }

    /// Kills the gateway at once.
    pub(crate) async fn kill(&mut self) -> Result<(), Trouble> {
        self.take_gateway()?.kill().await?;
        self.died().await;
        Ok(())
    }

    /// Stops the gateway with SIGTERM. Its exit code must be 0.
    pub(crate) async fn stop(&mut self) -> Result<ExitStatus, Trouble> {
        let status = self.take_gateway()?.stop().await?;
        if status.code() != Some(0) {
            self.record.breach(
                "exit",
                format!("after SIGTERM, the gateway ended with {status}"),
            );
        }
        self.left().await;
        Ok(status)
    }

    /// Starts all callers.
    pub(crate) fn talk(&mut self, patience: Patience) -> Talks {
        let callers = std::mem::take(&mut self.callers);
        Talks::begin(callers, &self.floor, patience)
    }

    /// Waits for this many more answers, or for the end of the process.
    pub(crate) async fn answers(&self, more: usize, talks: &mut Talks) -> Result<(), Trouble> {
        let mut answers = self.floor.answers.subscribe();
        let enough = *answers.borrow_and_update() + more;
        tokio::select! {
            _ = answers.wait_for(|count| *count >= enough) => Ok(()),
            gone = talks.all_left() => gone,
        }
    }

    /// Lets the callers finish their current call, and stops them.
    pub(crate) async fn hush(&mut self, talks: Talks) -> Result<(), Trouble> {
        self.callers = talks.end(&self.floor).await?;
        Ok(())
    }

    /// Starts a gateway and waits until a new alert arrives at its receiver: I6.
    pub(crate) async fn recover(&mut self) -> Result<(), Trouble> {
        let began = Instant::now();
        if !self.start(None).await? {
            let log = std::fs::read_to_string(self.house.log())?;
            let last: Vec<_> = log.lines().rev().take(3).collect();
            return Err(Trouble::said(format!(
                "the gateway does not start again: {last:?}"
            )));
        }
        self.probe("good").await?;
        self.recovered(began.elapsed());
        Ok(())
    }

    /// Records the time until the gateway worked as before.
    pub(crate) fn recovered(&mut self, took: Duration) {
        let most = self.wish.recover_within;
        self.record.recovered(took, most, "the start");
    }

    /// Sends a new alert and waits until a receiver has it.
    pub(crate) async fn probe(&mut self, at: &str) -> Result<(), Trouble> {
        let message = self.floor.new_message()?;
        let to = self.gateway.as_ref().and_then(Gateway::public);
        let gone = || Trouble::said("the gateway is gone");
        let mut wire = Wire::try_to(to.ok_or_else(gone)?).await.ok_or_else(gone)?;
        let reply = wire.ask(&message.raw).await.ok_or_else(gone)?;
        if !reply.is_success() {
            let status = reply.status;
            self.record.breach(
                "I6",
                format!("after the start, a new alert was answered {status}"),
            );
            return Ok(());
        }
        self.floor.ledger.promise(&message);
        let receiver = self.receiver(at)?;
        let mut news = receiver.news();
        let key = message.said.first().map_or("", |said| said.key.as_str());
        let came = news.wait_for(|_| receiver.has(key));
        // An alert that does not arrive is found by the later check of all promises.
        let _late = tokio::time::timeout(self.wish.patience, came).await;
        Ok(())
    }

    /// The receiver of this name.
    pub(crate) fn receiver(&self, name: &str) -> Result<&Receiver, Trouble> {
        let found = self.receivers.iter().find(|receiver| receiver.name == name);
        found.ok_or_else(|| Trouble::said(format!("there is no receiver {name}")))
    }

    pub(crate) fn operator(&self) -> Result<Operator, Trouble> {
        let gone = || Trouble::said("no gateway runs");
        Ok(Operator(self.gateway.as_ref().ok_or_else(gone)?.admin()?))
    }

    /// Answers without success, since the last call.
    pub(crate) fn refusals(&self) -> Vec<u16> {
        let mut refusals = self
            .floor
            .refusals
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *refusals)
    }

    /// Makes all stored alerts older than the retention. Only while no gateway runs and everything is delivered.
    pub(crate) fn age(&mut self) -> Result<(), Trouble> {
        let file = rusqlite::Connection::open(self.house.database())?;
        let old = "- 40 * 86400000";
        file.execute_batch(&format!(
            "UPDATE alert SET received_ms = received_ms {old}; UPDATE callback SET received_ms = received_ms {old};
             UPDATE dead SET at_ms = at_ms {old}; UPDATE dedup_run SET newest_ms = newest_ms {old};"
        ))?;
        self.forget();
        Ok(())
    }

    /// Starts with an empty database. Only while no gateway runs and everything is delivered.
    pub(crate) fn clear(&mut self) -> Result<(), Trouble> {
        self.house.clear()?;
        self.forget();
        Ok(())
    }

    fn forget(&mut self) {
        (self.kept, self.dead) = (0, 0);
        self.callers.iter_mut().for_each(Caller::forget);
    }

    /// Ends a run: the gateway must stop with exit code 0, and its files must contain no secret.
    pub(crate) async fn end(&mut self) -> Result<(), Trouble> {
        if self.gateway.is_some() {
            self.stop().await?;
        }
        let found = secrets::in_files(&self.house.data())?;
        for found in found {
            self.record.breach("I8", found);
        }
        Ok(())
    }
}

/// The settings of every source, sink and route.
pub(crate) fn config(vendors: &Vendors, receivers: &[Receiver]) -> String {
    let mut text = format!("[log]\nlevel = \"info\"\n{}", vendors.config());
    for receiver in receivers {
        text += &receiver.config();
        let _infallible = write!(
            text,
            "in_flight_max = {IN_FLIGHT}\nretry_schedule = [\"1s\"]\n"
        );
    }
    let slow = |receiver: &&Receiver| receiver.name == "slow";
    let sinks = |some: &mut dyn Iterator<Item = &Receiver>| {
        let names: Vec<_> = some.map(Receiver::sink).collect();
        format!("[[routes]]\nsinks = {names:?}\n")
    };
    text += &sinks(&mut receivers.iter().filter(|receiver| !slow(receiver)));
    text += &sinks(&mut receivers.iter().filter(slow));
    text + "when = \"source in ['ucloud/prod', 'ucloud/white']\"\n"
}

pub(crate) fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_receivers_are_of_at_least_six_kinds_and_the_failing_ones_are_among_them() {
        let kinds: BTreeSet<_> = RECEIVERS.iter().map(|(_, way)| way.kind()).collect();
        assert!(kinds.len() >= 6, "{kinds:?}");
        for failing in FAILING {
            assert!(RECEIVERS.iter().any(|(name, _)| *name == failing));
        }
    }
}
