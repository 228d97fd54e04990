//! Searches alerts, newest first, in pages, so that the search can end when its patience is over: then it says how far it looked.
//!
//! A page is the next rows of one index: of a problem, of a source and a severity, or of all alerts. The other conditions are
//! tested on the rows of the page, so a page costs the same when nothing matches.

use campanile_model::Severity;
use jiff::Timestamp;
use tokio_postgres::{Client, Row};

use super::alerts::{Bodies, COLUMNS};
use super::list::{Values, limit};
use super::{places, source_number};
use crate::postgres::numbers::{severity_number, sink_number, status_number};
use crate::postgres::pool::Fault;
use crate::postgres::session::Session;
use crate::text::Wanted;
use crate::{AlertFilter, Listed, Searched, Seq, SinkId, StoredAlert};

/// Rows of the first page of which some may not match, and of a page that is decompressed to look at its text.
const PAGE_ROWS: i64 = 250;

/// Each page whose text is not looked at has twice the rows of the one before, up to this.
const PAGE_ROWS_MAX: i64 = 2_000;

/// Alerts that match the filter.
pub(crate) async fn alerts(
    session: &Session,
    filter: &AlertFilter,
) -> Result<Listed<StoredAlert>, Fault> {
    let mut listed = Listed {
        rows: Vec::new(),
        searched: None,
    };
    let client = &session.client;
    if !is_known(client, filter.sink).await? {
        return Ok(listed);
    }
    let Some(range) = places::range(client, filter).await? else {
        return Ok(listed);
    };
    let source = source_number(client, filter.source.as_deref()).await?;
    let wanted = Wanted::of(filter);
    let search = Search {
        session,
        filter,
        source,
        wanted,
    };
    listed.searched = search.run(range, &mut listed.rows).await?;
    Ok(listed)
}

/// An alert is never pending for a sink that has no number, so the search would look at everything in vain.
async fn is_known(client: &Client, sink: Option<SinkId>) -> Result<bool, Fault> {
    let Some(sink) = sink else { return Ok(true) };
    let exists = "SELECT EXISTS (SELECT FROM sink WHERE id = $1)";
    let row = client.query_one(exists, &[&sink_number(sink)]).await?;
    Ok(row.get(0))
}

/// A search that is under way.
struct Search<'s> {
    session: &'s Session,
    filter: &'s AlertFilter,
    source: Option<i32>,
    wanted: Option<Wanted<'s>>,
}

/// What one page has.
struct Page {
    /// Those that match, except for their text.
    rows: Vec<Row>,
    /// The last row that was looked at.
    last: Option<Searched>,
    /// There can be another page.
    is_full: bool,
}

