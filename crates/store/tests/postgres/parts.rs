//! A sink that is divided into parts.

use std::sync::Arc;

use campanile_model::Fingerprint;
use campanile_store::lease::{Part, Row, Wish};
use campanile_store::{Error, Membership, Outbox, Store, Verdict};

use super::Database;
use super::members::{Gateway, sink};
use super::suite::{Place, accepted, firing, settlement};

async fn rows(gateway: &Gateway) -> Vec<Row> {
    gateway.beat().await.unwrap().leases
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_is_divided_only_while_nobody_who_lives_has_a_part_and_its_pause_stays() {
    let database = Database::new();
    let sink = sink(&database).await;
    let one = Gateway::join_with(&database, 1, &[sink], 3).await;
    let other = Gateway::join_with(&database, 2, &[sink], 3).await;
    let parts = |view: campanile_store::lease::View| {
        let peers = view.gateways.into_iter();
        peers.map(|peer| peer.parts).collect::<Vec<_>>()
    };
    assert_eq!(parts(one.beat().await.unwrap()), [[3], [3]]);
    let whole = rows(&one).await[0];
    assert!(one.fulfil(Wish::Take(whole)).await);
    other.store.pause(sink, true).await.unwrap();
    let divide = |from, to| Wish::Divide { sink, from, to };
    assert!(!other.fulfil(divide(1, 3)).await, "it has an owner");
    assert!(one.fulfil(Wish::GiveBack(rows(&one).await[0])).await);
    let old = rows(&other).await[0];
    assert!(one.fulfil(divide(1, 3)).await);
    assert!(!other.fulfil(divide(1, 3)).await, "it is done");
    assert!(!other.fulfil(Wish::Take(old)).await, "the view is too old");
    let divided = rows(&one).await;
    let shown = divided.iter().map(|row| row.part);
    assert!(shown.eq((0..3).map(|number| Part {
        sink,
        number,
        of: 3
    })));
    assert_eq!(one.beat().await.unwrap().paused, [sink]);

    // One of them is enough to forbid another division. Who is dead does not count.
    assert!(one.fulfil(Wish::Take(divided[2])).await);
    assert!(!other.fulfil(divide(3, 1)).await);
    let seen = other.beat().await.unwrap();
    let peer = seen.gateways.iter().find(|peer| peer.id == one.id).unwrap();
    let (id, beat) = (peer.id, peer.beat);
    assert!(other.fulfil(Wish::DeclareDead { id, beat }).await);
    assert!(other.fulfil(divide(3, 1)).await);
    let whole = rows(&other).await;
    assert_eq!((whole.len(), whole[0].part), (1, Part::whole(sink)));
    assert!(whole[0].epoch > divided[2].epoch + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_delivery_is_in_one_part_and_only_the_owner_of_a_part_settles() {
    let database = Database::new();
    let sink = sink(&database).await;
    let one = Gateway::join_with(&database, 1, &[sink], 3).await;
    let other = Gateway::join_with(&database, 2, &[sink], 3).await;
    let store: Arc<dyn Store> = one.store.clone();
    let mut lanes = Vec::new();
    for lane in [0, 1, 2, 7, u64::MAX, u64::MAX / 2 + 1] {
        let (seq, _) = accepted(&store, firing(&lane.to_string(), lane, &[sink])).await;
        lanes.push((seq, lane));
    }
    assert!(
        one.fulfil(Wish::Divide {
            sink,
            from: 1,
            to: 3
        })
        .await
    );
    let divided = rows(&one).await;
    let mut seen = 0;
    for row in &divided {
        let found = one.store.pending_of(row.part, 0, 9).await.unwrap();
        let own = lanes
            .iter()
            .filter(|(_, lane)| row.part.has(Fingerprint(*lane)));
        assert!(
            found
                .iter()
                .map(|pending| pending.seq)
                .eq(own.map(|(seq, _)| *seq))
        );
        seen += found.len();
    }
    assert_eq!(seen, lanes.len());

    assert!(one.fulfil(Wish::Take(divided[0])).await);
    assert!(other.fulfil(Wish::Take(divided[1])).await);
    let settle = async |gateway: &Gateway, part: Part| {
        let first = one.store.pending_of(part, 0, 1).await.unwrap()[0].seq;
        let settled = vec![settlement(sink, first, Verdict::Delivered)];
        gateway.store.settle_leaving(part, settled, None).await
    };
    let [mine, theirs] = [divided[0].part, divided[1].part];
    assert!(matches!(settle(&one, theirs).await, Err(Error::NotOwner)));
    settle(&one, mine).await.unwrap();
    settle(&other, theirs).await.unwrap();
    assert_eq!(store.pending(sink, 0, 9).await.unwrap().len(), seen - 2);
}
