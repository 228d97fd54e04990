//! Finds a measured value, its threshold and a level in a sentence for people.
//!
//! Nothing here fails. A value that the sentence does not state clearly is not found. It is never guessed.

use super::fields::number;
use campanile_model::Metric;

/// Signs and words that compare. A longer one is listed before those that it contains.
const COMPARATORS: &[(&str, &str)] = &[
    (">=", ">="),
    ("<=", "<="),
    ("==", "=="),
    ("!=", "!="),
    ("≥", ">="),
    ("≤", "<="),
    ("≠", "!="),
    (">", ">"),
    ("<", "<"),
    ("=", "=="),
    ("＞", ">"),
    ("＜", "<"),
    ("＝", "=="),
    ("大于等于", ">="),
    ("大於等於", ">="),
    ("小于等于", "<="),
    ("小於等於", "<="),
    ("不等于", "!="),
    ("大于", ">"),
    ("大於", ">"),
    ("高于", ">"),
    ("超过", ">"),
    ("小于", "<"),
    ("小於", "<"),
    ("低于", "<"),
    ("等于", "=="),
];

/// Words that precede a level such as `P0`.
const LEVEL_MARKS: &[&str] = &["level", "级别", "級別", "等级", "等級"];

/// Value, comparator, threshold and unit of a comparison such as `(330.00)<6000` or `（93.2%）大于 90%`.
pub(crate) fn comparison(text: &str) -> Option<Metric> {
    let mut opened = None;
    text.char_indices().find_map(|(at, sign)| match sign {
        '(' | '（' => {
            opened = Some(at + sign.len_utf8());
            None
        }
        // One opening bracket matches one closing bracket, so a text of only closing brackets takes linear time.
        ')' | '）' => {
            let inner = text.get(opened.take()?..at)?;
            compared(inner, text.get(at + sign.len_utf8()..)?)
        }
        _ => None,
    })
}

/// The comparison of the quantity in brackets with the text after them.
fn compared(inner: &str, after: &str) -> Option<Metric> {
    let (value, value_unit) = quantity(inner)?;
    let after = after.trim_start();
    let (comparator, after) = COMPARATORS
        .iter()
        .find_map(|(word, sign)| Some((*sign, after.strip_prefix(word)?)))?;
    let (threshold, rest) = leading_number(after.trim_start())?;
    let unit = if value_unit.is_empty() {
        leading_unit(rest)
    } else {
        value_unit
    };
    Some(Metric {
        name: None,
        value: number(value),
        comparator: Some(comparator.to_owned()),
        threshold: number(threshold),
        unit: Some(unit.to_owned()).filter(|unit| !unit.is_empty()),
    })
}

/// The level that a text names, such as the `P0` of `Alert Level P0` or of `告警级别：P0`.
pub(crate) fn level(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    LEVEL_MARKS.iter().find_map(|mark| {
        text.match_indices(mark).find_map(|(at, _)| {
            let (_, after) = text.split_at_checked(at + mark.len())?;
            let after = after.trim_start_matches([' ', ':', '：', '[', '【']);
            let digits = after.strip_prefix('p')?;
            let length = digits.bytes().take_while(u8::is_ascii_digit).count();
            let (digits, rest) = digits.split_at_checked(length)?;
            let ends = !rest.starts_with(|c: char| c.is_ascii_alphanumeric());
            ((1..=2).contains(&length) && ends).then(|| format!("P{digits}"))
        })
    })
}

/// A number and the unit after it, if the text has nothing else.
fn quantity(text: &str) -> Option<(&str, &str)> {
    let (value, unit) = leading_number(text.trim())?;
    let unit = unit.trim();
    let plain = unit.chars().all(|c| c.is_alphabetic() || is_unit(c));
    (plain && unit.chars().count() <= 12).then_some((value, unit))
}

fn leading_number(text: &str) -> Option<(&str, &str)> {
    let is_part = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+');
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let (given, rest) = text.split_at_checked(end)?;
    // A full stop can end the sentence instead of being part of the number.
    let given = given.trim_end_matches('.');
    number(given).map(|_| (given, rest))
}

/// A unit in Latin letters directly after a number. Other scripts have no blank between a unit and the next word.
fn leading_unit(text: &str) -> &str {
    let end = text.find(|c| !is_unit(c)).unwrap_or(text.len());
    text.split_at_checked(end).map_or("", |(unit, _)| unit)
}

fn is_unit(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, '%' | '/' | '°' | 'µ')
}
