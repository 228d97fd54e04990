//! Kills the process in the middle of a migration: while it creates a new file, and while it opens an old one. The
//! failpoint is in the code that every migration step runs.

use rand::RngExt;

use super::{kill, points};
use crate::Trouble;
use crate::load::Patience;
use crate::stage::Stage;

pub(super) async fn cycle(stage: &mut Stage) -> Result<(), Trouble> {
    if stage.gateway.is_some() {
        stage.stop().await?;
        stage.clear()?;
    }
    let times = stage.random.random_range(1..=3);
    stage.record.inject(format!(
        "died in the migration, then {times} times at the start"
    ));
    points::die_at_start(stage, "mid-migration", 1).await?;
    for _ in 0..times {
        kill::at_the_start(stage).await?;
    }
    stage.recover().await?;
    let mut talks = stage.talk(Patience::Leave);
    stage.answers(50, &mut talks).await?;
    stage.kill().await?;
    stage.hush(talks).await?;
    kill::at_the_start(stage).await?;
    stage.recover().await?;
    stage.calm().await
}
