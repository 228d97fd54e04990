//! Which operations fail, and how.

/// What SQLite asks of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A file is opened or made.
    Open,
    /// Bytes are read.
    Read,
    /// Bytes are written.
    Write,
    /// Bytes are written beyond the file's end: what a full disk refuses.
    Grow,
    /// What was written is to reach the disk.
    Sync,
    /// The file is cut.
    Truncate,
    /// The index of the log is mapped into memory. It is a file too, and takes room.
    Map,
}

/// How it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As with EIO: nothing happened, as far as is known.
    Io,
    /// As with ENOSPC.
    Full,
    /// Half is written, then EIO. For what is no write the same as [`Kind::Io`].
    Short,
}

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// With what.
    pub operation: Operation,
    /// How.
    pub kind: Kind,
    /// With the how-many-eth from now, counted from 1.
    pub nth: usize,
    /// And with each after it, until the disk is mended.
    pub lasting: bool,
}

/// The faults of one disk, and what was seen so far.
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

    /// Counts an operation, and says how it fails if it does.
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
