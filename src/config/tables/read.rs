//! Reads the CSV of a table, or says what is wrong with it and where.

use std::collections::HashMap;

use csv::{ReaderBuilder, StringRecord, Trim};

use super::{CELL_BYTES_MAX, COLUMNS_MAX, Cells, ROWS_MAX, Table, Wanted};

/// So many mistakes of one file are reported.
const MISTAKES_MAX: usize = 10;

/// A mistake in the file.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::config) struct Wrong {
    /// The line, from 1.
    pub(in crate::config) line: usize,
    /// The character of the line, from 1.
    pub(in crate::config) column: usize,
    /// The line as it is written.
    pub(in crate::config) source: String,
    pub(in crate::config) message: String,
    pub(in crate::config) expected: String,
}

impl Table {
    /// Reads the table from the bytes of its file.
    pub(in crate::config) fn read(wanted: Wanted, bytes: &[u8]) -> Result<Self, Vec<Wrong>> {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes)
            .map_err(|error| vec![not_utf8(bytes, error.valid_up_to())])?;
        let mut reader = Reader {
            text,
            mistakes: Vec::new(),
        };
        let table = reader.table(wanted);
        match table {
            Some(table) if reader.mistakes.is_empty() => Ok(table),
            _ => Err(reader.mistakes),
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    mistakes: Vec<Wrong>,
}

impl Reader<'_> {
    fn table(&mut self, wanted: Wanted) -> Option<Table> {
        let mut csv = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(Trim::All)
            .from_reader(self.text.as_bytes());
        let mut record = StringRecord::new();
        // The text is UTF-8 and lines may have any length, so reading cannot fail.
        if !csv.read_record(&mut record).unwrap_or_default() {
            self.wrong_at(
                0,
                "the file is empty",
                "a line with the names of the columns",
            );
            return None;
        }
        let columns: Vec<String> = record.iter().map(str::to_owned).collect();
        let by = self.header(&columns, &wanted)?;
        let mut cells = Cells::default();
        let mut rows: HashMap<Box<str>, u32> = HashMap::new();
        while csv.read_record(&mut record).unwrap_or_default() && self.mistakes.len() < MISTAKES_MAX
        {
            // Spreadsheets write lines of commas after the last row.
            if record.iter().all(str::is_empty) {
                continue;
            }
            if rows.len() == ROWS_MAX {
                let at = self.start(&record);
                self.wrong_at(
                    at,
                    format!("the table has more than {ROWS_MAX} rows"),
                    "a smaller table",
                );
                break;
            }
            let number = u32::try_from(rows.len()).unwrap_or(u32::MAX);
            if let Some(key) = self.row(&record, columns.len(), by)
                && self.is_new(&record, by, rows.insert(key, number))
            {
                record.iter().for_each(|cell| cells.push(cell));
            }
        }
        Some(Table {
            name: wanted.name,
            file: wanted.file,
            key: wanted.key,
            columns,
            cells,
            rows,
        })
    }

    /// The place of the column with the keys.
    fn header(&mut self, columns: &[String], wanted: &Wanted) -> Option<usize> {
        let before = self.mistakes.len();
        if columns.len() > COLUMNS_MAX {
            let message = format!("the table has {} columns", columns.len());
            self.wrong_at(0, message, format!("at most {COLUMNS_MAX}"));
            return None;
        }
        for (at, name) in columns.iter().enumerate() {
            let place = self.cell(0, at);
            if name.is_empty() {
                self.wrong_at(
                    place,
                    "a column has no name",
                    "a name in the first line for each column",
                );
            } else if columns.iter().take(at).any(|earlier| earlier == name) {
                let message = format!("two columns are called `{}`", shortened(name));
                self.wrong_at(place, message, "another name");
            }
        }
        let by = match &wanted.column {
            Some(wanted) => columns.iter().position(|name| name == wanted),
            None => Some(0),
        };
        if let (None, Some(column)) = (by, &wanted.column) {
            let message = format!("there is no column `{}`", shortened(column));
            self.wrong_at(
                0,
                message,
                campanile_settings::one_of(columns.iter().map(String::as_str)),
            );
        }
        by.filter(|_| self.mistakes.len() == before)
    }

    /// The key of a row without mistakes.
    fn row(&mut self, record: &StringRecord, columns: usize, by: usize) -> Option<Box<str>> {
        let start = self.start(record);
        if let Some(at) = record.iter().position(|cell| cell.len() > CELL_BYTES_MAX) {
            let place = self.cell(start, at);
            let message = format!("a cell has more than {CELL_BYTES_MAX} bytes");
            self.wrong_at(
                place,
                message,
                "a shorter text; a quote that is not closed takes all that follows",
            );
            return None;
        }
        if record.len() != columns {
            let message = format!(
                "the row has {} cells, but the first line has {columns} columns",
                record.len()
            );
            self.wrong_at(
                start,
                message,
                "a cell for each column; a text with a comma is in quotes",
            );
            return None;
        }
        let key = record.get(by).unwrap_or_default();
        if key.is_empty() {
            let place = self.cell(start, by);
            self.wrong_at(
                place,
                "the row has no key",
                "the value of the alert for which the row is",
            );
            return None;
        }
        Some(key.into())
    }

    /// Whether no earlier row has the same key.
    fn is_new(&mut self, record: &StringRecord, by: usize, earlier: Option<u32>) -> bool {
        if earlier.is_none() {
            return true;
        }
        let place = self.cell(self.start(record), by);
        let key = record.get(by).unwrap_or_default();
        let message = format!("two rows have the key `{}`", shortened(key));
        self.wrong_at(place, message, "one row for each key");
        false
    }

