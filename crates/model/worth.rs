//! What the success of an attempt means.

/// What a receiver's success means for the alert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Worth {
    /// The receiver has stored it durably.
    Committed,
    /// The receiver has taken it, and may still lose it.
    #[default]
    Accepted,
    /// The bytes were written; nobody confirmed anything.
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
