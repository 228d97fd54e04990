//! `[tables.NAME]`: CSV files in which rewrites look up an alert. They are read when the configuration is loaded.

mod read;

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use campanile_language::{Field, Row};
use campanile_model::Alert;
use serde_json::Value;

pub(super) use read::Wrong;

/// The largest file.
pub const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The most rows of a table, without its header.
pub const ROWS_MAX: usize = 200_000;

/// The most columns of a table.
pub const COLUMNS_MAX: usize = 256;

/// The most bytes of one cell: the longest value that a rewrite may set.
pub const CELL_BYTES_MAX: usize = campanile_language::VALUE_BYTES_MAX;

/// One table. Its cells are one text, because a text for each of some million cells would take several times its size.
pub struct Table {
    /// Its name.
    pub name: String,
    /// The file that it was read from.
    pub file: PathBuf,
    /// The field of the alert that is looked up.
    pub key: Field,
    /// The names of the columns, in the order of the file.
    pub columns: Vec<String>,
    cells: Cells,
    /// The number of each row by its key.
    rows: HashMap<Box<str>, u32>,
}

/// The cells of all rows, one after the other.
#[derive(Default)]
struct Cells {
    text: String,
    /// The end of each cell in `text`.
    ends: Vec<u32>,
}

impl Cells {
    fn push(&mut self, cell: &str) {
        self.text.push_str(cell);
        // The file is at most 16 MiB.
        self.ends
            .push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
    }

    fn get(&self, at: usize) -> &str {
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before));
        let start = start.copied().unwrap_or_default() as usize;
        let end = self.ends.get(at).copied().unwrap_or_default() as usize;
        self.text.get(start..end).unwrap_or_default()
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("name", &self.name)
            .field("rows", &self.rows.len())
            .finish_non_exhaustive()
    }
}

impl Table {
    /// The row of an alert. None: no row has its key. An empty cell is absent.
    pub fn row(&self, alert: &Alert) -> Option<Row> {
        let number = *self.rows.get(&*self.key.of(alert))? as usize;
        let first = number * self.columns.len();
        let cells = self.columns.iter().enumerate();
        let cells = cells.map(|(at, name)| (name, self.cells.get(first + at)));
        let filled = cells.filter(|(_, cell)| !cell.is_empty());
        Some(
            filled
                .map(|(name, cell)| (name.clone(), Value::from(cell)))
                .collect(),
        )
    }

    /// A row for the check of an expression: the first, with all columns.
    pub fn sample(&self) -> Row {
        let cells = self.columns.iter().enumerate();
        cells
            .map(|(at, name)| (name.clone(), Value::from(self.cells.get(at))))
            .collect()
    }

    /// All that it holds, for a comparison with the table of another gateway.
    pub(super) fn content(&self) -> String {
        let lengths = self.cells.ends.iter().map(u32::to_string);
        let lengths = lengths.collect::<Vec<_>>().join(",");
        format!("{:?}\n{lengths}\n{}", self.columns, self.cells.text)
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it has a header alone.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// The bytes of a file that is not too large.
pub(super) fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = File::open(path)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)?;
    if read as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other("it is larger than 16 MiB"));
    }
    Ok(bytes)
}

/// The settings of a table, before its file is read.
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) file: PathBuf,
    pub(super) key: Field,
    /// The column with the keys; without it the first.
    pub(super) column: Option<String>,
}
