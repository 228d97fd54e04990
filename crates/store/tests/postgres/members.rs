//! The gateways that share a database: who delivers for a sink, and that nobody else settles.

use std::sync::Arc;

use campanile_store::lease::{Member, Row, View, Wish};
use campanile_store::postgres::Postgres;
use campanile_store::{
    Act, DeadFilter, Error, Handover, Hint, Membership, Outbox, SinkId, Store, Upkeep as _, Verdict,
};
use jiff::Timestamp;
use tokio::sync::mpsc::Receiver;
use uuid::Uuid;

use super::Database;
use super::pair::PATIENCE;
use super::suite::{Place, accepted, firing, settlement};

pub(crate) struct Gateway {
    pub(crate) store: Arc<Postgres>,
    pub(crate) id: Uuid,
}

impl Gateway {
    pub(crate) async fn join(database: &Database, number: u128, sinks: &[SinkId]) -> Self {
        Self::join_with(database, number, sinks, 1).await
    }

    /// A gateway that divides each of its sinks.
    pub(crate) async fn join_with(
        database: &Database,
        number: u128,
        sinks: &[SinkId],
        parts: u16,
    ) -> Self {
        let store = Arc::new(Postgres::open(&database.url()).await.unwrap());
        let id = Uuid::from_u128(number);
        let member = Member {
            id,
            name: number.to_string(),
            sinks: sinks.to_vec(),
            parts: vec![parts; sinks.len()],
            config: String::new(),
        };
        store.join(member).await.unwrap();
        Self { store, id }
    }

    pub(crate) async fn beat(&self) -> Option<View> {
        let said = "state".to_owned();
        self.store.beat(self.id, said, false).await.unwrap()
    }

    async fn lease(&self, sink: SinkId) -> Row {
        let leases = self.beat().await.unwrap().leases;
        leases
            .into_iter()
            .find(|row| row.part.sink == sink)
            .unwrap()
    }

    pub(crate) async fn fulfil(&self, wish: Wish) -> bool {
        self.store.fulfil(self.id, wish).await.unwrap()
    }
}

