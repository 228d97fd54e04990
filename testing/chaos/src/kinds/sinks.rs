//! Receivers that fail while the process runs: at random, by resets, slowly, permanently for some alerts, and one that
//! is down until its operator resumes it.

use std::time::Instant;

use rand::RngExt;

use super::Kind;
use crate::Trouble;
use crate::load::Patience;
use crate::receiver::Manner;
use crate::stage::{FAILING, Stage};

pub(super) async fn cycle(stage: &mut Stage) -> Result<(), Trouble> {
    if stage.gateway.is_none() {
        stage.start(None).await?;
    }
    let (flaky, picky) = Kind::Sinks.manners();
    stage.behave(flaky, picky);
    let mut talks = stage.talk(Patience::Leave);
    let answers = stage.random.random_range(20..200);
    stage.answers(answers, &mut talks).await?;
    let down = FAILING[stage.random.random_range(0..FAILING.len())];
    stage
        .record
        .inject(format!("the receiver {down} down after {answers} answers"));
    stage.receiver(down)?.behave(Manner::Down);
    stage.answers(answers, &mut talks).await?;
    stage.hush(talks).await?;
    stage.behave(Manner::Good, picky);
    let repaired = Instant::now();
    let sink = stage.receiver(down)?.sink();
    stage.operator()?.resume(&sink).await?;
    stage.probe(down).await?;
    stage.recovered(repaired.elapsed());
    stage.calm().await
}
