//! Receivers that fail while the process runs: at random, by resets, slowly, permanently for some alerts, and one that
//! is down until its operator resumes it.

use std::time::Instant;

use rand::RngExt;

use super::Kind;
use crate::Trouble;
use crate::load::Patience;
use crate::receiver::Manner;
use crate::stage::Stage;

pub(super) async fn cycle(stage: &mut Stage) -> Result<(), Trouble> {
    if stage.gateway.is_none() {
        stage.start(None).await?;
    }
    let (flaky, picky) = Kind::Sinks.manners();
    stage.behave(flaky, picky);
    let mut talks = stage.talk(Patience::Leave);
    let answers = stage.random.random_range(20..200);
    stage.answers(answers, &mut talks).await?;
    stage.inject(format!("one receiver down after {answers} answers"));
    stage.behave(Manner::Down, picky);
    stage.answers(answers, &mut talks).await?;
    stage.hush(talks).await?;
    stage.behave(Manner::Good, picky);
    let repaired = Instant::now();
    stage.operator()?.resume("webhook/flaky").await?;
    stage.probe("flaky").await?;
    stage.recovered(repaired.elapsed());
    stage.calm().await
}
