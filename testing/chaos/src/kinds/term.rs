//! SIGTERM under load: work in progress is finished, its outcomes are written, and nothing is delivered twice.

use rand::RngExt;

use crate::Trouble;
use crate::load::Patience;
use crate::stage::Stage;

pub(super) async fn cycle(stage: &mut Stage) -> Result<(), Trouble> {
    if stage.gateway.is_none() {
        stage.start(None).await?;
    }
    let mut talks = stage.talk(Patience::Leave);
    let answers = stage.random.random_range(20..400);
    stage.answers(answers, &mut talks).await?;
    stage
        .record
        .inject(format!("SIGTERM after {answers} answers"));
    stage.stop().await?;
    stage.hush(talks).await?;
    let refusals = stage.refusals();
    if !refusals.is_empty() {
        stage.record.breach(
            "D29",
            format!("while stopping, the gateway answered {refusals:?}; it must accept the call or close the connection"),
        );
    }
    stage.recover().await?;
    stage.calm().await
}
