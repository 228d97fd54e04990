//! This gateway among others that share its store: which sinks it delivers for, and for how long it may.
//!
//! Every two seconds it counts up its beat, sees the other gateways and their leases, and takes or gives back sinks as
//! [`Watch`] wishes. A worker runs only for a sink whose lease is its own.

mod hints;
mod leave;
mod peers;
mod shown;
mod term;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use campanile_settings::Digests;
use campanile_store::lease::{BEAT, Member, Part, Row, Trust, View, Watch, Wish};
use campanile_store::{Error, Hint, Membership, SinkId, Store};
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use uuid::Uuid;

use crate::delivery::gate::Gate;
use crate::delivery::{BuiltSink, Delivery, Observer, PausedBy};
use campanile_model::Clock;
use campanile_sinks::Sink;
use hints::Outgoing;
use peers::{Differences, Report};
use term::{Term, boot_clock};

/// How long sends may last when a sink is given back to another gateway.
const GIVE_BACK_GRACE: Duration = Duration::from_secs(15);

/// How often it looks whether it still may send.
const LOOK: Duration = Duration::from_millis(250);

/// What the task and its handle share.
struct Shared {
    store: Arc<dyn Membership>,
    delivery: Delivery,
    clock: Clock,
    term: Term,
    state: Mutex<State>,
    hints: Outgoing,
    /// Why this program cannot use the store any more.
    outgrown: watch::Sender<Option<Error>>,
    /// One round or one pause at a time: a view that was read before a pause must not be followed after it.
    round: tokio::sync::Mutex<()>,
}

struct State {
    me: Uuid,
    joined: bool,
    watch: Watch,
    sinks: Vec<BuiltSink>,
    config: Digests,
    differences: Differences,
    view: View,
    /// Sinks whose last sends end before they are given back.
    giving: HashSet<Part>,
    /// Those of them that were given back since the last round began. A view that was asked for before does not show it.
    given: HashSet<Part>,
    /// The tasks that give them back.
    givers: JoinSet<()>,
    leaving: bool,
    /// The last beat failed.
    unreached: bool,
}

impl State {
    /// Says what differs in the configuration of another gateway.
    fn compare(&mut self, now: Duration, view: &View) {
        let Self {
            me,
            config,
            differences,
            ..
        } = self;
        for report in differences.look(now, (*me, config), view) {
            match report {
                Report::Differs { gateway, parts } => tracing::warn!(
                    gateway,
                    parts = parts.join(", "),
                    "another gateway of this store has another configuration"
                ),
                Report::Agrees { gateway } => tracing::info!(
                    gateway,
                    "another gateway of this store has the same configuration again"
                ),
            }
        }
    }
}

/// The handle. Cheap to clone.
#[derive(Clone)]
pub(super) struct Replica(Arc<Shared>);

/// Joins the other gateways, and delivers for the sinks that it gets. With `hold`, every sink is paused first, at all gateways.
///
/// # Errors
/// The store cannot be written.
pub(super) async fn start(
    store: Arc<dyn Store>,
    membership: Arc<dyn Membership>,
    (sinks, config): (Vec<BuiltSink>, Digests),
    clock: &Clock,
    (events, gate): (Arc<dyn Observer>, Arc<dyn Gate>),
    hold: bool,
) -> Result<(Delivery, Replica), Error> {
    let term = Term::new(boot_clock());
    let delivery = Delivery::shared(store, clock.clone(), events, (gate, term.trusted()));
    if hold {
        for sink in &sinks {
            membership.pause(sink.part.sink, true).await?;
        }
    }
    let configured = (sinks, config);
    let replica = Replica::new(
        membership,
        delivery.clone(),
        clock.clone(),
        term,
        configured,
    );
    replica.round().await;
    Ok((delivery, replica))
}

impl Replica {
    fn new(
        store: Arc<dyn Membership>,
        delivery: Delivery,
        clock: Clock,
        term: Term,
        (sinks, config): (Vec<BuiltSink>, Digests),
    ) -> Self {
        let me = Uuid::now_v7();
        let state = State {
            me,
            joined: false,
            watch: Watch::new(me, ids(&sinks)),
            sinks,
            config,
            differences: Differences::default(),
            view: View::default(),
            giving: HashSet::new(),
            given: HashSet::new(),
            givers: JoinSet::new(),
            leaving: false,
            unreached: false,
        };
        Self(Arc::new(Shared {
            store,
            delivery,
            clock,
            term,
            state: Mutex::new(state),
            hints: Outgoing::default(),
            outgrown: watch::Sender::new(None),
            round: tokio::sync::Mutex::default(),
        }))
    }

