//! D29: the process is replaced on the same data while vendors go on calling. There is no older release yet, so that both
//! processes are of the same version; that a newer file is refused by an older program is tested in `tests/it`.

use std::time::Instant;

use rand::RngExt;

use crate::Trouble;
use crate::load::Patience;
use crate::stage::Stage;

/// Processes that follow one another under one load.
const UPGRADES: usize = 3;

pub(super) async fn cycle(stage: &mut Stage) -> Result<(), Trouble> {
    if stage.gateway.is_none() {
        stage.start(None).await?;
    }
    let mut talks = stage.talk(Patience::Wait);
    stage.inject(format!(
        "{UPGRADES} times SIGTERM and a new process, under load"
    ));
    for _ in 0..UPGRADES {
        let answers = stage.random.random_range(20..150);
        stage.answers(answers, &mut talks).await?;
        let began = Instant::now();
        stage.stop().await?;
        stage.start(None).await?;
        stage.answers(1, &mut talks).await?;
        stage.recovered(began.elapsed());
    }
    stage.hush(talks).await?;
    let refusals = stage.refusals();
    if !refusals.is_empty() {
        stage.breach(
            "D29",
            format!("replaced, it answered {refusals:?} where it should take or hang up"),
        );
    }
    stage.calm().await
}
