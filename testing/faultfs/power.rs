//! Records which writes of each file are synced: this determines the content after a power failure.
//!
//! The model is ext4 in its default mode, on sectors of 512 bytes, as SQLite assumes:
//! - data that was written before a successful sync is present, with the size of the file;
//! - later data may be present or not, write by write and sector by sector, in any order; a hole reads as zeros;
//! - bytes next to the written ones are not damaged (SQLite's "powersafe overwrite");
//! - the creation or removal of a file is permanent after any file of the folder was synced, because that commits the
//!   journal of the file system; before that, it may be lost;
//! - data of a failed sync is lost, and a later sync does not write it: Linux marks such pages as clean.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const SECTOR: usize = 512;

/// The number of a file, independent of its name, for the lifetime of the disk.
pub(crate) type Inode = usize;

/// The part of the data without a sync that is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// All data without a sync.
    Everything,
    /// A random part: whole writes, single sectors of a write, or nothing. The same seed gives the same result.
    Some(u64),
}

/// All files of a disk.
#[derive(Default)]
pub(crate) struct Power {
    files: Vec<File>,
    names: BTreeMap<String, Inode>,
    /// The names that always exist after a power failure.
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

    /// Applies one possible result of a power failure to `to`.
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

    /// The file of this name. Content from before the watch counts as synced.
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

    /// The number of writes that a sync covers if it begins now.
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

    /// Records a failed sync: the writes that it covered never reach the disk.
    pub(crate) fn lost(&mut self, inode: Inode, pending: usize) {
        if let Some(file) = self.files.get_mut(inode) {
            file.pending.drain(..pending.min(file.pending.len()));
        }
    }

    /// The files after a power failure.
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
