//! Text for phones: cut to a length, for SMS and for speech.

use std::iter::Peekable;

/// Ends a text that was cut.
pub const MARK: char = '…';

/// The text if it fits, else its beginning, cut on a border of characters, with [`MARK`] where something is missing. `size`
/// is what a character counts.
#[must_use]
pub fn cut(text: &str, most: usize, size: impl Fn(char) -> usize) -> String {
    if text.chars().map(&size).sum::<usize>() <= most {
        return text.to_owned();
    }
    let mut left = most.saturating_sub(size(MARK));
    let fits = |c: &char| {
        let room = left.checked_sub(size(*c));
        left = room.unwrap_or(left);
        room.is_some()
    };
    let mut kept: String = text.chars().take_while(fits).collect();
    kept.push(MARK);
    kept
}

/// The text without emoji and typographic signs. One of them makes an SMS of 160 characters one of 70. Brackets are round,
/// because square ones mark the sender in China.
pub(crate) fn sms(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // Campanile's own mark between two parts of a line.
            '·' => {
                plain.truncate(plain.trim_end_matches(' ').len());
                plain.push(',');
            }
            MARK => plain.push_str("..."),
            '≤' => plain.push_str("<="),
            '≥' => plain.push_str(">="),
            c => plain.extend(sign(c)),
        }
    }
    let lines = plain.lines().map(collapsed);
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// The sign that an SMS has for this one, or nothing.
fn sign(c: char) -> Option<char> {
    match c {
        '‘' | '’' | '‚' | '‛' => Some('\''),
        '“' | '”' | '„' => Some('"'),
        '‐' | '‑' | '–' | '—' | '−' | '•' => Some('-'),
        '×' => Some('x'),
        '[' | '【' => Some('('),
        ']' | '】' => Some(')'),
        // The blanks of typography. The last one breaks what would be a mention.
        '\u{a0}' | '\u{2000}'..='\u{200b}' | '\u{202f}' | '\u{3000}' => Some(' '),
        c if is_picture(c) => None,
        c => Some(c),
    }
}

fn is_picture(c: char) -> bool {
    matches!(c,
        '\u{2300}'..='\u{23ff}' | '\u{25a0}'..='\u{27bf}' | '\u{2b00}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}'
        // What joins and colours emoji.
        | '\u{200c}' | '\u{200d}' | '\u{2060}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}')
}

fn collapsed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text for a voice: letters, blanks, and digits one by one. A machine reads `db-01` as a word and `%` as anything.
pub(crate) fn spoken(text: &str) -> String {
    let mut said = String::with_capacity(text.len() * 2);
    let mut chars = text.chars().peekable();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        if c.is_ascii_digit() || (c == '.' && is_point(before, &mut chars)) {
            said.extend([' ', c, ' ']);
        } else {
            said.push(if c.is_alphanumeric() { c } else { ' ' });
        }
        before = c;
    }
    collapsed(&said)
}

/// Whether a dot is between two digits.
fn is_point(before: char, after: &mut Peekable<impl Iterator<Item = char>>) -> bool {
    before.is_ascii_digit() && after.peek().is_some_and(char::is_ascii_digit)
}
