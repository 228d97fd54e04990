//! What the rows of one message came to.

use crate::{Delivered, Failure, Worth};

/// What one run of the statement did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrote {
    /// It succeeded.
    Done,
    /// A row with this key was there already, and the statement does not say what to do with it.
    KeyKnown,
    /// It succeeded after characters that the column cannot hold were removed.
    #[cfg_attr(
        not(feature = "mysql"),
        expect(dead_code, reason = "only MySQL has columns that cannot hold them")
    )]
    Stripped,
}

/// Counts the rows. A row that is refused does not keep the others of a digest from being written.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    rows: usize,
    known: usize,
    stripped: usize,
    refused: usize,
    first: Option<Failure>,
}

impl Tally {
    /// Counts one row.
    ///
    /// # Errors
    ///
    /// The failure, if it also concerns the rows that follow: the attempt ends with it.
    pub(crate) fn add(&mut self, wrote: Result<Wrote, Failure>) -> Result<(), Failure> {
        self.rows += 1;
        match wrote {
            Ok(Wrote::Done) => {}
            Ok(Wrote::KeyKnown) => self.known += 1,
            Ok(Wrote::Stripped) => self.stripped += 1,
            Err(failure) if failure.class.is_refusal() => {
                self.refused += 1;
                self.first.get_or_insert(failure);
            }
            Err(failure) => return Err(failure),
        }
        Ok(())
    }

    /// The result of the attempt.
    pub(crate) fn result(self) -> Result<Delivered, Failure> {
        let Some(first) = self.first else {
            return Ok(Delivered {
                worth: Worth::Committed,
                remark: remark(self.known, self.stripped),
                ..Delivered::default()
            });
        };
        if self.rows == 1 {
            return Err(first);
        }
        let (refused, rows) = (self.refused, self.rows);
        let reason = format!(
            "{refused} of {rows} alerts were refused and the others are written; the first: {first}"
        );
        Err(Failure { reason, ..first })
    }
}

fn remark(known: usize, stripped: usize) -> Option<String> {
    if known > 0 {
        let remark = "a row with this key was there already: it was left as it is";
        return Some(remark.to_owned());
    }
    let remark = "characters above U+FFFF were removed: a column is not utf8mb4";
    (stripped > 0).then(|| remark.to_owned())
}
