//! Tables and details for terminals. Widths are display widths: a Chinese character has two columns.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::failure::Failure;
use super::terminal::{Terminal, harmless, style_of};
use super::times::Times;

/// Spaces between two columns.
const GAP: usize = 2;

/// Columns are shortened to this width before other columns are left out: twelve Chinese characters.
const EASY: usize = 24;

/// No column is shortened below this width.
const LEAST: usize = 12;

/// What happens to a column if a row is wider than the screen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// It is always shown.
    Keep,
    /// It is shortened.
    Squeeze,
    /// It is left out.
    Drop,
}

/// How a column reads its cell from an item.
enum Find<T> {
    Text(fn(&T) -> String),
    Age(fn(&T) -> Option<Timestamp>),
    Time(fn(&T) -> Timestamp),
}

/// One column of a list of `T`.
pub(crate) struct Column<T> {
    head: &'static str,
    find: Find<T>,
    /// Shown if the cell is empty.
    absent: &'static str,
    fit: Fit,
}

impl<T> Column<T> {
    /// A column of text.
    pub(crate) const fn new(head: &'static str, text: fn(&T) -> String) -> Self {
        Self {
            head,
            find: Find::Text(text),
            absent: "",
            fit: Fit::Keep,
        }
    }

    /// A column that shows the distance between now and a time, or the local time.
    pub(crate) const fn age(head: &'static str, time: fn(&T) -> Option<Timestamp>) -> Self {
        Self {
            head,
            find: Find::Age(time),
            absent: "",
            fit: Fit::Keep,
        }
    }

    /// A column that shows the local time.
    pub(crate) const fn time(head: &'static str, time: fn(&T) -> Timestamp) -> Self {
        Self {
            head,
            find: Find::Time(time),
            absent: "",
            fit: Fit::Keep,
        }
    }

    /// Sets the text for an empty cell.
    pub(crate) const fn or(mut self, absent: &'static str) -> Self {
        self.absent = absent;
        self
    }

    /// Shortens the column if the screen is too narrow.
    pub(crate) const fn squeeze(mut self) -> Self {
        self.fit = Fit::Squeeze;
        self
    }

    /// Leaves the column out if the screen is too narrow.
    pub(crate) const fn optional(mut self) -> Self {
        self.fit = Fit::Drop;
        self
    }

    /// The heading. A column with the age of an item has the time of it with `--local`.
    fn head(&self, times: &Times) -> &'static str {
        match self.head {
            "AGE" if times.are_local() => "TIME",
            head => head,
        }
    }

    fn cell(&self, item: &T, times: &Times) -> String {
        let text = match self.find {
            Find::Text(text) => harmless(&text(item)).replace(['\n', '\t'], " "),
            Find::Age(time) => time(item).map(|at| times.brief(at)).unwrap_or_default(),
            Find::Time(time) => times.local(time(item)),
        };
        if text.is_empty() {
            return self.absent.to_owned();
        }
        text
    }
}

/// The text of an optional value; empty if there is none.
pub(crate) fn or_empty<D: ToString>(part: Option<&D>) -> String {
    part.map(ToString::to_string).unwrap_or_default()
}

/// Shows items as a table that fits the width of the screen, if there is a screen.
pub(crate) fn show<T>(
    terminal: &mut Terminal,
    columns: &[Column<T>],
    items: &[T],
) -> Result<(), Failure> {
    Sheet::new(columns).rows(terminal, items)
}

/// A table in parts. A later part has the columns of the earlier ones, or wider ones.
pub(crate) struct Sheet<'a, T> {
    columns: &'a [Column<T>],
    /// The widest cell of each column so far. Empty before the heading.
    wanted: Vec<usize>,
}

impl<'a, T> Sheet<'a, T> {
    pub(crate) fn new(columns: &'a [Column<T>]) -> Self {
        Self {
            columns,
            wanted: Vec::new(),
        }
    }

    /// Shows some items, after the heading if they are the first.
    pub(crate) fn rows(&mut self, terminal: &mut Terminal, items: &[T]) -> Result<(), Failure> {
        let times = terminal.times();
        let text: Vec<Vec<String>> = items
            .iter()
            .map(|item| self.columns.iter().map(|c| c.cell(item, times)).collect())
            .collect();
        let heads: Vec<&str> = self.columns.iter().map(|c| c.head(times)).collect();
        let is_first = self.wanted.is_empty();
        if is_first {
            self.wanted = heads.iter().map(|head| head.width()).collect();
        }
        for cells in &text {
            let widest = self.wanted.iter_mut().zip(cells);
            widest.for_each(|(wanted, cell)| *wanted = cell.width().max(*wanted));
        }
        let widths = fit(self.columns, self.wanted.clone(), terminal.width());
        if is_first {
            terminal.title(&row(&heads, &widths, |cell, _| cell))?;
        }
        for cells in &text {
            let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
            let line = row(&cells, &widths, |padded, word| {
                let painted = terminal.paint(style_of(word), word);
                padded.replacen(word, &painted, usize::from(!word.is_empty()))
            });
            terminal.line(line)?;
        }
        Ok(())
    }
}

