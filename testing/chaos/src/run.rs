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
    let kinds = wish.kind.parts(wish.replicas > 1);
    let count = u32::try_from(kinds.len()).unwrap_or(u32::MAX);
    for (kind, left) in kinds.into_iter().zip((1..=count).rev()) {
        let time = wish
            .stop_after
            .map(|all| all.saturating_sub(began.elapsed()));
        if time.is_some_and(|time| time.is_zero()) || report.breaches().next().is_some() {
            break;
        }
        // What a kind does not use is for those that are left.
        let share = time.map(|time| time / left);
        let kind_began = Instant::now();
        let time_is_over = || share.is_some_and(|share| kind_began.elapsed() >= share);
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
