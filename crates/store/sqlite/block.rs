//! A run of postings: the distances of places from the first place of the run, sorted by key and cut into blocks.
//!
//! A block has parts: a key, a count, and so many distances. The directory has the first key of each block. A group begins a
//! block of its own, so the directory has every group.

use campanile_model::Fingerprint;

use super::postings::Post;
use crate::Seq;

/// A block fits into a page of SQLite, with the page's own bytes.
const BLOCK_BYTES: usize = 3_900;
/// Of a key: its kind and its number.
const KEY_BYTES: usize = 9;
/// Of a part before its distances: the key and the count.
const HEAD_BYTES: usize = KEY_BYTES + 2;

/// What places are listed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Problem(Fingerprint),
    /// A source and a severity as one number.
    Group(i64),
}

impl Key {
    fn to_bytes(self) -> [u8; KEY_BYTES] {
        let (kind, number) = match self {
            Self::Problem(fingerprint) => (0, fingerprint.0),
            Self::Group(group) => (1, group.cast_unsigned()),
        };
        let mut bytes = [kind; KEY_BYTES];
        bytes[1..].copy_from_slice(&number.to_be_bytes());
        bytes
    }

    fn read(bytes: [u8; KEY_BYTES]) -> Self {
        let [kind, number @ ..] = bytes;
        let number = u64::from_be_bytes(number);
        match kind {
            0 => Self::Problem(Fingerprint(number)),
            _ => Self::Group(number.cast_signed()),
        }
    }
}

/// A sorted run, ready to be written.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) directory: Vec<u8>,
    pub(super) blocks: Vec<Vec<u8>>,
}

impl Run {
    /// Of places whose distance from `first` fits into 16 bits.
    pub(super) fn of(first: Seq, posts: &[Post]) -> Self {
        let distance = |post: &Post| u16::try_from(post.seq - first).unwrap_or(u16::MAX);
        let mut problems: Vec<(Key, u16)> = posts
            .iter()
            .map(|post| (Key::Problem(post.fingerprint), distance(post)))
            .collect();
        let mut groups: Vec<(Key, u16)> = posts
            .iter()
            .map(|post| (Key::Group(post.group), distance(post)))
            .collect();
        problems.sort_unstable();
        groups.sort_unstable();
        let mut run = Self::default();
        for same in [&problems, &groups]
            .iter()
            .flat_map(|all| all.chunk_by(|(a, _), (b, _)| a == b))
        {
            run.add(same);
        }
        run
    }

    /// Adds the places of one key.
    fn add(&mut self, mut same: &[(Key, u16)]) {
        while let Some((key, _)) = same.first().copied() {
            let open = self.blocks.last().map_or(BLOCK_BYTES, Vec::len);
            let begins = matches!(key, Key::Group(_)) || open + HEAD_BYTES + 2 > BLOCK_BYTES;
            if begins {
                self.directory.extend(key.to_bytes());
                self.blocks.push(Vec::with_capacity(BLOCK_BYTES));
            }
            let Some(block) = self.blocks.last_mut() else {
                return;
            };
            let room = (BLOCK_BYTES - block.len() - HEAD_BYTES) / 2;
            let (now, later) = same.split_at(same.len().min(room));
            let count = u16::try_from(now.len()).unwrap_or(u16::MAX);
            block.extend(key.to_bytes());
            block.extend(count.to_le_bytes());
            block.extend(now.iter().flat_map(|(_, distance)| distance.to_le_bytes()));
            same = later;
        }
    }
}

/// The numbers of the blocks that can have places of a wanted key.
pub(super) fn candidates(
    directory: &[u8],
    is_wanted: impl Fn(Key) -> bool,
    exact: Option<Key>,
) -> Vec<i64> {
    let (firsts, _) = directory.as_chunks::<KEY_BYTES>();
    let firsts: Vec<Key> = firsts.iter().map(|bytes| Key::read(*bytes)).collect();
    let can_have = |at: usize, first: Key| match exact {
        None => is_wanted(first),
        Some(key) => first <= key && firsts.get(at + 1).is_none_or(|next| *next >= key),
    };
    let numbered = (0..).zip(firsts.iter().enumerate());
    numbered
        .filter(|(_, (at, first))| can_have(*at, **first))
        .map(|(number, _)| number)
        .collect()
}

/// The distances of the wanted keys in a block.
pub(super) fn distances(mut block: &[u8], is_wanted: impl Fn(Key) -> bool) -> Vec<u16> {
    let mut found = Vec::new();
    while let Some((key, rest)) = block.split_first_chunk::<KEY_BYTES>() {
        let Some((count, rest)) = rest.split_first_chunk::<2>() else {
            break;
        };
        let bytes = 2 * usize::from(u16::from_le_bytes(*count));
        let Some((mine, rest)) = rest.split_at_checked(bytes) else {
            break;
        };
        if is_wanted(Key::read(*key)) {
            let (pairs, _) = mine.as_chunks::<2>();
            found.extend(pairs.iter().map(|pair| u16::from_le_bytes(*pair)));
        }
        block = rest;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_found_by_its_keys_and_no_other() {
        // Few problems with many alerts, many with few, and groups that fill several blocks.
        let problem = |n: i64| if n % 3 == 0 { n % 6 } else { n };
        let posts = (0..9_000).map(|n| Post {
            seq: 100 + n,
            fingerprint: Fingerprint(problem(n).cast_unsigned()),
            group: i64::from(n % 100 == 0) * 8 + n % 2,
        });
        let posts: Vec<Post> = posts.collect();
        let run = Run::of(100, &posts);
        assert!(run.blocks.len() > 10);
        assert!(run.blocks.iter().all(|block| block.len() <= BLOCK_BYTES));
        assert_eq!(run.directory.len(), run.blocks.len() * KEY_BYTES);
        let find = |key: Key, exact: bool| {
            let is_wanted = |other| other == key;
            let exact = exact.then_some(key);
            let mut found: Vec<Seq> = Vec::new();
            for number in candidates(&run.directory, is_wanted, exact) {
                let block = &run.blocks[usize::try_from(number).unwrap()];
                let places = distances(block, is_wanted).into_iter();
                found.extend(places.map(|distance| 100 + Seq::from(distance)));
            }
            found.sort_unstable();
            found
        };
        let expected = |is_of: &dyn Fn(&&Post) -> bool| -> Vec<Seq> {
            posts.iter().filter(is_of).map(|post| post.seq).collect()
        };
        for n in [0, 1, 2, 3, 4, 5, 7, 8_999, 9_001] {
            let fingerprint = Fingerprint(n);
            let wanted = expected(&|post| post.fingerprint == fingerprint);
            assert_eq!(find(Key::Problem(fingerprint), true), wanted, "problem {n}");
        }
        for group in [0, 1, 8, 9, 16] {
            let wanted = expected(&|post| post.group == group);
            assert_eq!(find(Key::Group(group), false), wanted, "group {group}");
        }
    }
}
