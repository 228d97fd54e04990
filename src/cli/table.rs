//! Tables and details for terminals. Widths are those that are seen: a Chinese character takes two columns.

use jiff::Timestamp;
use serde_json::Value;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::failure::Failure;
use super::terminal::{Terminal, harmless, style_of};
use campanile_model::Clock;

/// The blanks between two columns.
const GAP: usize = 2;

/// To this a column is squeezed before others are left out: half a line of Chinese.
const EASY: usize = 24;

/// The least to which a column is squeezed.
const LEAST: usize = 12;

/// What is done with a column when a row is wider than the screen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// It stays: without it the row is of no use.
    Keep,
    /// It is cut short.
    Squeeze,
    /// It is left out.
    Drop,
}

/// One column of a list.
#[derive(Clone, Copy)]
pub(crate) struct Column {
    head: &'static str,
    /// Where in the item: a JSON pointer.
    at: &'static str,
    /// What is shown where nothing stands there.
    absent: &'static str,
    age: bool,
    fit: Fit,
}

impl Column {
    /// A column that shows what stands at this JSON pointer of each item.
    pub(crate) const fn new(head: &'static str, at: &'static str) -> Self {
        Self {
            head,
            at,
            absent: "",
            age: false,
            fit: Fit::Keep,
        }
    }

    /// A column that shows how long ago (or how soon) the time at this pointer is.
    pub(crate) const fn age(head: &'static str, at: &'static str) -> Self {
        Self {
            age: true,
            ..Self::new(head, at)
        }
    }

    /// The same, with these words where an item has nothing to show.
    pub(crate) const fn or(self, absent: &'static str) -> Self {
        Self { absent, ..self }
    }

    /// The same, cut short where the screen is too narrow.
    pub(crate) const fn squeeze(self) -> Self {
        Self {
            fit: Fit::Squeeze,
            ..self
        }
    }

    /// The same, left out where the screen is too narrow.
    pub(crate) const fn optional(self) -> Self {
        Self {
            fit: Fit::Drop,
            ..self
        }
    }

    fn cell(&self, item: &Value, now: Timestamp) -> String {
        let value = item.pointer(self.at).unwrap_or(&Value::Null);
        let mut text = plain(value);
        if text.is_empty() {
            self.absent.clone_into(&mut text);
        }
        match text.parse::<Timestamp>() {
            Ok(at) if self.age => age(now, at),
            _ => harmless(&text).replace(['\n', '\t'], " "),
        }
    }
}

/// Shows items as a table, in the width of the screen where there is one.
pub(crate) fn show(
    terminal: &mut Terminal,
    columns: &[Column],
    items: &[Value],
    now: Timestamp,
) -> Result<(), Failure> {
    let text: Vec<Vec<String>> = columns
        .iter()
        .map(|column| items.iter().map(|item| column.cell(item, now)).collect())
        .collect();
    let wanted: Vec<usize> = columns
        .iter()
        .zip(&text)
        .map(|(column, cells)| {
            cells
                .iter()
                .map(|c| c.width())
                .fold(column.head.width(), usize::max)
        })
        .collect();
    let widths = fit(columns, wanted, terminal.width());
    let heads: Vec<&str> = columns.iter().map(|column| column.head).collect();
    let head = row(&heads, &widths, |cell, _| cell);
    terminal.title(&head)?;
    for index in 0..items.len() {
        let cells: Vec<&str> = text
            .iter()
            .map(|column| column.get(index).map_or("", String::as_str))
            .collect();
        let line = row(&cells, &widths, |padded, word| {
            let painted = terminal.paint(style_of(word), word);
            padded.replacen(word, &painted, usize::from(!word.is_empty()))
        });
        terminal.line(line)?;
    }
    Ok(())
}

/// Shows a part of a page as a table after an empty line; nothing where it has no items.
pub(crate) fn section(
    terminal: &mut Terminal,
    columns: &[Column],
    items: &Value,
) -> Result<(), Failure> {
    match items.as_array() {
        Some(items) if !items.is_empty() => {
            terminal.line("")?;
            show(terminal, columns, items, Clock::machine().now())
        }
        _ => Ok(()),
    }
}

/// The width of each column; 0 leaves it out. Long columns give way first, then those that can be spared.
fn fit(columns: &[Column], mut widths: Vec<usize>, screen: Option<usize>) -> Vec<usize> {
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

/// The text in at most so many columns, with a mark where something is left out.
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

/// Shows one object: a line for each of its parts, those of inner objects after a dot.
pub(crate) fn detail(terminal: &mut Terminal, value: &Value) -> Result<(), Failure> {
    let mut parts = Vec::new();
    flatten(String::new(), value, &mut parts);
    let short = parts.iter().filter(|(_, text)| !text.contains('\n'));
    let width = short.map(|(name, _)| name.width()).max().unwrap_or(0);
    for (name, text) in &parts {
        if text.contains('\n') {
            terminal.title(name)?;
            for line in text.lines() {
                terminal.line(format_args!("    {line}"))?;
            }
        } else {
            let blanks = " ".repeat(width.saturating_sub(name.width()) + GAP);
            let painted = terminal.paint(style_of(text), text);
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

/// A JSON value as people write it.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// A span of time in one figure: `45s`, `12m`, `3h`, `9d`; `in 5m` for what is still to come.
fn age(now: Timestamp, at: Timestamp) -> String {
    let seconds = now.duration_since(at).as_secs();
    let figure = match seconds.unsigned_abs() {
        s @ 0..=119 => format!("{s}s"),
        s @ 120..=7_199 => format!("{}m", s / 60),
        s @ 7_200..=172_799 => format!("{}h", s / 3_600),
        s => format!("{}d", s / 86_400),
    };
    if seconds < 0 {
        format!("in {figure}")
    } else {
        figure
    }
}
