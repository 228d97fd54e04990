//! Decides which operations fail, and how.

/// An operation of SQLite on a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A file is opened or created.
    Open,
    /// Bytes are read.
    Read,
    /// Bytes are written.
    Write,
    /// Bytes are written beyond the end of the file, which a full disk refuses.
    Grow,
    /// Written data is synced to the disk.
    Sync,
    /// The file is truncated.
    Truncate,
    /// The index of the WAL is mapped into memory. It is a file too, and needs disk space.
    Map,
}

/// The error of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As with EIO: nothing happened.
    Io,
    /// As with ENOSPC.
    Full,
    /// Half of the data is written, then EIO. For operations other than writes, the same as [`Kind::Io`].
    Short,
}

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The operation that fails.
    pub operation: Operation,
    /// The error.
    pub kind: Kind,
    /// The number of the first operation that fails, counted from 1 from now on.
    pub nth: usize,
    /// Whether each later operation fails too, until the disk is repaired.
    pub lasting: bool,
}

/// The faults of one disk, and the number of operations so far.
#[derive(Default)]
pub(crate) struct Rules {
    faults: Vec<(Fault, usize)>,
    seen: Vec<(Operation, usize)>,
    hits: usize,
}

impl Rules {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.faults.push((fault, 0));
    }

    pub(crate) fn clear(&mut self) {
        self.faults.clear();
    }

    pub(crate) fn hits(&self) -> usize {
        self.hits
    }

    pub(crate) fn seen(&self, operation: Operation) -> usize {
        let of = self.seen.iter().find(|(o, _)| *o == operation);
        of.map_or(0, |(_, count)| *count)
    }

    /// Counts an operation and returns its error, if it must fail.
    pub(crate) fn judge(&mut self, operation: Operation) -> Option<Kind> {
        match self.seen.iter_mut().find(|(o, _)| *o == operation) {
            Some((_, count)) => *count += 1,
            None => self.seen.push((operation, 1)),
        }
        let mut verdict = None;
        for (fault, seen) in &mut self.faults {
            if fault.operation == operation {
                *seen += 1;
                if *seen == fault.nth || fault.lasting && *seen > fault.nth {
                    verdict = Some(fault.kind);
                }
            }
        }
        self.hits += usize::from(verdict.is_some());
        verdict
    }
}