    /// The first byte of a record. The parser counts the end of the line before it as a part of it.
    fn start(&self, record: &StringRecord) -> usize {
        let at = record.position().map_or(0, csv::Position::byte);
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let rest = self.text.get(at..).unwrap_or_default();
        at + rest.len() - rest.trim_start_matches(['\r', '\n']).len()
    }

    /// The first byte of a cell of the record that starts at this byte.
    fn cell(&self, start: usize, number: usize) -> usize {
        let rest = self.text.get(start..).unwrap_or_default();
        let mut quoted = false;
        let mut commas = rest.char_indices().filter_map(|(at, c)| {
            quoted ^= c == '"';
            (c == ',' && !quoted).then_some(at + 1)
        });
        let at = number
            .checked_sub(1)
            .map_or(Some(0), |before| commas.nth(before));
        start + at.unwrap_or_default()
    }

    fn wrong_at(&mut self, byte: usize, message: impl Into<String>, expected: impl Into<String>) {
        let (line, column, source) = place(self.text, byte);
        self.mistakes.push(Wrong {
            line,
            column,
            source: source.to_owned(),
            message: message.into(),
            expected: expected.into(),
        });
    }
}

/// Line, column and the whole line of a byte.
fn place(text: &str, byte: usize) -> (usize, usize, &str) {
    let before = text.get(..byte).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = text.get(start..).and_then(|rest| rest.lines().next());
    let column = before.get(start..).unwrap_or_default().chars().count() + 1;
    (
        before.matches('\n').count() + 1,
        column,
        line.unwrap_or_default(),
    )
}

fn not_utf8(bytes: &[u8], valid: usize) -> Wrong {
    let before = bytes.get(..valid).unwrap_or_default();
    let text = String::from_utf8_lossy(before);
    let (line, column, source) = place(&text, text.len());
    Wrong {
        line,
        column,
        source: source.to_owned(),
        message: "the file is not in UTF-8".to_owned(),
        expected: "a CSV file in UTF-8, in Excel the type `CSV UTF-8`".to_owned(),
    }
}

/// At most 40 characters of what was written.
fn shortened(name: &str) -> String {
    name.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use campanile_language::{Field, sample_alerts};

    use super::*;

    fn read(text: &[u8], column: Option<&str>) -> Result<Table, Vec<Wrong>> {
        let wanted = Wanted {
            name: "cmdb".to_owned(),
            file: "cmdb.csv".into(),
            key: Field::parse("resource.id").unwrap(),
            column: column.map(str::to_owned),
        };
        Table::read(wanted, text)
    }

    fn said(text: &[u8]) -> Vec<(usize, usize, String)> {
        let wrong = read(text, None).unwrap_err().into_iter();
        wrong
            .map(|wrong| (wrong.line, wrong.column, wrong.message))
            .collect()
    }

    #[test]
    fn a_row_is_found_by_its_key_and_an_empty_cell_is_absent() {
        let text = "\u{feff}team, id ,\"owner, name\"\r\nweb,uhost-0,\r\n\r\n\"db\",uhost-1,\"Ann \"\"A\"\"\nline two\"\r\n,,\r\n";
        let table = read(text.as_bytes(), Some("id")).unwrap();
        assert_eq!((table.len(), table.is_empty()), (2, false));
        assert_eq!(table.columns, ["team", "id", "owner, name"]);
        let [alert, bare] = sample_alerts();
        let row = table.row(&alert).unwrap();
        assert_eq!(row["team"], "db");
        assert_eq!(row["owner, name"], "Ann \"A\"\nline two");
        assert!(table.row(&bare).is_none());
        assert_eq!(table.sample()["owner, name"], "");
        let mut other = alert;
        other.resource.id = Some("uhost-0".to_owned());
        assert!(!table.row(&other).unwrap().contains_key("owner, name"));
    }

    #[test]
    fn mistakes_have_a_line_and_a_column_and_all_of_them_are_reported() {
        let text = b"id,team\r\na,db\r\n\r\nb\r\n,web\r\na,web\r\n";
        let all = said(text);
        let places: Vec<_> = all
            .iter()
            .map(|(line, column, _)| (*line, *column))
            .collect();
        assert_eq!(places, [(4, 1), (5, 1), (6, 1)], "{all:?}");
        assert!(all[0].2.contains("1 cells") && all[2].2.contains("the key `a`"));
        let twice = said("名稱,\"a,b\",team,team,\n".as_bytes());
        assert_eq!((twice[0].0, twice[0].1), (1, 15), "{twice:?}");
        assert!(twice[1].2.contains("no name"));
        assert_eq!(said(b"")[0].2, "the file is empty");
        let gbk = said(b"id,team\na,\xca\xfd\n");
        assert_eq!((gbk[0].0, gbk[0].1), (2, 3));
        assert!(
            read(b"id\na\n", Some("key")).unwrap_err()[0]
                .message
                .contains("no column `key`")
        );
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let open = format!("id,note\na,\"{}\n", "x,\n".repeat(2000));
        assert!(said(open.as_bytes())[0].2.contains("a cell has more than"));
        let many = (0..=ROWS_MAX).map(|n| format!("{n},x"));
        let many = many.collect::<Vec<_>>().join("\n");
        let many = said(format!("id,team\n{many}").as_bytes());
        assert_eq!(many[0].0, ROWS_MAX + 2);
        let wide = ["c"; COLUMNS_MAX + 1].join(",");
        assert!(said(wide.as_bytes())[0].2.contains("257 columns"));
        let wrong = "x\n".repeat(100);
        assert_eq!(
            said(format!("id,team\n{wrong}").as_bytes()).len(),
            MISTAKES_MAX
        );
    }
}
