//! D3: the power fails under load, at each sync and at moments that a seed chooses. The disk then holds everything that was
//! answered with 2xx.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use campanile_faultfs::{Disk, Loss};
use campanile_store::Upkeep;
use campanile_store::sqlite::Sqlite;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::{FILE, Gateway, alarm, kept, willing};
use crate::standing::Wire;

/// Vendors that call at the same time, each on its own connection.
const VENDORS: usize = 4;

/// The number of power cuts at syncs in the short form, spread over the whole run.
const CUTS: usize = 40;

/// The content of the disk at one moment, and the promises until then.
struct Cut {
    folder: PathBuf,
    loss: Loss,
    promised: BTreeSet<String>,
}

/// Takes copies of the disk as a power cut would leave it. The run continues.
struct Switch {
    disk: Disk,
    folder: TempDir,
    promised: Mutex<BTreeSet<String>>,
    cuts: Mutex<Vec<Cut>>,
    dice: Mutex<StdRng>,
}

impl Switch {
    /// Reads the promises before it copies the disk: an alarm that arrives during the copy may be on it or not.
    fn cut(&self) {
        let promised = self.promised.lock().unwrap().clone();
        let loss = {
            let mut dice = self.dice.lock().unwrap();
            match dice.random_range(0..3_u8) {
                0 => Loss::Everything,
                _ => Loss::Some(dice.random()),
            }
        };
        let mut cuts = self.cuts.lock().unwrap();
        let folder = self.folder.path().join(cuts.len().to_string());
        std::fs::create_dir(&folder).unwrap();
        self.disk.cut(loss, &folder).unwrap();
        cuts.push(Cut {
            folder,
            loss,
            promised,
        });
    }

    /// The alarms of one vendor, one after the other. Sometimes the power fails at the moment of the answer.
    async fn call(self: Arc<Self>, mut wire: Wire, vendor: usize, alarms: usize) {
        for n in 0..alarms {
            let session = format!("{vendor}-{n}");
            wire.write(alarm(&session)).await;
            assert_eq!(wire.read().await.status, 200);
            self.promised.lock().unwrap().insert(session);
            if self.dice.lock().unwrap().random_range(0..16_u8) == 0 {
                self.cut();
            }
        }
    }
}

fn seed() -> u64 {
    let asked = std::env::var("CAMPANILE_SEED").ok();
    asked.map_or_else(rand::random, |seed| seed.parse().unwrap())
}

/// Runs with this number of alarms under power cuts, also during the start and the stop.
async fn endure(alarms: usize, cuts_max: usize) {
    let seed = seed();
    println!("CAMPANILE_SEED={seed}");
    let receiver = willing().await;
    let folder = tempfile::tempdir().unwrap();
    let switch = Arc::new(Switch {
        disk: Disk::under(folder.path()).unwrap(),
        folder: tempfile::tempdir().unwrap(),
        promised: Mutex::default(),
        cuts: Mutex::default(),
        dice: Mutex::new(StdRng::seed_from_u64(seed)),
    });
    // A sync is the riskiest moment. Cuts at all syncs are too many for a short run.
    let (at_sync, every) = (Arc::clone(&switch), (alarms * 2).div_ceil(cuts_max));
    switch.disk.at_each_sync(move |_| {
        let chosen = at_sync.dice.lock().unwrap().random_range(0..every) == 0;
        if chosen {
            at_sync.cut();
        }
    });
    let gateway = Gateway::open(folder.path(), &[&receiver]).await.unwrap();
    let mut calls = JoinSet::new();
    for vendor in 0..VENDORS {
        let wire = Wire::to(gateway.app.public_address().unwrap()).await;
        calls.spawn(Arc::clone(&switch).call(wire, vendor, alarms / VENDORS));
    }
    calls.join_all().await;
    gateway.stop().await;
    switch.cut();
    // Breaks the reference cycle: the disk's callback holds the switch, and the switch holds the disk.
    switch.disk.at_each_sync(|_| ());
    let mut switch = Arc::into_inner(switch).unwrap();
    let promised = switch.promised.into_inner().unwrap().len();
    let cuts = switch.cuts.into_inner().unwrap();
    println!(
        "{} power cuts, {promised} alarms answered with 2xx",
        cuts.len()
    );
    // Keep the copies when something was lost.
    switch.folder.disable_cleanup(true);
    for cut in cuts {
        println!("{} {:?}", cut.folder.display(), cut.loss);
        let kept = kept(&cut.folder).await;
        let lost: Vec<_> = cut.promised.difference(&kept).collect();
        assert!(lost.is_empty(), "lost {lost:?}");
    }
    switch.folder.disable_cleanup(false);
}

/// Random results of one power cut, for each sync of the first start.
const RESULTS: usize = 16;

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_while_the_database_is_created_lets_the_next_start_create_it() {
    let (folder, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let disk = Disk::under(folder.path()).unwrap();
    let (into, taken) = (copies.path().to_owned(), Arc::new(Mutex::new(0)));
    let counted = Arc::clone(&taken);
    disk.at_each_sync(move |disk| {
        let mut taken = counted.lock().unwrap();
        for _ in 0..RESULTS {
            let copy = into.join(taken.to_string());
            std::fs::create_dir(&copy).unwrap();
            disk.cut(Loss::Some(*taken), &copy).unwrap();
            *taken += 1;
        }
    });
    Sqlite::open(&folder.path().join(FILE))
        .unwrap()
        .close()
        .await
        .unwrap();
    disk.at_each_sync(|_| ());
    let taken = *taken.lock().unwrap();
    assert!(taken > 0);
    for copy in 0..taken {
        println!("copy {copy}");
        let kept = kept(&copies.path().join(copy.to_string())).await;
        assert!(kept.is_empty(), "{kept:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_at_any_moment_takes_nothing_that_was_answered() {
    match std::env::var("CAMPANILE_DISK") {
        Ok(how) if how == "all" => endure(4_000, 4_000).await,
        _ => endure(400, CUTS).await,
    }
}
