//! The rows of a table that is copied as a whole, one after the other.

use super::rows::{Key, Record, Table};
use super::{Reader, START};
use crate::Error;

/// Reads a page when the last one is used up.
pub(super) struct Rows<'r> {
    reader: &'r mut dyn Reader,
    table: Table,
    after: Key,
    page: std::vec::IntoIter<Record>,
}

impl<'r> Rows<'r> {
    pub(super) fn of(reader: &'r mut dyn Reader, table: Table) -> Self {
        Self {
            reader,
            table,
            after: START,
            page: Vec::new().into_iter(),
        }
    }

    pub(super) async fn next(&mut self) -> Result<Option<Record>, Error> {
        if self.page.as_slice().is_empty() {
            let page = self.reader.page(self.table, self.after).await?;
            self.page = page.into_iter();
        }
        let next = self.page.next();
        if let Some(next) = &next {
            self.after = next.key();
        }
        Ok(next)
    }
}
