//! Which history of the database this gateway follows.
//!
//! A failover or a restore begins another history: a new timeline of the same system, or another system. An old primary can go on
//! next to the new one, when the cluster manager cannot reach it. What is committed there is lost. So every connection is judged
//! here before it is used.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

/// A history of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) system: String,
    /// Grows with each failover and each restore.
    pub(super) timeline: u32,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "timeline {} of system {}", self.timeline, self.system)
    }
}

/// How a connection relates to what the gateway follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It goes on with it. Also when the server does not say its history.
    Followed,
    /// Another history. A new connection makes it the one that is followed, and an old one has been left.
    Other,
    /// An earlier timeline: the server is an old primary. Nothing may be read or written there.
    Ended,
}

/// The history that is followed.
#[derive(Default)]
pub(super) struct History {
    followed: watch::Sender<Option<Line>>,
    /// It was changed, and nothing was done about what is missing in the new one.
    behind: AtomicBool,
}

impl History {
    /// Judges a connection with this history.
    pub(super) fn standing(&self, line: Option<&Line>) -> Standing {
        judge(self.followed.borrow().as_ref(), line)
    }

    /// Judges a new connection, and follows its history if it is another one. So no two connections that are used at the same
    /// time see different histories.
    pub(super) fn take_up(&self, line: Option<&Line>) -> Standing {
        let mut standing = Standing::Followed;
        self.followed.send_if_modified(|followed| {
            standing = judge(followed.as_ref(), line);
            let is_other = standing == Standing::Other;
            if is_other {
                self.behind.fetch_or(followed.is_some(), Ordering::AcqRel);
                *followed = line.cloned();
                standing = Standing::Followed;
            }
            is_other
        });
        standing
    }

    /// What is followed now.
    pub(super) fn followed(&self) -> Option<Line> {
        self.followed.borrow().clone()
    }

    /// Whether nothing was done yet about what is missing in it.
    pub(super) fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Acquire)
    }

    /// Everything was done about what is missing in this one.
    pub(super) fn caught_up(&self, line: Option<&Line>) {
        let followed = self.followed.borrow();
        if followed.as_ref() == line {
            self.behind.store(false, Ordering::Release);
        }
    }

    /// Sees every change.
    pub(super) fn changes(&self) -> watch::Receiver<Option<Line>> {
        self.followed.subscribe()
    }
}

fn judge(followed: Option<&Line>, line: Option<&Line>) -> Standing {
    match (followed, line) {
        (_, None) => Standing::Followed,
        (Some(followed), Some(line)) if followed == line => Standing::Followed,
        (Some(followed), Some(line))
            if followed.system == line.system && line.timeline < followed.timeline =>
        {
            Standing::Ended
        }
        _ => Standing::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(system: &str, timeline: u32) -> Line {
        Line {
            system: system.to_owned(),
            timeline,
        }
    }

    #[test]
    fn an_earlier_timeline_of_the_same_system_has_ended_and_everything_else_is_followed() {
        let history = History::default();
        let up = |line: &Line| (history.take_up(Some(line)), history.is_behind());
        assert_eq!(up(&line("a", 2)), (Standing::Followed, false));
        assert_eq!(up(&line("a", 1)), (Standing::Ended, false));
        assert_eq!(up(&line("a", 2)), (Standing::Followed, false));
        assert_eq!(up(&line("a", 3)), (Standing::Followed, true));
        assert_eq!(history.standing(Some(&line("a", 2))), Standing::Ended);
        assert_eq!(history.standing(None), Standing::Followed);
        history.caught_up(Some(&line("a", 2)));
        assert!(history.is_behind());
        history.caught_up(Some(&line("a", 3)));
        assert!(!history.is_behind());
        assert_eq!(up(&line("b", 1)), (Standing::Followed, true));
        assert_eq!(history.standing(Some(&line("a", 3))), Standing::Other);
    }
}