/// Shows items as a table after an empty line. Prints nothing if there are no items.
pub(crate) fn section<T>(
    terminal: &mut Terminal,
    columns: &[Column<T>],
    items: &[T],
) -> Result<(), Failure> {
    if items.is_empty() {
        return Ok(());
    }
    terminal.line("")?;
    show(terminal, columns, items)
}

/// The width of each column; 0 leaves it out. Long columns are shortened first, then optional columns are left out.
fn fit<T>(columns: &[Column<T>], mut widths: Vec<usize>, screen: Option<usize>) -> Vec<usize> {
    let Some(screen) = screen else {
        return widths;
    };
    for (fit, least) in [(Fit::Squeeze, EASY), (Fit::Drop, 0), (Fit::Squeeze, LEAST)] {
        for (index, column) in columns.iter().enumerate().rev() {
            let over = total(&widths).saturating_sub(screen);
            let Some(width) = widths.get_mut(index) else {
                continue;
            };
            if column.fit == fit && over > 0 {
                let rest = width.saturating_sub(over).max(least.min(*width));
                *width = if fit == Fit::Drop { 0 } else { rest };
            }
        }
    }
    widths
}

fn total(widths: &[usize]) -> usize {
    let shown = widths.iter().filter(|width| **width > 0);
    shown
        .map(|width| width + GAP)
        .sum::<usize>()
        .saturating_sub(GAP)
}

fn row(cells: &[&str], widths: &[usize], dress: impl Fn(String, &str) -> String) -> String {
    let shown = cells.iter().zip(widths).filter(|(_, width)| **width > 0);
    let padded: Vec<String> = shown
        .map(|(cell, width)| {
            let cut = cut(cell, *width);
            let blanks = " ".repeat(width.saturating_sub(cut.width()));
            dress(format!("{cut}{blanks}"), &cut)
        })
        .collect();
    padded.join(&" ".repeat(GAP)).trim_end().to_owned()
}

/// The text in at most `width` columns, with `…` if it was shortened.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut room = width.saturating_sub(1);
    let kept = text.chars().take_while(|c| {
        let needs = c.width().unwrap_or(0);
        let fits = needs <= room;
        room = room.saturating_sub(needs);
        fits
    });
    let mut kept: String = kept.collect();
    kept.push('…');
    kept
}

/// Shows a text with several lines under its name.
pub(crate) fn text(terminal: &mut Terminal, name: &str, text: &str) -> Result<(), Failure> {
    terminal.title(name)?;
    for line in harmless(&text.replace('\r', "")).lines() {
        terminal.line(format_args!("    {line}"))?;
    }
    Ok(())
}

/// Shows one object: one line for each field. Fields of inner objects have names with a dot.
pub(crate) fn detail(terminal: &mut Terminal, value: &impl Serialize) -> Result<(), Failure> {
    let value = serde_json::to_value(value).map_err(std::io::Error::other)?;
    let mut parts = Vec::new();
    flatten(String::new(), &value, &mut parts);
    let short = parts.iter().filter(|(_, text)| !text.contains('\n'));
    let width = short.map(|(name, _)| name.width()).max().unwrap_or(0);
    for (name, text) in &parts {
        if text.contains('\n') {
            self::text(terminal, name, text)?;
        } else {
            let blanks = " ".repeat(width.saturating_sub(name.width()) + GAP);
            let text = terminal
                .times()
                .with_local(text)
                .unwrap_or_else(|| text.clone());
            let painted = terminal.paint(style_of(&text), &text);
            terminal.line(format_args!("{name}{blanks}{painted}"))?;
        }
    }
    Ok(())
}

fn flatten(name: String, value: &Value, parts: &mut Vec<(String, String)>) {
    let inner = |key: &str| match name.as_str() {
        "" => key.to_owned(),
        _ => format!("{name}.{key}"),
    };
    match value {
        Value::Null => {}
        Value::Object(map) => map
            .iter()
            .for_each(|(key, value)| flatten(inner(key), value, parts)),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .for_each(|(index, value)| flatten(inner(&(index + 1).to_string()), value, parts)),
        scalar => parts.push((name, harmless(&plain(scalar).replace('\r', "")))),
    }
}

/// A JSON value as plain text, without quotes.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
