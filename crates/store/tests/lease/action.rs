//! What can happen in the model.

use super::world::{DELIVERIES, GivingStep, Process, Request, Step, World};

/// An answer that does not come within this many ticks is not awaited any more.
pub(crate) const PATIENCE: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Tick,
    Kill(usize),
    Freeze(usize),
    Wake(usize),
    Beat(usize, Fate),
    /// The late answer to a beat arrives.
    Answer(usize),
    /// The answer to a beat is lost, or does not come in time.
    NoAnswer(usize),
    StartSend(usize),
    /// The send ends, and its settlement is asked for.
    EndSend(usize, Fate),
    GiveBack(usize, Fate),
    /// It is not known what became of the request to give back.
    GiveBackFails(usize),
    /// The database executes a late request.
    Execute(Request),
    /// The same, and its answer is lost.
    ExecuteInVain(Request),
}

/// What the network does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Prompt,
    LateRequest,
    /// Only of a beat: the others change nothing but the tables.
    LateAnswer,
    LostAnswer,
}

/// The actions that are possible for one gateway.
pub(crate) fn actions_of(world: &World, number: usize, actions: &mut Vec<Action>) {
    let gateway = &world.gateways[number];
    let left = world.left;
    match gateway.process {
        Process::Killed => return,
        Process::Frozen => {
            actions.push(Action::Wake(number));
            return;
        }
        Process::Runs => {}
    }
    // Faults of the first owner are enough: what the other becomes is an owner too.
    if left.kills > 0 && number == 0 {
        actions.push(Action::Kill(number));
    }
    if left.freezes > 0 && number == 0 {
        actions.push(Action::Freeze(number));
    }
    let mut ask = |action: fn(usize, Fate) -> Action, late_answer: bool| {
        actions.push(action(number, Fate::Prompt));
        if left.delays > 0 {
            actions.push(action(number, Fate::LateRequest));
        }
        if left.delays > 0 && late_answer {
            actions.push(action(number, Fate::LateAnswer));
        }
        if left.losses > 0 {
            actions.push(action(number, Fate::LostAnswer));
        }
    };
    if gateway.beat.is_none() && (!gateway.has_beaten || left.hints > 0) {
        ask(Action::Beat, true);
    }
    let step = gateway.worker.map(|worker| worker.step);
    if step == Some(Step::Sending) {
        ask(Action::EndSend, false);
    }
    let giving = gateway.giving.map(|giving| giving.step);
    if giving == Some(GivingStep::Ending) && step.is_none() {
        ask(Action::GiveBack, false);
    }
    if giving == Some(GivingStep::Asked) && left.losses > 0 {
        actions.push(Action::GiveBackFails(number));
    }
    if step == Some(Step::Ready) && gateway.worker.is_some_and(|of| of.next <= DELIVERIES) {
        actions.push(Action::StartSend(number));
    }
    if let Some(beat) = &gateway.beat {
        if beat.answer.is_some() {
            actions.push(Action::Answer(number));
        }
        if left.losses > 0 || world.now >= beat.sent + PATIENCE {
            actions.push(Action::NoAnswer(number));
        }
    }
}
