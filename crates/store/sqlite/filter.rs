//! A Bloom filter of dedup keys. Its "no" is certain. After a "perhaps" the table must be read.

use crate::DedupKey;

/// A Bloom filter in blocks of 512 bits: one lookup touches one cache line. At 16 bits for each key, about one lookup in 700
/// says "perhaps" for a key that was never inserted.
#[derive(Clone)]
pub(super) struct Filter(Vec<[u64; 8]>);

impl Filter {
    const BITS_PER_KEY: usize = 16;
    const BLOCK_BITS: usize = 512;
    const PROBES: u32 = 7;

    pub(super) fn for_keys(keys: usize) -> Self {
        Self(vec![
            [0; 8];
            (keys * Self::BITS_PER_KEY / Self::BLOCK_BITS).max(1)
        ])
    }

    pub(super) fn insert(&mut self, key: &DedupKey) {
        let (block, bits) = self.place(key);
        if let Some(block) = self.0.get_mut(block) {
            for (word, mask) in Self::probes(bits) {
                block[word] |= mask;
            }
        }
    }

    pub(super) fn may_hold(&self, key: &DedupKey) -> bool {
        let (block, bits) = self.place(key);
        self.0
            .get(block)
            .is_some_and(|block| Self::probes(bits).all(|(word, mask)| block[word] & mask != 0))
    }

    /// The key is a hash: its first half selects the block, its second half the bits.
    fn place(&self, key: &DedupKey) -> (usize, u64) {
        let half = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().unwrap_or_default());
        let (first, second) = key.split_at(8);
        let block = (u128::from(half(first)) * self.0.len() as u128) >> 64;
        (usize::try_from(block).unwrap_or(0), half(second))
    }

    fn probes(bits: u64) -> impl Iterator<Item = (usize, u64)> {
        (0..Self::PROBES).map(move |probe| {
            let nine = (bits >> (9 * probe)) & 0x1ff;
            (usize::try_from(nine >> 6).unwrap_or(0), 1 << (nine & 0x3f))
        })
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.0
            .iter()
            .flatten()
            .flat_map(|word| word.to_le_bytes())
            .collect()
    }

    /// Loads saved bits. False when their size differs.
    pub(super) fn fill(&mut self, bytes: &[u8]) -> bool {
        let (words, rest) = bytes.as_chunks::<8>();
        if words.len() != self.0.len() * 8 || !rest.is_empty() {
            return false;
        }
        let words = words.iter().map(|word| u64::from_le_bytes(*word));
        self.0
            .iter_mut()
            .flatten()
            .zip(words)
            .for_each(|(to, from)| *to = from);
        true
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    fn key(n: u32) -> DedupKey {
        let digest = Sha256::digest(n.to_be_bytes());
        digest.first_chunk().copied().unwrap()
    }

    /// A filter that always says "perhaps" would be correct, but every message would read the disk.
    #[test]
    fn a_filter_says_perhaps_of_every_key_in_it_and_of_hardly_any_other() {
        let mut filter = Filter::for_keys(4_000);
        for n in 0..4_000 {
            filter.insert(&key(n));
        }
        let held = |filter: &Filter, of: std::ops::Range<u32>| {
            of.filter(|n| filter.may_hold(&key(*n))).count()
        };
        assert_eq!(held(&filter, 0..4_000), 4_000);
        let wrong = held(&filter, 4_000..8_000);
        assert!(wrong < 40, "{wrong} of 4000 that are not in it");

        let bytes = filter.to_bytes();
        let mut again = Filter::for_keys(4_000);
        assert!(again.fill(&bytes));
        assert_eq!(again.0, filter.0);
        assert!(!again.fill(bytes.split_last().unwrap().1), "cut");
        assert!(!again.fill(&[bytes.as_slice(), &[0]].concat()), "longer");
        assert!(!Filter::for_keys(2_000).fill(&bytes), "of another size");
        assert!(!Filter::for_keys(8_000).fill(&bytes), "of another size");
    }
}
