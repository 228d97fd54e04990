//! How a command ends when it does not do what was asked: the message, the fix and the exit code.

use std::io;

/// Why a command ended; the number is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It failed, or what was asked for does not exist.
    Failed = 1,
    /// The command line or the config is wrong.
    Usage = 2,
    /// The gateway cannot be reached.
    Unreachable = 3,
    /// The gateway refused the token or the caller.
    NotAllowed = 4,
}

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// It ended early.
    #[error("{what}")]
    Ended {
        /// The exit code.
        how: Ending,
        /// One sentence.
        what: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// Everything is printed already; only this exit code is left.
    #[error("exit code {0}")]
    Said(u8),
    /// The terminal, or the file or pipe in its place, takes no more output.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// It failed: exit code 1.
    pub(crate) fn failed(what: impl Into<String>) -> Self {
        Self::ended(Ending::Failed, what)
    }

    /// The command line or the config is wrong: exit code 2.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::ended(Ending::Usage, what)
    }

    /// It ended with this exit code.
    pub(crate) fn ended(how: Ending, what: impl Into<String>) -> Self {
        Self::Ended {
            how,
            what: what.into(),
            hint: None,
        }
    }

    /// The same with what to do about it.
    pub(crate) fn hint(mut self, fix: impl Into<String>) -> Self {
        if let Self::Ended { hint, .. } = &mut self {
            *hint = Some(fix.into());
        }
        self
    }

    /// What to do about it.
    pub(crate) fn fix(&self) -> Option<&str> {
        match self {
            Self::Ended { hint, .. } => hint.as_deref(),
            Self::Said(_) | Self::Output(_) => None,
        }
    }

    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            // `campanile alerts list | head` has all it wants: nothing failed.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Output(_) => Ending::Failed as u8,
            Self::Ended { how, .. } => *how as u8,
            Self::Said(code) => *code,
        }
    }

    /// Whether there is nothing left to print.
    pub(crate) fn is_quiet(&self) -> bool {
        matches!(self, Self::Said(_)) || self.code() == 0
    }
}