pub(crate) async fn sink(database: &Database) -> SinkId {
    let store = database.open().await;
    store.sink_ids(vec!["a/a".to_owned()]).await.unwrap()[0]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_owner_of_a_lease_settles_and_an_old_owner_changes_nothing() {
    let database = Database::new();
    let sink = sink(&database).await;
    let old = Gateway::join(&database, 1, &[sink]).await;
    let new = Gateway::join(&database, 2, &[sink]).await;
    let store: Arc<dyn Store> = old.store.clone();
    let (seq, _) = accepted(&store, firing("m", 1, &[sink])).await;
    let settle = async |gateway: &Gateway| {
        let settled = settlement(sink, seq, Verdict::Delivered);
        gateway.store.settle(vec![settled]).await
    };
    // Nobody owns it yet.
    assert!(matches!(settle(&old).await, Err(Error::NotOwner)));
    let free = old.lease(sink).await;
    assert!(old.fulfil(Wish::Take(free)).await);
    assert!(!new.fulfil(Wish::Take(free)).await, "it is taken");
    assert!(matches!(settle(&new).await, Err(Error::NotOwner)));

    // The owner is declared dead with the beat that was seen, and only with that.
    let seen = new.beat().await.unwrap();
    let peer = seen.gateways.iter().find(|peer| peer.id == old.id).unwrap();
    let dead = Wish::DeclareDead {
        id: old.id,
        beat: peer.beat,
    };
    let taken = new.lease(sink).await;
    assert!(!new.fulfil(Wish::Take(taken)).await, "the owner lives");
    old.beat().await.unwrap();
    assert!(!new.fulfil(dead).await, "it has beaten since");
    let beat = peer.beat + 1;
    assert!(new.fulfil(Wish::DeclareDead { id: old.id, beat }).await);
    assert!(new.fulfil(Wish::Take(taken)).await);

    // The old owner wakes up, and does not know yet.
    assert!(matches!(settle(&old).await, Err(Error::NotOwner)));
    assert_eq!(store.pending(sink, 0, 9).await.unwrap().len(), 1);
    assert!(old.beat().await.is_none(), "it is dead");
    // A failover to a server that had not got the last commits can give an epoch again, to another owner.
    database.sql(&format!("UPDATE lease SET epoch = {}", taken.epoch));
    assert!(matches!(settle(&old).await, Err(Error::NotOwner)));
    new.beat().await.unwrap();
    settle(&new).await.unwrap();
    assert!(store.pending(sink, 0, 9).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_is_given_back_is_free_and_who_leaves_is_gone() {
    let database = Database::new();
    let sink = sink(&database).await;
    let one = Gateway::join(&database, 1, &[sink]).await;
    let other = Gateway::join(&database, 2, &[sink]).await;
    let free = one.lease(sink).await;
    assert!(one.fulfil(Wish::Take(free)).await);
    let own = one.lease(sink).await;
    assert_eq!((own.owner, own.epoch), (Some(one.id), free.epoch + 1));
    assert!(one.fulfil(Wish::GiveBack(own)).await);
    assert!(!one.fulfil(Wish::GiveBack(own)).await);
    assert!(!other.fulfil(Wish::Take(free)).await, "the view is too old");
    let free = other.lease(sink).await;
    assert_eq!(free.owner, None);
    assert!(other.fulfil(Wish::Take(free)).await);
    let said = "stops".to_owned();
    other.store.beat(other.id, said, true).await.unwrap();
    let view = one.beat().await.unwrap();
    let leaving = view.gateways.iter().filter(|peer| peer.leaving);
    let leaving: Vec<Uuid> = leaving.map(|peer| peer.id).collect();
    assert_eq!(leaving, [other.id]);
    other.store.leave(other.id).await.unwrap();
    let view = one.beat().await.unwrap();
    assert_eq!(view.gateways.len(), 1);
    assert_eq!(view.leases[0].owner, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owner_sees_a_pause_and_from_where_to_look_and_the_others_see_its_state() {
    let database = Database::new();
    let sink = sink(&database).await;
    let owner = Gateway::join(&database, 1, &[sink]).await;
    let other = Gateway::join(&database, 2, &[sink]).await;
    let free = owner.lease(sink).await;
    assert!(owner.fulfil(Wish::Take(free)).await);
    other.store.pause(sink, true).await.unwrap();
    let store: Arc<dyn Store> = other.store.clone();
    let seqs = [
        accepted(&store, firing("one", 1, &[sink])).await.0,
        accepted(&store, firing("two", 2, &[sink])).await.0,
        accepted(&store, firing("three", 3, &[sink])).await.0,
    ];
    let dead = seqs.map(|seq| {
        settlement(
            sink,
            seq,
            Verdict::Dead {
                class: "poison",
                error: "x".into(),
            },
        )
    });
    owner.store.settle(dead.to_vec()).await.unwrap();
    let act = || Act::new(Timestamp::UNIX_EPOCH, "retry");
    assert!(store.retry(seqs[2], sink, act()).await.unwrap());
    let letters = store
        .dead(DeadFilter {
            limit: 2,
            ..DeadFilter::default()
        })
        .await
        .unwrap();
    let letters = letters.iter().map(|letter| letter.id).collect();
    store.retry_dead(letters, act()).await.unwrap();
    assert!(other.beat().await.unwrap().look_from.is_empty());
    let view = owner.beat().await.unwrap();
    let seen = (view.paused, view.look_from);
    assert_eq!(seen, (vec![sink], vec![(sink, seqs[1])]));
    assert!(owner.beat().await.unwrap().look_from.is_empty(), "once");
    let seen = other.beat().await.unwrap();
    let seen = seen.gateways.iter().find(|peer| peer.id == owner.id);
    assert_eq!(seen.unwrap().state, "state");
    other.store.pause(sink, false).await.unwrap();
    assert!(owner.beat().await.unwrap().paused.is_empty());
}

/// The next hint. One that does not come is a failure.
async fn next(heard: &mut Receiver<Hint>) -> Option<Hint> {
    let next = tokio::time::timeout(PATIENCE, heard.recv());
    next.await.expect("a hint")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hint_reaches_every_gateway_also_after_its_connection_was_cut() {
    let database = Database::new();
    let sink = sink(&database).await;
    let one = Gateway::join(&database, 1, &[sink]).await;
    let other = Gateway::join(&database, 2, &[sink]).await;
    let mut heard = other.store.hints();
    // It listens, and may have missed what came before.
    assert_eq!(next(&mut heard).await, Some(Hint::Leases));
    let many = Hint::Dropped(sink, (1..=300).collect());
    let hints = vec![Hint::Pending(sink, 7), many.clone()];
    one.store.hint(hints).await.unwrap();
    assert_eq!(next(&mut heard).await, Some(Hint::Pending(sink, 7)));
    assert_eq!(next(&mut heard).await, Some(many));

    database
        .sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'");
    assert_eq!(next(&mut heard).await, Some(Hint::Leases));
    one.store
        .hint(vec![Hint::Hurry(sink, vec![7])])
        .await
        .unwrap();
    assert_eq!(next(&mut heard).await, Some(Hint::Hurry(sink, vec![7])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_owner_leaves_with_its_outcomes_is_for_the_next_one_and_only_the_owner_leaves_anything()
 {
    let database = Database::new();
    let sink = sink(&database).await;
    let old = Gateway::join(&database, 1, &[sink]).await;
    let new = Gateway::join(&database, 2, &[sink]).await;
    let store: Arc<dyn Store> = old.store.clone();
    let leave = async |gateway: &Gateway, message: &str, left: Option<&str>| {
        let (seq, _) = accepted(&store, firing(message, 1, &[sink])).await;
        let settled = vec![settlement(sink, seq, Verdict::Delivered)];
        let left = left.map(str::to_owned);
        gateway
            .store
            .settle_leaving(sink.into(), settled, left)
            .await
    };
    assert!(old.fulfil(Wish::Take(old.lease(sink).await)).await);
    let nothing = Handover::default();
    assert_eq!(
        old.store.handover(sink.into()).await.unwrap(),
        Some(nothing)
    );
    leave(&old, "a", Some("three sent")).await.unwrap();
    leave(&old, "b", None).await.unwrap();
    let left = new.store.handover(sink.into()).await.unwrap().unwrap();
    assert_eq!((left.text.as_str(), left.died), ("three sent", false));

    assert!(leave(&new, "c", Some("I am not the owner")).await.is_err());
    let beat = new.beat().await.unwrap();
    let peer = beat.gateways.iter().find(|peer| peer.id == old.id).unwrap();
    let dead = Wish::DeclareDead {
        id: old.id,
        beat: peer.beat,
    };
    assert!(new.fulfil(dead).await);
    assert!(new.fulfil(Wish::Take(new.lease(sink).await)).await);
    assert!(leave(&old, "d", Some("it was frozen")).await.is_err());
    let left = new.store.handover(sink.into()).await.unwrap().unwrap();
    assert_eq!((left.text.as_str(), left.died), ("three sent", true));

    leave(&new, "e", Some("four sent")).await.unwrap();
    for _ in 0..2 {
        let left = new.store.handover(sink.into()).await.unwrap().unwrap();
        assert_eq!((left.text.as_str(), left.died), ("four sent", false));
        while new.store.prune(Timestamp::UNIX_EPOCH).await.unwrap() {}
    }
    assert_eq!(database.sql("SELECT count(*) FROM handover"), "1");

    // Given back: nothing was sent that is not known.
    assert!(new.fulfil(Wish::GiveBack(new.lease(sink).await)).await);
    assert!(new.fulfil(Wish::Take(new.lease(sink).await)).await);
    assert!(!new.store.handover(sink.into()).await.unwrap().unwrap().died);
}
