//! D5: the disk is full for a while, and then there is room again.

use std::time::Duration;

use campanile_faultfs::{Disk, Fault, Kind, Operation};

use super::{House, came, kept, willing};

/// More than one sink may have in flight.
const PENDING: usize = 40;

fn fill(disk: &Disk) {
    disk.fail(Fault {
        operation: Operation::Write,
        kind: Kind::Full,
        nth: 1,
        lasting: true,
    });
}

/// Alarms that wait, because an operator had the sink paused.
async fn owe(house: &House) -> Vec<String> {
    let mut pending = Vec::new();
    for n in 0..PENDING {
        let session = format!("pending-{n}");
        assert_eq!(house.alarm(&session).await.status, 200);
        pending.push(session);
    }
    pending
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_disk_is_full_nothing_is_promised_and_what_is_owed_goes_out() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::under(folder.path()).unwrap();
    let receiver = willing().await;
    let house = House::open(folder.path(), &[&receiver]).await.unwrap();
    let sink = "webhook/s0";
    assert!(house.app.delivery().pause(sink).is_some());
    let pending = owe(&house).await;
    fill(&disk);
    assert!(house.app.delivery().resume(sink).is_some());
    house.deliver().await;
    for minute in 0..6 {
        let reply = house.alarm(&format!("new-{minute}")).await;
        assert_eq!((reply.status, reply.header("retry-after")), (503, "5"));
        let known = house.alarm("pending-0").await;
        // It needs no room itself, but it may share a commit with an outcome that does.
        assert!(matches!(known.status, 200 | 503), "{known:?}");
        let ready = house.look("/readyz").await;
        assert_eq!(ready.status, 503, "{ready:?}");
        assert!(ready.body.contains("full"), "says why: {ready:?}");
        assert_eq!(house.look("/healthz").await.status, 200);
        assert_eq!(house.look("/api/v1/alerts").await.status, 200);
        house.advance(Duration::from_mins(1)).await;
    }
    let mut out = came(&receiver.got());
    out.sort();
    let mut expected = pending.clone();
    expected.sort();
    assert_eq!(out, expected, "what is pending goes out");
    let sent = receiver.got().len();
    disk.repair();
    assert_eq!(house.look("/readyz").await.status, 200);
    for minute in 0..6 {
        // The vendor tries again, and finds that none of its tries was taken.
        let session = format!("new-{minute}");
        assert_eq!(house.alarm(&session).await.status, 200);
    }
    // What is on its way must not find that its time is over when the clock is moved.
    house.deliver().await;
    house.advance(Duration::from_mins(1)).await;
    house.advance(Duration::from_mins(1)).await;
    let got = receiver.got();
    assert_eq!(got.len(), sent + 6, "nothing is sent twice");
    assert_eq!(came(&got).len(), PENDING + 6);
    house.stop().await;
    assert_eq!(kept(folder.path()).await.len(), PENDING + 6);

    // All outcomes were written down: a new start has nothing to send.
    let idle = willing().await;
    let house = House::open(folder.path(), &[&idle]).await.unwrap();
    house.deliver().await;
    assert!(idle.got().is_empty(), "{:?}", came(&idle.got()));
    house.stop().await;
}
