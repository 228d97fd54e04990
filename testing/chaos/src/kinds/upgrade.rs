//! D29: the process is replaced on the same data while vendors continue to call. There is no older release yet, so both
//! processes have the same version. `tests/it` tests that an older program refuses a newer file.

use std::time::Instant;

use rand::RngExt;

use crate::Trouble;
use crate::load::Patience;
use crate::stage::Stage;

/// The number of processes in sequence under one load.
const UPGRADES: usize = 3;

pub(super) async fn cycle(stage: &mut Stage) -> Result<(), Trouble> {
    if stage.gateway.is_none() {
        stage.start(None).await?;
    }
    let mut talks = stage.talk(Patience::Wait);
    stage.record.inject(format!(
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
        stage.record.breach(
            "D29",
            format!("while it was replaced, the gateway answered {refusals:?}; it must accept the call or close the connection"),
        );
    }
    stage.calm().await
}
