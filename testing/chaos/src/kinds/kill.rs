//! D1: `kill -9` at random moments under load.

use rand::RngExt;

use crate::Trouble;
use crate::load::Patience;
use crate::stage::Stage;

/// The percentage of cycles that kill the gateway again while it starts.
const TWICE: u32 = 30;

pub(super) async fn cycle(stage: &mut Stage) -> Result<(), Trouble> {
    if stage.gateway.is_none() {
        stage.start(None).await?;
    }
    let mut talks = stage.talk(Patience::Leave);
    let answers = stage.random.random_range(20..400);
    stage.answers(answers, &mut talks).await?;
    let instant = stage.random.random_range(0..3_000);
    tokio::time::sleep(std::time::Duration::from_micros(instant)).await;
    stage
        .record
        .inject(format!("kill -9 after {answers} answers"));
    stage.kill().await?;
    stage.hush(talks).await?;
    if stage.random.random_ratio(TWICE, 100) {
        stage.record.cycle.injected += ", and while it started";
        at_the_start(stage).await?;
    }
    stage.recover().await?;
    stage.calm().await
}

/// Kills the gateway within the first milliseconds after its start.
pub(super) async fn at_the_start(stage: &mut Stage) -> Result<(), Trouble> {
    let gateway = stage.house.start(None)?;
    let instant = stage.random.random_range(0..80_000);
    tokio::time::sleep(std::time::Duration::from_micros(instant)).await;
    gateway.kill().await?;
    stage.died().await;
    Ok(())
}