    /// Beats until it is aborted. Apart from the beats, which can wait for the store, it looks whether it still may send.
    pub(super) fn beat_on(&self) -> JoinHandle<()> {
        let replica = self.clone();
        tokio::spawn(async move {
            let clock = &replica.0.clock;
            let beats = async {
                loop {
                    clock.sleep(BEAT).await;
                    replica.round().await;
                }
            };
            let looks = async {
                loop {
                    clock.sleep(LOOK).await;
                    replica.look();
                }
            };
            tokio::join!(beats, looks, replica.send_hints(), replica.hear_hints());
        })
    }

    /// When its time is over, nothing may be sent: what is in flight is dropped, and stays pending.
    fn look(&self) {
        if !self.0.term.holds() {
            self.0.delivery.replace_within(Vec::new(), Duration::ZERO);
        }
    }

    /// One beat, and what follows from it.
    async fn round(&self) {
        let _one_at_a_time = self.0.round.lock().await;
        self.forget_given();
        let sent = (self.0.term.now)();
        let beaten = tokio::select! {
            beaten = self.beat() => beaten,
            () = self.0.clock.sleep(BEAT * 2) => Err(late()),
        };
        match beaten {
            Ok(Some(view)) => {
                self.0.term.set(Trust::after(sent));
                // The others can have beaten until the view was read, so their silence counts from the answer.
                self.follow((self.0.term.now)(), view).await;
            }
            Ok(None) => self.declared_dead(),
            Err(error @ Error::Outgrown(_)) => self.outgrown(error),
            Err(error) => self.unreached(&error),
        }
        self.look();
    }

    /// A newer program has changed the tables. Nothing is sent or settled any more.
    fn outgrown(&self, error: Error) {
        self.0.term.set(Trust::default());
        self.0.outgrown.send_replace(Some(error));
    }

    /// Waits until this program cannot use the store any more. The reason names the fix.
    pub(super) async fn ends(&self) -> Error {
        let mut outgrown = self.0.outgrown.subscribe();
        let reason = outgrown.wait_for(Option::is_some).await;
        let reason = reason.ok().and_then(|reason| reason.clone());
        reason.unwrap_or_else(late)
    }

    /// Said once: the database can be away for hours.
    fn unreached(&self, error: &Error) {
        if !std::mem::replace(&mut self.state().unreached, true) {
            tracing::warn!(%error, "this gateway cannot reach the store; it stops delivering in a few seconds");
        }
    }

    /// Joins if it has not, and beats.
    async fn beat(&self) -> Result<Option<View>, Error> {
        let (me, leaving, join) = {
            let state = self.state();
            let member = || Member {
                id: state.me,
                name: name(),
                sinks: ids(&state.sinks),
                parts: state.sinks.iter().map(|sink| sink.policy.parts).collect(),
                config: serde_json::to_string(&state.config).unwrap_or_default(),
            };
            (state.me, state.leaving, (!state.joined).then(member))
        };
        if let Some(member) = join {
            self.0.store.join(member).await?;
            self.state().joined = true;
        }
        let said = serde_json::to_string(&self.0.delivery.states()).unwrap_or_default();
        self.0.store.beat(me, said, leaving).await
    }

    /// Fulfils the wishes that follow from a view, and delivers for what it owns then.
    async fn follow(&self, now: Duration, view: View) {
        let (me, wishes, back) = {
            let mut state = self.state();
            let wishes = state.watch.look(now, &view);
            state.compare(now, &view);
            state.view = view;
            let back = std::mem::take(&mut state.unreached);
            let none = Vec::new();
            (state.me, if state.leaving { none } else { wishes }, back)
        };
        if back {
            tracing::info!("this gateway reaches the store again");
            // An answer that came too late can have said what is pending again.
            self.0.delivery.poke_all();
        }
        for wish in wishes {
            match wish {
                Wish::GiveBack(lease) => self.give_back(me, lease),
                Wish::DeclareDead { .. } | Wish::Take(_) | Wish::Divide { .. } => {
                    self.fulfil(me, wish).await;
                }
            }
        }
        self.hire();
        self.steer();
    }

