//! The question before each send: may the sink get this alert now? Pure.
//!
//! Who was told of a firing is told of its end. What begins and ends while it is muted is not sent. What is muted while it fires,
//! and fires still when nothing mutes it any more, is sent then.

use campanile_model::{Alert, SinkId};
use jiff::Timestamp;

use super::silence::{After, Silences};
use crate::snapshot::matcher;

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
    /// It is sent without mention and sound, where the sink can do that: something mutes the problem, and the sink was told of it.
    Quiet,
    /// It is not sent now. Asked again when what mutes changes.
    Hold(String),
    /// It is never sent.
    Mute(String),
}

/// Why a sink does not get the end of an episode.
pub const UNTOLD: &str = "the sink got no firing of it";

/// Something that mutes an alert now.
struct Muting {
    name: String,
    after: After,
}

/// The answer, with these silences in force.
pub fn answer<'s>(asked: &Asked<'_>, silences: impl IntoIterator<Item = &'s Silences>) -> Answer {
    if !asked.fires && asked.untold {
        return Answer::Mute(UNTOLD.to_owned());
    }
    let alert = matcher::Asked::of(asked.alert);
    let mut muting: Vec<Muting> = Vec::new();
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
        return Answer::Quiet;
    }
    if let Some(forgets) = muting.iter().find(|muting| muting.after == After::Forget) {
        return Answer::Mute(forgets.name.clone());
    }
    let names: Vec<&str> = muting.iter().map(|muting| &*muting.name).collect();
    Answer::Hold(names.join(", "))
}
