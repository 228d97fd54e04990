//! What of each file is synced, and what is only written: enough to say what a power cut leaves.
//!
//! The disk is ext4 in its usual mode on sectors of 512 bytes, as SQLite takes it to be:
//! - what was written before a sync that succeeded is there, with the file's size;
//! - what was written since may be there or not, write by write and sector by sector, in no order; a hole reads as zeros;
//! - bytes beside those written are not harmed (SQLite's "powersafe overwrite");
//! - a file that was made or removed is so for good once any file of the folder was synced, because that commits the
//!   journal of the file system; before, it may or may not be;
//! - what a sync that failed should have brought is lost, and a later sync does not bring it: Linux takes such pages for
//!   clean.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const SECTOR: usize = 512;

/// A file whatever it is called, as long as the disk lives.
pub(crate) type Inode = usize;

/// What of the unsynced is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// All of it.
    Everything,
    /// What the dice say: whole writes, single sectors of a write, nothing. The same seed gives the same.
    Some(u64),
}

/// All files of a disk.
#[derive(Default)]
pub(crate) struct Power {
    files: Vec<File>,
    names: BTreeMap<String, Inode>,
    /// The names that are there after a power cut in any case.
    durable_names: BTreeMap<String, Inode>,
}

#[derive(Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Change>,
}

enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Truncate(size) => to.resize(*size, 0),
            Self::Write(at, bytes) => {
                let end = at + bytes.len();
                if to.len() < end {
                    to.resize(end, 0);
                }
                to[*at..end].copy_from_slice(bytes);
            }
        }
    }

    /// What may come of it when the power fails.
    fn survive(&self, dice: &mut StdRng, to: &mut Vec<u8>) {
        match (dice.random_range(0..3_u8), self) {
            (0, _) => {}
            (1, Self::Write(at, bytes)) => {
                let mut from = 0;
                while from < bytes.len() {
                    let until = bytes.len().min(from + SECTOR - (at + from) % SECTOR);
                    if dice.random() {
                        Self::Write(at + from, bytes[from..until].to_vec()).apply(to);
                    }
                    from = until;
                }
            }
            _ => self.apply(to),
        }
    }
}

impl Power {
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// The file of this name. One that stood there before it was watched is taken to be on the disk.
    pub(crate) fn open(&mut self, name: &str, existing: Option<Vec<u8>>) -> Inode {
        if let Some(inode) = self.names.get(name) {
            return *inode;
        }
        let inode = self.files.len();
        if existing.is_some() {
            self.durable_names.insert(name.to_owned(), inode);
        }
        self.files.push(File {
            durable: existing.unwrap_or_default(),
            pending: Vec::new(),
        });
        self.names.insert(name.to_owned(), inode);
        inode
    }

    pub(crate) fn wrote(&mut self, inode: Inode, at: usize, bytes: &[u8]) {
        self.change(inode, Change::Write(at, bytes.to_vec()));
    }

    pub(crate) fn truncated(&mut self, inode: Inode, size: usize) {
        self.change(inode, Change::Truncate(size));
    }

    fn change(&mut self, inode: Inode, change: Change) {
        if let Some(file) = self.files.get_mut(inode) {
            file.pending.push(change);
        }
    }

    pub(crate) fn removed(&mut self, name: &str) {
        self.names.remove(name);
    }

    /// How much a sync that begins now covers.
    pub(crate) fn pending(&self, inode: Inode) -> usize {
        self.files.get(inode).map_or(0, |file| file.pending.len())
    }

    pub(crate) fn synced(&mut self, inode: Inode, pending: usize) {
        if let Some(File {
            durable,
            pending: all,
        }) = self.files.get_mut(inode)
        {
            all.drain(..pending.min(all.len()))
                .for_each(|change| change.apply(durable));
        }
        self.names_synced();
    }

    pub(crate) fn names_synced(&mut self) {
        self.durable_names.clone_from(&self.names);
    }

    /// A sync failed: what it covered will never be on the disk.
    pub(crate) fn lost(&mut self, inode: Inode, pending: usize) {
        if let Some(file) = self.files.get_mut(inode) {
            file.pending.drain(..pending.min(file.pending.len()));
        }
    }

    /// The files that a power cut leaves.
    pub(crate) fn left(&self, loss: Loss) -> Vec<(String, Vec<u8>)> {
        let mut dice = match loss {
            Loss::Everything => None,
            Loss::Some(seed) => Some(StdRng::seed_from_u64(seed)),
        };
        let mut names = self.durable_names.clone();
        if let Some(dice) = &mut dice {
            for name in self.names.keys().chain(self.durable_names.keys()) {
                let now = self.names.get(name);
                if now != self.durable_names.get(name) && dice.random() {
                    names.remove(name);
                    names.extend(now.map(|inode| (name.clone(), *inode)));
                }
            }
        }
        let image = |(name, inode): (String, Inode)| {
            let file = self.files.get(inode)?;
            let mut bytes = file.durable.clone();
            if let Some(dice) = &mut dice {
                let pending = file.pending.iter();
                pending.for_each(|change| change.survive(dice, &mut bytes));
            }
            Some((name, bytes))
        };
        names.into_iter().filter_map(image).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(power: &Power, loss: Loss) -> Option<Vec<u8>> {
        let left = power.left(loss).into_iter();
        left.map(|(_, bytes)| bytes).next()
    }

    #[test]
    fn what_was_synced_is_there_and_what_was_not_may_be_lost() {
        let mut power = Power::default();
        let file = power.open("a", None);
        power.wrote(file, 0, b"one");
        assert_eq!(one(&power, Loss::Everything), None, "not even its name");
        power.synced(file, 1);
        power.wrote(file, 3, b"two");
        assert_eq!(one(&power, Loss::Everything).unwrap(), b"one");
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..64 {
            let bytes = one(&power, Loss::Some(seed)).unwrap();
            assert!(bytes.starts_with(b"one"), "{bytes:?}");
            seen.insert(bytes);
        }
        assert_eq!(seen, [b"one".to_vec(), b"onetwo".to_vec()].into());
    }

    #[test]
    fn a_write_tears_at_the_bounds_of_sectors_only() {
        let mut power = Power::default();
        let file = power.open("a", Some(vec![0; 2048]));
        power.wrote(file, 100, &[1; 1500]);
        let mut torn = false;
        for seed in 0..64 {
            let bytes = one(&power, Loss::Some(seed)).unwrap();
            for part in [100..512, 512..1024, 1024..1536, 1536..1600] {
                let part = &bytes[part];
                assert!(part.iter().all(|b| *b == part[0]), "{seed}");
            }
            assert!(bytes[..100].iter().chain(&bytes[1600..]).all(|b| *b == 0));
            torn |= bytes.contains(&1) && bytes[100..1600].contains(&0);
        }
        assert!(torn);
    }

    #[test]
    fn what_a_failed_sync_should_have_brought_never_comes() {
        let mut power = Power::default();
        let file = power.open("a", Some(b"old".to_vec()));
        power.wrote(file, 0, b"new");
        power.lost(file, 1);
        power.synced(file, 0);
        assert_eq!(one(&power, Loss::Everything).unwrap(), b"old");
    }

    #[test]
    fn a_removed_file_may_come_back_until_something_is_synced() {
        let mut power = Power::default();
        let file = power.open("a", Some(Vec::new()));
        let other = power.open("b", Some(Vec::new()));
        power.removed("a");
        assert_eq!(power.left(Loss::Everything).len(), 2);
        power.synced(other, 0);
        assert_eq!(power.left(Loss::Everything).len(), 1);
        assert_ne!(power.open("a", None), file, "a new file of the old name");
    }
}
