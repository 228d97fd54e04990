//! Which sinks get an alert: those that the routes give it, and those that the firing alerts of its episode went to.

use std::sync::Arc;

use campanile_model::Status::{self, Firing, Resolved};
use campanile_store::{Appending, Entry, NewAlert, Seq, SinkId, Store};

use super::{Place, act, alert, entry};

const NOBODY: [SinkId; 0] = [];

/// A store with three sinks.
struct Sinks<P> {
    place: P,
    store: Arc<dyn Store>,
    pager: SinkId,
    chat: SinkId,
    mail: SinkId,
    messages: usize,
}

impl<P: Place> Sinks<P> {
    async fn new() -> Self {
        let place = P::new();
        let store = place.open().await;
        let names = ["pager/a", "chat/b", "mail/c"].map(str::to_owned).to_vec();
        let ids = store.sink_ids(names).await.unwrap();
        Self {
            place,
            store,
            pager: ids[0],
            chat: ids[1],
            mail: ids[2],
            messages: 0,
        }
    }

    /// A new message of problem 1.
    fn message(&mut self, status: Status, sinks: &[SinkId]) -> NewAlert {
        self.messages += 1;
        alert(&self.messages.to_string(), 1, status, sinks)
    }

    /// One alert of problem 1 in a callback of its own. Gives the sinks that it goes to.
    async fn goes(&mut self, status: Status, sinks: &[SinkId]) -> Vec<SinkId> {
        let alert = self.message(status, sinks);
        let mut went = self.go(entry(vec![alert])).await;
        went.remove(0)
    }

    /// The sinks that each alert of an entry goes to.
    async fn go(&self, entry: Entry) -> Vec<Vec<SinkId>> {
        let appended = self.store.append(entry).await.unwrap();
        went(&self.store, &appended).await
    }

    async fn restart(&mut self) {
        self.store.close().await.unwrap();
        self.store = self.place.open().await;
    }
}

/// The sinks that each new alert is pending for, as the store lists them and as its answer says.
async fn went(store: &Arc<dyn Store>, appended: &campanile_store::Appended) -> Vec<Vec<SinkId>> {
    let mut all = Vec::new();
    for appending in &appended.alerts {
        let Appending::Accepted { seq, .. } = appending else {
            panic!("not accepted: {appending:?}");
        };
        let sinks = sinks_of(store, *seq).await;
        let answered = appended.pending.iter().filter(|(_, of)| of == seq);
        let mut answered: Vec<SinkId> = answered.map(|(sink, _)| *sink).collect();
        answered.sort_unstable();
        assert_eq!(answered, sinks, "the answer");
        all.push(sinks);
    }
    all
}

async fn sinks_of(store: &Arc<dyn Store>, seq: Seq) -> Vec<SinkId> {
    let rows = store.deliveries_of(seq).await.unwrap();
    let mut sinks: Vec<SinkId> = rows.iter().map(|row| row.sink).collect();
    sinks.sort_unstable();
    sinks
}

/// N10: the routes give a recovery without a severity to nobody.
pub(crate) async fn a_recovery_goes_where_its_firing_went<P: Place>() {
    let mut of = Sinks::<P>::new().await;
    let (pager, chat, mail) = (of.pager, of.chat, of.mail);
    assert_eq!(of.goes(Firing, &[pager, chat]).await, [pager, chat]);
    assert_eq!(of.goes(Resolved, &[]).await, [pager, chat]);
    // The next episode has a plan of its own.
    assert_eq!(of.goes(Firing, &[mail]).await, [mail]);
    assert_eq!(of.goes(Resolved, &[pager]).await, [mail]);
    // Who got no firing gets no recovery.
    assert_eq!(of.goes(Firing, &[]).await, NOBODY);
    assert_eq!(of.goes(Resolved, &[pager]).await, NOBODY);
}

/// N11: the route was removed or changed between a firing and its end.
pub(crate) async fn a_recovery_goes_where_its_firing_went_also_after_a_restart_and_a_crash<
    P: Place,
>() {
    let mut of = Sinks::<P>::new().await;
    let (pager, chat, mail) = (of.pager, of.chat, of.mail);
    of.goes(Firing, &[pager, chat]).await;
    of.restart().await;
    assert_eq!(of.goes(Firing, &[mail]).await, [pager, chat, mail]);
    of.place = of.place.crashed();
    of.store = of.place.open().await;
    assert_eq!(of.goes(Resolved, &[]).await, [pager, chat, mail]);
    of.restart().await;
    assert_eq!(of.goes(Resolved, &[chat]).await, [chat], "none is open");
}