impl Search<'_> {
    /// Returns how far it looked if it ended early.
    async fn run(
        &self,
        (lowest, mut before): (Seq, Seq),
        found: &mut Vec<StoredAlert>,
    ) -> Result<Option<Searched>, Fault> {
        let mut rows = PAGE_ROWS;
        while !self.is_full(found) {
            let left = limit((self.filter.limit as usize).saturating_sub(found.len()));
            let page = self.page((lowest, before), rows, left).await?;
            if let Some(searched) = self.take(&page, found).await? {
                return Ok(Some(searched));
            }
            let Some(last) = page.last.filter(|_| page.is_full) else {
                break;
            };
            if self.is_full(found) {
                break;
            }
            if self.filter.patience.is_over() {
                return Ok(Some(last));
            }
            before = last.before;
            if self.wanted.is_none() {
                rows = (rows * 2).min(PAGE_ROWS_MAX);
            }
        }
        Ok(None)
    }

    fn is_full(&self, found: &[StoredAlert]) -> bool {
        found.len() >= self.filter.limit as usize
    }

    /// Takes what matches of a page. Returns how far it looked if it ended early.
    async fn take(
        &self,
        page: &Page,
        found: &mut Vec<StoredAlert>,
    ) -> Result<Option<Searched>, Fault> {
        let bodies = Bodies::of(self.session, &page.rows).await?;
        for (at, row) in page.rows.iter().enumerate() {
            let alert = bodies.alert(row)?;
            let Some(wanted) = &self.wanted else {
                found.push(alert);
                continue;
            };
            if wanted.is_in(&alert.json) {
                found.push(alert);
            }
            if self.is_full(found) {
                return Ok(None);
            }
            let has_more = page.is_full || at + 1 < page.rows.len();
            if has_more && self.filter.patience.is_over() {
                return Ok(Some(searched(row)));
            }
        }
        Ok(None)
    }

    /// The next rows of the index, newest first, and those of them that match.
    async fn page(&self, range: (Seq, Seq), rows: i64, left: i64) -> Result<Page, Fault> {
        let mut values = Values::default();
        let tests = self.tests(&mut values);
        let (rows, shown) = match (&self.wanted, tests.is_empty()) {
            (Some(_), _) => (rows, rows),
            (None, true) => (left, left),
            (None, false) => (rows, left),
        };
        let index = self.index(&mut values, range, rows);
        let tests = if tests.is_empty() {
            "true".to_owned()
        } else {
            tests.join(" AND ")
        };
        let select = format!(
            "WITH page AS MATERIALIZED ({index}), looked AS (
                 SELECT seq, received, count(*) OVER () AS rows FROM page ORDER BY seq LIMIT 1
             ), matching AS (SELECT * FROM page a WHERE {tests} ORDER BY seq DESC LIMIT {shown})
             SELECT {COLUMNS}, a.received, l.seq, l.received, l.rows
             FROM looked l LEFT JOIN matching a ON true ORDER BY a.seq DESC"
        );
        let mut matching = self.session.client.query(&select, &values.all()).await?;
        let last = matching.first().map(|row| Searched {
            before: row.get(7),
            at: row.get(8),
        });
        let looked = matching.first().map_or(0, |row| row.get::<_, i64>(9));
        matching.retain(|row| row.get::<_, Option<Seq>>(0).is_some());
        Ok(Page {
            rows: matching,
            last,
            is_full: looked >= rows,
        })
    }

    /// The rows of a page: those of one index that has them in order of place.
    fn index(&self, values: &mut Values, range: (Seq, Seq), rows: i64) -> String {
        let severity = self.filter.severity.map(severity_number);
        match (self.filter.fingerprint, self.source, severity) {
            (Some(fingerprint), ..) => {
                let fingerprint = values.put(fingerprint.0.cast_signed());
                newest(&[("fingerprint", &fingerprint)], range, rows)
            }
            (None, None, None) => newest(&[], range, rows),
            (None, source, severity) => groups(values, range, rows, (source, severity)),
        }
    }

    /// What the index of the page does not answer.
    fn tests(&self, values: &mut Values) -> Vec<String> {
        let filter = self.filter;
        let mut tests = Vec::new();
        let mut add = |test: String| tests.push(test);
        if let Some(status) = filter.status {
            add(format!("status = {}", values.put(status_number(status))));
        }
        if let Some(since) = filter.since {
            add(format!("received >= {}", values.put(since)));
        }
        if let Some(until) = filter.until {
            add(format!("received <= {}", values.put(until)));
        }
        if let Some(sink) = filter.sink {
            // Not EXISTS: for many rows the server would read both tables as a whole.
            let sink = values.put(sink_number(sink));
            add(format!(
                "coalesce((SELECT true FROM pending p WHERE p.sink = {sink} AND p.seq = a.seq),
                          (SELECT true FROM attempt t WHERE t.seq = a.seq AND t.sink = {sink} LIMIT 1), false)"
            ));
        }
        if filter.fingerprint.is_some() {
            if let Some(source) = self.source {
                add(format!("source = {}", values.put(source)));
            }
            if let Some(severity) = filter.severity {
                add(format!(
                    "severity = {}",
                    values.put(severity_number(severity))
                ));
            }
        }
        tests
    }
}

/// The newest rows of a range of places, of those that have these values in these columns. A row comparison, not an equality: the
/// server then has the order from the index of these columns and the place only, also when it takes the values for common ones.
fn newest(columns: &[(&str, &str)], (lowest, before): (Seq, Seq), rows: i64) -> String {
    let all = |part: fn(&(&str, &str)) -> String| columns.iter().map(part).collect::<String>();
    let names = all(|(name, _)| format!("{name}, "));
    let values = all(|(_, value)| format!("{value}, "));
    let order = all(|(name, _)| format!("{name} DESC, "));
    let of_columns = if columns.is_empty() {
        String::new()
    } else {
        format!(" AND ({names} seq) >= ({values} {lowest}) AND ({names} seq) < ({values} {before})")
    };
    format!(
        "SELECT * FROM alert WHERE seq >= {lowest} AND seq < {before}{of_columns}
         ORDER BY {order} seq DESC LIMIT {rows}"
    )
}

fn searched(row: &Row) -> Searched {
    let (before, at): (Seq, Timestamp) = (row.get(0), row.get(6));
    Searched { before, at }
}

/// The newest rows of the newest ones of each source and severity: one of them or both are asked for.
fn groups(
    values: &mut Values,
    range: (Seq, Seq),
    rows: i64,
    (source, severity): (Option<i32>, Option<i16>),
) -> String {
    let sources = match source {
        Some(source) => format!("SELECT {}::int AS source", values.put(source)),
        None => "SELECT id AS source FROM name WHERE kind = 'source'".to_owned(),
    };
    let severities = match severity {
        Some(severity) => format!("SELECT {}::smallint AS severity", values.put(severity)),
        None => format!(
            "SELECT generate_series(0, {})::smallint AS severity",
            Severity::ALL.len() - 1
        ),
    };
    let each = newest(
        &[("source", "g.source"), ("severity", "g.severity")],
        range,
        rows,
    );
    format!(
        "SELECT a.* FROM (SELECT * FROM ({sources}) s CROSS JOIN ({severities}) v) g
         CROSS JOIN LATERAL ({each}) a ORDER BY a.seq DESC LIMIT {rows}"
    )
}
