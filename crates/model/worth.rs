//! The meaning of a successful attempt.

/// The meaning of a receiver's success for the alert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Worth {
    /// The receiver has stored it durably.
    Committed,
    /// The receiver has accepted it, but can still lose it.
    #[default]
    Accepted,
    /// The bytes were written. Nothing confirmed that they arrived.
    Written,
}

impl Worth {
    /// The word for it in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Accepted => "accepted",
            Self::Written => "written",
        }
    }
}
