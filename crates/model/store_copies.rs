//! How many copies of a callback there are when it is answered: the value of `[store] copies`.

/// What the operator asks of the server of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreCopies {
    /// `1`: the copy of one server is enough.
    One,
    /// `2`: a synchronous standby must have it too.
    Two,
    /// `"storage"`: the service replicates below the server, where it cannot be seen.
    Storage,
}

impl StoreCopies {
    /// The words of the setting.
    pub const WORDS: &[&str] = &["1", "2", "storage"];

    /// The value of a word.
    pub fn of(word: &str) -> Option<Self> {
        let all = [Self::One, Self::Two, Self::Storage];
        let mut all = Self::WORDS.iter().zip(all);
        all.find_map(|(known, copies)| (*known == word).then_some(copies))
    }
}
