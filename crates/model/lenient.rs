//! Repairs JSON that a template of a vendor made invalid.
//!
//! Templates insert values between quotes without escaping them, and write commas even when no part follows. This
//! module repairs exactly these errors: a comma before `}` or `]`, a comma with nothing before it, several commas in a
//! row, a missing value after `:` (it becomes `null`), a `\` that does not begin an escape of JSON (`C:\Data`), and raw
//! control characters in strings. It is one pass over the text. Text that is already valid JSON keeps its meaning.

use std::fmt::Write as _;

/// `text` with these errors repaired. The result can still be invalid: the parser decides.
#[must_use]
pub fn repaired(text: &str) -> String {
    let mut repair = Repair::default();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let taken = if next == '"' {
            repair.string(rest)
        } else {
            repair.mark(next);
            next.len_utf8()
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    repair.out
}

#[derive(Default)]
struct Repair {
    out: String,
    /// The last written character that is not white space.
    last: Option<char>,
    /// A comma was read. It is written only when a value follows.
    comma: bool,
}

impl Repair {
    /// Reads one character outside strings.
    fn mark(&mut self, mark: char) {
        match mark {
            ' ' | '\n' | '\r' | '\t' => return self.out.push(mark),
            ',' => {
                self.missing_value();
                self.comma = true;
                return;
            }
            '}' | ']' => {
                self.missing_value();
                self.comma = false;
            }
            _ => self.pending_comma(),
        }
        self.out.push(mark);
        self.last = Some(mark);
    }

    fn missing_value(&mut self) {
        if self.last == Some(':') {
            self.out.push_str("null");
            self.last = Some('l');
        }
    }

    fn pending_comma(&mut self) {
        let follows_a_value = !matches!(self.last, None | Some('{' | '['));
        if std::mem::take(&mut self.comma) && follows_a_value {
            self.out.push(',');
        }
    }

    /// Reads the string at the start of `text` and returns its length.
    fn string(&mut self, text: &str) -> usize {
        self.pending_comma();
        self.out.push('"');
        self.last = Some('"');
        let mut at = 1;
        while let Some((next, rest)) = text.get(at..).and_then(split_first) {
            at += next.len_utf8();
            match next {
                '"' => {
                    self.out.push('"');
                    break;
                }
                '\\' => at += self.escape(rest),
                '\n' => self.out.push_str("\\n"),
                '\t' => self.out.push_str("\\t"),
                c if c.is_ascii_control() => {
                    let _infallible = write!(self.out, "\\u{:04x}", u32::from(c));
                }
                c => self.out.push(c),
            }
        }
        at
    }

    /// Reads the text after a `\` and returns how many bytes of it belong to the escape.
    fn escape(&mut self, rest: &str) -> usize {
        let length = match rest.bytes().next() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 1,
            Some(b'u') => match (code_unit(rest), rest.get(5..).and_then(after_backslash)) {
                (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 11,
                // An unpaired surrogate is kept as text: a replacement character would make two different ids equal.
                (Some(0xD800..=0xDFFF) | None, _) => 0,
                (Some(_), _) => 5,
            },
            _ => 0,
        };
        self.out.push_str(if length == 0 { "\\\\" } else { "\\" });
        self.out.push_str(rest.get(..length).unwrap_or_default());
        length
    }
}

fn split_first(text: &str) -> Option<(char, &str)> {
    let first = text.chars().next()?;
    Some((first, text.get(first.len_utf8()..)?))
}

/// The number in `uXXXX`.
fn code_unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix('u')?.get(..4)?;
    let hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
    hex.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
}

/// The number in `\uXXXX`.
fn after_backslash(text: &str) -> Option<u16> {
    code_unit(text.strip_prefix('\\')?)
}

#[cfg(test)]
mod tests {
    use super::repaired;
    use serde_json::{Value, json};

    fn read(text: &str) -> Option<Value> {
        serde_json::from_str(&repaired(text)).ok()
    }

    #[test]
    fn what_templates_break_is_repaired() {
        for (text, wanted) in [
            (r#"{"a": [1, 2, ], }"#, json!({"a": [1, 2]})),
            (r#"{"a": 1, , "b": 2}"#, json!({"a": 1, "b": 2})),
            ("{\"a\": 1,\n ,\n \"b\": 2,,}", json!({"a": 1, "b": 2})),
            ("[,1,,[,],{,}]", json!([1, [], {}])),
            (", {\"a\": 1},", json!({"a": 1})),
            (
                r#"{"a": , "b": , "c":}"#,
                json!({"a": null, "b": null, "c": null}),
            ),
            (r#"{"a": "C:\Data\x"}"#, json!({"a": "C:\\Data\\x"})),
            (r#"{"a": "C:\users\u12"}"#, json!({"a": "C:\\users\\u12"})),
            (
                r#"["\ud83d", "\udd14x", "\ud83d\udd14"]"#,
                json!(["\\ud83d", "\\udd14x", "🔔"]),
            ),
            ("[\"a\nb\tc\u{1}\"]", json!(["a\nb\tc\u{1}"])),
        ] {
            assert_eq!(read(text), Some(wanted), "{text}");
        }
    }

    #[test]
    fn what_stands_in_a_string_is_not_taken_for_a_mark() {
        let text = r#"{"a": "x,,}", "b\"": ",]", "c\\": "\u002c,"}"#;
        assert_eq!(read(text), serde_json::from_str(text).ok());
    }

    #[test]
    fn what_has_more_than_one_meaning_is_not_repaired() {
        for text in [
            r#"{"a": "[{"b": 1}]"}"#,
            r#"{"a" 1}"#,
            r#"{"a": 1 "b": 2}"#,
            r#"{"a": 1"#,
            r#"{"a": "x"#,
            r#"{"a": x}"#,
            "",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
