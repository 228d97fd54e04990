//! What a comparison of two stores found.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::digest::{BUCKET, Digest, Sum};
use super::rows::Table;

/// Differences that are listed. The others are counted.
const FOUND_MAX: usize = 100;

/// The rows of a table, of one source or of all.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Row {
    /// The table.
    pub table: &'static str,
    /// The full name of the source, where rows have one.
    pub source: Option<String>,
    /// Rows in the source of the copy.
    pub from: u64,
    /// Rows in its target.
    pub to: u64,
    /// Whether the hashes are the same too.
    pub same: bool,
}

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// One row for each table and source.
    pub tables: Vec<Row>,
    /// Alerts whose JSON was compared byte by byte.
    pub bodies: u64,
    /// How many differences there are.
    pub differences: u64,
    /// One sentence each, at most 100.
    pub found: Vec<String>,
}

impl Report {
    /// Whether both sides are the same.
    pub fn is_same(&self) -> bool {
        self.differences == 0
    }

    pub(super) fn note(&mut self, what: String) {
        self.differences += 1;
        if self.found.len() < FOUND_MAX {
            self.found.push(what);
        }
    }

    pub(super) fn of(one: &Digest, other: &Digest, sources: &HashMap<i64, String>) -> Self {
        let mut report = Self::default();
        let mut totals: BTreeMap<(Table, i64), Row> = BTreeMap::new();
        let places: BTreeSet<_> = one.0.keys().chain(other.0.keys()).copied().collect();
        for place in places {
            let (table, bucket, source) = place;
            let of = |digest: &Digest| digest.0.get(&place).copied().unwrap_or_default();
            let (from, to): (Sum, Sum) = (of(one), of(other));
            let name = sources.get(&source).cloned();
            let row = totals.entry((table, source)).or_insert_with(|| Row {
                table: table.shown(),
                source: name.clone(),
                from: 0,
                to: 0,
                same: true,
            });
            row.from += from.rows;
            row.to += to.rows;
            if from != to {
                row.same = false;
                report.note(difference(table, bucket, name.as_deref(), (from, to)));
            }
        }
        report.tables = totals.into_values().collect();
        report
    }
}

fn difference(table: Table, bucket: i64, source: Option<&str>, (from, to): (Sum, Sum)) -> String {
    let of = source.map(|name| format!(" of {name}")).unwrap_or_default();
    let (first, last) = (bucket * BUCKET, (bucket + 1) * BUCKET - 1);
    let what = if from.rows == to.rows {
        format!("{} rows on both sides, with other contents", from.rows)
    } else {
        format!(
            "{} rows in the source, {} in the target",
            from.rows, to.rows
        )
    };
    format!("{}{of}, numbers {first} to {last}: {what}", table.shown())
}