pub(crate) async fn a_later_firing_adds_its_sinks_and_goes_to_all<P: Place>() {
    let mut of = Sinks::<P>::new().await;
    let (pager, chat) = (of.pager, of.chat);
    assert_eq!(of.goes(Firing, &[chat]).await, [chat]);
    // The severity rises: the pager gets this, and everything that follows.
    assert_eq!(of.goes(Firing, &[pager]).await, [pager, chat]);
    assert_eq!(of.goes(Firing, &[chat]).await, [pager, chat]);
    assert_eq!(of.goes(Firing, &[]).await, [pager, chat]);
    assert_eq!(of.goes(Resolved, &[]).await, [pager, chat]);
}

pub(crate) async fn a_recovery_without_a_known_firing_goes_to_its_own_sinks<P: Place>() {
    let mut of = Sinks::<P>::new().await;
    let (pager, chat) = (of.pager, of.chat);
    assert_eq!(of.goes(Resolved, &[chat]).await, [chat]);
    assert_eq!(of.goes(Resolved, &[]).await, NOBODY);
    of.goes(Firing, &[pager]).await;
    of.goes(Resolved, &[pager]).await;
    assert_eq!(of.goes(Resolved, &[chat]).await, [chat]);
}

pub(crate) async fn several_alerts_of_one_problem_that_come_together_follow_each_other<P: Place>() {
    let mut of = Sinks::<P>::new().await;
    let (pager, chat, mail) = (of.pager, of.chat, of.mail);
    of.goes(Firing, &[mail]).await;
    let alerts = vec![
        of.message(Firing, &[chat]),
        of.message(Firing, &[pager]),
        of.message(Resolved, &[]),
        // Another episode, whose plan begins with nothing.
        of.message(Firing, &[chat]),
        of.message(Firing, &[]),
        of.message(Resolved, &[pager]),
        // A recovery without a firing, and an episode that stays open.
        of.message(Resolved, &[mail]),
        of.message(Firing, &[pager]),
        of.message(Firing, &[mail]),
    ];
    let mut of_other = alert("other", 2, Firing, &[chat]);
    of_other.sinks = vec![chat];
    let alerts = [alerts, vec![of_other]].concat();
    let expected: [&[SinkId]; 10] = [
        &[chat, mail],
        &[pager, chat, mail],
        &[pager, chat, mail],
        &[chat],
        &[chat],
        &[chat],
        &[mail],
        &[pager],
        &[pager, mail],
        &[chat],
    ];
    assert_eq!(of.go(entry(alerts)).await, expected);
    of.restart().await;
    assert_eq!(of.goes(Resolved, &[]).await, [pager, mail]);
}

pub(crate) async fn a_duplicate_adds_nothing_to_a_plan<P: Place>() {
    let mut of = Sinks::<P>::new().await;
    let (pager, chat) = (of.pager, of.chat);
    let first = of.message(Firing, &[chat]);
    let again = NewAlert {
        sinks: vec![pager],
        ..first.clone()
    };
    of.store.append(entry(vec![first])).await.unwrap();
    let duplicate = of.store.append(entry(vec![again])).await.unwrap();
    assert!(duplicate.pending.is_empty());
    assert_eq!(of.goes(Resolved, &[]).await, [chat]);
}

pub(crate) async fn an_operator_names_the_sinks_of_an_alert<P: Place>() {
    let mut of = Sinks::<P>::new().await;
    let (pager, chat, mail) = (of.pager, of.chat, of.mail);
    of.goes(Firing, &[chat]).await;
    for (status, sinks) in [(Firing, &[mail]), (Resolved, &[pager])] {
        let alert = of.message(status, sinks);
        let appending = of.store.append_by(entry(vec![alert]), act("simulate"));
        let appended = appending.await.unwrap();
        assert_eq!(went(&of.store, &appended).await, [sinks]);
    }
    // One that is read again is not named by an operator.
    of.goes(Firing, &[chat]).await;
    let mut faulty = entry(vec![]);
    faulty.faults.push(campanile_store::Fault {
        place: "body".to_owned(),
        problem: "is not JSON".to_owned(),
    });
    let id = of.store.append(faulty).await.unwrap().quarantine.unwrap();
    let read = entry(vec![of.message(Resolved, &[mail])]);
    let releasing = of.store.release(id, read, act("quarantine.retry"));
    let released = releasing.await.unwrap();
    assert_eq!(went(&of.store, &released).await, [[chat]]);
}
