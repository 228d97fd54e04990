//! `[windows.NAME]` and `[silences.NAME]`.

use std::collections::BTreeMap;
use std::sync::Arc;

use campanile_language::window::Window;

use super::Matching;

/// The windows by their names.
pub type Windows = BTreeMap<String, Arc<Window>>;

/// One `[silences.NAME]`.
#[derive(Clone, Debug)]
pub struct Silence {
    /// Its name.
    pub name: String,
    /// Which alerts.
    pub matching: Matching,
    /// While one of these windows is open.
    pub during: Vec<Arc<Window>>,
    /// What happens at the end of a window to what still fires.
    pub after: After,
}

/// What happens to what still fires when a silence ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum After {
    /// It is sent then.
    #[default]
    Tell,
    /// It is not sent. The next firing alert is.
    Forget,
}

impl After {
    /// The words for it.
    pub const WORDS: &'static [&'static str] = &["tell", "forget"];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tell => "tell",
            Self::Forget => "forget",
        }
    }

    /// From the word for it.
    pub fn of(word: &str) -> Option<Self> {
        match word {
            "tell" => Some(Self::Tell),
            "forget" => Some(Self::Forget),
            _ => None,
        }
    }
}
