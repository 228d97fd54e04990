//! D2: the process aborts at each named point in turn, at a pass that the seed chooses, and in the middle of a
//! checkpoint.

use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use campanile_model::failpoint::POINTS;
use rand::RngExt;

use crate::Trouble;
use crate::gateway::died_at_a_point;
use crate::load::Patience;
use crate::stage::Stage;

/// Not a failpoint in the code. Only a checkpoint writes into the database file itself, so the harness sees the first
/// write from outside and kills the process.
const CHECKPOINT: &str = "mid-checkpoint";
/// A checkpoint is short. If the kill comes after it, the case is repeated.
const CHECKPOINT_TRIES: usize = 8;
/// A process that has not reached its point within this time never reaches it.
const REACHED_WITHIN: Duration = Duration::from_mins(2);

/// After this many answers, the store holds complete runs of keys.
const RUNS_WHOLE_AFTER: usize = 450;

/// Every point.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    POINTS.iter().copied().chain([CHECKPOINT])
}

/// The highest pass at which the process aborts: high for points that are passed often, 1 for points that are passed
/// once.
fn passes(point: &str) -> u32 {
    match point {
        "mid-migration" => 1,
        "after-merge" | "mid-forget" => 2,
        "mid-merge" => 4,
        _ => 150,
    }
}

pub(super) async fn cycle(stage: &mut Stage, number: usize) -> Result<(), Trouble> {
    let all: Vec<_> = names().collect();
    let point = all
        .get((number - 1) % all.len())
        .copied()
        .unwrap_or(CHECKPOINT);
    if point == CHECKPOINT {
        return in_a_checkpoint(stage).await;
    }
    let pass = stage.random.random_range(1..=passes(point));
    match point {
        "mid-migration" => {
            empty(stage).await?;
            stage.record.inject(format!("died at {point}"));
            die_at_start(stage, point, pass).await?;
        }
        "mid-prune" | "mid-forget" => {
            age(stage).await?;
            die(stage, point, pass).await?;
        }
        _ => die(stage, point, pass).await?,
    }
    stage.recover().await?;
    stage.calm().await
}

/// The syntax of the crate `fail` for an abort at the given pass.
fn armed(point: &str, pass: u32) -> String {
    format!("{point}={}*off->return", pass - 1)
}

/// Aborts under load.
async fn die(stage: &mut Stage, point: &str, pass: u32) -> Result<(), Trouble> {
    if stage.gateway.is_some() {
        stage.stop().await?;
    }
    let listens = stage.start(Some(&armed(point, pass))).await?;
    let mut talks = stage.talk(Patience::Leave);
    if listens {
        let reached = tokio::time::timeout(REACHED_WITHIN, talks.all_left()).await;
        reached.unwrap_or(Ok(()))?;
    }
    stage.record.inject(format!("died at {point}, pass {pass}"));
    let floor = std::sync::Arc::clone(&stage.floor);
    floor.halted.send_replace(true);
    ended(stage, point).await?;
    stage.hush(talks).await
}

/// Aborts before the gateway listens.
pub(super) async fn die_at_start(stage: &mut Stage, point: &str, pass: u32) -> Result<(), Trouble> {
    stage.start(Some(&armed(point, pass))).await?;
    ended(stage, point).await
}

/// Checks that the process aborted at this point and nowhere else.
async fn ended(stage: &mut Stage, point: &str) -> Result<(), Trouble> {
    match stage.take_gateway()?.ended().await {
        Ok(status) if died_at_a_point(status) => {
            *stage.died_at.entry(point.to_owned()).or_default() += 1;
        }
        Ok(status) => stage.record.breach(
            "D2",
            format!("the gateway must abort at {point}, but it ended with {status}"),
        ),
        Err(_) => stage
            .record
            .breach("D2", format!("the point {point} was never reached")),
    }
    stage.died().await;
    Ok(())
}

/// Prepares a file in which everything is delivered, with complete runs of keys, older than the retention.
async fn age(stage: &mut Stage) -> Result<(), Trouble> {
    if stage.gateway.is_none() {
        stage.start(None).await?;
    }
    let mut talks = stage.talk(Patience::Leave);
    stage.answers(RUNS_WHOLE_AFTER, &mut talks).await?;
    stage.hush(talks).await?;
    stage.calm().await?;
    stage.stop().await?;
    stage.age()
}

/// Prepares an empty folder.
async fn empty(stage: &mut Stage) -> Result<(), Trouble> {
    if stage.gateway.is_some() {
        stage.stop().await?;
    }
    stage.clear()
}

async fn in_a_checkpoint(stage: &mut Stage) -> Result<(), Trouble> {
    let mut times = 0;
    let mut hit = false;
    while !hit && times < CHECKPOINT_TRIES {
        if stage.gateway.is_none() {
            stage.start(None).await?;
        }
        times += 1;
        let talks = stage.talk(Patience::Leave);
        let file = stage.house.database();
        tokio::task::block_in_place(|| until_it_is_written(&file))?;
        stage.kill().await?;
        stage.hush(talks).await?;
        hit = is_in_a_checkpoint(stage)?;
    }
    *stage.died_at.entry(CHECKPOINT.to_owned()).or_default() += usize::from(hit);
    stage
        .record
        .inject(format!("killed in a checkpoint, at attempt {times}"));
    stage.recover().await?;
    stage.calm().await
}

/// Polls a file without a pause until it changes: the checkpoint takes only some milliseconds.
fn until_it_is_written(file: &Path) -> Result<(), Trouble> {
    let before = std::fs::metadata(file)?.modified()?;
    let began = Instant::now();
    while std::fs::metadata(file)?.modified()? == before && began.elapsed() < REACHED_WITHIN {
        std::hint::spin_loop();
    }
    Ok(())
}

/// Whether the shared memory of a dead process shows that a checkpoint was copying pages into the file and had not
/// finished. (SQLite's file format, section 5.3: two headers of 48 bytes, `nBackfill`, read marks, locks,
/// `nBackfillAttempted`.)
fn is_in_a_checkpoint(stage: &Stage) -> Result<bool, Trouble> {
    let mut name = stage.house.database().into_os_string();
    name.push("-shm");
    let mut head = [0; 136];
    std::fs::File::open(name)?.read_exact(&mut head)?;
    let number = |at: usize| {
        let bytes = head.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        u32::from_ne_bytes(bytes.unwrap_or_default())
    };
    let (done, attempted) = (number(96), number(128));
    Ok(attempted > done)
}
