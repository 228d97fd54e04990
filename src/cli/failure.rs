//! Errors of commands: the message, the hint for a fix, and the exit code.

use std::io;

/// The exit codes, for the help. [`Ending`] has the same numbers.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed or not found; with --exit-code: the list has an item
  2  wrong usage or config, or a request that the gateway refuses as wrong
  3  the gateway cannot be reached
  4  not allowed: the gateway refuses the token, or the role of the token";

/// The class of an error. Its number is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The command failed, or the requested item does not exist.
    Failed = 1,
    /// The command line or the config is wrong.
    Usage = 2,
    /// The gateway cannot be reached.
    Unreachable = 3,
    /// The gateway refused the token or the caller.
    NotAllowed = 4,
}

/// An error that ends a command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command stopped with an error.
    #[error("{what}")]
    Ended {
        /// The exit code.
        how: Ending,
        /// One sentence.
        what: String,
        /// What the operator can do about it.
        hint: Option<String>,
        /// The address of the page of help about it.
        page: Option<String>,
    },
    /// Everything is printed already. Only this exit code remains.
    #[error("exit code {0}")]
    Said(u8),
    /// The output could not be written to the terminal, file or pipe.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl From<campanile_store::Error> for Failure {
    fn from(error: campanile_store::Error) -> Self {
        Self::failed(error.to_string())
    }
}

impl Failure {
    /// The command failed: exit code 1.
    pub(crate) fn failed(what: impl Into<String>) -> Self {
        Self::ended(Ending::Failed, what)
    }

    /// The command line or the config is wrong: exit code 2.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::ended(Ending::Usage, what)
    }

    /// An error of this class.
    pub(crate) fn ended(how: Ending, what: impl Into<String>) -> Self {
        Self::Ended {
            how,
            what: what.into(),
            hint: None,
            page: None,
        }
    }

    /// Adds what the operator can do about it.
    pub(crate) fn hint(mut self, fix: impl Into<String>) -> Self {
        if let Self::Ended { hint, .. } = &mut self {
            *hint = Some(fix.into());
        }
        self
    }

    /// Adds the address of the page of help about it.
    pub(crate) fn page(mut self, address: Option<String>) -> Self {
        if let Self::Ended { page, .. } = &mut self {
            *page = address;
        }
        self
    }

    /// The address of the page of help about it.
    pub(crate) fn help(&self) -> Option<&str> {
        match self {
            Self::Ended { page, .. } => page.as_deref(),
            Self::Said(_) | Self::Output(_) => None,
        }
    }

    /// What the operator can do about it.
    pub(crate) fn fix(&self) -> Option<&str> {
        match self {
            Self::Ended { hint, .. } => hint.as_deref(),
            Self::Said(_) | Self::Output(_) => None,
        }
    }

    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            // `campanile alerts list | head` closes the pipe early. This is not an error.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Output(_) => Ending::Failed as u8,
            Self::Ended { how, .. } => *how as u8,
            Self::Said(code) => *code,
        }
    }

    /// Whether no error message must be printed.
    pub(crate) fn is_quiet(&self) -> bool {
        matches!(self, Self::Said(_)) || self.code() == 0
    }
}
