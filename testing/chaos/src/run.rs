//! Runs cycles, kind by kind, until all are done, the time is over, or a promise is broken.

use std::time::Instant;

use crate::kinds::Kind;
use crate::report::{Cycle, Report};
use crate::stage::{Stage, millis};
use crate::{Trouble, Wish, replicas};

/// Runs the cycles of the settings and calls `tell` at the end of each cycle. A run ends with the first cycle that
/// breaks a promise.
///
/// # Errors
/// When the machine or the harness fails. Broken promises are in the report.
pub async fn run(wish: &Wish, mut tell: impl FnMut(&Cycle)) -> Result<Report, Trouble> {
    let began = Instant::now();
    let mut report = Report {
        seed: wish.seed,
        ..Report::default()
    };
    for kind in wish.kind.parts(wish.replicas > 1) {
        let time_is_over = || wish.stop_after.is_some_and(|most| began.elapsed() >= most);
        if time_is_over() || report.breaches().next().is_some() {
            break;
        }
        if wish.replicas > 1 {
            let cycles = wish.cycles.unwrap_or_else(|| kind.cycles());
            let number = report.cycles.len();
            let mut note = |cycle: Cycle| {
                tell(&cycle);
                report.cycles.push(cycle);
            };
            replicas::play(wish, kind, cycles, number, &time_is_over, &mut note).await?;
        } else {
            play(wish, kind, &mut report, &time_is_over, &mut tell).await?;
        }
    }
    report.took_ms = millis(began.elapsed());
    Ok(report)
}

/// Runs all cycles of one kind on their own stage.
async fn play(
    wish: &Wish,
    kind: Kind,
    report: &mut Report,
    time_is_over: &dyn Fn() -> bool,
    tell: &mut impl FnMut(&Cycle),
) -> Result<(), Trouble> {
    let mut stage = Stage::new(wish, kind.word()).await?;
    let (flaky, picky) = kind.manners();
    stage.behave(flaky, picky);
    let cycles = wish.cycles.unwrap_or_else(|| kind.cycles());
    for number in 1..=cycles {
        if number > 1 && time_is_over() {
            break;
        }
        stage.record.open(report.cycles.len() + 1);
        kind.cycle(&mut stage, number).await?;
        if number == cycles || time_is_over() {
            stage.end().await?;
        }
        let cycle = stage.record.close();
        let broken = !cycle.breaches.is_empty();
        for (point, times) in std::mem::take(&mut stage.died_at) {
            *report.died_at.entry(point).or_default() += times;
        }
        tell(&cycle);
        report.cycles.push(cycle);
        if broken {
            return Ok(());
        }
    }
    Ok(())
}
