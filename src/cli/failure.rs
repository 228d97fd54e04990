//! How a command ends when it does not end well, and what the operator is told.

use std::io;

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// It failed: exit code 1.
    #[error("{what}")]
    Failed {
        /// One sentence.
        what: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The command line or the config is wrong: exit code 2.
    #[error("{what}")]
    Usage {
        /// One sentence.
        what: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// Everything is said already; only this exit code is left to give.
    #[error("exit code {0}")]
    Said(u8),
    /// The screen, or a file or pipe in its place, takes no more.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// It failed.
    pub(crate) fn failed(what: impl Into<String>) -> Self {
        Self::Failed {
            what: what.into(),
            hint: None,
        }
    }

    /// It was asked for wrongly.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::Usage {
            what: what.into(),
            hint: None,
        }
    }

    /// The same with a word about the mend.
    pub(crate) fn hint(mut self, mend: impl Into<String>) -> Self {
        if let Self::Failed { hint, .. } | Self::Usage { hint, .. } = &mut self {
            *hint = Some(mend.into());
        }
        self
    }

    /// The words about the mend.
    pub(crate) fn mend(&self) -> Option<&str> {
        match self {
            Self::Failed { hint, .. } | Self::Usage { hint, .. } => hint.as_deref(),
            Self::Said(_) | Self::Output(_) => None,
        }
    }

    /// What the shell is told.
    pub(crate) fn code(&self) -> u8 {
        match self {
            // `campanile alerts list | head` has all it wants: nothing failed.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Failed { .. } | Self::Output(_) => 1,
            Self::Usage { .. } => 2,
            Self::Said(code) => *code,
        }
    }

    /// Whether there is still something to say.
    pub(crate) fn is_quiet(&self) -> bool {
        matches!(self, Self::Said(_)) || self.code() == 0
    }
}
