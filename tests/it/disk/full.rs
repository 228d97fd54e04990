//! D5: the disk is full for a while, then it has space again.

use std::time::Duration;

use campanile_faultfs::{Disk, Fault, Kind, Operation};

use super::{Gateway, came, kept, willing};

/// More than the `in_flight_max` of one sink.
const PENDING: usize = 40;

fn fill(disk: &Disk) {
    disk.fail(Fault {
        operation: Operation::Write,
        kind: Kind::Full,
        nth: 1,
        lasting: true,
    });
}

/// Sends alarms that stay pending, because the sink is paused.
async fn accept_pending(gateway: &Gateway) -> Vec<String> {
    let mut pending = Vec::new();
    for n in 0..PENDING {
        let session = format!("pending-{n}");
        assert_eq!(gateway.alarm(&session).await.status, 200);
        pending.push(session);
    }
    pending
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_disk_is_full_nothing_is_promised_and_what_is_owed_goes_out() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::under(folder.path()).unwrap();
    let receiver = willing().await;
    let gateway = Gateway::open(folder.path(), &[&receiver]).await.unwrap();
    let sink = "webhook/s0";
    assert!(gateway.app.delivery().pause(sink).is_some());
    let pending = accept_pending(&gateway).await;
    fill(&disk);
    assert!(gateway.app.delivery().resume(sink).is_some());
    gateway.deliver().await;
    for minute in 0..6 {
        let reply = gateway.alarm(&format!("new-{minute}")).await;
        assert_eq!((reply.status, reply.header("retry-after")), (503, "5"));
        let known = gateway.alarm("pending-0").await;
        // A duplicate writes nothing, but it can share a commit with an outcome that needs space.
        assert!(matches!(known.status, 200 | 503), "{known:?}");
        let ready = gateway.look("/readyz").await;
        assert_eq!(ready.status, 503, "{ready:?}");
        assert!(ready.body.contains("full"), "says why: {ready:?}");
        assert_eq!(gateway.look("/healthz").await.status, 200);
        assert_eq!(gateway.look("/api/v1/alerts").await.status, 200);
        gateway.advance(Duration::from_mins(1)).await;
    }
    let mut out = came(&receiver.got());
    out.sort();
    let mut expected = pending.clone();
    expected.sort();
    assert_eq!(out, expected, "pending deliveries are sent");
    let sent = receiver.got().len();
    disk.repair();
    assert_eq!(gateway.look("/readyz").await.status, 200);
    for minute in 0..6 {
        // The vendor sends again. None of its earlier callbacks was accepted.
        let session = format!("new-{minute}");
        assert_eq!(gateway.alarm(&session).await.status, 200);
    }
    // Wait for sends in progress, so moving the clock does not make them time out.
    gateway.deliver().await;
    gateway.advance(Duration::from_mins(1)).await;
    gateway.advance(Duration::from_mins(1)).await;
    let got = receiver.got();
    assert_eq!(got.len(), sent + 6, "nothing is sent twice");
    assert_eq!(came(&got).len(), PENDING + 6);
    gateway.stop().await;
    assert_eq!(kept(folder.path()).await.len(), PENDING + 6);

    // All outcomes were written, so a new start has nothing to send.
    let idle = willing().await;
    let gateway = Gateway::open(folder.path(), &[&idle]).await.unwrap();
    gateway.deliver().await;
    assert!(idle.got().is_empty(), "{:?}", came(&idle.got()));
    gateway.stop().await;
}
