//! Several gateways on one PostgreSQL database: their processes, the network to the database, the callers and the receivers.

mod calm;
mod cut;
mod database;
mod faults;
mod patroni;

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::gateway::{Gateway, House};
use crate::kinds::Kind;
use crate::ledger::Ledger;
use crate::load::{Caller, CallerManner, Floor, Patience};
use crate::message::Message;
use crate::receiver::{Manner, Receiver, Way};
use crate::record::Record;
use crate::report::Cycle;
use crate::secrets::PASSWORD;
use crate::stage::{CALLERS, RECEIVERS, Talks, config, millis};
use crate::vendors::Vendors;
use crate::{Trouble, Wish};
use campanile_wire::Wire;
use cut::{Cut, Link};
use database::Database;

/// A new alert must be at all its receivers within this time after a gateway was lost.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(20);

/// The state of a run.
pub(crate) struct Fleet {
    wish: Wish,
    random: StdRng,
    database: Database,
    places: Vec<Place>,
    floor: Arc<Floor>,
    receivers: Vec<Receiver>,
    callers: Vec<Caller>,
    record: Record,
    /// Takeovers, and those from a process that was only frozen, since nothing was pending.
    takeovers: usize,
    freezes: usize,
    /// The number of alerts in the store.
    kept: usize,
}

/// One of the gateways, with its way to the database.
struct Place {
    house: House,
    /// One for each server.
    cuts: Vec<Cut>,
    gateway: Option<Gateway>,
}

impl Place {
    /// Changes the network to the database from now on.
    fn set(&self, link: Link) {
        self.cuts.iter().for_each(|cut| cut.set(link));
    }
}

/// Runs all cycles of one kind on a database of its own.
pub(crate) async fn play(
    wish: &Wish,
    kind: Kind,
    cycles: usize,
    number: usize,
    time_is_over: &dyn Fn() -> bool,
    tell: &mut impl FnMut(Cycle),
) -> Result<(), Trouble> {
    let mut fleet = Fleet::new(wish, kind).await?;
    for nth in 1..=cycles {
        if nth > 1 && time_is_over() {
            break;
        }
        fleet.record.open(number + nth);
        faults::cycle(&mut fleet, kind, nth).await?;
        if nth == cycles || time_is_over() {
            fleet.end().await?;
        }
        let cycle = fleet.record.close();
        let broken = !cycle.breaches.is_empty();
        tell(cycle);
        if broken {
            break;
        }
    }
    Ok(())
}

impl Fleet {
    async fn new(wish: &Wish, kind: Kind) -> Result<Self, Trouble> {
        let mut random = StdRng::seed_from_u64(wish.seed);
        let folder = tempfile::Builder::new()
            .prefix("campanile-chaos-")
            .tempdir()?;
        let database = Database::start(folder.path(), kind).await?;
        let vendors = Arc::new(Vendors::of(&mut random));
        let mut receivers = Vec::new();
        // Two processes do not write into one file.
        let servers = RECEIVERS.iter();
        for (name, way) in servers.filter(|(_, way)| !matches!(way, Way::File | Way::Sqlite)) {
            let chance = StdRng::seed_from_u64(random.random());
            let receiver = Receiver::start(name, *way, folder.path(), chance).await?;
            receiver.behave(match *name {
                "flaky" => Manner::Flaky(3),
                "slow" => Manner::Slow(20),
                _ => Manner::Good,
            });
            receivers.push(receiver);
        }
        let settings = config(&vendors, &receivers);
        let mut places = Vec::new();
        for number in 0..wish.replicas {
            let home = folder.path().join(format!("gateway-{number}"));
            let house = House::new(&home, &wish.program)?;
            let mut cuts = Vec::new();
            for port in database.ports() {
                cuts.push(Cut::start(port).await?);
            }
            let hosts = cuts.iter().map(|cut| format!("127.0.0.1:{}", cut.port));
            let at = hosts.collect::<Vec<_>>().join(",");
            let url = format!("postgres://campanile:{PASSWORD}@{at}/alerts?sslmode=disable");
            house.furnish(&url, &settings)?;
            let gateway = None;
            places.push(Place {
                house,
                cuts,
                gateway,
            });
        }
        let guests = vendors.guests().len();
        let mut manner = CallerManner::SEVERAL_GATEWAYS;
        if kind == Kind::Snapshot {
            manner.pause = Duration::ZERO;
        }
        Ok(Self {
            callers: Caller::crew(CALLERS, guests, random.random()),
            floor: Arc::new(Floor::new(vendors, Arc::new(Ledger::default()), manner)),
            wish: wish.clone(),
            random,
            database,
            places,
            receivers,
            record: Record::new(wish.seed, kind.word(), folder),
            takeovers: 0,
            freezes: 0,
            kept: 0,
        })
    }

