//! The question before each send: may the sink get this alert now? Pure.
//!
//! Who was informed of a firing is informed of its end. What begins and ends while it is muted is not sent. What is muted while it fires,
//! and fires still when nothing mutes it any more, is sent then.

use campanile_model::{Alert, SinkId, UNTOLD, failpoint};
use jiff::Timestamp;

use super::givers;
use crate::snapshot::matcher;
use crate::snapshot::routes::{Routes, Ruled};
use crate::snapshot::silences::{After, Silences};

/// An alert that is about to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// To this sink.
    pub sink: SinkId,
    /// The alert that is judged: of a resolved alert, the firing that opened its episode, if that is known.
    pub alert: &'a Alert,
    /// The alert is a firing.
    pub fires: bool,
    /// The sink has got no firing alert of the episode, because each of them was muted.
    pub untold: bool,
    /// Now.
    pub now: Timestamp,
}

/// The answer. What holds or mutes an alert is named in a few words, such as `silence 12`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is sent.
    Send,
    /// It is sent without mention and sound, where the sink can do that: something mutes the problem, and the sink was informed of it.
    Quiet,
    /// It is not sent now. Asked again when what mutes changes.
    Hold(String),
    /// It is never sent.
    Mute(String),
}

/// Something that mutes an alert now.
struct Muting {
    name: String,
    after: After,
}

/// The answer, with these routes and silences in force.
pub fn answer<'s>(
    asked: &Asked<'_>,
    routes: Option<&Routes>,
    silences: impl IntoIterator<Item = &'s Silences>,
) -> Answer {
    if !asked.fires && asked.untold && !failpoint::broken("broken-untold-ends") {
        return Answer::Mute(UNTOLD.to_owned());
    }
    let mut muting = match routes.map(|routes| of_routes(asked, routes)) {
        Some(Err(answer)) => return answer,
        Some(Ok(muting)) => muting.into_iter().collect(),
        None => Vec::new(),
    };
    let alert = matcher::Asked::of(asked.alert);
    for silences in silences {
        let now = silences.holding(&alert, asked.now);
        muting.extend(now.map(|silence| Muting {
            name: format!("silence {}", silence.name),
            after: silence.after,
        }));
    }
    if muting.is_empty() {
        return Answer::Send;
    }
    if !asked.fires {
        if failpoint::broken("broken-end-forgotten") {
            return Answer::Mute(UNTOLD.to_owned());
        }
        return Answer::Quiet;
    }
    if let Some(forgets) = muting.iter().find(|muting| muting.after == After::Forget) {
        return Answer::Mute(forgets.name.clone());
    }
    let names: Vec<&str> = muting.iter().map(|muting| &*muting.name).collect();
    Answer::Hold(names.join(", "))
}

/// What the routes say that give the alert to the sink. If one of them lets it through, it goes. A sink to which no route gives it
/// any more keeps what it has.
fn of_routes(asked: &Asked<'_>, routes: &Routes) -> Result<Option<Muting>, Answer> {
    if !routes.restricts {
        return Ok(None);
    }
    let mut givers = givers(asked.alert, asked.sink, routes);
    let title = |route: &Ruled| routes.titles.get(route.number).cloned().unwrap_or_default();
    if let (false, Some(first)) = (asked.fires, givers.first()) {
        let first = title(first);
        givers.retain(|route| !route.firing_only);
        if givers.is_empty() {
            return Err(Answer::Mute(format!("route {first}: no recoveries")));
        }
    }
    let open = givers.iter().any(|route| route.hours.hold(asked.now));
    let closed = givers.first().filter(|_| !open);
    Ok(closed.map(|route| Muting {
        name: format!("route {}: {}", title(route), route.hours.names().join(", ")),
        after: After::Tell,
    }))
}

/// The first time after this one at which a window of a route begins or ends.
pub fn next_change(routes: &Routes, after: Timestamp) -> Option<Timestamp> {
    if !routes.restricts {
        return None;
    }
    let all = routes.level.all();
    all.filter_map(|route| route.hours.next_change(after)).min()
}