    /// False: it is not known whether the store has done it, or will.
    async fn fulfil(&self, me: Uuid, wish: Wish) -> bool {
        match self.0.store.fulfil(me, wish).await {
            Ok(true) => self.fulfilled(me, wish),
            // Another gateway was faster. The next view shows it.
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(%error, "this gateway cannot change its leases");
                return matches!(error, Error::Stopped(_));
            }
        }
        true
    }

    fn fulfilled(&self, me: Uuid, wish: Wish) {
        let mut state = self.state();
        let leases = &mut state.view.leases;
        match wish {
            Wish::DeclareDead { id, .. } => {
                let gone = state.view.gateways.iter().find(|peer| peer.id == id);
                let gateway = gone.map(|peer| peer.name.clone()).unwrap_or_default();
                tracing::warn!(
                    gateway,
                    "another gateway was silent for ten seconds; its sinks are taken over"
                );
                state.view.gateways.retain(|peer| peer.id != id);
            }
            Wish::Take(taken) => {
                let lease = leases.iter_mut().find(|lease| lease.part == taken.part);
                if let Some(lease) = lease {
                    (lease.owner, lease.epoch) = (Some(me), taken.epoch + 1);
                }
            }
            Wish::GiveBack(given) => leases.retain(|lease| lease.part != given.part),
            Wish::Divide { sink, from, to } => {
                tracing::info!(sink, from, to, "a sink was divided into parts");
                drop(state);
                // Its parts can be taken now.
                self.hint(Hint::Leases);
            }
        }
    }

    /// Delivers for what it owns.
    fn hire(&self) {
        let state = self.state();
        if state.leaving || !self.0.term.holds() {
            return;
        }
        let is_own = |lease: &&Row| {
            let own = lease.owner == Some(state.me);
            own && !state.giving.contains(&lease.part)
        };
        let own: Vec<Part> = state
            .view
            .leases
            .iter()
            .filter(is_own)
            .map(|lease| lease.part)
            .collect();
        let parts = |sink: &BuiltSink| {
            let own = own.iter().filter(|part| part.sink == sink.part.sink);
            let of = |part: &Part| BuiltSink {
                part: *part,
                ..sink.clone()
            };
            own.map(of).collect::<Vec<_>>()
        };
        let sinks: Vec<BuiltSink> = state.sinks.iter().flat_map(parts).collect();
        drop(state);
        self.0.delivery.replace_within(sinks, GIVE_BACK_GRACE);
    }

    /// Applies to its workers what operators asked for at any gateway.
    fn steer(&self) {
        let state = self.state();
        let named = |id: SinkId| state.sinks.iter().find(|sink| sink.part.sink == id);
        for (sink, seq) in &state.view.look_from {
            self.0.delivery.poke(*sink, &[*seq]);
        }
        for shown in self.0.delivery.states() {
            let paused = shown.paused_by == Some(PausedBy::Operator);
            let mut wanted = state.view.paused.iter().filter_map(|id| named(*id));
            match (paused, wanted.any(|sink| sink.name == shown.name)) {
                (false, true) => drop(self.0.delivery.pause(&shown.name)),
                (true, false) => drop(self.0.delivery.resume(&shown.name)),
                _ => {}
            }
        }
    }

    /// Another gateway has declared this one dead: it joins again, under another id.
    fn declared_dead(&self) {
        tracing::error!(
            "another gateway took over, because this one was silent for ten seconds; it joins again"
        );
        let mut state = self.state();
        state.me = Uuid::now_v7();
        state.joined = false;
        state.watch = Watch::new(state.me, ids(&state.sinks));
        state.view = View::default();
        drop(state);
        self.0.term.set(Trust::default());
    }

    /// The sink itself, also if another gateway delivers for it.
    pub(super) fn sink(&self, name: &str) -> Option<Arc<dyn Sink>> {
        let state = self.state();
        let sink = state.sinks.iter().find(|sink| *sink.name == *name)?;
        Some(Arc::clone(&sink.sink))
    }

    /// Pauses or resumes a sink at all gateways.
    pub(super) fn share_pause(
        &self,
        name: String,
        paused: bool,
    ) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let _round = self.0.round.lock().await;
            let sinks = self.state().sinks.clone();
            let Some(sink) = sinks.iter().find(|sink| *sink.name == *name) else {
                return Ok(());
            };
            let id = sink.part.sink;
            self.0.store.pause(id, paused).await?;
            let view = &mut self.state().view;
            view.paused.retain(|other| *other != id);
            view.paused.extend(paused.then_some(id));
            self.hint(Hint::Leases);
            if !paused {
                self.hint(Hint::Resume(id));
            }
            Ok(())
        })
    }

    /// The sinks of a new configuration.
    pub(super) async fn replace(&self, sinks: Vec<BuiltSink>, config: Digests) {
        {
            let mut state = self.state();
            state.config = config;
            state.watch.set_sinks(ids(&sinks));
            state.sinks = sinks;
            // Joins again under the same id, with these sinks.
            state.joined = false;
        }
        self.round().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn late() -> Error {
    Error::Stopped("it did not answer in time".into())
}

fn ids(sinks: &[BuiltSink]) -> Vec<SinkId> {
    sinks.iter().map(|sink| sink.part.sink).collect()
}

/// The name of this machine, and the process: several gateways can run on one machine.
fn name() -> String {
    let machine = rustix::system::uname();
    let machine = machine.nodename().to_string_lossy();
    format!("{machine}:{}", std::process::id())
}