    /// Starts every gateway that does not run.
    async fn start_all(&mut self) -> Result<(), Trouble> {
        for number in 0..self.places.len() {
            if self.places[number].gateway.is_none() {
                self.start(number).await?;
            }
        }
        Ok(())
    }

    async fn start(&mut self, number: usize) -> Result<(), Trouble> {
        let place = &mut self.places[number];
        let mut gateway = place.house.start(None)?;
        if !gateway.greets().await? {
            let log = std::fs::read_to_string(place.house.log())?;
            let last: Vec<_> = log.lines().rev().take(3).collect();
            return Err(Trouble::said(format!("a gateway does not start: {last:?}")));
        }
        place.gateway = Some(gateway);
        self.publish();
        Ok(())
    }

    /// Tells the callers which gateways there are.
    fn publish(&self) {
        let gateways = self.places.iter();
        let gateways = gateways.filter_map(|place| place.gateway.as_ref()?.public());
        self.floor.addresses.send_replace(gateways.collect());
    }

    fn gateway(&self, number: usize) -> Result<&Gateway, Trouble> {
        let gateway = self.places[number].gateway.as_ref();
        gateway.ok_or_else(|| Trouble::said("this gateway does not run"))
    }

    /// Takes a gateway, to end it. Callers still know its address.
    fn take(&mut self, number: usize) -> Result<Gateway, Trouble> {
        let gateway = self.places[number].gateway.take();
        gateway.ok_or_else(|| Trouble::said("this gateway does not run"))
    }

    fn talk(&mut self) -> Talks {
        let callers = std::mem::take(&mut self.callers);
        self.floor.silence.begin();
        Talks::begin(callers, &self.floor, Patience::Wait)
    }

    /// Waits for this many more answers.
    async fn answers(&self, more: usize) -> Result<(), Trouble> {
        let mut answers = self.floor.answers.subscribe();
        let enough = *answers.borrow_and_update() + more;
        let enough = answers.wait_for(|count| *count >= enough);
        let came = tokio::time::timeout(self.wish.patience, enough).await;
        came.map(drop)
            .map_err(|_| Trouble::said("no gateway accepts callbacks any more"))
    }

    /// Lets the callers finish their current call, and stops them.
    async fn hush(&mut self, talks: Talks) -> Result<(), Trouble> {
        let silent = self.floor.silence.longest();
        self.record.cycle.silent_ms = Some(millis(silent));
        self.callers = talks.end(&self.floor).await?;
        Ok(())
    }

    /// Sends a new alert to a gateway until it is accepted, and waits until every receiver has it.
    async fn probe(&mut self, number: usize) -> Result<(), Trouble> {
        let message = self.floor.new_message()?;
        let began = Instant::now();
        while !self.is_accepted(number, &message).await? {
            if began.elapsed() > self.wish.patience {
                self.record
                    .breach("I6", "a gateway accepts nothing any more");
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.arrive(&message).await;
        Ok(())
    }

    async fn is_accepted(&self, number: usize, message: &Message) -> Result<bool, Trouble> {
        let address = self.gateway(number)?.public();
        let Some(address) = address else {
            return Ok(false);
        };
        let asked = async { Wire::try_to(address).await?.ask(&message.raw).await };
        let reply = tokio::time::timeout(self.floor.manner.answer_within, asked).await;
        let accepted = matches!(reply, Ok(Some(reply)) if reply.is_success());
        if accepted {
            self.floor.ledger.promise(message);
        }
        Ok(accepted)
    }

    /// Waits until every receiver has an alert. One that does not arrive is found by the later check of all promises.
    async fn arrive(&self, message: &Message) {
        let key = message.said.first().map_or("", |said| said.key.as_str());
        let all = async {
            for receiver in &self.receivers {
                let mut news = receiver.news();
                let _closed = news.wait_for(|_| receiver.has(key)).await;
            }
        };
        let _late = tokio::time::timeout(self.wish.patience, all).await;
    }

    /// Checks the exit code of a gateway that got SIGTERM.
    fn stopped(&mut self, status: ExitStatus) {
        if status.code() != Some(0) {
            let what = format!("after SIGTERM, a gateway ended with {status}");
            self.record.breach("exit", what);
        }
    }

    /// Ends a run: every gateway must stop with exit code 0.
    async fn end(&mut self) -> Result<(), Trouble> {
        for number in 0..self.places.len() {
            let status = self.take(number)?.stop().await?;
            self.stopped(status);
        }
        Ok(())
    }
}
